"""One user's attempts at another's rows, written by somebody who did not build the defence.

Each query of `scope_attempts.jsonl` is asked twice by the same user: of a database with everybody's rows, and of one that
holds nothing but this user's own. Where the two answers differ, in rows, in a count or in the words of an error,
something of the others has come through.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stores.database import Database
from stores.errors import AssistantError, DatabaseUnavailable
from tests.postgres import admin

CASES = [json.loads(line) for line in Path(__file__).with_name("scope_attempts.jsonl").read_text("utf-8").splitlines()]
SCOPES = {"customers": "id = :user", "orders": "customer_id = :user", "kunden": "id = :user", "aufträge": "kunde = :user"}
MARKERS = ("SECRET", "77700")  # long enough that the fraction of a clock's second is not taken for one

TABLES = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
CREATE TABLE kunden (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE "aufträge" (id INTEGER PRIMARY KEY, kunde INTEGER, was TEXT);
CREATE TABLE products (id INTEGER PRIMARY KEY, label TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), total INTEGER, note TEXT, parent INTEGER REFERENCES orders (id));
CREATE TABLE order_items (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id), product_id INTEGER REFERENCES products (id), amount INTEGER);
CREATE TABLE item_notes (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES order_items (id), body TEXT);
CREATE TABLE tickets (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), body TEXT);
CREATE TABLE ticket_lines (ticket_id INTEGER REFERENCES tickets (id), line TEXT);
CREATE TABLE messages (id INTEGER PRIMARY KEY, sender INTEGER REFERENCES customers (id), receiver INTEGER REFERENCES customers (id), body TEXT);
CREATE INDEX orders_note ON orders (note);
CREATE VIEW all_orders AS SELECT * FROM orders;
CREATE VIEW view_of_view AS SELECT id FROM all_orders;
CREATE VIEW counted AS SELECT label, (SELECT COUNT(*) FROM orders) AS n FROM products;
CREATE VIEW joined_view AS SELECT p.label, i.amount FROM products p JOIN order_items i ON i.product_id = p.id;
CREATE VIEW labels AS SELECT label FROM products;
INSERT INTO products VALUES (1, 'lamp'), (2, 'chair'), (3, 'desk');
INSERT INTO customers VALUES (1, 'Ada', 'ada@x');
INSERT INTO kunden VALUES (1, 'Ada');
INSERT INTO "aufträge" VALUES (1, 1, 'meins');
INSERT INTO orders VALUES (1, 1, 10, 'mine', NULL);
INSERT INTO order_items VALUES (1, 1, 1, 11);
INSERT INTO item_notes VALUES (1, 1, 'my note');
INSERT INTO tickets VALUES (1, 1, 'my ticket');
INSERT INTO ticket_lines VALUES (1, 'my line');
INSERT INTO messages VALUES (1, 1, 1, 'to self');
"""
OTHERS = """
INSERT INTO customers VALUES (2, 'SECRET-Bob', 'SECRET-bob@x'), (3, 'SECRET-Eve', NULL);
INSERT INTO kunden VALUES (2, 'SECRET-Bob'), (3, 'SECRET-Eve');
INSERT INTO "aufträge" VALUES (2, 2, 'SECRET'), (3, 3, 'SECRET');
INSERT INTO orders VALUES (2, 2, 777001, 'SECRET-gift', NULL), (3, 3, 777002, 'SECRET-book', 1);
INSERT INTO order_items VALUES (2, 2, 1, 777003), (3, 3, 2, 777004), (4, NULL, 3, 777005);
INSERT INTO item_notes VALUES (2, 2, 'SECRET-note'), (3, 3, 'SECRET-note');
INSERT INTO tickets VALUES (2, 2, 'SECRET-ticket'), (3, 2, 'SECRET-other');
INSERT INTO ticket_lines VALUES (2, 'SECRET-line'), (3, 'SECRET-line');
INSERT INTO messages VALUES (2, 2, 3, 'SECRET-talk'), (3, 1, 2, 'SECRET to bob');
"""
SQLITE_TABLES = """
CREATE TABLE loose (id INTEGER, customer_id INTEGER REFERENCES customers (id));
CREATE TABLE loose_items (loose_id INTEGER REFERENCES loose, what TEXT);
CREATE VIRTUAL TABLE orders_found USING fts5(note, content='orders', content_rowid='id');
"""
SQLITE_OTHERS = "INSERT INTO loose VALUES (2, 2); INSERT INTO loose_items VALUES (2, 'SECRET'); INSERT INTO orders_found(orders_found) VALUES ('rebuild'); ANALYZE;"
POSTGRES_TABLES = """
CREATE SEQUENCE order_numbers;
CREATE SCHEMA private;
CREATE VIEW private.products AS SELECT note AS label FROM public.orders;
CREATE VIEW private.orders_again AS SELECT * FROM public.orders;
CREATE VIEW same_name AS SELECT label FROM private.products;
CREATE VIEW statistics_view AS SELECT tablename, most_common_vals::text, n_distinct FROM pg_stats WHERE schemaname = 'public';
CREATE VIEW sampled AS SELECT relname, reltuples FROM pg_class WHERE relname = 'orders';
CREATE FUNCTION leak() RETURNS text LANGUAGE sql AS 'SELECT string_agg(note, '','') FROM orders';
CREATE FUNCTION leaked(products) RETURNS text LANGUAGE sql AS 'SELECT leak()';
CREATE FUNCTION reverse(int) RETURNS text LANGUAGE sql AS 'SELECT leak()';
CREATE VIEW view_of_function AS SELECT leak() AS x;
CREATE MATERIALIZED VIEW frozen AS SELECT * FROM orders;
CREATE TABLE old_orders () INHERITS (orders);
CREATE TABLE older_orders () INHERITS (old_orders);
ALTER TABLE older_orders ADD PRIMARY KEY (id);
CREATE TABLE old_lines (id INTEGER, older INTEGER REFERENCES older_orders (id), line TEXT);
CREATE TABLE papers (id INTEGER, body TEXT);
CREATE TABLE letters (customer_id INTEGER) INHERITS (papers);
CREATE TABLE events (customer_id INTEGER, day DATE, what TEXT) PARTITION BY RANGE (day);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE VIEW from_partition AS SELECT * FROM events_2020;
INSERT INTO events VALUES (1, '2020-05-05', 'my party');
"""
POSTGRES_OTHERS = """
SELECT nextval('order_numbers'), nextval('order_numbers'), nextval('order_numbers');
INSERT INTO old_orders VALUES (8, 2, 777006, 'SECRET-old', NULL);
INSERT INTO older_orders VALUES (9, 2, 777007, 'SECRET-older', NULL);
INSERT INTO old_lines VALUES (1, 9, 'SECRET-line');
INSERT INTO letters VALUES (1, 'SECRET-letter', 2);
INSERT INTO events VALUES (2, '2020-06-06', 'SECRET-party');
REFRESH MATERIALIZED VIEW frozen;
ANALYZE;
"""
POSTGRES_SCOPES = SCOPES | {"events": "customer_id = :user", "letters": "customer_id = :user"}


