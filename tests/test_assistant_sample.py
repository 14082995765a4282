"""The sample workspace is reproducible, sound, and its database and handbook say the same."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import docx
import pytest
from bs4 import BeautifulSoup
from pypdf import PdfReader

from assistant.sample import catalogue, database, workspace
from stores.chroma_folder import open_client
from stores.documents import Documents
from stores.errors import StoreUnavailable
from tests import hashed

TESTS = Path(__file__).parent
ROOT = TESTS.parent
HANDBOOK = ROOT / "assistant" / "sample" / "handbook"
THIRTY = [json.loads(line) for line in (TESTS / "thirty.jsonl").read_text("utf-8").splitlines()]
HOSTILE = [json.loads(line) for line in (TESTS / "hostile.jsonl").read_text("utf-8").splitlines()]
ROUTES = {"sql", "documents", "both", "memory", "chat", "off_topic"}
# Change it together with workspace.VERSION: an installed sample is replaced only by a newer version.
ROWS_SHA256 = "868661a57e28be53001b204ec520856fee2102f1aa84bc9a2e95fc44df4fef6b"

# What a question's answer must be able to find in the document that it names.
FACTS = {
    "documents-1": r"warranty on labour is six months",
    "documents-2": r"together with the number of the invoice",
    "documents-3": r"a cargo bike or an e-bike costs €15\.00 a day",
    "documents-4": r"Monday closed",
    "documents-5": r"express surcharge is €15\.00",
    "documents-6": r"Tell the safety officer on the same day",
    "both-1": r"paid back in full within 60 days after your last day",
    "both-2": r"within 14 days of noticing the fault",
    "both-3": r"Second reminder \| 21 days after the due date \| €5\.00 late fee",
    "both-4": r"Plus \| €72\.00 \| 15 % \| 5 \| 6",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> workspace.Sample:
    return workspace.set_up(tmp_path_factory.mktemp("home"))


@pytest.fixture
def connection(sample: workspace.Sample) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{sample.database.as_uri()}?mode=ro", uri=True)) as opened:
        yield opened


def text_of(path: Path) -> str:
    """A document's text on one line, cells of tables separated by bars in Markdown and Word."""
    if path.suffix == ".pdf":
        text = " ".join(page.extract_text() for page in PdfReader(path).pages)
    elif path.suffix == ".docx":
        document = docx.Document(str(path))
        rows = [" | ".join(cell.text for cell in row.cells) for table in document.tables for row in table.rows]
        text = "\n".join([*(paragraph.text for paragraph in document.paragraphs), *rows])
    elif path.suffix == ".html":
        text = BeautifulSoup(path.read_text("utf-8"), "html.parser").get_text(" ")
    else:
        text = path.read_text("utf-8")
    return re.sub(r"\s+", " ", text)


