"""The guard lets one reading statement through, word for word, and says what is wrong with any other."""

from __future__ import annotations

import sqlite3

import pytest

from stores.errors import QueryRejected
from stores.guard import check
from stores.values import ColumnInfo, Schema, TableInfo


def _table(name: str, *columns: str) -> TableInfo:
    return TableInfo(name, tuple(ColumnInfo(c, "TEXT") for c in columns))


TABLES = (
    _table("singer", "id", "name", "age", "country", "data"),
    _table("song", "id", "name", "singer_id", "sales"),
    _table("Order Items", "order", "price"),
)
DIALECTS = ("sqlite", "postgres", "mysql")


def passes(sql: str, dialect: str = "sqlite") -> str:
    default = {"sqlite": "main", "postgres": "public", "mysql": "shop"}[dialect]
    return check(sql, Schema(dialect, TABLES, ""), dialect, default_schema=default)


EVERYWHERE = [
    "SELECT name FROM singer WHERE age > 20 ORDER BY age DESC LIMIT 3",
    "SELECT s.name, COUNT(*) AS n FROM singer AS s LEFT JOIN song AS g ON g.singer_id = s.id GROUP BY s.id HAVING n > 1 ORDER BY n",
    "WITH old AS (SELECT * FROM singer WHERE age > 50) SELECT name FROM old UNION ALL SELECT name FROM song",
    "(SELECT id FROM singer) UNION (SELECT id FROM song) ORDER BY 1",
    "SELECT * FROM (SELECT name, age FROM singer) AS x WHERE x.age > 3",
    "SELECT name FROM singer s WHERE EXISTS (SELECT 1 FROM song WHERE singer_id = s.id AND age > 3)",
    "SELECT name, (SELECT COUNT(*) FROM song g WHERE g.singer_id = singer.id) AS songs FROM singer ORDER BY songs",
    "SELECT CASE WHEN age > 20 THEN 'old' ELSE 'young' END AS kind, COUNT(*) FROM singer GROUP BY kind",
    "SELECT name, RANK() OVER (PARTITION BY country ORDER BY age) AS r FROM singer",
    "SELECT name FROM singer WHERE name LIKE '%; DROP TABLE singer; --%'",
    "SELECT name FROM singer WHERE id IN (SELECT singer_id FROM song WHERE sales = (SELECT MAX(sales) FROM song))",
    "SELECT DISTINCT country FROM singer EXCEPT SELECT name FROM song",
    "SELECT COALESCE(NULLIF(name, ''), 'x'), CAST(age AS INTEGER), ROUND(AVG(age), 2) FROM singer GROUP BY name, age",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n",
    "SELECT a.name FROM singer a JOIN singer b ON a.id = b.id AND a.age < b.age",
    "SELECT id, name FROM singer JOIN song USING (id, name)",
    "SELECT SINGER.NAME FROM SINGER",
    "SELECT x.n FROM (SELECT name AS n FROM singer UNION SELECT name FROM song) x",
    "SELECT CURRENT_DATE, CURRENT_TIMESTAMP",
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", EVERYWHERE)
def test_a_reading_query_passes_unchanged(sql: str, dialect: str) -> None:
    assert passes(sql, dialect) == sql


ONE_DIALECT = [
    ("sqlite", 'SELECT name FROM singer WHERE country = "France"'),
    ("sqlite", "SELECT rowid, * FROM singer"),
    ("sqlite", "SELECT [order], `price` FROM [Order Items]"),
    ("sqlite", "SELECT strftime('%Y', age), julianday('now'), iif(age > 1, 2, 3), group_concat(name, ', ') FROM singer"),
    ("sqlite", "SELECT name FROM singer ORDER BY name COLLATE NOCASE LIMIT 5, 10"),
    ("sqlite", "SELECT j.value FROM singer, json_each(singer.data) AS j"),
    ("sqlite", "SELECT main.singer.name FROM main.singer"),
    ("sqlite", "SELECT \"count(*)\" FROM (SELECT count(*) FROM singer)"),
    ("sqlite", "SELECT name FROM singer WHERE age IS NOT 3 AND name GLOB 'A*' AND name NOT LIKE 'a\\_%' ESCAPE '\\'"),
    ("sqlite", "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9) SELECT i FROM n"),
    ("postgres", "SELECT name::text, age::int + 1 FROM public.singer WHERE name ILIKE 'a%'"),
    ("postgres", "SELECT DISTINCT ON (country) country, name FROM singer ORDER BY country, age"),
    ("postgres", "SELECT COUNT(*) FILTER (WHERE age::int > 3), PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY age::int) FROM singer"),
    ("postgres", "SELECT s.name, l.sales FROM singer s, LATERAL (SELECT sales FROM song WHERE singer_id = s.id) AS l"),
    ("postgres", "SELECT DATE_TRUNC('month', NOW()), EXTRACT(YEAR FROM CURRENT_DATE), TO_CHAR(NOW(), 'YYYY'), AGE(NOW())"),
    ("postgres", "SELECT data::jsonb ->> 'a', jsonb_array_length(data::jsonb) FROM singer WHERE data::jsonb @> '{\"a\": 1}'"),
    ("postgres", "SELECT n FROM generate_series(1, 3) AS n"),
    ("postgres", "SELECT STRING_AGG(name, ', ' ORDER BY name), ARRAY_AGG(age) FROM singer WHERE age = ANY (ARRAY['1', '2'])"),
    ("postgres", "SELECT x.a FROM (VALUES (1, 'b'), (2, 'c')) AS x(a, b)"),
    ("postgres", "SELECT pg_typeof(name), name COLLATE \"C\" FROM singer"),
    ("postgres", "SELECT \"order\" FROM \"Order Items\" WHERE price ~ '^1' AND $$a'b$$ <> E'\\''"),
    ("postgres", "SELECT s FROM singer s"),
    ("mysql", "SELECT `order`, DATE_FORMAT(NOW(), '%Y') FROM `Order Items` WHERE price = \"x\""),
    ("mysql", "SELECT GROUP_CONCAT(name ORDER BY name SEPARATOR ', '), IFNULL(age, 0) FROM singer GROUP BY age"),
]


@pytest.mark.parametrize(("dialect", "sql"), ONE_DIALECT)
def test_what_a_dialect_has_of_its_own_passes(dialect: str, sql: str) -> None:
    assert passes(sql, dialect) == sql


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT 1 ;", "SELECT 1"),
        ("  SELECT 1 ; ; ", "SELECT 1"),
        ("-- first\nSELECT name -- the name\nFROM singer", "SELECT name FROM singer"),
        ("SELECT/**/name/* a ; b */FROM singer", "SELECT name FROM singer"),
        ("SELECT '-- no /* comment */' AS x", "SELECT '-- no /* comment */' AS x"),
        ("SELECT name\n  FROM singer", "SELECT name\n  FROM singer"),
    ],
)
def test_comments_and_the_last_semicolon_go(sql: str, text: str) -> None:
    assert passes(sql) == text