def _cases(dialect: str) -> list[Any]:
    return [pytest.param(c["sql"], id=c["id"]) for c in CASES if c["dialect"] in {dialect, "both"}]


def _answer(database: Database, sql: str, user: str | None) -> str:
    try:
        return repr(database.run(sql, user=user))
    except AssistantError as error:
        return f"{type(error).__name__}: {error}"


def _compare(alone: Database, together: Database, sql: str) -> None:
    answer = _answer(together, sql, "1")
    assert not any(marker in answer.replace(sql, "") for marker in MARKERS if marker not in sql), answer
    assert answer == _answer(alone, sql, "1")
    stranger = _answer(together, sql, None)
    assert not any(marker in stranger for marker in MARKERS if marker not in sql), stranger


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Database, Database]]:
    folder = tmp_path_factory.mktemp("attempts")
    found = []
    for name, more in (("alone", ""), ("together", OTHERS + SQLITE_OTHERS)):
        with closing(sqlite3.connect(folder / f"{name}.db")) as db:
            db.executescript(TABLES + SQLITE_TABLES + more)
        found.append(Database(f"sqlite:///{folder / name}.db", scopes=SCOPES, timeout=2))
    yield found[0], found[1]
    for database in found:
        database.close()


@pytest.mark.parametrize("sql", _cases("sqlite"))
def test_nothing_of_others_comes_through_sqlite(files: tuple[Database, Database], sql: str) -> None:
    _compare(*files, sql)