def script() -> ModuleType:
    """scripts/make_handbook.py, which is no package."""
    spec = importlib.util.spec_from_file_location("make_handbook", ROOT / "scripts" / "make_handbook.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_same_seed_gives_the_same_rows_everywhere() -> None:
    dump = json.dumps(database.rows(), ensure_ascii=False)
    assert hashlib.sha256(dump.encode()).hexdigest() == ROWS_SHA256
    assert database.rows(seed=1)["members"] != database.rows()["members"]


def test_the_file_is_small_quick_and_sound(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "cooperative.sqlite"
    began = time.perf_counter()
    database.create(path)
    assert time.perf_counter() - began < 15  # a second or two on a free machine
    assert path.stat().st_size < 8_000_000
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]  # no draft is left
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert set(tables) == set(database.rows())
        assert sum(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in tables) > 30_000


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("a repair belongs to the bike's owner", "SELECT 1 FROM repairs JOIN bikes USING (bike_id) WHERE repairs.member_id <> bikes.member_id"),
        ("nobody is repaired for before joining or after leaving", "SELECT 1 FROM repairs JOIN members USING (member_id) WHERE received_on < joined_on OR finished_on > left_on"),
        ("memberships end with a quarter", "SELECT 1 FROM members WHERE left_on IS NOT NULL AND strftime('%m-%d', left_on) NOT IN ('03-31', '06-30', '09-30', '12-31')"),
        ("two repairs of a member never come in on one day", "SELECT 1 FROM repairs GROUP BY member_id, received_on HAVING COUNT(*) > 1"),
        ("a finished repair has its dates", "SELECT 1 FROM repairs WHERE (status = 'finished') <> (finished_on IS NOT NULL) OR finished_on < received_on"),
        ("the last repair to come in is the last to be finished", "SELECT 1 FROM repairs a JOIN repairs b USING (member_id) WHERE a.received_on < b.received_on AND a.finished_on > b.finished_on"),
        ("a paid invoice has a date and a method", "SELECT 1 FROM invoices WHERE (status = 'paid') <> (paid_on IS NOT NULL AND payment_method IS NOT NULL) OR paid_on < issued_on"),
        ("an invoice's amount is the labour and the parts", "SELECT 1 FROM invoices i JOIN repairs r USING (repair_id) WHERE ABS(i.amount - r.labour_price - (SELECT COALESCE(SUM(quantity * unit_price), 0) FROM repair_parts p WHERE p.repair_id = r.repair_id)) > 0.001"),
        ("no part stands exactly at its reorder level", "SELECT 1 FROM parts WHERE stock = reorder_level"),
        ("a course is not overbooked", "SELECT 1 FROM courses JOIN course_bookings USING (course_id) GROUP BY course_id HAVING COUNT(*) > seats"),
        ("no two members share a name", "SELECT 1 FROM members GROUP BY first_name, last_name HAVING COUNT(*) > 1"),
        ("nothing lies outside the years", "SELECT 1 FROM invoices WHERE issued_on NOT BETWEEN '2023-01-01' AND '2026-10-31' OR paid_on > '2026-10-31'"),
        ("the shop is closed on Sundays, Mondays and around the new year", "SELECT 1 FROM repairs WHERE strftime('%w', received_on) IN ('0', '1') OR strftime('%w', finished_on) IN ('0', '1') OR strftime('%m-%d', received_on) >= '12-24' OR strftime('%m-%d', received_on) <= '01-02'"),
        ("warranty repairs cost nothing", "SELECT 1 FROM repairs LEFT JOIN repair_parts USING (repair_id) LEFT JOIN invoices USING (repair_id) WHERE is_warranty AND (labour_price > 0 OR unit_price > 0 OR invoice_id IS NOT NULL)"),
        ("a warranty repair follows a repair of the same kind whose warranty had not ended", "SELECT 1 FROM repairs r WHERE is_warranty AND NOT EXISTS (SELECT 1 FROM repairs e WHERE e.bike_id = r.bike_id AND e.service = r.service AND e.finished_on < r.received_on AND r.received_on <= e.warranty_until)"),
    ],
)
def test_no_row_contradicts_another(connection: sqlite3.Connection, what: str, query: str) -> None:
    assert connection.execute(query).fetchall() == [], what


def test_every_kind_of_row_occurs(connection: sqlite3.Connection) -> None:
    def counts(query: str) -> dict[Any, int]:
        return dict(connection.execute(query).fetchall())

    repairs = counts("SELECT status, COUNT(*) FROM repairs GROUP BY status")
    assert set(repairs) == {"finished", "in progress", "waiting for parts", "cancelled"}
    assert counts("SELECT is_warranty, COUNT(*) FROM repairs GROUP BY 1")[1] > 100
    assert counts("SELECT status, COUNT(*) FROM invoices GROUP BY status")["unpaid"] > 100
    by_month = counts("SELECT strftime('%m', received_on), COUNT(*) FROM repairs WHERE received_on < '2026-01-01' GROUP BY 1")
    assert by_month["04"] > 2 * by_month["12"]  # the seasons show


def test_tiers_and_prices_agree_with_the_handbook(connection: sqlite3.Connection) -> None:
    tiers, prices, courses = (text_of(HANDBOOK / name) for name in ("membership-tiers.md", "price-list.docx", "course-programme.html"))
    stored = {tier for (tier,) in connection.execute("SELECT DISTINCT tier FROM members")}
    assert stored == {tier.name for tier in catalogue.TIERS}
    for tier in catalogue.TIERS:
        discount = f"{tier.labour_discount} %" if tier.labour_discount else "none"
        assert f"| {tier.name} | €{tier.yearly_fee / 100:.2f} | {discount} |" in tiers
        fees = connection.execute("SELECT DISTINCT amount FROM invoices JOIN members USING (member_id) WHERE kind = 'membership' AND tier = ?", (tier.name,))
        assert fees.fetchall() == [(tier.yearly_fee / 100,)]
        for service, charged in connection.execute(
            "SELECT DISTINCT service, labour_price FROM repairs JOIN members USING (member_id) WHERE tier = ? AND NOT is_warranty AND status <> 'cancelled'", (tier.name,)
        ):
            listed = re.search(rf"{re.escape(service)} \| €([\d.]+)", prices)
            assert listed, service
            assert charged == pytest.approx(float(listed[1]) * (100 - tier.labour_discount) / 100, abs=0.0051)
    for title, price, seats in connection.execute("SELECT DISTINCT title, price, seats FROM courses"):
        assert f"{title} €{price:.2f} {seats}" in courses


