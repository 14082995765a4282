"""What Alembic runs: the revisions, on the connection it was handed."""

from alembic import context

from stores.schema import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