@pytest.fixture(scope="module")
def servers(server: str) -> Iterator[tuple[Database, Database]]:
    found = []
    for name, more in (("alone", ""), ("together", OTHERS + POSTGRES_OTHERS)):
        admin(server, "postgres", f"CREATE DATABASE {name}")
        admin(server, name, TABLES + POSTGRES_TABLES)
        admin(server, name, more or "ANALYZE")
        found.append(Database(f"{server}/{name}", scopes=POSTGRES_SCOPES, timeout=2))
    yield found[0], found[1]
    for database in found:
        database.close()


@pytest.mark.postgres
@pytest.mark.parametrize("sql", _cases("postgres"))
def test_nothing_of_others_comes_through_postgres(servers: tuple[Database, Database], sql: str) -> None:
    _compare(*servers, sql)


def _outside(alone: Database, together: Database) -> None:
    """What bears on rows without a query: the schema's profiles and the words that a question names."""
    assert repr(together.schema().tables) == repr(alone.schema().tables)
    question = "What of SECRET-Bob, SECRET-gift, SECRET-note, SECRET-ticket, SECRET-line, SECRET-letter, Ada, mine and the lamp?"
    for user in ("1", None, "local", "9"):
        found = together.find_values(question, user=user)
        assert found == alone.find_values(question, user=user)
    assert {m.value for m in together.find_values(question, user="1")} >= {"Ada", "mine", "lamp"}
    assert "SECRET-Bob" in {m.value for m in together.find_values(question, user="2")}
    assert together.find_values(question, user="1") == alone.find_values(question, user="1")


def test_profiles_and_words_obey_on_sqlite(files: tuple[Database, Database]) -> None:
    _outside(*files)


@pytest.mark.postgres
def test_profiles_and_words_obey_on_postgres(servers: tuple[Database, Database]) -> None:
    _outside(*servers)


def test_the_collection_is_as_large_as_it_says() -> None:
    assert len({c["id"] for c in CASES}) == len(CASES) >= 100


HONEST = {
    "SELECT note FROM orders": (("mine",),),
    "SELECT i.amount, n.body FROM order_items i JOIN item_notes n ON n.item_id = i.id": ((11, "my note"),),
    "SELECT label FROM labels ORDER BY label": (("chair",), ("desk",), ("lamp",)),
    "SELECT p.label, COUNT(i.id) FROM products p LEFT JOIN order_items i ON i.product_id = p.id GROUP BY p.label ORDER BY 1": (("chair", 0), ("desk", 0), ("lamp", 1)),
    "WITH mine AS (SELECT * FROM orders) SELECT COUNT(*) FROM mine": ((1,),),
    "WITH tickets AS (SELECT 5 AS x) SELECT x FROM tickets": ((5,),),
    'SELECT was FROM "aufträge"': (("meins",),),
    "SELECT line FROM ticket_lines t JOIN tickets ON tickets.id = t.ticket_id": (("my line",),),
    "SELECT total * 2, UPPER(note) FROM orders o WHERE o.total >= 10": ((20, "MINE"),),
}


@pytest.mark.parametrize("sql", HONEST)
def test_a_user_sees_their_own_on_sqlite(files: tuple[Database, Database], sql: str) -> None:
    assert files[1].run(sql, user="1").rows == HONEST[sql]


@pytest.mark.postgres
@pytest.mark.parametrize("sql", HONEST)
def test_a_user_sees_their_own_on_postgres(servers: tuple[Database, Database], sql: str) -> None:
    assert servers[1].run(sql, user="1").rows == HONEST[sql]


