"""What a query does, said by program: word for word, and never an error for what the guard lets through."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from sqlglot import exp, parse_one

from stores.database import Database
from stores.errors import QueryRejected
from stores.explain import UNSAID, explain
from stores.formatting import ONE_LINE, formatted
from stores.guard import check
from stores.values import ColumnInfo, Schema, TableInfo
from tests import test_stores_guard as guarded


def _table(name: str, *columns: str) -> TableInfo:
    """Each column as "name TYPE [table.column that it refers to]"."""
    parts = [column.split() for column in columns]
    return TableInfo(name, tuple(ColumnInfo(c, type_, references=key[0] if key else None) for c, type_, *key in parts))


TABLES = (
    _table(
        "members", "id INTEGER", "name TEXT", "city TEXT", "tier TEXT", "joined_on DATE", "left_on DATE", "manager_id INTEGER members.id"
    ),
    _table(
        "repairs", "id INTEGER", "member_id INTEGER members.id", "status TEXT", "received_on DATE", "price REAL", "hours REAL", "created_at DATETIME"
    ),
    _table("parts", "id INTEGER", "title TEXT", "price REAL", "stock INTEGER"),
    _table("repair_parts", "repair_id INTEGER repairs.id", "part_id INTEGER parts.id", "quantity INTEGER"),
    _table("Order Items", "order INTEGER", "city TEXT"),
)

SAID = [
    ("sqlite", "SELECT COUNT(*) FROM members", "Looks at members. Counts the rows."),
    ("sqlite", "SELECT name, city FROM members", "Looks at members. Shows name and city."),
    ("sqlite", "SELECT * FROM members", "Looks at members. Shows every column."),
    ("sqlite", "SELECT DISTINCT city FROM members", "Looks at members. Shows each different value of city once."),
    ("sqlite", "SELECT DISTINCT city, tier FROM members", "Looks at members. Shows each different combination of city and tier once."),
    ("sqlite", "SELECT name FROM members WHERE city = 'Porto' AND tier <> 'gold'", "Looks at members. Keeps the rows where city is 'Porto' and tier is not 'gold'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE city = 'Porto' OR tier = 'gold' AND left_on IS NULL", "Looks at members. Keeps the rows where city is 'Porto' or (tier is 'gold' and left_on has no value). Shows name."),
    ("sqlite", "SELECT name FROM members WHERE (city = 'Porto' OR city = 'Ghent') AND left_on IS NOT NULL", "Looks at members. Keeps the rows where (city is 'Porto' or city is 'Ghent') and left_on has a value. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE city IN ('Porto', 'Ghent')", "Looks at members. Keeps the rows where city is one of 'Porto' or 'Ghent'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE city NOT IN ('Porto')", "Looks at members. Keeps the rows where city is not 'Porto'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE id IN (1, 2, 3, 4, 5, 6, 7, 8)", "Looks at members. Keeps the rows where id is one of 8 values (1, 2, 3, 4, 5, 6 and 2 more). Shows name."),
    ("sqlite", "SELECT name FROM members WHERE name LIKE 'A%'", "Looks at members. Keeps the rows where name starts with 'A'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE name LIKE '%son%' AND name NOT LIKE '%x'", "Looks at members. Keeps the rows where name contains 'son' and name does not end with 'x'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE name LIKE 'A_b%'", "Looks at members. Keeps the rows where name matches the pattern 'A_b%'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE joined_on >= '2025-01-01' AND joined_on < '2026-01-01'", "Looks at members. Keeps the rows where joined_on is in 2025. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE joined_on >= '2025-03-01' AND joined_on < '2025-04-01'", "Looks at members. Keeps the rows where joined_on is in March 2025. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE joined_on BETWEEN '2025-01-01' AND '2025-12-31'", "Looks at members. Keeps the rows where joined_on is between 2025-01-01 and 2025-12-31. Shows name."),
    ("sqlite", "SELECT id FROM repairs WHERE received_on > '2025-01-01' AND created_at > '2025-01-01' AND price >= 10", "Looks at repairs. Keeps the rows where received_on is after 2025-01-01 and created_at is more than 2025-01-01 and price is at least 10. Shows id."),
    ("sqlite", "SELECT COUNT(*) FROM members WHERE strftime('%Y', joined_on) = '2025'", "Looks at members. Keeps the rows where the year of joined_on is '2025'. Counts the rows."),
    ("postgres", "SELECT COUNT(*) FROM members WHERE EXTRACT(YEAR FROM joined_on) = 2025 AND name ILIKE '%a%'", "Looks at members. Keeps the rows where the year of joined_on is 2025 and name contains 'a'. Counts the rows."),
    ("mysql", "SELECT COUNT(*) FROM members WHERE YEAR(joined_on) = 2025", "Looks at members. Keeps the rows where the year of joined_on is 2025. Counts the rows."),
    ("sqlite", "SELECT city, COUNT(*) AS n FROM members GROUP BY city ORDER BY n DESC LIMIT 5", "Looks at members. For each city, counts the rows. Sorts by the number of rows, highest first, and takes the first 5 rows."),
    ("sqlite", "SELECT city, tier, COUNT(*) FROM members GROUP BY 1, 2 HAVING COUNT(*) > 3 ORDER BY city", "Looks at members. Groups them by city and tier and keeps the groups where the number of rows is more than 3. For each city and tier, counts the rows. Sorts by city, from A to Z."),
    ("sqlite", "SELECT city FROM members GROUP BY city HAVING COUNT(*) >= 2", "Looks at members. Groups them by city and keeps the groups where the number of rows is at least 2. Shows each city once."),
    ("sqlite", "SELECT city FROM members GROUP BY city ORDER BY COUNT(*) DESC LIMIT 1", "Looks at members. Groups them by city. Shows each city once. Sorts by the number of rows, highest first, and takes the first row."),
    ("sqlite", "SELECT name FROM members LIMIT -1", "Looks at members. Shows name. Takes rows by `LIMIT -1`."),
    ("sqlite", "SELECT CAST(strftime('%Y', joined_on) AS INTEGER) AS year, COUNT(*) FROM members GROUP BY year", "Looks at members. For each year of joined_on, counts the rows."),
    ("sqlite", "SELECT AVG(price), MIN(received_on), MAX(price), COUNT(DISTINCT status) FROM repairs", "Looks at repairs. Shows the average of price, the earliest received_on, the highest price and the number of different values of status."),
    ("sqlite", "SELECT SUM(price) FROM repairs", "Looks at repairs. Adds up price."),
    ("sqlite", "SELECT ROUND(AVG(price), 2) FROM repairs", "Looks at repairs. Shows the average of price (rounded to 2 decimals)."),
    ("sqlite", "SELECT SUM(price * hours) AS total FROM repairs", "Looks at repairs. Adds up `price * hours` (as total)."),
    ("sqlite", "SELECT status, SUM(CASE WHEN price > 100 THEN 1 ELSE 0 END) AS dear FROM repairs GROUP BY status", "Looks at repairs. For each status, counts the rows where price is more than 100."),
    ("sqlite", "SELECT m.name, r.status FROM members m JOIN repairs r ON r.member_id = m.id", "Looks at members together with their repairs. Shows name and status."),
    ("sqlite", "SELECT m.name, COUNT(r.id) FROM members AS m LEFT JOIN repairs AS r ON r.member_id = m.id GROUP BY m.name", "Looks at members together with their repairs (if any). For each name, counts the rows with a value in repairs.id."),
    ("sqlite", "SELECT p.title FROM repairs r JOIN repair_parts rp ON rp.repair_id = r.id JOIN parts p ON p.id = rp.part_id WHERE r.status = 'open'", "Looks at repairs together with their repair_parts and the parts of repair_parts. Keeps the rows where status is 'open'. Shows title."),
    ("sqlite", "SELECT m.name FROM members m JOIN repairs r ON r.member_id = m.id AND r.price > 100", "Looks at members together with their repairs (only those where price is more than 100). Shows name."),
    ("sqlite", "SELECT a.name, b.name FROM members a JOIN members b ON a.manager_id = b.id", "Looks at members (called a) together with members (called b) (matched where a.manager_id equals b.id). Shows a.name and b.name."),
    ("sqlite", 'SELECT name FROM members JOIN "Order Items" ON members.city = "Order Items".city', 'Looks at members together with `"Order Items"` (with the same city). Shows name.'),
    ("sqlite", 'SELECT name FROM members JOIN "Order Items" USING (city)', 'Looks at members together with `"Order Items"` (with the same city). Shows name.'),
    ("sqlite", "SELECT name, title FROM members, parts", "Looks at members together with every row of parts. Shows name and title."),
    ("sqlite", "SELECT name FROM members NATURAL JOIN repairs", "Looks at members together with repairs (with the same values in the columns of the same name). Shows name."),
    ("postgres", "SELECT name FROM members FULL JOIN repairs ON repairs.member_id = members.id", "Looks at members together with `FULL JOIN repairs ON repairs.member_id = members.id`. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE id IN (SELECT member_id FROM repairs WHERE status = 'open') AND city = 'Porto'", "Looks at members. Keeps the rows where id is one of (the values of member_id in repairs where status is 'open') and city is 'Porto'. Shows name."),
    ("sqlite", "SELECT title FROM parts WHERE price > (SELECT AVG(price) FROM parts)", "Looks at parts. Keeps the rows where price is more than (the average of price in parts). Shows title."),
    ("sqlite", "SELECT name FROM members m WHERE EXISTS (SELECT 1 FROM repairs r WHERE r.member_id = m.id AND r.status = 'open')", "Looks at members. Keeps the rows where there is a row in (repairs where repairs.member_id equals members.id and repairs.status is 'open'). Shows name."),
    ("sqlite", "SELECT name FROM members m WHERE NOT EXISTS (SELECT 1 FROM repairs WHERE member_id = m.id)", "Looks at members. Keeps the rows where there is no row in (repairs where member_id equals members.id). Shows name."),
    ("sqlite", "SELECT name FROM members WHERE EXISTS (SELECT 1 FROM repairs WHERE member_id = members.id AND tier = 'gold')", "Looks at members. Keeps the rows where this condition holds: `EXISTS(SELECT 1 FROM repairs WHERE member_id = members.id AND tier = 'gold')`. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE id = (SELECT member_id FROM repairs ORDER BY price DESC LIMIT 1)", "Looks at members. Keeps the rows where id is `(SELECT member_id FROM repairs ORDER BY price DESC LIMIT 1)`. Shows name."),
    ("sqlite", "WITH open AS (SELECT member_id, COUNT(*) AS n FROM repairs WHERE status = 'open' GROUP BY member_id) SELECT name FROM members JOIN open ON open.member_id = members.id WHERE n > 2", "Makes open: looks at repairs; keeps the rows where status is 'open'; for each member_id, counts the rows (as n). Looks at members together with open (matched where member_id equals members.id). Keeps the rows where n is more than 2. Shows name."),
    ("sqlite", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5) SELECT x FROM c", "Makes c (with the columns x), which may refer to itself, by `SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5`. Looks at c. Shows x."),
    ("sqlite", "SELECT AVG(n) FROM (SELECT COUNT(*) AS n FROM repairs GROUP BY member_id) AS t", "Makes t: looks at repairs; for each member_id, counts the rows (as n). Looks at t. Shows the average of n."),
    ("sqlite", "SELECT AVG(n) FROM (SELECT COUNT(*) AS n FROM repairs GROUP BY member_id)", "Makes a result: looks at repairs; for each member_id, counts the rows (as n). Looks at that result. Shows the average of n."),
    ("sqlite", "SELECT name FROM members UNION SELECT title FROM parts ORDER BY name LIMIT 3", "Result 1: looks at members; shows name. Result 2: looks at parts; shows title. Puts the rows of all results together, each different row once. Sorts by name, in ascending order, and takes the first 3 rows."),
    ("sqlite", "SELECT name FROM members UNION ALL SELECT title FROM parts", "Result 1: looks at members; shows name. Result 2: looks at parts; shows title. Puts the rows of all results together."),
    ("sqlite", "SELECT id FROM members INTERSECT SELECT member_id FROM repairs", "Result 1: looks at members; shows id. Result 2: looks at repairs; shows member_id. Keeps the rows that both results have, each once."),
    ("sqlite", "SELECT id FROM members EXCEPT SELECT member_id FROM repairs", "Result 1: looks at members; shows id. Result 2: looks at repairs; shows member_id. Keeps the rows of result 1 that result 2 does not have, each once."),
    ("sqlite", "SELECT id FROM members UNION SELECT member_id FROM repairs EXCEPT SELECT id FROM parts", "Combines several results: `SELECT id FROM members UNION SELECT member_id FROM repairs EXCEPT SELECT id FROM parts`."),
    ("sqlite", "SELECT id FROM members EXCEPT SELECT id FROM parts EXCEPT SELECT id FROM repairs", "Combines several results: `SELECT id FROM members EXCEPT SELECT id FROM parts EXCEPT SELECT id FROM repairs`."),
    ("sqlite", "SELECT name, RANK() OVER (PARTITION BY city ORDER BY joined_on) AS r FROM members", "Looks at members. Shows name and a value over several rows, `RANK() OVER (PARTITION BY city ORDER BY joined_on)` (as r)."),
    ("sqlite", "SELECT 1 + 1", "Works out `1 + 1`."),
    ("sqlite", "SELECT name FROM members LIMIT 10", "Looks at members. Shows name. Takes at most 10 rows."),
    ("sqlite", "SELECT name FROM members ORDER BY joined_on DESC, name LIMIT 5 OFFSET 10", "Looks at members. Shows name. Sorts by joined_on (latest first), then by name (from A to Z), skips the first 10 rows and takes the next 5."),
    ("sqlite", "SELECT name FROM members ORDER BY RANDOM() LIMIT 1", "Looks at members. Shows name. Puts them in random order, and takes the first row."),
    ("sqlite", "SELECT name FROM members ORDER BY left_on ASC NULLS LAST", "Looks at members. Shows name. Sorts by left_on, earliest first (rows without a value last)."),
    ("postgres", "SELECT DISTINCT ON (city) city, name FROM members ORDER BY city, joined_on", "Looks at members. Shows city and name, one row for each `city`. Sorts by city (from A to Z), then by joined_on (earliest first)."),
    ("postgres", "SELECT name FROM members ORDER BY name FETCH FIRST 2 ROWS WITH TIES", "Looks at members. Shows name. Sorts by name, from A to Z, and takes rows by `FETCH FIRST 2 ROWS WITH TIES`."),
    ("postgres", "SELECT city, COUNT(*) FROM members GROUP BY ROLLUP (city)", "Looks at members. For each `ROLLUP (city)`, shows city and the number of rows."),
    ("sqlite", 'SELECT name FROM members WHERE city = "Porto"', "Looks at members. Keeps the rows where city is 'Porto'. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE LOWER(city) = 'porto' AND LENGTH(name) > 5", "Looks at members. Keeps the rows where city in small letters is 'porto' and the length of name is more than 5. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE NOT (city = 'Porto' AND tier = 'gold')", "Looks at members. Keeps the rows where this condition holds: `NOT (city = 'Porto' AND tier = 'gold')`. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE left_on = NULL", "Looks at members. Keeps the rows where this condition holds: `left_on = NULL`. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE name GLOB 'A*' OR id % 2 = 0", "Looks at members. Keeps the rows where this condition holds: `name GLOB 'A*'` or `id % 2` is 0. Shows name."),
    ("sqlite", 'SELECT "order", `city` FROM [Order Items]', 'Looks at `"Order Items"`. Shows order and city.'),
    ("sqlite", "SELECT COALESCE(city, 'none'), name || ' ' || tier FROM members", "Looks at members. Shows `COALESCE(city, 'none')` and `name || ' ' || tier`."),
    ("sqlite", "(SELECT id FROM members) UNION (SELECT id FROM parts) ORDER BY 1", "Result 1: looks at members; shows id. Result 2: looks at parts; shows id. Puts the rows of all results together, each different row once. Sorts by id, in ascending order."),
    ("sqlite", "(SELECT name FROM members) LIMIT 3", "Runs `SELECT name FROM members LIMIT 3`."),
    ("sqlite", "SELECT m.* FROM members m JOIN repairs r ON r.member_id = m.id WHERE r.price = (SELECT MAX(price) FROM repairs)", "Looks at members together with their repairs (called r). Keeps the rows where price is (the highest price in repairs). Shows every column of members."),
    ("postgres", "SELECT s.name, l.price FROM members s, LATERAL (SELECT price FROM repairs WHERE member_id = s.id) AS l", "Looks at members together with every row of `LATERAL (SELECT price FROM repairs WHERE member_id = s.id) AS l`. Shows members.name and price."),
    ("sqlite", "SELECT j.value FROM members, json_each(members.name) AS j", "Looks at members together with every row of `JSON_EACH(name) AS j`. Shows value."),
    ("sqlite", "SELECT MAX(price, hours) FROM repairs", "Looks at repairs. Shows `MAX(price, hours)`."),
    ("sqlite", "SELECT CASE WHEN price > 100 THEN 'dear' ELSE 'cheap' END AS kind, COUNT(*) FROM repairs GROUP BY kind", "Looks at repairs. For each kind, shows `CASE WHEN price > 100 THEN 'dear' ELSE 'cheap' END` (as kind) and the number of rows."),
    ("sqlite", "SELECT name FROM members WHERE joined_on > CURRENT_DATE", "Looks at members. Keeps the rows where joined_on is after today. Shows name."),
    ("sqlite", "SELECT name, (SELECT COUNT(*) FROM repairs r WHERE r.member_id = members.id) AS n FROM members ORDER BY n DESC", "Looks at members. Shows name and (the number of rows in repairs where repairs.member_id equals members.id). Sorts by (the number of rows in repairs where repairs.member_id equals members.id), in descending order."),
    ("sqlite", "SELECT m.city FROM members m JOIN repairs r ON r.member_id = m.id GROUP BY m.city, r.status", "Looks at members together with their repairs. For each city and status, shows city."),
    ("postgres", "SELECT name FROM members WHERE name NOT LIKE '%x' AND left_on IS NOT NULL AND city NOT ILIKE 'a%'", "Looks at members. Keeps the rows where name does not end with 'x' and left_on has a value and city does not start with 'a'. Shows name."),
    ("mysql", "SELECT name FROM members WHERE name NOT LIKE '%x' AND left_on IS NOT NULL AND id NOT BETWEEN 1 AND 3", "Looks at members. Keeps the rows where name does not end with 'x' and left_on has a value and id is not between 1 and 3. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE NOT name NOT LIKE '%x'", "Looks at members. Keeps the rows where name ends with 'x'. Shows name."),
    ("sqlite", "SELECT DISTINCT * FROM members", "Looks at members. Shows each different row once."),
    ("sqlite", "SELECT COUNT(*) FILTER (WHERE tier = 'gold') FROM members", "Looks at members. Shows `COUNT(*) FILTER(WHERE tier = 'gold')`."),
    ("sqlite", "SELECT name FROM members WHERE city LIKE \"%or%\" AND LOWER(tier) LIKE LOWER('%GO%')", "Looks at members. Keeps the rows where city contains 'or' and tier contains 'GO' in any case. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE name LIKE 'a!_b' ESCAPE '!'", "Looks at members. Keeps the rows where this condition holds: `name LIKE 'a!_b' ESCAPE '!'`. Shows name."),
    ("sqlite", "SELECT name FROM members WHERE name LIKE '%'", "Looks at members. Keeps the rows where name matches the pattern '%'. Shows name."),
]  # fmt: skip


@pytest.mark.parametrize(("dialect", "sql", "said"), SAID)
def test_a_query_is_said_word_for_word(dialect: str, sql: str, said: str) -> None:
    assert explain(sql, Schema(dialect, TABLES, "")) == said


@pytest.mark.parametrize(("dialect", "sql", "said"), SAID)
def test_a_query_is_said_alike_in_its_layout(dialect: str, sql: str, said: str) -> None:
    assert explain(formatted(sql, dialect), Schema(dialect, TABLES, "")) == said


ALLOWED = [*product(guarded.DIALECTS, guarded.EVERYWHERE), *guarded.ONE_DIALECT]
"""(dialect, query) of all that the guard's own tests let through."""


