"""One large database out of many small ones, to measure how a schema of hundreds of tables is narrowed.

uv run python scripts/merge_databases.py make QUESTIONS DATABASES OUT [--tables 500]   OUT/databases/merged.sqlite, OUT/questions.jsonl
uv run python scripts/merge_databases.py linked OUT                                    are the tables of the gold SQL among those shown?

Every table gets its database's name as a prefix, and the gold SQL is rewritten; what then finds other rows than before is left out.
Made-up business tables fill it up to --tables. `assistant eval nl2sql` measures the accuracy; the ids stay, so that it is paired.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from assistant.evaluation.rows import run_query, same_rows
from graphs.linking import linked
from graphs.recall import named_values
from stores.database import Database
from stores.introspect import quote

MODULES = """payroll billing warehouse fleet clinic hotel lending claims leasing catering farming forestry mining shipping customs
recruiting tutoring parking ticketing printing packaging recycling plumbing roofing tailoring bakery brewery nursery laundry rental
auction museum theatre cinema fishing harbour railway tramway energy metering drilling welding foundry garage charity parish""".split()
THINGS = """orders invoices payments contracts suppliers branches shifts visits complaints inspections budgets assets tags notes audits""".split()
COLUMNS = "id INTEGER PRIMARY KEY, name TEXT, status TEXT, amount REAL, created DATE"
STATES = ("open", "closed", "pending")

Line = dict[str, Any]


def make(questions: Path, databases: Path, out: Path, *, tables: int, sources: tuple[str, ...] = ("spider-dev",)) -> None:
    """Merge the databases of the questions from `sources`, and write both."""
    lines = [json.loads(line) for line in questions.read_text("utf-8").splitlines()]
    lines = [line for line in lines if line["source"] in sources]
    merged = out / "databases" / "merged.sqlite"
    merged.parent.mkdir(parents=True, exist_ok=True)
    merged.unlink(missing_ok=True)
    # Two databases about the same things would leave it open which one a question is about: the first stays.
    chosen = distinct(databases, list(dict.fromkeys(line["db"] for line in lines)))
    with closing(sqlite3.connect(merged)) as connection, connection:
        connection.text_factory = bytes
        for name in chosen:
            copy(connection, databases / f"{name}.sqlite", name)
        fill(connection, tables)
    kept = [moved for line in lines if line["db"] in chosen and (moved := rewritten(line, databases, merged))]
    (out / "questions.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept), "utf-8")
    print(f"{len(chosen)} databases, {len(kept)} of {len(lines)} questions: {', '.join(chosen)}")


def distinct(databases: Path, names: list[str]) -> list[str]:
    """Those that have no table of a name that an earlier one has."""
    taken: set[str] = set()
    chosen = []
    for name in names:
        with closing(sqlite3.connect(databases / f"{name}.sqlite")) as connection:
            own = {table.lower() for table in table_names(connection)}
        if not own & taken:
            taken |= own
            chosen.append(name)
    return chosen


def table_names(connection: sqlite3.Connection, schema: str = "main") -> list[str]:
    """The tables of one attached database."""
    rows = connection.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid")
    return [name.decode() if isinstance(name, bytes) else name for (name,) in rows]


def copy(connection: sqlite3.Connection, database: Path, prefix: str) -> None:
    """All tables with their keys and rows, each called PREFIX_NAME."""
    connection.execute("ATTACH ? AS source", (str(database),))
    names = {name.lower(): name for name in table_names(connection, "source")}
    for name in names.values():
        columns = connection.execute(f"PRAGMA source.table_info({quote(name, 'sqlite')})").fetchall()
        parts = [f"{quote(c[1].decode(), 'sqlite')} {c[2].decode()}" for c in columns]
        primary = [quote(c[1].decode(), "sqlite") for c in sorted(columns, key=lambda c: c[5]) if c[5]]
        parts += [f"PRIMARY KEY ({', '.join(primary)})"] if primary else []
        for key in connection.execute(f"PRAGMA source.foreign_key_list({quote(name, 'sqlite')})").fetchall():
            target = names.get(key[2].decode().lower())
            if target and key[4]:
                own, other = (quote(part.decode(), "sqlite") for part in (key[3], key[4]))
                parts.append(f"FOREIGN KEY ({own}) REFERENCES {quote(f'{prefix}_{target}', 'sqlite')} ({other})")
        into = quote(f"{prefix}_{name}", "sqlite")
        connection.execute(f"CREATE TABLE {into} ({', '.join(parts)})")
        connection.execute(f"INSERT INTO {into} SELECT * FROM source.{quote(name, 'sqlite')}")
    connection.commit()
    connection.execute("DETACH source")


def fill(connection: sqlite3.Connection, tables: int) -> None:
    """Made-up tables, so that there are `tables` in all; each but the first of a module refers to the first."""
    missing = tables - len(table_names(connection))
    for module, thing in [(module, thing) for module in MODULES for thing in THINGS][: max(missing, 0)]:
        first = f"{module}_{THINGS[0]}"
        key = f", {first[:-1]}_id INTEGER REFERENCES {first} (id)" if thing != THINGS[0] else ""
        connection.execute(f"CREATE TABLE {module}_{thing} ({COLUMNS}{key})")
        rows = [(n, f"{module} {thing[:-1]} {n}", STATES[n % 3], 10.5 * n, f"2024-0{n}-1{n}", *([1] if key else [])) for n in range(1, 6)]
        connection.executemany(f"INSERT INTO {module}_{thing} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def rewritten(line: Line, databases: Path, merged: Path) -> Line | None:
    """The question over the merged database, or None where its gold SQL cannot be carried over."""
    try:
        tree = sqlglot.parse_one(line["gold_sql"], dialect="sqlite")
        named = {cte.alias for cte in tree.find_all(exp.CTE)}
        for table in tree.find_all(exp.Table):
            if table.name not in named:
                alias = table.alias or table.name
                table.set("this", exp.to_identifier(f"{line['db']}_{table.name}", quoted=True))
                table.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
        gold = tree.sql("sqlite")
        same = same_rows(run_query(merged, gold), run_query(databases / f"{line['db']}.sqlite", line["gold_sql"]), line["ordered"])
    except (SqlglotError, sqlite3.Error):
        return None
    return {**line, "db": "merged", "gold_sql": gold} if same else None


def tables_of_gold(line: Line) -> set[str]:
    """The tables that the gold SQL reads, in lower case."""
    return {table.name.lower() for table in sqlglot.parse_one(line["gold_sql"], dialect="sqlite").find_all(exp.Table)}


def show_linked(out: Path) -> None:
    """Print how often all tables of the gold SQL are among those that the model would see, and how many these are."""
    database = Database(f"sqlite:///{(out / 'databases' / 'merged.sqlite').resolve().as_posix()}")
    lines = [json.loads(line) for line in (out / "questions.jsonl").read_text("utf-8").splitlines()]
    found, shown = 0, []
    for line, tables in narrowed(database, lines):
        shown.append(len(tables))
        if missing := tables_of_gold(line) - tables:
            print(line["id"], "lacks", ", ".join(sorted(missing)), "|", line["question"])
        else:
            found += 1
    print(f"{found} of {len(lines)} questions see all their tables, of {sum(shown) / len(shown):.1f} shown")
    database.close()


def narrowed(database: Database, lines: list[Line]) -> Iterator[tuple[Line, set[str]]]:
    """Each question with the names of the tables that the model would see, in lower case."""
    for line in lines:
        schema = database.schema()
        values = named_values(database, line["question"], user="local")
        yield line, {table.name.lower() for table in linked(schema, line["question"], values)}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    for name in ("questions", "databases", "out"):
        making.add_argument(name, type=Path)
    making.add_argument("--tables", type=int, default=500)
    commands.add_parser("linked").add_argument("out", type=Path)
    given = parser.parse_args()
    if given.command == "make":
        make(given.questions, given.databases, given.out, tables=given.tables)
    else:
        show_linked(given.out)


if __name__ == "__main__":
    main()