def test_warranty_agrees_with_the_handbook(connection: sqlite3.Connection) -> None:
    text = text_of(HANDBOOK / "warranty.pdf").lower()
    for category, months in connection.execute("SELECT DISTINCT category, warranty_months FROM parts"):
        row = re.search(rf"{re.escape(category.lower())}\b[^.]*?(\d+) months", text)
        assert row, category
        assert int(row[1]) == months
    days = connection.execute("SELECT MIN(julianday(warranty_until) - julianday(finished_on)), MAX(julianday(warranty_until) - julianday(finished_on)) FROM repairs").fetchone()
    assert 181 <= days[0] <= days[1] <= 184  # the six months of section 2


def test_people_in_the_handbook_are_the_mechanics_of_the_database(connection: sqlite3.Connection) -> None:
    mechanics = {name for (name,) in connection.execute("SELECT first_name || ' ' || last_name FROM mechanics")}
    for document, name in (("opening-hours.html", "Odile Brandt"), ("workshop-safety.pdf", "Priya Raman"), ("e-bike-batteries.html", "Tomasz Wieland"), ("volunteering.md", "Fatou Diarra")):
        assert name in text_of(HANDBOOK / document)
        assert name in mechanics


def test_the_handbook_has_every_format_and_a_sensible_length() -> None:
    documents = sorted(path for path in HANDBOOK.iterdir() if path.is_file())
    assert len(documents) == 15
    formats = [path.suffix for path in documents]
    assert all(formats.count(suffix) >= 3 for suffix in (".md", ".pdf", ".docx", ".html"))
    for path in documents:
        assert 300 <= len(text_of(path).split()) <= 900, path.name
        assert path.stat().st_size < 100_000, path.name


def test_the_handbook_comes_from_its_sources(tmp_path: Path) -> None:
    make = script().make
    first, second = make(tmp_path / "1"), make(tmp_path / "2")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == 10
    for path in first:
        assert text_of(path) == text_of(HANDBOOK / path.name), f"run scripts/make_handbook.py: {path.name} is older than its source"


def test_references_name_sections_that_exist() -> None:
    titles = {}
    for path in [*HANDBOOK.glob("*.md"), *(ROOT / "scripts" / "handbook_sources").glob("*.md")]:
        text = path.read_text("utf-8")
        title = re.match(r"# (.+)", text)
        assert title, path.name
        titles[title[1]] = set(re.findall(r"^## (\d+)\.", text, re.MULTILINE))
    short = {"Warranty": "Warranty on Repairs and Parts", "Price List": "Price List for Repairs"}
    found = 0
    for path in HANDBOOK.iterdir():
        for name, section in re.findall(r"((?:[A-Z][\w-]+ ?(?:and |on |the )?)+), section (\d)", text_of(path)):
            title = next((title for title in titles if name.endswith(title)), None) or short[next(key for key in short if name.endswith(key))]
            assert section in titles[title], f"{path.name}: {name}, section {section}"
            found += 1
    assert found > 20