@pytest.mark.parametrize(("dialect", "sql"), ALLOWED)
def test_what_the_guard_lets_through_is_said(dialect: str, sql: str) -> None:
    said = explain(sql, Schema(dialect, guarded.TABLES, ""))
    assert said.endswith(".")
    assert said != UNSAID


WHATS = ("*", "m.*", "COUNT(*)", "m.city, SUM(r.price) AS total", "DISTINCT m.city, r.status", "MAX(m.joined_on) - MIN(m.joined_on)", "m.city AS c, ROW_NUMBER() OVER () AS n")
SOURCES = (
    "members m CROSS JOIN repairs r", "members m, repairs r", "members m LEFT JOIN repairs r ON r.member_id = m.id OR r.price > m.id",
    "(SELECT * FROM members) m JOIN (SELECT * FROM repairs LIMIT 3) r USING (id)", "members m RIGHT JOIN repairs r ON TRUE",
)  # fmt: skip
WHERES = (
    "", "WHERE m.id = ALL_OF", "WHERE (m.id, r.id) IN (SELECT id, member_id FROM repairs)", "WHERE NOT (NOT (m.city IS NULL))",
    "WHERE m.id IN (SELECT member_id FROM repairs WHERE price > (SELECT AVG(price) FROM parts WHERE stock > r.id))",
    "WHERE CASE WHEN m.id > 1 THEN r.price ELSE 0 END BETWEEN -1 AND +1 AND m.name = 'it''s `x` ' || ''",
)  # fmt: skip
ENDS = ("", "GROUP BY 1", "GROUP BY m.city, r.status HAVING COUNT(*) > 1 AND total > 3 ORDER BY 2 DESC, COUNT(*) LIMIT 1 + 1", "ORDER BY 9, c LIMIT 3 OFFSET 1", "HAVING MIN(r.price) > 2")