MASKED = ("Customers.email", "orders.total", "orders.note")
UNMASKING = [
    "SELECT * FROM customers",
    "SELECT email FROM customers WHERE email IS NOT NULL",
    "SELECT c.email FROM customers AS c ORDER BY c.email DESC",
    "SELECT COUNT(*) FROM customers WHERE email LIKE '%x'",
    "SELECT COUNT(email), MAX(email), MIN(total) FROM customers JOIN orders ON customer_id = customers.id",
    "SELECT email, COUNT(*) FROM customers GROUP BY email HAVING email > ''",
    "SELECT UPPER(email) || total || COALESCE(note, '') FROM customers, orders",
    "SELECT CASE WHEN email = 'ada@x' THEN 'hit' END FROM customers",
    "SELECT a.name FROM customers a JOIN customers b ON a.email = b.email",
    "SELECT name FROM customers NATURAL JOIN (SELECT 'ada@x' AS email) AS x",
    "SELECT 'hit' FROM customers WHERE email IN ('ada@x', 'bob@x')",
    "SELECT 'hit' FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.note = 'mine' AND o.total > 5)",
    "WITH x(a, b, c) AS (SELECT * FROM customers) SELECT c FROM x",
    "WITH customers AS (SELECT * FROM customers) SELECT email FROM customers",
    "SELECT email FROM customers UNION SELECT note FROM orders",
    "SELECT RANK() OVER (ORDER BY email), LAG(note) OVER (ORDER BY o.id) FROM customers c, orders o",
    "SELECT * FROM all_orders",
    "SELECT * FROM counted",
    "SELECT (SELECT MAX(email) FROM customers) AS x",
    'SELECT "email" FROM "customers"',
    "SELECT SUM(total), AVG(total * 2) FROM orders",
]


OTHER_VALUES = "UPDATE customers SET email = 'bob@x'; UPDATE orders SET total = 3, note = NULL;"


def _compare_masked(one: str, other: str, sql: str, scopes: dict[str, str] | None) -> None:
    """The same rows with other values in the masked columns must give the same answer."""
    with (
        closing(Database(one, masked=MASKED, scopes=scopes, timeout=2)) as first,
        closing(Database(other, masked=MASKED, scopes=scopes, timeout=2)) as second,
    ):
        assert _answer(first, sql, "1") == _answer(second, sql, "1")


@pytest.fixture(scope="module")
def two_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("masked")
    for name, more in (("one", ""), ("other", OTHER_VALUES)):
        with closing(sqlite3.connect(folder / f"{name}.db")) as db:
            db.executescript(TABLES + OTHERS + more)
    return f"sqlite:///{folder / 'one.db'}", f"sqlite:///{folder / 'other.db'}"


@pytest.fixture(scope="module")
def two_servers(server: str) -> tuple[str, str]:
    for name, more in (("masked_one", "ANALYZE"), ("masked_other", OTHER_VALUES + "ANALYZE")):
        admin(server, "postgres", f"CREATE DATABASE {name}")
        admin(server, name, TABLES + OTHERS + more)
    return f"{server}/masked_one", f"{server}/masked_other"


@pytest.mark.parametrize("scopes", [None, SCOPES], ids=["for all", "scoped"])
@pytest.mark.parametrize("sql", UNMASKING)
def test_a_masked_column_is_empty_whatever_the_query_does(two_files: tuple[str, str], sql: str, scopes: dict[str, str] | None) -> None:
    _compare_masked(*two_files, sql, scopes)


@pytest.mark.postgres
@pytest.mark.parametrize("sql", [*UNMASKING, "SELECT o FROM orders o", "SELECT row_to_json(c) FROM customers c", "SELECT (o).note FROM orders o"])
def test_a_masked_column_is_empty_on_postgres(two_servers: tuple[str, str], sql: str) -> None:
    _compare_masked(*two_servers, sql, None)


