"""The same walls on a real PostgreSQL server, started for these tests and thrown away."""

from __future__ import annotations

import gc
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stores.database import Database
from stores.errors import AssistantError, DatabaseUnavailable, QueryRejected, QueryTimeout
from tests.postgres import admin

pytestmark = pytest.mark.postgres

SHOP = """
CREATE TYPE mood AS ENUM ('happy', 'Sad');
CREATE TABLE customers (id serial PRIMARY KEY, name varchar(40) NOT NULL, tags text[], extra jsonb, feels mood);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, total numeric(8, 2), placed timestamptz, raw bytea);
CREATE TABLE "order Items" ("Order" int REFERENCES orders, "größe" real, amount int);
CREATE TABLE products (label text);
CREATE TABLE old_orders () INHERITS (orders);
CREATE TABLE events (day date, what text) PARTITION BY RANGE (day);
CREATE TABLE events_2020 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE VIEW big AS SELECT * FROM orders WHERE total > 10;
CREATE MATERIALIZED VIEW frozen AS SELECT * FROM orders;
CREATE SEQUENCE counter;
CREATE SCHEMA private;
CREATE TABLE private.secrets (x text);
CREATE FUNCTION evil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM orders; RETURN 1; END $$;
COMMENT ON TABLE customers IS 'who buys';
COMMENT ON COLUMN customers.name IS 'full name';
INSERT INTO customers (name, tags, extra, feels) VALUES ('Ada', '{a,b}', '{"x": 1}', 'happy'), ('SECRET-Bob', NULL, NULL, 'Sad');
INSERT INTO orders VALUES (1, 1, 12.50, '2020-02-03 04:05:06+00', '\\x00ff'), (2, 2, 777777, NULL, NULL);
INSERT INTO old_orders VALUES (9, 2, 777777, NULL, NULL);
INSERT INTO "order Items" VALUES (1, 2.5, 11), (2, 3.5, 777777);
INSERT INTO products VALUES ('lamp');
INSERT INTO events VALUES ('2020-05-05', 'party');
"""


@pytest.fixture(scope="session")
def url(server: str) -> str:
    admin(server, "postgres", "CREATE DATABASE shop")
    admin(server, "shop", SHOP)
    return f"{server}/shop"


@pytest.fixture
def shop(url: str) -> Iterator[Database]:
    database = Database(url, timeout=2)
    yield database
    database.close()


def test_the_schema_says_what_the_server_knows(shop: Database) -> None:
    schema = shop.schema()
    assert schema.dialect == "postgres"
    names = {t.name for t in schema.tables}
    assert {"customers", "orders", "order Items", "products", "events", "big", "frozen"} <= names
    assert not names & {"events_2020", "secrets"}
    customers, items, orders = schema.table("customers"), schema.table("order Items"), schema.table("orders")
    assert customers is not None
    assert items is not None
    assert orders is not None
    assert customers.comment == "who buys"
    assert [(c.name, c.type, c.primary_key) for c in customers.columns[:3]] == [
        ("id", "INTEGER", True),
        ("name", "VARCHAR(40)", False),
        ("tags", "TEXT[]", False),
    ]
    assert customers.columns[1].comment == "full name"
    assert customers.columns[4].type == "ENUM('happy', 'Sad')"
    assert items.columns[0].references == "orders.id"
    assert orders.columns[1].references == "customers.id"
    assert (customers.row_count, len(customers.sample_rows)) == (2, 2)


def test_queries_are_fitted_to_the_data(shop: Database) -> None:
    assert shop.run(shop.mend("SELECT id FROM customers WHERE name = 'ada'", "") or "").rows == ((1,),)
    assert shop.run(shop.mend("SELECT id FROM customers WHERE name = 'Bob'", "") or "").rows == ((2,),)
    # the server will not hold a number against a text
    assert shop.run(shop.mend("SELECT count(*) FROM orders WHERE customer_id = 'Ada'", "") or "").rows == ((1,),)
    shares = shop.mend("SELECT count(*) / 4 FROM customers", "")
    assert float(str(shop.run(shares or "").rows[0][0])) == 0.5
    assert shop.mend("SELECT name FROM customers WHERE name = 'Ada' AND feels = 'happy'", "") is None