@pytest.mark.parametrize("source", SOURCES)
def test_no_mixture_of_parts_is_an_error(source: str) -> None:
    for what, where, end in product(WHATS, WHERES, ENDS):
        sql = f"SELECT {what} FROM {source} {where.replace('ALL_OF', '(SELECT MAX(id) FROM members)')} {end}"
        for dialect in guarded.DIALECTS:
            assert explain(sql, Schema(dialect, TABLES, "")).endswith("."), sql


SWAPPED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.EQ: exp.NEQ, exp.NEQ: exp.EQ, exp.GT: exp.GTE, exp.GTE: exp.GT, exp.LT: exp.LTE, exp.LTE: exp.LT, exp.And: exp.Or, exp.Or: exp.And,
    exp.Sum: exp.Avg, exp.Avg: exp.Sum, exp.Min: exp.Max, exp.Max: exp.Min, exp.Lower: exp.Upper, exp.Add: exp.Sub, exp.Mul: exp.Div,
    exp.Except: exp.Intersect, exp.Intersect: exp.Union,
}  # fmt: skip
PARTS = (exp.Where, exp.Having, exp.Order, exp.Limit, exp.Offset, exp.Group, exp.Join)


def alter(node: exp.Expr) -> bool:
    """Change what a node means, in place; False where this node is left as it is."""
    if other := SWAPPED.get(type(node)):
        if node.parent:
            node.replace(other(**{key: arg for key, arg in node.args.items() if key in other.arg_types}))
        return node.parent is not None
    if isinstance(node, exp.Not):
        node.replace(node.this)
    elif isinstance(node, exp.Like | exp.ILike | exp.Is):
        node.set("negate", not node.args.get("negate"))
    elif isinstance(node, exp.Ordered):
        node.set("desc", not node.args.get("desc"))
    elif isinstance(node, exp.Literal) and not isinstance(node.parent, exp.Count | exp.Select):
        node.set("this", f"{node.name}x" if node.is_string else "7")
    elif isinstance(node, exp.Column) and isinstance(node.this, exp.Identifier) and not node.this.quoted:
        node.set("this", exp.to_identifier("id" if node.name == "manager_id" else "manager_id"))
    elif isinstance(node, exp.Select) and node.parent is None and not node.args.get("group"):
        node.set("distinct", None if node.args.get("distinct") else exp.Distinct())
    elif isinstance(node, exp.Join) and not node.kind and not node.method and (node.args.get("on") or node.args.get("using")):
        node.set("side", None if node.side else "LEFT")
    elif isinstance(node, PARTS) and isinstance(node.parent, exp.Query):
        node.pop()
    else:
        return False
    return True