def _check_profiles(url: str) -> None:
    with closing(Database(url, masked=MASKED, timeout=2)) as database:
        customers, orders = database.schema().table("customers"), database.schema().table("orders")
        assert customers is not None
        assert orders is not None
        assert customers.row_count == 3
        assert [c.name for c in customers.columns] == ["id", "name", "email"]
        assert customers.columns[1].values == ("Ada", "SECRET-Bob", "SECRET-Eve")
        assert customers.columns[2].values == orders.columns[3].values == ()
        assert [row[2] for row in customers.sample_rows] == [None, None, None]
        assert {row[2:4] for row in orders.sample_rows} == {(None, None)}
        assert database.schema().table("all_orders") is None
        found = {m.value for m in database.find_values("Who has ada@x, mine, SECRET-gift, SECRET-Bob or the lamp?")}
        assert found >= {"SECRET-Bob", "lamp"}
        assert not found & {"ada@x", "mine", "SECRET-gift"}
        assert database.run("SELECT id, name, email FROM customers WHERE name = 'Ada'").rows == ((1, "Ada", None),)
        assert database.run("SELECT total + 1, note || 'x' FROM orders WHERE id = 1").rows == ((None, None),)


def test_profiles_and_words_hold_nothing_masked_on_sqlite(two_files: tuple[str, str]) -> None:
    _check_profiles(two_files[0])


@pytest.mark.postgres
def test_profiles_and_words_hold_nothing_masked_on_postgres(two_servers: tuple[str, str]) -> None:
    _check_profiles(two_servers[0])


@pytest.mark.parametrize("masked", ["email", "customers.mail", "nobody.email", ""])
def test_a_mask_that_does_not_fit_closes_the_database(two_files: tuple[str, str], masked: str) -> None:
    with closing(Database(two_files[0], masked=[masked])) as database, pytest.raises(DatabaseUnavailable, match=r"database\.masked"):
        database.run("SELECT label FROM products")


SECURED = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), note TEXT);
CREATE TABLE order_items (order_id INTEGER REFERENCES orders (id), what TEXT);
CREATE TABLE products (label TEXT);
CREATE VIEW all_orders AS SELECT * FROM orders;
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Bob');
INSERT INTO orders VALUES (1, 1, 'mine'), (2, 2, 'SECRET-gift');
INSERT INTO order_items VALUES (1, 'lamp'), (2, 'SECRET-desk');
INSERT INTO products VALUES ('lamp');
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (customer_id::text = current_setting('app.user', true));
"""


@pytest.mark.postgres
def test_row_security_of_the_server_is_used(server: str) -> None:
    admin(server, "postgres", "CREATE DATABASE secured")
    admin(server, "secured", SECURED)
    with closing(Database(f"{server}/secured", user_variable="app.user")) as database:
        for sql, mine in (
            ("SELECT note FROM orders", (("mine",),)),
            ("SELECT COUNT(*) FROM orders", ((1,),)),
            ("SELECT what FROM order_items", (("lamp",),)),
            ("SELECT COUNT(*) FROM products", ((1,),)),
        ):
            assert database.run(sql, user="1").rows == mine
        for user in (None, "local", "9", "1' OR '1'='1"):
            assert database.run("SELECT COUNT(*) FROM orders", user=user).rows == ((0,),)
            assert database.run("SELECT COUNT(*) FROM order_items", user=user).rows == ((0,),)
        with pytest.raises(AssistantError, match="no such table"):
            database.run("SELECT * FROM all_orders", user="1")
        question = "Which of mine, SECRET-gift, SECRET-desk and lamp?"
        assert {m.value for m in database.find_values(question, user="1")} == {"mine", "lamp"}
        assert {m.value for m in database.find_values(question, user="2")} == {"SECRET-gift", "SECRET-desk", "lamp"}
        assert all(t.sample_rows == () and t.row_count is None for t in database.schema().tables)
    with closing(Database(f"{server}/postgres", user_variable="app.user")) as database, pytest.raises(DatabaseUnavailable, match="row security"):
        database.schema()