def test_cells_become_values(shop: Database) -> None:
    [row] = shop.run("SELECT total, placed, raw, tags, extra, feels FROM orders JOIN customers c ON c.id = customer_id WHERE orders.id = 1").rows
    assert row[0] == 12.5
    assert str(row[1]).startswith("2020-02-03 ")
    assert row[2:] == ("<2 bytes>", '["a", "b"]', '{"x": 1}', "happy")
    assert shop.run("SELECT 100 % 7, 'a%b' LIKE '%\\%%'").rows == ((2, True),)
    assert shop.run("SELECT 'NaN'::float8, 3::numeric, '1 day'::interval, NULL::date").rows == (("nan", 3, "1 day, 0:00:00", None),)


def test_rows_are_capped(url: str) -> None:
    with closing(Database(url, max_rows=3)) as database:
        table = database.run("SELECT n FROM generate_series(1, 10000000) AS n")
    assert (table.rows, table.truncated) == (((1,), (2,), (3,)), True)


def test_values_are_found(shop: Database) -> None:
    assert [(m.table, m.column, m.value) for m in shop.find_values("what did secret bob buy when sad?")] == [
        ("customers", "name", "SECRET-Bob"),
        ("customers", "feels", "Sad"),
    ]


ATTACKS = [
    "INSERT INTO products VALUES ('x')",
    "UPDATE orders SET total = 0",
    "DELETE FROM orders",
    "TRUNCATE products",
    "DROP TABLE products",
    "CREATE TABLE x (a int)",
    "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE VIEW x AS SELECT 1",
    "ALTER TABLE products ADD COLUMN y int",
    "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO products VALUES ('x') RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE orders SET total = 0 RETURNING *) SELECT * FROM x",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; COMMIT; DELETE FROM orders; COMMIT",
    "SELECT 1; SET default_transaction_read_only = off; COMMIT; DELETE FROM orders",
    "SELECT 1; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "/* SELECT */ DELETE FROM orders",
    "SELECT 1 -- \n; DELETE FROM orders",
    "SELECT * INTO copy FROM orders",
    "SELECT * FROM orders FOR UPDATE",
    "SELECT * FROM orders FOR KEY SHARE",
    "COPY orders TO '{folder}/out'",
    "COPY products FROM PROGRAM 'echo x'",
    "COPY (SELECT 1) TO PROGRAM 'touch {folder}/out'",
    "DO $$ BEGIN DELETE FROM orders; END $$",
    "CALL evil()",
    "SELECT evil()",
    "SELECT * FROM evil()",
    "SELECT nextval('counter')",
    "SELECT setval('counter', 99)",
    "EXPLAIN ANALYZE DELETE FROM orders",
    "PREPARE x AS DELETE FROM orders",
    "MERGE INTO products USING orders ON false WHEN NOT MATCHED THEN INSERT VALUES ('x')",
    "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE",
    "REFRESH MATERIALIZED VIEW frozen",
    "VACUUM orders",
    "COMMENT ON TABLE orders IS 'x'",
    "GRANT ALL ON orders TO PUBLIC",
    "CREATE ROLE x",
    "BEGIN",
    "COMMIT",
    "ATTACH DATABASE 'x' AS y",
    "PRAGMA writable_schema = 1",
    "SELECT query_to_xml('DELETE FROM orders RETURNING *', true, true, '')",
    "DECLARE x CURSOR FOR SELECT 1",
]