# A long list is cut, and chance has no direction.
ALTERED = [(dialect, sql) for dialect, sql, _ in SAID if "7, 8)" not in sql and "RANDOM" not in sql]


@pytest.mark.parametrize(("dialect", "sql"), ALTERED)
def test_another_query_is_said_otherwise(dialect: str, sql: str) -> None:
    schema, tree = Schema(dialect, TABLES, ""), parse_one(sql, dialect=dialect)
    said, text = explain(sql, schema), tree.sql(dialect)
    for at, _ in enumerate(tree.walk()):
        copy = tree.copy()
        if alter(list(copy.walk())[at]) and (other := copy.sql(dialect)) != text:
            assert explain(other, schema) != said, other


def test_deep_nesting_is_quoted_and_too_deep_is_said() -> None:
    schema = Schema("sqlite", TABLES, "")
    nested = "SELECT id FROM members"
    for _ in range(9):
        nested = f"SELECT id FROM ({nested}) AS t"
    assert "runs `" in explain(nested, schema)
    many = " OR ".join(f"id = {number}" for number in range(900))
    assert "id is 0 or id is 1 or" in explain(f"SELECT id FROM members WHERE {many}", schema)


def test_what_is_no_query_is_refused() -> None:
    with pytest.raises(QueryRejected):
        explain("DROP TABLE members", Schema("sqlite", TABLES, ""))


