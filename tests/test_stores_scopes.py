"""A user sees the rows of their scope, whatever the query tries."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stores.database import Database
from stores.errors import AssistantError, DatabaseUnavailable, QueryRejected

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers (id), note TEXT, parent INTEGER REFERENCES orders (id));
CREATE TABLE order_items (order_id INTEGER REFERENCES orders, product_id INTEGER REFERENCES products (id), amount INTEGER);
CREATE TABLE products (id INTEGER PRIMARY KEY, label TEXT);
CREATE TABLE messages (id INTEGER PRIMARY KEY, sender INTEGER REFERENCES customers (id), receiver INTEGER REFERENCES customers (id), body TEXT);
CREATE TABLE shipments (order_a INTEGER, order_b TEXT, place TEXT, FOREIGN KEY (order_a, order_b) REFERENCES parcels (a, b));
CREATE TABLE parcels (a INTEGER, b TEXT, owner INTEGER REFERENCES customers (id), PRIMARY KEY (a, b));
CREATE VIEW all_orders AS SELECT * FROM orders;
CREATE VIEW view_of_view AS SELECT id FROM all_orders;
CREATE VIEW labels AS SELECT label FROM products;
INSERT INTO customers VALUES (1, 'Ada', 'ada@x'), (2, 'SECRET-Bob', 'SECRET-bob@x'), (3, 'SECRET-Eve', NULL);
INSERT INTO products VALUES (1, 'lamp'), (2, 'chair');
INSERT INTO orders VALUES (1, 1, 'mine', NULL), (2, 2, 'SECRET-gift', NULL), (3, 3, 'SECRET-book', 1);
INSERT INTO order_items VALUES (1, 1, 11), (2, 1, 777001), (3, 2, 777002);
INSERT INTO messages VALUES (1, 1, 1, 'to self'), (2, 2, 3, 'SECRET-talk'), (3, 1, 2, 'to bob');
INSERT INTO parcels VALUES (1, 'x', 1), (1, 'y', 2);
INSERT INTO shipments VALUES (1, 'x', 'home'), (1, 'y', 'SECRET-place');
"""
SCOPES = {"Customers": "id = :user", "orders": "customer_id = :user"}
USERS = ("1", "local", None, "", "99", "1 OR 1=1", "1' OR '1'='1", "1); SELECT note FROM orders --", "1.0", " 1", "2a")
SECRETS = ("SECRET", "777001", "777002")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scopes") / "shop.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SHOP)
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path))