def test_set_up_leaves_alone_what_is_whole_and_mends_the_rest(tmp_path: Path) -> None:
    sample = workspace.set_up(tmp_path)
    before = sample.database.stat().st_mtime_ns
    edited = sample.handbook / "complaints.md"
    edited.write_text("ours", "utf-8")
    missing = sample.handbook / "warranty.pdf"
    missing.unlink()
    assert workspace.set_up(tmp_path) == sample
    assert sample.database.stat().st_mtime_ns == before
    assert edited.read_text("utf-8") == "ours"
    assert missing.read_bytes() == (HANDBOOK / "warranty.pdf").read_bytes()

    sample.database.write_bytes(sample.database.read_bytes()[:-5000])
    workspace.set_up(tmp_path)
    with closing(sqlite3.connect(sample.database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_newer_sample_replaces_an_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = workspace.set_up(tmp_path)
    (sample.handbook / "complaints.md").write_text("old", "utf-8")
    monkeypatch.setattr(workspace, "VERSION", workspace.VERSION + 1)
    workspace.set_up(tmp_path)
    assert (sample.handbook / "complaints.md").read_bytes() == (HANDBOOK / "complaints.md").read_bytes()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "sample").write_text("in the way", "utf-8")
    with pytest.raises(StoreUnavailable, match="sample"):
        workspace.set_up(tmp_path)


def test_the_user_column_and_the_suggestions() -> None:
    table, column = workspace.USER_COLUMN.split(".")
    assert f"CREATE TABLE {table} (\n    {column} INTEGER PRIMARY KEY" in database.SCHEMA
    assert len(set(workspace.suggestions())) == 6


def test_the_thirty_cover_every_route() -> None:
    assert len(THIRTY) == len({question["id"] for question in THIRTY}) == 30
    routes = [question["route"] for question in THIRTY]
    assert set(routes) == ROUTES
    assert all(routes.count(route) >= 4 for route in ROUTES)
    assert sum("user" in question for question in THIRTY) >= 3
    for number, question in enumerate(THIRTY):
        for pattern in (*question.get("contains", ()), *question.get("not_contains", ())):
            re.compile(pattern)
        if earlier := question.get("after"):
            assert any(q["id"] == earlier and q["conversation"] == question["conversation"] for q in THIRTY[:number])
    assert sum("after" in question for question in THIRTY) >= 4


@pytest.mark.parametrize("question", [q for q in THIRTY if q["route"] in ("sql", "both")], ids=lambda q: q["id"])
def test_gold_sql_gives_a_sensible_and_unambiguous_result(connection: sqlite3.Connection, question: dict[str, Any]) -> None:
    sql = question["gold_sql"]
    rows = connection.execute(sql).fetchall()
    assert 1 <= len(rows) <= 50
    assert all(value is not None for row in rows for value in row)
    if user := question.get("user"):
        assert user in sql
    if top := re.search(r"^(.*) (ORDER BY (.+) DESC) LIMIT (\d+)$", sql):
        # No tie between the last row that is shown and the first that is not.
        ranked = re.sub(r"^SELECT .+? FROM", f"SELECT {top[3]} FROM", top[1]) + f" {top[2]} LIMIT {int(top[4]) + 1}"
        *_, last, next_one = connection.execute(ranked).fetchall()
        assert last > next_one


@pytest.mark.parametrize("question", [q for q in THIRTY if q["route"] in ("documents", "both")], ids=lambda q: q["id"])
def test_the_named_document_holds_the_fact(question: dict[str, Any]) -> None:
    assert re.search(FACTS[question["id"]], text_of(HANDBOOK / question["document"]))


def test_the_figures_the_thirty_wait_for_are_those_of_the_database(connection: sqlite3.Connection) -> None:
    for question in THIRTY:
        if "gold_sql" in question and question.get("contains"):
            shown = " ".join(str(value) for row in connection.execute(question["gold_sql"]) for value in row)
            assert re.search(question["contains"][0], shown, re.IGNORECASE), question["id"]


def test_the_hostile_texts_come_in_every_kind() -> None:
    kinds = [hostile["kind"] for hostile in HOSTILE]
    assert len(HOSTILE) == len({hostile["id"] for hostile in HOSTILE}) >= 20
    assert set(kinds) == {"question", "sql", "document", "cell"}
    assert all(kinds.count(kind) >= 4 for kind in set(kinds))


def test_the_samples_documents_go_when_the_workspace_is_ones_own_and_no_other(tmp_path: Path) -> None:
    home, own = tmp_path / "home", tmp_path / "own.md"
    own.write_text("# Ours\n\nThe shop opens at nine.\n", "utf-8")
    handbook = workspace.set_up(home).handbook
    client = open_client(home / "chroma")
    documents = Documents(home, client, hashed.embed)
    try:
        documents.add(handbook, own)
        there = workspace.documents_of(documents, home)
        assert len(there) == len(list(HANDBOOK.iterdir()))
        workspace.take_out(documents, home)
        assert [document.name for document in documents.all()] == ["own.md"]
        assert documents.sync().new == ()  # and stay out
        assert (handbook / "complaints.md").is_file()
        documents.add(handbook)
        assert len(workspace.documents_of(documents, home)) == len(there)
    finally:
        documents.close()
        client.close()