def test_the_database_says_what_is_kept_from_the_reader(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER)")
    connection.close()
    url = f"sqlite:///{(tmp_path / 'shop.db').as_posix()}"
    scoped = Database(url, scopes={"orders": "customer_id = :user"})
    masked = Database(url, masked=["orders.customer_id"])
    try:
        said = "Looks at orders. Counts the rows."
        assert scoped.explain("SELECT COUNT(*) FROM orders") == f"{said} Only rows that the user who asks may see are read."
        assert masked.explain("SELECT COUNT(*) FROM orders") == f"{said} Masked columns come out empty."
    finally:
        scoped.close()
        masked.close()


@pytest.mark.parametrize(("dialect", "sql"), [*ALLOWED, *((dialect, sql) for dialect, sql, _ in SAID)])
def test_what_is_shown_is_the_query_that_ran(dialect: str, sql: str) -> None:
    shown = formatted(sql, dialect)
    assert parse_one(shown, dialect=dialect) == parse_one(sql, dialect=dialect)
    assert ("\n" in shown) == (len(" ".join(shown.split())) > ONE_LINE) or shown == sql


def test_a_long_query_stands_in_lines_and_is_let_through_again() -> None:
    sql = "select m.name, sum(r.price) as total from members m join repairs r on r.member_id = m.id where r.status = 'it''s  open' group by m.name order by total desc limit 5"
    shown = formatted(sql, "sqlite")
    assert shown.splitlines()[:3] == ["SELECT", "  m.name,", "  SUM(r.price) AS total"]
    assert "'it''s  open'" in shown
    assert check(shown, Schema("sqlite", TABLES, ""), "sqlite") == shown


@pytest.mark.parametrize(
    ("dialect", "sql"),
    [
        ("postgres", "SELECT city, ROUND(AVG(price), 2) FROM parts GROUP BY city"),  # the printer adds a CAST
        ("mysql", "SELECT lcase(city) FROM members"),  # it would say LOWER
        ("sqlite", "(SELECT name FROM members) LIMIT 3"),  # it drops the brackets
        ("sqlite", "SELECT 'open"),
    ],
)
def test_where_the_printer_would_change_words_the_query_stays_as_written(dialect: str, sql: str) -> None:
    assert formatted(sql, dialect) == sql