def _state(server: str) -> object:
    sql = """SELECT (SELECT json_agg(o) FROM orders o)::text, (SELECT json_agg(p) FROM products p)::text, (SELECT last_value FROM counter),
    (SELECT json_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace)::text,
    (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles)::text"""
    return admin(server, "shop", sql)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "beneath"])
def test_nothing_can_be_written(server: str, shop: Database, tmp_path: Path, attack: str, guarded: bool) -> None:
    before = _state(server)
    attack = attack.replace("{folder}", str(tmp_path))
    with pytest.raises(AssistantError) as refused:
        shop.run(attack) if guarded else shop._run_checked(attack, 2, 10)
    assert isinstance(refused.value, QueryRejected)
    assert _state(server) == before
    assert list(tmp_path.iterdir()) == []
    assert shop.run("SELECT COUNT(*) FROM products").rows == ((1,),)


@pytest.mark.parametrize(
    "call",
    ["pg_sleep(9)", "pg_read_file('/etc/passwd')", "pg_ls_dir('/')", "lo_import('/etc/passwd')", "current_setting('data_directory')"],
)
def test_functions_that_reach_outside_are_refused(shop: Database, call: str) -> None:
    with pytest.raises(QueryRejected, match="not allowed"):
        shop.run(f"SELECT {call}")


@pytest.mark.parametrize(
    "bomb",
    [
        "SELECT pg_sleep(60)",
        "SELECT COUNT(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
        "SELECT n, CASE WHEN n > 3 THEN pg_sleep(60) END FROM generate_series(1, 9) AS n",
    ],
)
def test_a_query_stops_at_its_limit(shop: Database, bomb: str) -> None:
    began = time.monotonic()
    with pytest.raises(QueryTimeout):
        shop._run_checked(bomb, 1, 100)
    assert time.monotonic() - began < 3
    assert shop.run("SELECT 1").rows == ((1,),)


SCOPES = {"orders": "customer_id = :user"}
LEAKS = [
    "SELECT * FROM orders",
    'SELECT * FROM "orders"',
    "SELECT * FROM public.orders o",
    "SELECT * FROM ONLY orders",
    "TABLE orders",
    "(TABLE orders)",
    "SELECT 1, 1, 1.0, NOW(), NULL::bytea UNION TABLE orders",
    "SELECT * FROM orders TABLESAMPLE SYSTEM (100)",
    "SELECT * FROM old_orders",
    "SELECT * FROM big",
    "SELECT * FROM frozen",
    'SELECT * FROM "order Items"',
    "WITH orders AS (SELECT * FROM orders) SELECT * FROM orders",
    "WITH orders AS (SELECT 1 AS id UNION SELECT 2) SELECT * FROM \"order Items\"",
    "SELECT * FROM (WITH orders AS (SELECT 1) SELECT 1) AS x, orders",
    "WITH a AS (SELECT * FROM orders), orders AS (SELECT 1) SELECT * FROM a",
    "WITH RECURSIVE orders AS (SELECT * FROM public.orders) SELECT * FROM orders",
    "SELECT * FROM products p, LATERAL (SELECT * FROM orders) AS x",
    "SELECT * FROM products CROSS JOIN LATERAL (SELECT total FROM orders WHERE label = label) AS x",
    "SELECT o FROM orders o",
    "SELECT orders FROM orders",
    "SELECT row_to_json(o) FROM orders o",
    "SELECT (o).total FROM orders o",
    "SELECT array(SELECT total FROM orders)",
    "SELECT query_to_xml('SELECT * FROM orders', true, true, '')",
    "SELECT table_to_xml('orders', true, true, '')",
    "SELECT * FROM U&\"order\\0073\"",
    "SELECT * FROM orders o JOIN orders p ON true",
    "SELECT label FROM products UNION SELECT total::text FROM orders",
    "SELECT SUM(total) FROM orders HAVING true",
    "SELECT most_common_vals FROM pg_stats WHERE tablename = 'orders'",
    "SELECT * FROM ROWS FROM (evil()) AS x",
    "SELECT E'\\'', * FROM orders WHERE note = '' OR '1' = $$ $$ OR 1 = 1",
]