REFUSED = [
    "INSERT INTO singer VALUES (1)",
    "UPDATE singer SET name = 'x'",
    "DELETE FROM singer",
    "MERGE INTO singer USING song ON true WHEN MATCHED THEN DELETE",
    "DROP TABLE singer",
    "CREATE TABLE x (a INT)",
    "CREATE TEMP TABLE x AS SELECT 1",
    "ALTER TABLE singer ADD COLUMN x INT",
    "TRUNCATE singer",
    "WITH x AS (DELETE FROM singer RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO singer VALUES (1) RETURNING *) SELECT * FROM x",
    "WITH x AS (UPDATE singer SET name = 'x' RETURNING *) SELECT * FROM x",
    "WITH x AS (SELECT 1) DELETE FROM singer",
    "SELECT * FROM (DELETE FROM singer RETURNING *) x",
    "SELECT 1; DELETE FROM singer",
    "SELECT 1; SELECT 2",
    "SELECT 1 /* ; */ ; -- x\n DROP TABLE singer",
    "/* SELECT */ DELETE FROM singer",
    "SELECT * INTO x FROM singer",
    "SELECT name INTO OUTFILE '/tmp/x' FROM singer",
    "SELECT * FROM singer FOR UPDATE",
    "SELECT * FROM singer FOR SHARE",
    "COPY singer TO '/tmp/x'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "ATTACH DATABASE 'x' AS y",
    "PRAGMA table_info(singer)",
    "SET x = 1",
    "SET ROLE postgres",
    "CALL f()",
    "DO $$ BEGIN DELETE FROM singer; END $$",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM singer",
    "SHOW TABLES",
    "VACUUM",
    "BEGIN",
    "GRANT ALL ON singer TO x",
    "LOCK TABLE singer",
    "LISTEN x",
    "PREPARE x AS DELETE FROM singer",
    "EXECUTE x",
    "VALUES (1)",
    "TABLE singer",
    "",
    "   -- nothing",
    ";",
    "hello world",
    "SELECT 'open",
    "SELECT (1",
    "SELECT name FROM singer WHERE id = :id",
    "SELECT name FROM singer WHERE id = ?",
    "SELECT * FROM singer WHERE id IN song",
    "SELECT 1\0",
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", REFUSED)
def test_all_else_is_refused(sql: str, dialect: str) -> None:
    with pytest.raises(QueryRejected):
        passes(sql, dialect)


FUNCTIONS = [
    ("sqlite", "load_extension('x')"),
    ("sqlite", "LOAD_EXTENSION ('x')"),
    ("sqlite", '"load_extension"(\'x\')'),
    ("sqlite", "load_extension/**/('x')"),
    ("sqlite", "readfile('/etc/passwd')"),
    ("sqlite", "writefile('/tmp/x', 'y')"),
    ("sqlite", "edit('x')"),
    ("sqlite", "fts3_tokenizer('x')"),
    ("sqlite", "zeroblob(1000000000)"),
    ("sqlite", "randomblob(1000000000)"),
    ("sqlite", "unheard_of(1)"),
    ("postgres", "pg_sleep(10)"),
    ("postgres", "pg_catalog.pg_sleep(10)"),
    ("postgres", '"pg_sleep"(10)'),
    ("postgres", "pg_sleep_for('1 hour')"),
    ("postgres", "pg_read_file('/etc/passwd')"),
    ("postgres", "pg_read_binary_file('/etc/passwd')"),
    ("postgres", "pg_ls_dir('/')"),
    ("postgres", "pg_terminate_backend(1)"),
    ("postgres", "pg_advisory_lock(1)"),
    ("postgres", "lo_import('/etc/passwd')"),
    ("postgres", "lo_export(1, '/tmp/x')"),
    ("postgres", "dblink('host=x', 'DELETE FROM singer')"),
    ("postgres", "dblink_exec('x', 'y')"),
    ("postgres", "query_to_xml('DELETE FROM singer', true, true, '')"),
    ("postgres", "set_config('role', 'postgres', false)"),
    ("postgres", "current_setting('data_directory')"),
    ("postgres", "nextval('x')"),
    ("postgres", "setval('x', 1)"),
    ("postgres", "mine.lower('x')"),
    ("mysql", "load_file('/etc/passwd')"),
    ("mysql", "sleep(10)"),
    ("mysql", "benchmark(1000000000, md5('x'))"),
    ("mysql", "get_lock('x', 10)"),
]


@pytest.mark.parametrize(("dialect", "call"), FUNCTIONS)
@pytest.mark.parametrize("place", ["SELECT {}", "SELECT name FROM singer WHERE {} IS NULL", "SELECT * FROM {} AS x", "SELECT (SELECT {})"])
def test_functions_that_do_more_than_compute_are_refused(dialect: str, call: str, place: str) -> None:
    with pytest.raises(QueryRejected):
        passes(place.format(call), dialect)


SYSTEM = [
    ("sqlite", "sqlite_master"),
    ("sqlite", "SQLITE_SCHEMA"),
    ("sqlite", '"sqlite_temp_master"'),
    ("sqlite", "main.sqlite_master"),
    ("sqlite", "pragma_table_info('singer')"),
    ("sqlite", "other.singer"),
    ("sqlite", "dbstat"),
    ("postgres", "pg_catalog.pg_authid"),
    ("postgres", "pg_shadow"),
    ("postgres", "information_schema.tables"),
    ("postgres", "private.singer"),
    ("postgres", "a.public.singer"),
    ("mysql", "mysql.user"),
    ("mysql", "information_schema.tables"),
]


@pytest.mark.parametrize(("dialect", "table"), SYSTEM)
def test_only_the_databases_own_tables_are_read(dialect: str, table: str) -> None:
    for sql in (f"SELECT * FROM {table}", f"SELECT 1 FROM singer WHERE EXISTS (SELECT 1 FROM {table})", f"WITH x AS (SELECT 1 FROM {table}) SELECT 1"):
        with pytest.raises(QueryRejected):
            passes(sql, dialect)


def test_a_cte_does_not_let_a_hidden_table_through() -> None:
    with pytest.raises(QueryRejected, match="no such table: hidden"):
        passes("SELECT * FROM hidden, (WITH hidden AS (SELECT 1) SELECT * FROM hidden) AS x", "postgres")
    with pytest.raises(QueryRejected, match="no such table: hidden"):
        passes("WITH hidden AS (SELECT * FROM hidden) SELECT * FROM hidden", "postgres")
    with pytest.raises(QueryRejected, match="no such table: b"):
        passes("WITH a AS (SELECT * FROM b), b AS (SELECT 1) SELECT * FROM a", "postgres")


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT T1.sales FROM singer AS T1", "no such column: T1.sales; column sales is in: song"),
        ("SELECT singer_id FROM singer", "no such column: singer_id; column singer_id is in: song"),
        ("SELECT nmae FROM singer", "no such column: nmae; did you mean: name?"),
        ("SELECT s.zzz FROM song s", "no such column: s.zzz; song has: id, name, singer_id, sales"),
        ("SELECT name FROM singer WHERE id IN (SELECT zzz FROM song)", "no such column: zzz"),
        ("WITH c AS (SELECT name FROM singer) SELECT c.age FROM c", "no such column: c.age; column age is in: singer"),
        ("SELECT 1 FROM singr", "no such table: singr; Did you mean singer? Tables are: singer, song, Order Items."),
    ],
)
def test_an_unknown_name_is_explained(sql: str, message: str) -> None:
    for dialect in DIALECTS:
        with pytest.raises(QueryRejected) as caught:
            passes(sql, dialect)
        assert str(caught.value).startswith(message)


def test_a_string_in_double_quotes_is_a_string_only_in_sqlite() -> None:
    assert passes('SELECT name FROM singer WHERE name = "nobody"')
    with pytest.raises(QueryRejected, match="no such column: nobody"):
        passes('SELECT name FROM singer WHERE name = "nobody"', "postgres")


def test_very_long_and_very_deep_queries_are_refused() -> None:
    with pytest.raises(QueryRejected, match="longer than"):
        passes("SELECT " + "1 + " * 10_000 + "1")
    with pytest.raises(QueryRejected):
        passes("SELECT " + "(" * 5_000 + "1" + ")" * 5_000)


def test_what_passes_runs_as_it_was_read() -> None:
    """The comment that ends a string for one reader and not for another does not change what runs."""
    db = sqlite3.connect(":memory:")
    for sql in ("SELECT 'a\\', 'b' /* ' */ AS x", "SELECT 'a''b' -- '\n", 'SELECT "a""b" /* " */ FROM singer'):
        text = passes(sql)
        assert "/*" not in text
        assert "--" not in text
        if "singer" not in text:
            db.execute(text)
    db.close()