@pytest.fixture(scope="module")
def shop(original: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{original}", scopes=SCOPES)
    yield database
    database.close()


ATTEMPTS = [
    "SELECT * FROM orders",
    "SELECT * FROM ORDERS",
    'SELECT * FROM "orders"',
    "SELECT * FROM [Orders]",
    "SELECT * FROM `orders`",
    "SELECT * FROM 'orders'",
    "SELECT * FROM main.orders",
    'SELECT "main"."orders".note FROM "main"."orders"',
    "SELECT main.orders.note FROM main.orders",
    "SELECT x.* FROM orders AS x",
    "SELECT products.note FROM orders AS products",
    "SELECT * FROM orders WHERE 1 = 1 OR customer_id = 2",
    "SELECT * FROM orders WHERE customer_id = 2 --",
    "SELECT * FROM orders WHERE customer_id = 1) OR (1 = 1",
    "SELECT note FROM products UNION SELECT note FROM orders",
    "SELECT label FROM products UNION ALL SELECT note FROM orders",
    "SELECT label FROM products EXCEPT SELECT note FROM orders UNION SELECT note FROM orders",
    "SELECT label FROM products WHERE id IN (SELECT id FROM orders WHERE note LIKE 'SECRET%') UNION SELECT note FROM orders",
    "SELECT (SELECT GROUP_CONCAT(note) FROM orders) AS x",
    "SELECT label, (SELECT note FROM orders o WHERE o.id = p.id + 1) AS x FROM products p",
    "WITH x AS (SELECT * FROM orders) SELECT * FROM x",
    "WITH orders AS (SELECT * FROM main.orders) SELECT * FROM orders",
    "WITH orders AS (SELECT * FROM orders) SELECT * FROM orders",
    "WITH products AS (SELECT * FROM orders) SELECT * FROM products",
    "WITH customers AS (SELECT 2 AS id UNION SELECT 3) SELECT * FROM orders",
    "WITH orders AS (SELECT 2 AS id UNION SELECT 3) SELECT * FROM order_items",
    "WITH orders(id, note) AS (SELECT 2, 'x' UNION SELECT 3, 'y') SELECT i.* FROM order_items i JOIN orders ON orders.id = i.order_id",
    "SELECT * FROM (WITH orders AS (SELECT 1) SELECT 1) AS x, orders",
    "SELECT * FROM (SELECT * FROM (SELECT * FROM orders))",
    "SELECT * FROM products JOIN orders ON 1 = 1",
    "SELECT * FROM products, orders",
    "SELECT * FROM (products JOIN orders ON 1 = 1)",
    "SELECT * FROM (orders JOIN customers ON 1 = 1)",
    "SELECT * FROM orders LEFT JOIN customers ON 1 = 1",
    "SELECT * FROM products NATURAL JOIN orders",
    "SELECT * FROM orders INDEXED BY x",
    "SELECT * FROM orders NOT INDEXED",
    "SELECT * FROM order_items",
    "SELECT SUM(amount) FROM order_items WHERE order_id = 2 GROUP BY order_id",
    "SELECT MAX(amount) FROM order_items",
    "SELECT p.label, i.amount FROM products p JOIN order_items i ON i.product_id = p.id",
    "SELECT * FROM messages",
    "SELECT * FROM shipments",
    "SELECT * FROM parcels JOIN shipments ON order_a = a",
    "SELECT * FROM all_orders",
    "SELECT * FROM view_of_view JOIN all_orders USING (id)",
    "SELECT name FROM customers WHERE id = 2 OR name LIKE '%'",
    "SELECT 1 FROM products WHERE (2, 2, 'SECRET-gift', NULL) IN orders",
    "SELECT label FROM products ORDER BY (SELECT note FROM orders WHERE id = 2)",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM orders WHERE note LIKE 'SECRET%') THEN 'SECRET' ELSE 'no' END",
    "SELECT COUNT(*) || 'SECRET' FROM orders WHERE customer_id <> 1 HAVING COUNT(*) > 0",
    "SELECT label FROM products GROUP BY label HAVING (SELECT COUNT(*) FROM orders) > 1",
    "SELECT note FROM orders LIMIT 5 OFFSET 0",
    "SELECT FIRST_VALUE(note) OVER (ORDER BY id DESC) FROM orders",
    "SELECT json_group_array(note) FROM orders",
    "VALUES ((SELECT note FROM orders WHERE id = 2))",
    "SELECT * FROM (VALUES ((SELECT note FROM orders WHERE id = 2)))",
    "SELECT ':user' FROM orders WHERE note = ':user' OR 1",
    "WITH RECURSIVE r AS (SELECT id, note FROM orders UNION SELECT o.id, o.note FROM orders o, r) SELECT * FROM r",
    "SELECT sql FROM sqlite_master",
    "SELECT * FROM orders AS a, orders AS b, (SELECT * FROM customers) AS c",
    "SELECT * FROM orders a JOIN orders b ON b.parent = a.id",
]


@pytest.mark.parametrize("sql", ATTEMPTS)
def test_no_query_shows_another_users_rows(shop: Database, sql: str) -> None:
    for user in USERS:
        try:
            rows = repr(shop.run(sql, user=user).rows)
        except QueryRejected as refused:
            rows = str(refused)
        assert not any(secret in rows for secret in SECRETS), (user, rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT amount FROM order_items WHERE CASE WHEN amount > 777000 THEN json_extract('x', '$') ELSE 1 END",
        "SELECT amount FROM order_items i, products p WHERE CASE WHEN amount > 777000 THEN json_extract('x', '$') ELSE 1 END",
        "SELECT note FROM orders WHERE CASE WHEN note LIKE 'SECRET%' THEN abs(-9223372036854775807 - 1) ELSE 1 END",
        "SELECT (SELECT amount FROM order_items WHERE CASE WHEN amount > 777000 THEN json_extract('x', '$') ELSE 1 END) AS x",
    ],
)
def test_an_error_tells_nothing_of_other_rows(shop: Database, sql: str) -> None:
    """Without a fence the database may try a condition on all rows before it looks whose they are."""
    assert shop.run(sql, user="1").rows
    with pytest.raises(QueryRejected, match=r"malformed|overflow"):
        shop.run(sql.replace("> 777000", "= 11").replace("'SECRET%'", "'mine'"), user="1")