@pytest.mark.parametrize("leak", LEAKS)
def test_no_query_shows_another_users_rows(url: str, leak: str) -> None:
    database = Database(url, scopes=SCOPES)
    for user in ("1", None, "local", "1 OR 1=1", "x"):
        try:
            rows = repr(database.run(leak, user=user).rows)
        except QueryRejected as refused:
            rows = str(refused)
        assert "777777" not in rows, (user, rows)
    database.close()


@pytest.mark.parametrize(
    "condition",
    ["1 / (amount - 777777) = 0", "amount::text::date IS NULL", "CASE WHEN amount = 777777 THEN (amount || 'SECRET')::int = 1 ELSE true END"],
)
def test_an_error_tells_nothing_of_other_rows(url: str, condition: str) -> None:
    """Without a fence the server tries a cheap condition on all rows before it looks whose they are."""
    with closing(Database(url, scopes={"customers": "id = :user"})) as database:
        try:
            shown = repr(database.run(f'SELECT amount FROM "order Items" WHERE {condition}', user="1").rows)
        except QueryRejected as error:
            shown = str(error)
    assert "777777" not in shown
    assert "SECRET" not in shown
    assert "division" not in shown


def test_each_user_sees_their_own(url: str) -> None:
    database = Database(url, scopes=SCOPES)
    for sql, expected in (
        ("SELECT id FROM orders", ((1,),)),
        ('SELECT amount FROM "order Items"', ((11,),)),
        ("WITH orders AS (SELECT * FROM orders) SELECT id FROM orders", ((1,),)),
        ("WITH a AS (SELECT id FROM orders), orders AS (SELECT 5 AS id) SELECT a.id, orders.id FROM a, orders", ((1, 5),)),
        ("SELECT label FROM products", (("lamp",),)),
    ):
        assert database.run(sql, user="1").rows == expected
    assert database.run("SELECT COUNT(*) FROM orders").rows == ((0,),)
    assert all(t.sample_rows == () and t.row_count is None for t in database.schema().tables)
    database.close()


def test_errors_are_the_servers_own_words(shop: Database) -> None:
    with pytest.raises(QueryRejected, match="operator does not exist"):
        shop.run("SELECT name + 1 FROM customers")
    with pytest.raises(QueryRejected, match="must appear in the GROUP BY"):
        shop.run("SELECT name, COUNT(*) FROM customers")


def test_a_server_that_is_not_there(url: str) -> None:
    for bad in (url.replace("/shop", "/none"), "postgresql://x@127.0.0.1:1/x"):
        with closing(Database(bad)) as database, pytest.raises(DatabaseUnavailable):
            database.schema()


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop' AND pid <> pg_backend_pid()"


def test_a_connection_that_was_cut_works_again(server: str, shop: Database) -> None:
    assert shop.run("SELECT 1").rows == ((1,),)
    admin(server, "postgres", CUT)
    assert shop.run("SELECT 1").rows == ((1,),)
    cutter = threading.Timer(0.3, admin, (server, "postgres", CUT))
    cutter.start()
    with warnings.catch_warnings():
        # After a disconnect SQLAlchemy leaves psycopg's cursor to the garbage collector, which complains.
        warnings.simplefilter("ignore", ResourceWarning)
        _expect_unavailable(shop)
        gc.collect()
    cutter.join()
    assert shop.run("SELECT 1").rows == ((1,),)


def _expect_unavailable(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        database._run_checked("SELECT pg_sleep(5)", 5, 1)


def test_threads_share_a_database(shop: Database) -> None:
    wrong: list[object] = []

    def read() -> None:
        for _ in range(5):
            if shop.run("SELECT COUNT(*) FROM products").rows != ((1,),):
                wrong.append("rows")

    threads = [threading.Thread(target=read) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
