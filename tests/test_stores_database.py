"""A SQLite database is described and read within bounds, and never written."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stores.cells import to_value
from stores.database import Database
from stores.errors import AssistantError, DatabaseUnavailable, QueryFailed, QueryRejected, QueryTimeout

SHOP = '''
CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, city TEXT, photo BLOB);
CREATE TABLE "order items" ("order" INTEGER REFERENCES orders, "Größe ""cm""" REAL, [select] NUMERIC(8, 2));
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INT, total DECIMAL(8,2), FOREIGN KEY (customer_id) REFERENCES Customers (id));
CREATE TABLE empty (a, b TEXT);
CREATE VIEW big_orders AS SELECT * FROM orders WHERE total > 10;
INSERT INTO customers VALUES (1, 'Köhler', 'Berlin', x'00ff'), (2, 'Smith', 'São Paulo', NULL), (3, 'O''Brien', 'New York', NULL);
INSERT INTO orders VALUES (1, 1, 12.5), (2, 1, 3), (3, 2, 40);
INSERT INTO "order items" VALUES (1, 2.5, 1), (3, NULL, 2);
'''


def make(path: Path, script: str = SHOP) -> Path:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)
    return path


def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("database") / "shop.db")


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path))


@pytest.fixture
def shop(path: Path) -> Iterator[Database]:
    database = Database(url(path), timeout=2)
    yield database
    database.close()


def test_the_schema_names_tables_columns_keys_and_shows_rows(shop: Database) -> None:
    schema = shop.schema()
    assert [t.name for t in schema.tables] == ["customers", "order items", "orders", "empty", "big_orders"]
    orders = schema.table("ORDERS")
    assert orders is not None
    assert [(c.name, c.type, c.primary_key, c.references) for c in orders.columns] == [
        ("id", "INTEGER", True, None),
        ("customer_id", "INT", False, "customers.id"),
        ("total", "DECIMAL(8,2)", False, None),
    ]
    assert orders.row_count == 3
    assert orders.sample_rows == ((1, 1, 12.5), (2, 1, 3), (3, 2, 40))
    items = schema.table("order items")
    assert items is not None
    assert [c.name for c in items.columns] == ["order", 'Größe "cm"', "select"]
    assert items.columns[0].references == "orders.id"
    customers, empty = schema.table("customers"), schema.table("empty")
    assert customers is not None
    assert customers.sample_rows[0] == (1, "Köhler", "Berlin", "<2 bytes>")
    assert customers.columns[1].nullable is False
    assert empty is not None
    assert (empty.sample_rows, empty.row_count) == ((), 0)
    assert schema.dialect == "sqlite"


def test_odd_names_can_be_asked_for(shop: Database) -> None:
    assert shop.run('SELECT "Größe ""cm""" FROM "order items" WHERE [select] = 1').rows == ((2.5,),)
    assert shop.run("SELECT `order` FROM `order items` ORDER BY 1").rows == ((1,), (3,))
    assert shop.run("SELECT name FROM customers WHERE name = 'O''Brien' OR city LIKE '%Paulo%' ORDER BY 1").rows == (("O'Brien",), ("Smith",))


def test_columns_keep_their_names_and_may_repeat(shop: Database) -> None:
    table = shop.run("SELECT c.id, o.id, COUNT(*) AS n, 1 AS \"a.b\" FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.id")
    assert table.columns == ("id", "id", "n", "a.b")


def test_rows_are_capped_and_it_says_so(path: Path) -> None:
    database = Database(url(path), max_rows=2)
    assert database.run("SELECT id FROM orders ORDER BY id").truncated
    assert database.run("SELECT id FROM orders ORDER BY id").rows == ((1,), (2,))
    assert not database.run("SELECT id FROM orders ORDER BY id LIMIT 2").truncated


def test_cells_become_values(shop: Database) -> None:
    [row] = shop.run("SELECT x'0102', 9e999, CAST(x'ff41' AS TEXT), replace(printf('%5000d', 1), ' ', 'xxxxxxxxxx'), NULL").rows
    assert row[:3] == ("<2 bytes>", "inf", "\ufffdA")
    assert isinstance(row[3], str)
    assert len(row[3]) == 10_000
    assert row[3].endswith("…")
    assert to_value({"a": [1]}) == '{"a": [1]}'


def test_long_samples_are_cut(tmp_path: Path) -> None:
    database = Database(url(make(tmp_path / "l.db", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES (printf('%.*c', 500, 'x'))")))
    [[cell]] = database.schema().tables[0].sample_rows
    assert isinstance(cell, str)
    assert len(cell) == 40


BOMBS = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n",
    "SELECT COUNT(*) FROM big a, big b, big c WHERE a.x + b.x + c.x < 0",
    "SELECT a.x FROM big a, big b ORDER BY a.x * b.x % 7",
    "SELECT MAX(LENGTH(REPLACE(printf('%9000d', 1), ' ', 'bbbbbbbbbb'))) FROM big, big b",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_query_stops_at_its_limit(tmp_path: Path, bomb: str) -> None:
    script = "CREATE TABLE big AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 20000) SELECT x FROM n"
    database = Database(url(make(tmp_path / "b.db", script)), timeout=1)
    database.schema()
    began = time.monotonic()
    with pytest.raises(QueryTimeout, match="longer than 1 seconds"):
        database.run(bomb)
    assert time.monotonic() - began < 3
    assert database.run("SELECT COUNT(*) FROM big").rows == ((20000,),)


def test_a_string_that_would_fill_the_memory_is_refused(shop: Database) -> None:
    with pytest.raises(QueryFailed, match="too big"):
        shop.run("SELECT HEX(REPLACE(printf('%9000d', 1), ' ', '" + "x" * 100 + "'))")
    with pytest.raises(QueryRejected, match="format"):
        shop.run("SELECT printf('%.*c', 900000000, 'x')")


def test_a_missing_file_is_never_created(tmp_path: Path) -> None:
    database = Database(url(tmp_path / "nothing.db"))
    for attempt in (database.schema, lambda: database.run("SELECT 1"), lambda: database.find_values("x")):
        with pytest.raises(DatabaseUnavailable, match=r"There is no database file .*nothing\.db"):
            attempt()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["shop.db", "sqlite://", "sqlite:///:memory:", "oracle://x/y", "sqlite:///", "nonsense://", ""])
def test_a_url_that_cannot_be_used_says_how_to_write_it(bad: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        Database(bad)


def test_a_password_is_never_shown() -> None:
    database = Database("postgresql://ada:plugh@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailable) as caught:
        database.run("SELECT 1")
    assert "plugh" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


def test_a_file_that_is_no_database_and_a_folder(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("hello " * 1000)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        Database(url(tmp_path / "text.db")).schema()
    with pytest.raises(DatabaseUnavailable):
        Database(url(tmp_path)).schema()


def test_an_empty_file_is_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "e.db").touch()
    database = Database(url(tmp_path / "e.db"))
    assert database.schema().tables == ()
    assert database.run("SELECT 1 + 1").rows == ((2,),)


def test_a_relative_path_stays_where_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    database = Database("sqlite:///shop.db")
    monkeypatch.chdir("/")
    assert database.run("SELECT COUNT(*) FROM orders").rows == ((3,),)


def test_names_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    odd = tmp_path / "a#b ü"
    odd.mkdir()
    make(odd / "x.db")
    assert len(Database(url(odd / "x.db")).schema().tables) == 5


def test_a_database_that_goes_away_works_again_when_it_is_back(path: Path, shop: Database) -> None:
    assert shop.run("SELECT COUNT(*) FROM orders").rows == ((3,),)
    moved = path.rename(path.with_name("moved.db"))
    with pytest.raises(DatabaseUnavailable):
        shop.run("SELECT COUNT(*) FROM orders")
    moved.rename(path)
    assert shop.run("SELECT COUNT(*) FROM orders").rows == ((3,),)


def test_a_database_that_is_replaced_is_read_anew(path: Path, shop: Database) -> None:
    before = shop.schema().fingerprint
    assert shop.find_values("Köhler")
    path.unlink()
    make(path, "CREATE TABLE things (label TEXT); INSERT INTO things VALUES ('lamp')")
    assert [t.name for t in shop.schema().tables] == ["things"]
    assert shop.schema().fingerprint != before
    assert shop.find_values("Köhler lamp")[0].value == "lamp"


def test_a_new_table_is_seen_and_new_rows_keep_the_fingerprint(path: Path, shop: Database) -> None:
    before = shop.schema()
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO empty VALUES (1, 'x')")
        db.commit()
        assert shop.schema() is before  # a prompt made from it stays the same
        db.execute("CREATE TABLE later (z)")
    assert shop.schema().table("later") is not None
    assert shop.schema().fingerprint != before.fingerprint


def test_only_named_tables_are_there(path: Path) -> None:
    database = Database(url(path), tables=["Orders", "big_orders"])
    assert [t.name for t in database.schema().tables] == ["orders", "big_orders"]
    assert database.schema().tables[0].columns[1].references is None
    assert database.run("SELECT COUNT(*) FROM big_orders").rows == ((2,),)
    for sql in ("SELECT * FROM customers", "SELECT id FROM orders WHERE id IN (SELECT id FROM customers)"):
        with pytest.raises(QueryRejected, match="no such table: customers"):
            database.run(sql)
        with pytest.raises(AssistantError, match="access"):
            database._run_checked(sql, 1, 10)
    assert database.find_values("Köhler") == []


def test_a_view_shows_what_a_hidden_table_holds_and_no_more(path: Path) -> None:
    database = Database(url(path), tables=["big_orders"])
    assert database._run_checked("SELECT COUNT(*) FROM big_orders", 1, 10).rows == ((2,),)
    with pytest.raises(AssistantError):
        database._run_checked("SELECT COUNT(*) FROM big_orders, orders", 1, 10)


def test_wal_is_read_while_another_writes(tmp_path: Path) -> None:
    path = tmp_path / "w.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE t (a)")
        database = Database(url(path))
        for n in range(3):
            db.execute("INSERT INTO t VALUES (?)", (n,))
            db.commit()
            assert database.run("SELECT COUNT(*) FROM t").rows == ((n + 1,),)
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO t VALUES (9)")
        assert database.run("SELECT COUNT(*) FROM t").rows == ((3,),)


@pytest.mark.skipif(os.name == "nt", reason="file modes are not enough on Windows")
def test_a_wal_database_in_a_folder_that_cannot_be_written() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders let nobody else in
        folder = Path(name)
        with closing(sqlite3.connect(folder / "w.db")) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript("CREATE TABLE t (a); INSERT INTO t VALUES (1)")
        (folder / "w.db").chmod(0o444)
        folder.chmod(0o555)
        assert _as_nobody(f"print(Database({url(folder / 'w.db')!r}).run('SELECT a FROM t').rows)") == "((1,),)"
        assert [f.name for f in folder.iterdir()] == ["w.db"]
        (folder / "w.db").chmod(0)
        wanted = f"try: Database({url(folder / 'w.db')!r}).schema()\nexcept DatabaseUnavailable as e: print('unavailable')"
        assert _as_nobody(wanted) == "unavailable"
        folder.chmod(0o755)


def _as_nobody(code: str) -> str:
    """Run Python as a user whom file modes bind; root they do not bind."""
    lines = ["from stores.database import Database", "from stores.errors import DatabaseUnavailable", "Database('sqlite:///x')"]
    if os.geteuid() == 0:  # the interpreter may lie where nobody may look: import as root, then step down
        lines.append("import os; os.setgid(65534); os.setuid(65534)")
    found = subprocess.run(
        [sys.executable, "-c", "\n".join([*lines, code])], capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False
    )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


def test_threads_share_a_database(shop: Database) -> None:
    wrong: list[object] = []

    def read() -> None:
        for _ in range(20):
            try:
                if shop.run("SELECT COUNT(*) FROM orders").rows != ((3,),):
                    wrong.append("rows")
            except AssistantError as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_five_hundred_tables(tmp_path: Path) -> None:
    tables = (f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, label TEXT, other INT REFERENCES t{max(n - 1, 0)} (id));" for n in range(500))
    database = Database(url(make(tmp_path / "m.db", f"BEGIN; {''.join(tables)} COMMIT")))
    began = time.monotonic()
    assert len(database.schema().tables) == 500
    assert time.monotonic() - began < 10
    began = time.monotonic()
    database.run("SELECT COUNT(*) FROM t499")
    assert time.monotonic() - began < 1


def test_full_text_tables_can_be_searched(tmp_path: Path) -> None:
    script = "CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('red fox'), ('blue whale')"
    try:
        make(tmp_path / "f.db", script)
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no FTS5")
    database = Database(url(tmp_path / "f.db"))
    assert [t.name for t in database.schema().tables] == ["notes"]
    assert database.run("SELECT body FROM notes WHERE notes MATCH 'whale'").rows == (("blue whale",),)


def test_a_broken_view_does_not_hide_the_tables(tmp_path: Path) -> None:
    script = "CREATE TABLE a (x); CREATE TABLE b (y); CREATE VIEW v AS SELECT y FROM b; DROP TABLE b"
    database = Database(url(make(tmp_path / "v.db", script)))
    assert "a" in [t.name for t in database.schema().tables]


# What is tried against the connection itself, below the guard. Each must fail; some only because nothing may be written.
ATTACKS = [
    "INSERT INTO orders VALUES (9, 1, 1)",
    "UPDATE orders SET total = 0",
    "DELETE FROM orders",
    "REPLACE INTO orders VALUES (1, 1, 1)",
    "DROP TABLE orders",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x AS SELECT * FROM orders",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TRIGGER x AFTER INSERT ON orders BEGIN DELETE FROM orders; END",
    "ALTER TABLE orders RENAME TO gone",
    "WITH x AS (SELECT 1) DELETE FROM orders",
    "WITH x AS (SELECT 1) INSERT INTO orders SELECT 9, 1, 1",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1; -- x\nDELETE FROM orders",
    "/* SELECT */ DELETE FROM orders",
    "ATTACH DATABASE '{path}' AS other",
    "ATTACH DATABASE '{folder}/new.db' AS other",
    "DETACH DATABASE main",
    "PRAGMA query_only = OFF",
    "PRAGMA writable_schema = ON",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA user_version = 7",
    "VACUUM",
    "VACUUM INTO '{folder}/copy.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SAVEPOINT x",
    "SELECT load_extension('{folder}/evil')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT writefile('{folder}/new', 'x')",
    "SELECT readfile('{path}')",
    "SELECT zeroblob(2000000000)",
    "SELECT hex(randomblob(1000000000))",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM sqlite_schema",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_info('orders')",
    "EXPLAIN DELETE FROM orders",
    "SELECT name REGEXP '(a+)+$' FROM customers",
    "INSERT INTO orders VALUES (9, 1, 1) RETURNING id",
    "SELECT * INTO copy FROM orders",
    "COPY orders TO '{folder}/new'",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "beneath"])
def test_nothing_can_be_written(path: Path, attack: str, guarded: bool) -> None:
    database = Database(url(path), timeout=2)
    database.schema()
    before = hashlib.sha256(path.read_bytes()).digest()
    files = sorted(path.parent.iterdir())
    attack = attack.replace("{path}", path.as_posix()).replace("{folder}", path.parent.as_posix())
    with pytest.raises(QueryRejected):
        database.run(attack) if guarded else database._run_checked(attack, 2, 10)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert sorted(path.parent.iterdir()) == files
    assert database.run("SELECT COUNT(*) FROM orders").rows == ((3,),)


def test_a_trap_in_a_view_is_not_sprung(tmp_path: Path) -> None:
    script = "CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE VIEW trap AS SELECT load_extension('evil') AS a FROM t"
    database = Database(url(make(tmp_path / "t.db", script)))
    with pytest.raises(QueryRejected):
        database.run("SELECT a FROM trap")


def test_what_a_user_is_told_about_values(shop: Database) -> None:
    def values(question: str) -> list[tuple[str, str, str]]:
        return [(m.words, f"{m.table}.{m.column}", m.value) for m in shop.find_values(question)]

    assert values("orders of koehler") == [("koehler", "customers.name", "Köhler")]
    assert values("customers in NEW YORK or sao paulo?") == [("sao paulo", "customers.city", "São Paulo"), ("NEW YORK", "customers.city", "New York")]
    assert values("what did O'Brien's order cost?") == [("O'Brien's", "customers.name", "O'Brien")]
    assert values("how many are from york") == [("york", "customers.city", "New York")]
    assert values("list the name and city of all orders with 1") == []
    assert values("") == []


def test_words_are_matched_whole_and_plural_and_bounded(tmp_path: Path) -> None:
    script = """
    CREATE TABLE films (title TEXT, genre TEXT, code INTEGER);
    INSERT INTO films VALUES ('The Comedy of Errors', 'Comedy', 1), ('Title', 'Western', 2), ('Rocky', 'Action', 3);
    CREATE TABLE wide (label TEXT);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) INSERT INTO wide SELECT 'label' || i FROM n;
    """
    database = Database(url(make(tmp_path / "f.db", script)))

    def values(question: str) -> list[str]:
        return [m.value for m in database.find_values(question)]

    assert values("Which comedies are there?")[0] == "Comedy"
    assert values("who made the comedy of errors") == ["The Comedy of Errors"]
    assert values("rock films") == []
    assert values("titles of films") == []
    assert values("label77") == []  # more distinct values than are looked at
    many = "CREATE TABLE m (" + ", ".join(f"c{n} TEXT" for n in range(20)) + "); INSERT INTO m VALUES (" + ", ".join(["'lamp'"] * 20) + ")"
    assert len(Database(url(make(tmp_path / "n.db", many))).find_values("lamp")) <= 8


def test_new_rows_are_found(path: Path, shop: Database) -> None:
    assert shop.find_values("Quux") == []
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO customers VALUES (4, 'Quux', NULL, NULL)")
        db.commit()
    assert [m.value for m in shop.find_values("quux")] == ["Quux"]


def test_a_copy_has_the_same_fingerprint(path: Path, shop: Database) -> None:
    copy = shutil.copy(path, path.with_name("copy.db"))
    assert Database(url(Path(copy))).schema().fingerprint == shop.schema().fingerprint