@pytest.mark.parametrize(
    ("sql", "counts"),
    [
        ("SELECT COUNT(*) FROM orders", {"1": 1, "2": 1, "9": 0, "local": 0, None: 0}),
        ("SELECT COUNT(*) FROM order_items", {"1": 1, "3": 1, "9": 0, None: 0}),
        ("SELECT COUNT(*) FROM messages", {"1": 1, "2": 0, None: 0}),
        ("SELECT COUNT(*) FROM shipments", {"1": 1, "2": 1, "3": 0, None: 0}),
        ("SELECT COUNT(*) FROM products", {"1": 2, None: 2}),
        ("SELECT COUNT(*) FROM labels", {"1": 2, None: 2}),
        ("SELECT COUNT(*) FROM products LEFT JOIN orders ON orders.id = products.id", {"1": 2, None: 2}),
        ("SELECT COUNT(*) FROM customers c JOIN orders o ON o.customer_id = c.id JOIN order_items i ON i.order_id = o.id", {"1": 1, "9": 0}),
        ("WITH mine AS (SELECT * FROM orders) SELECT COUNT(*) FROM mine m, mine n", {"1": 1, "9": 0}),
        ("WITH orders AS (SELECT * FROM main.orders) SELECT COUNT(*) FROM orders", {"1": 1, "9": 0}),
        ("WITH orders AS (SELECT 5 AS x UNION SELECT 6) SELECT COUNT(*) FROM orders", {"1": 2, "9": 2}),
    ],
)
def test_each_user_sees_their_own(shop: Database, sql: str, counts: dict[str | None, int]) -> None:
    assert {user: shop.run(sql, user=user).rows[0][0] for user in counts} == counts


def test_the_schema_and_the_values_show_nothing_of_others(shop: Database) -> None:
    schema = shop.schema()
    assert all(t.sample_rows == () and t.row_count is None for t in schema.tables)
    assert schema.table("all_orders") is None
    assert schema.table("labels") is not None
    question = "What about SECRET-Bob, SECRET-book, Ada and the lamp?"
    assert {m.value for m in shop.find_values(question, user="1")} == {"Ada", "lamp"}
    assert {m.value for m in shop.find_values(question, user="2")} >= {"SECRET-Bob", "lamp"}
    assert {m.value for m in shop.find_values(question)} == {"lamp"}


def test_a_condition_may_look_elsewhere_and_be_text(path: Path) -> None:
    by_mail = Database(f"sqlite:///{path}", scopes={"orders": "customer_id IN (SELECT id FROM customers WHERE email = :user)", "customers": "email = :user"})
    assert by_mail.run("SELECT note FROM orders", user="ada@x").rows == (("mine",),)
    assert by_mail.run("SELECT COUNT(*) FROM order_items", user="x' OR '1'='1").rows == ((0,),)
    assert by_mail.run("WITH customers AS (SELECT 2 AS id, 'ada@x' AS email) SELECT note FROM orders", user="ada@x").rows == (("mine",),)


def test_a_hidden_table_may_carry_the_scope(path: Path) -> None:
    database = Database(f"sqlite:///{path}", scopes={"orders": "customer_id = :user"}, tables=["order_items"])
    assert database.run("SELECT amount FROM order_items", user="1").rows == ((11,),)
    with pytest.raises(QueryRejected):
        database.run("SELECT * FROM orders", user="1")


def test_a_table_with_only_a_key_of_its_own_is_not_lost(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE tree (id INTEGER PRIMARY KEY, up INTEGER REFERENCES tree (id), owner INTEGER REFERENCES customers (id))")
        db.execute("INSERT INTO tree VALUES (1, NULL, 1), (2, 1, 1), (3, 1, 2)")
        db.commit()
    database = Database(f"sqlite:///{path}", scopes=SCOPES)
    assert database.run("SELECT id FROM tree ORDER BY id", user="1").rows == ((1,), (2,))


@pytest.mark.parametrize("scopes", [{"ordrs": "customer_id = :user"}, {"orders": "customer_id = = :user"}, {"orders": "customer_id = :me"}, {"orders": ""}])
def test_a_scope_that_does_not_fit_closes_the_database(path: Path, scopes: dict[str, str]) -> None:
    database = Database(f"sqlite:///{path}", scopes=scopes)
    with pytest.raises(DatabaseUnavailable, match=r"database\.scopes"):
        database.run("SELECT * FROM products", user="1")


def test_a_scope_on_a_column_that_is_not_there_shows_nothing(path: Path) -> None:
    database = Database(f"sqlite:///{path}", scopes={"orders": "nobody = :user"})
    with pytest.raises(AssistantError):
        database.run("SELECT * FROM orders", user="1")


def test_a_full_text_index_of_a_limited_table_is_closed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        try:
            db.execute("CREATE VIRTUAL TABLE found USING fts5(note, content='orders', content_rowid='id')")
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no FTS5")
        db.execute("INSERT INTO found(found) VALUES ('rebuild')")
        db.commit()
    database = Database(f"sqlite:///{path}", scopes=SCOPES)
    for sql in ("SELECT * FROM found WHERE found MATCH 'book'", "SELECT * FROM found_content", "SELECT * FROM found_data"):
        with pytest.raises(QueryRejected, match="no such table"):
            database.run(sql, user="1")
