"""Documents in, passages out: what is new, who may see it, and what a kill leaves."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from stores.chroma_folder import open_client
from stores.documents import Documents
from stores.errors import NotFound, StoreUnavailable
from stores.keywords import counted
from stores.ranking import RERANKED
from stores.values import Embed, IngestProgress
from stores.within import Within
from tests import hashed

MODES = ("hybrid", "dense", "keyword")


class Index:
    """An index in a folder that can be closed and opened again."""

    def __init__(self, home: Path, embed: Embed = hashed.embed, **options: Any) -> None:
        self.home = home
        self.client = open_client(home / "chroma")
        self.documents = Documents(home, self.client, embed, **options)

    def close(self) -> None:
        self.documents.close()
        self.client.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.home / "documents.sqlite")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def check_whole(self) -> None:
        """Both stores hold the same chunks, each once, and none of a document that is not there."""
        chunks = [row[0] for row in self.rows("SELECT id FROM chunks")]
        copies = self.client.get_collection("passages", embedding_function=None).get(include=["embeddings"])
        assert sorted(copies["ids"]) == sorted(chunks)
        assert len(copies["embeddings"]) == len(chunks)
        assert self.rows("SELECT count(*) FROM chunks WHERE document NOT IN (SELECT id FROM documents WHERE state = 'ready')") == [(0,)]
        assert self.rows("SELECT count(*) FROM (SELECT document, position FROM chunks GROUP BY 1, 2 HAVING count(*) > 1)") == [(0,)]
        assert self.rows("SELECT count(*) FROM (SELECT path, user FROM documents GROUP BY 1, 2 HAVING count(*) > 1)") == [(0,)]
        for name, passages, found in self.rows(
            "SELECT name, passages, (SELECT count(*) FROM chunks WHERE document = documents.id) FROM documents"
        ):
            assert passages == found, name
        held = self.rows("SELECT heading, text, words FROM chunks")
        assert [words for *_, words in held] == counted([f"{heading}\n{text}" for heading, text, _ in held])


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(tmp_path / "home")
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "repairs.md").write_text("# Repairs\n\n## Warranty\n\nThe frame is covered for ten years.\n", "utf-8")
    (folder / "deep" / "prices.csv").write_text("part,price\nchain,20\ntyre,30\n", "utf-8")
    (folder / "deep" / "er" / "hours.txt").write_text("The shop opens at nine.", "utf-8")
    return folder


def test_add_finds_new_changed_and_unchanged_files(index: Index, folder: Path) -> None:
    told: list[IngestProgress] = []
    report = index.documents.add(folder, progress=told.append)
    assert report.new == ("deep/er/hours.txt", "deep/prices.csv", "repairs.md")
    assert report.passages == index.documents.count() == 3
    assert [(at.done, at.total) for at in told] == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert told[0].path.endswith("repairs.md")

    assert index.documents.add(folder).unchanged == report.new
    (folder / "repairs.md").write_text("# Repairs\n\nThe frame is covered for twelve years.\n", "utf-8")
    os.utime(folder / "deep" / "prices.csv")  # touched, and reads as before
    again = index.documents.add(folder)
    assert (again.new, again.changed, again.unchanged) == ((), ("repairs.md",), ("deep/er/hours.txt", "deep/prices.csv"))
    texts = [passage.text for passage in index.documents.search("frame covered years", k=10)]
    assert any("twelve" in text for text in texts)
    assert not any("ten years" in text for text in texts)
    index.check_whole()


def test_an_unchanged_file_is_not_read_and_a_moved_one_keeps_its_chunks(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.documents.add(folder)
    ids = {document.name: document.id for document in index.documents.all()}
    assert any(line.startswith("repairs.md") for line in index.documents.outline())
    monkeypatch.setattr("stores.ingestion.Reader.parse", lambda *_, **__: pytest.fail("was parsed again"))
    (folder / "repairs.md").rename(folder / "deep" / "moved.md")
    report = index.documents.sync()
    assert report.unchanged == ("deep/er/hours.txt", "deep/moved.md", "deep/prices.csv")
    assert report.removed == report.new == ()
    assert {d.name: d.id for d in index.documents.all()}["deep/moved.md"] == ids["repairs.md"]
    assert [line.split(":")[0] for line in index.documents.outline()] == ["deep/er/hours.txt", "deep/moved.md", "deep/prices.csv"]
    monkeypatch.setattr("stores.ingestion.read_bytes", lambda *_, **__: pytest.fail("was read"))
    assert len(index.documents.add(folder).unchanged) == 3


def test_sync_follows_the_files(index: Index, folder: Path, tmp_path: Path) -> None:
    single = tmp_path / "single.txt"
    single.write_text("A file of its own.", "utf-8")
    index.documents.add(folder, single)
    (folder / "new.txt").write_text("Something new.", "utf-8")
    (folder / "deep" / "prices.csv").write_text("part,price\nchain,25\n", "utf-8")
    (folder / "repairs.md").unlink()
    single.unlink()
    report = index.documents.sync()
    assert (report.new, report.changed, report.removed) == (("new.txt",), ("deep/prices.csv",), ("repairs.md", "single.txt"))
    assert report.refused == ()
    assert index.documents.sync().unchanged == ("deep/er/hours.txt", "deep/prices.csv", "new.txt")
    index.check_whole()


def test_a_folder_that_is_missing_keeps_its_passages(index: Index, folder: Path) -> None:
    index.documents.add(folder)
    folder.rename(folder.with_name("unplugged"))
    report = index.documents.sync()
    assert report.removed == ()
    assert [refusal.path for refusal in report.refused] == [str(folder)]
    assert "drive" in report.refused[0].reason
    assert index.documents.count() == 3
    folder.with_name("unplugged").rename(folder)
    assert len(index.documents.sync().unchanged) == 3


def test_a_removed_document_stays_away_until_it_is_added_again(index: Index, folder: Path) -> None:
    index.documents.add(folder)
    document = next(d for d in index.documents.all() if d.name == "repairs.md")
    index.documents.remove(document.id)
    assert index.documents.sync().new == ()
    assert not any("frame" in passage.text for passage in index.documents.search("frame covered"))
    with pytest.raises(NotFound):
        index.documents.remove(document.id)
    assert index.documents.add(folder).new == ("repairs.md",)
    index.check_whole()


def test_what_is_refused_says_why_and_the_rest_goes_on(index: Index, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (folder / ".hidden.txt").write_text("hidden", "utf-8")
    (folder / ".git").mkdir()
    (folder / ".git" / "notes.txt").write_text("hidden", "utf-8")
    (folder / "~$repairs.docx").write_bytes(b"lock")
    report = index.documents.add(folder, tmp_path / "nowhere")
    assert len(report.new) == 3
    reasons = {Path(refusal.path).name: refusal.reason for refusal in report.refused}
    assert set(reasons) == {"picture.png", "broken.pdf", "nowhere"}
    assert "damaged" in reasons["broken.pdf"]
    monkeypatch.setattr("stores.ingestion.read_bytes", lambda *_, **__: pytest.fail("was read again"))
    assert "damaged" in next(r.reason for r in index.documents.sync().refused if r.path.endswith("broken.pdf"))


def test_a_document_that_became_unreadable_keeps_what_was_read(index: Index, folder: Path) -> None:
    index.documents.add(folder)
    (folder / "repairs.md").write_bytes(b"\0" * 100)
    report = index.documents.sync()
    assert report.removed == ()
    assert len(report.refused) == 1
    assert index.documents.count() == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_not_followed_out_of_the_folder(index: Index, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_text("the secret key", "utf-8")
    (folder / "link.txt").symlink_to(secret / "key.txt")
    (folder / "linked").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "inside.md").symlink_to(folder / "repairs.md")
    os.mkfifo(folder / "pipe.txt")  # would block whoever opens it
    report = index.documents.add(folder)
    assert len(report.new) == 3
    assert {Path(refusal.path).name for refusal in report.refused} == {"link.txt", "linked", "pipe.txt"}
    assert not any("secret" in passage.text for passage in index.documents.search("secret key"))


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be made there")
def test_names_are_shown_without_control_characters(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "a\x1b[31mred\nline.txt").write_text("Some words.", "utf-8")
    (folder / "bad\n.pdf").write_bytes(b"%PDF nothing")
    report = index.documents.add(folder)
    for shown in (*report.new, report.refused[0].path, report.refused[0].reason, *index.documents.outline()):
        assert shown.isprintable()
    assert len(index.documents.sync().unchanged) == 1
    assert [p.text for p in index.documents.search("words")] == ["Some words."]


@pytest.mark.parametrize("mode", MODES)
def test_a_users_documents_are_seen_by_that_user_alone(index: Index, tmp_path: Path, mode: Any) -> None:
    for user in ("7", "8", None):
        path = tmp_path / f"{user}.txt"
        path.write_text(f"The salary of {user} is confidential.", "utf-8")
        index.documents.add(path, user=user)
    for user in ("7", "8", "local", "' OR 1=1 --", ""):
        mine = {f"{user}.txt", "None.txt"} if user in "78" and user else {"None.txt"}
        assert {passage.document for passage in index.documents.search("salary confidential", user=user, k=10, mode=mode)} == mine
        assert {document.name for document in index.documents.all(user=user)} == mine
        assert set(index.documents.outline(user=user)) == mine
        assert index.documents.count(user) == len(mine)
    theirs = next(d for d in index.documents.all(user="7") if d.user == "7")
    with pytest.raises(NotFound):
        index.documents.remove(theirs.id, user="8")
    assert index.documents.around(f"{theirs.id}:0", user="8") == []
    assert index.documents.around(f"{theirs.id}:0", user="8") == []
    with pytest.raises(ValueError, match="name"):
        index.documents.add(tmp_path / "7.txt", user=" ")


def test_a_private_document_is_found_among_thousands_of_others(index: Index, tmp_path: Path) -> None:
    crowd = tmp_path / "crowd.csv"
    crowd.write_text("note\n" + "\n".join(f"The salary of person {n} is confidential {n}" for n in range(20_000)), "utf-8")
    index.documents.add(crowd, user="crowd")
    mine = tmp_path / "mine.txt"
    mine.write_text("A letter about something else.", "utf-8")
    index.documents.add(mine, user="me")
    for mode in MODES[:2]:
        assert [p.document for p in index.documents.search("salary confidential", user="me", mode=mode)] == ["mine.txt"]


@pytest.mark.parametrize("mode", MODES)
def test_a_search_is_limited_to_a_folder_a_type_or_a_time(index: Index, folder: Path, mode: Any) -> None:
    (folder / "deep" / "frames.md").write_text("The frame of the door is covered with paint.", "utf-8")
    os.utime(folder / "deep" / "frames.md", (1_700_000_000, 1_700_000_000))  # November 2023
    index.documents.add(folder)

    def found(within: Within) -> set[str]:
        return {passage.document.rsplit("/", 1)[-1] for passage in index.documents.search("frame covered tyre", k=10, mode=mode, within=within)}

    assert found(Within()) >= {"repairs.md", "frames.md", "prices.csv"}
    assert found(Within(folders=(str(folder / "deep"),), types=("md",))) == {"frames.md"}
    assert found(Within(folders=("deep",), types=("csv", "md"))) == {"frames.md", "prices.csv"}
    assert found(Within(since=date(2023, 11, 1), until=date(2023, 11, 30))) == {"frames.md"}
    assert found(Within(folders=("nowhere",))) == set()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "query",
    ["", "   ", "?!… --", '"', "frame\" OR words : *", "NEAR(frame years)", "frame*", "heading:frame", "the of and", "x" * 100_000, "frame " * 20_000],
)
def test_absurd_queries_are_harmless(index: Index, folder: Path, query: str, mode: Any) -> None:
    index.documents.add(folder)
    for passage in index.documents.search(query, mode=mode):
        assert 0 <= passage.score <= 1
        assert -1 <= passage.similarity <= 1


def test_scores_are_ordered_and_a_text_is_given_once(index: Index, tmp_path: Path) -> None:
    for n in range(6):
        (tmp_path / f"{n}.txt").write_text("The frame is covered for ten years." if n < 4 else f"The frame number {n} is blue.", "utf-8")
    index.documents.add(*(tmp_path / f"{n}.txt" for n in range(6)))
    found = index.documents.search("frame covered ten years", k=10)
    assert len(found) == 3
    assert [p.score for p in found] == sorted((p.score for p in found), reverse=True)
    assert found[0].score > 0.9
    assert index.documents.search("frame", k=0) == []
    assert [p.document for p in index.documents.search("frame", k=2)] == [p.document for p in index.documents.search("frame", k=2)]


def test_neighbours_and_outline(index: Index, tmp_path: Path) -> None:
    path = tmp_path / "book.md"
    path.write_text("\n\n".join(f"# Chapter {n}\n\n" + f"Words of chapter {n}. " * 40 for n in range(4)), "utf-8")
    index.documents.add(path)
    second = next(p for p in index.documents.search("chapter 1", k=10) if p.id.endswith(":1"))
    before, _, after = index.documents.around(second.id)
    assert (before.id[-2:], after.id[-2:]) == (":0", ":2")
    assert [p.id for p in index.documents.around(second.id)] == [before.id, second.id, after.id]
    assert index.documents.around("no such passage") == []
    assert index.documents.outline(headings=2) == ["book.md: Chapter 0, Chapter 1"]


def test_an_outline_is_read_again_only_where_documents_came_or_went(index: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.documents.add(folder)
    names, asked = len(index.documents.outline()), []
    rows = index.documents._registry.rows
    monkeypatch.setattr(index.documents._registry, "rows", lambda query, values=(): asked.append(query) or rows(query, values))
    assert len(index.documents.outline()) == names
    assert not any("documents" in query for query in asked)
    index.documents.remove(index.documents.all()[0].id)
    assert len(index.documents.outline()) == names - 1


def test_a_cancel_keeps_what_was_written(tmp_path: Path) -> None:
    index = Index(tmp_path / "home")
    files = tmp_path / "many"
    files.mkdir()
    for n in range(600):
        (files / f"{n:03}.txt").write_text(f"This is note {n}.", "utf-8")
    done = 0

    def count(at: IngestProgress) -> None:
        nonlocal done
        done = at.done

    report = index.documents.add(files, progress=count, cancelled=lambda: done >= 400)
    assert 0 < len(report.new) < 600
    assert index.documents.count() == len(report.new)
    index.check_whole()
    assert len(index.documents.sync().new) == 600 - len(report.new)
    index.close()


def test_a_failing_embedder_leaves_nothing_half_written(tmp_path: Path, folder: Path) -> None:
    fails = True

    def embed(texts: Any) -> Any:
        if fails:
            raise StoreUnavailable("the model went away")
        return hashed.embed(texts)

    index = Index(tmp_path / "home", embed)
    with pytest.raises(StoreUnavailable):
        index.documents.add(folder)
    index.check_whole()
    fails = False
    assert len(index.documents.sync().new) == 3
    index.close()


def test_many_threads_search_while_one_adds(index: Index, folder: Path, tmp_path: Path) -> None:
    index.documents.add(folder)
    stop = threading.Event()

    def search() -> int:
        searches = 0
        while not stop.is_set():
            assert index.documents.search("frame covered", k=3)[0].document == "repairs.md"
            searches += 1
        return searches

    more = tmp_path / "more"
    more.mkdir()
    for n in range(400):
        (more / f"{n}.txt").write_text(f"Note {n} about something else.", "utf-8")
    with ThreadPoolExecutor() as pool:
        searching = [pool.submit(search) for _ in range(4)]
        index.documents.add(more)
        stop.set()
        assert all(future.result() > 0 for future in searching)
    index.check_whole()


def test_a_broken_copy_is_made_anew_without_embedding_again(tmp_path: Path, folder: Path) -> None:
    home = tmp_path / "home"
    index = Index(home)
    index.documents.add(folder)
    index.close()
    shutil.rmtree(home / "chroma")
    index = Index(home, lambda texts: pytest.fail("embedded again") if len(texts) > 1 else hashed.embed(texts))
    assert index.documents.search("frame covered", mode="dense")[0].document == "repairs.md"
    index.check_whole()
    index.close()


def test_a_graph_file_that_was_being_written_is_never_loaded(tmp_path: Path) -> None:
    home = tmp_path / "home"
    index = Index(home)
    crowd = tmp_path / "crowd.csv"
    crowd.write_text("note\n" + "\n".join(f"entry {n} says {n * 7}" for n in range(30_000)), "utf-8")
    index.documents.add(crowd)
    index.close()
    graphs = list((home / "chroma").rglob("*.bin"))
    assert graphs, "the collection is too small to have a graph file, so this test tests nothing"
    for path in graphs:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    connection = sqlite3.connect(home / "documents.sqlite")
    connection.execute("INSERT INTO documents VALUES ('half', 'n', 'p', '', 0, 0, '', '2020-01-01', 0, '[]', 'pending', '')")
    connection.commit()
    connection.close()
    index = Index(home)
    index.check_whole()
    assert index.documents.search("entry 77", mode="keyword")
    assert index.documents.search("entry 77", mode="dense")
    index.close()


def test_a_folder_that_is_no_index_says_so(tmp_path: Path) -> None:
    (tmp_path / "chroma").mkdir()
    (tmp_path / "chroma" / "chroma.sqlite3").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreUnavailable, match="backup"):
        open_client(tmp_path / "chroma")
    client = open_client(tmp_path / "other")
    (tmp_path / "documents.sqlite").write_bytes(b"not a database" * 500)
    with pytest.raises(StoreUnavailable, match=r"documents\.sqlite"):
        Documents(tmp_path, client, hashed.embed)
    client.close()


INGEST = """
import sys
from pathlib import Path
from tests.test_stores_documents import Index
index = Index(Path(sys.argv[1]), chunk_tokens=80)
print("open", flush=True)
index.documents.add(Path(sys.argv[2]))
index.documents.sync()
print("done", flush=True)
index.close()
"""


def test_a_kill_at_any_moment_leaves_a_whole_index(tmp_path: Path) -> None:
    rng = random.Random(5)
    home, files = tmp_path / "home", tmp_path / "files"
    files.mkdir()
    rounds, finished = 12, 0
    for turn in range(rounds):
        for n in range(0, 500, 1 if turn % 4 == 0 else 3):  # new, changed and removed files in each round
            path = files / f"{n:03}.txt"
            if rng.random() < 0.1 and path.exists():
                path.unlink()
            else:
                path.write_text(f"Version {turn} of note {n}. " * 10 + "\n\n" + f"More of note {n} in round {turn}. " * 10, "utf-8")
        process = subprocess.Popen(
            [sys.executable, "-c", INGEST, str(home), str(files)], stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0.02, 1.2))
        finished += process.poll() is not None
        process.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        process.wait()
        process.stdout.close()
        index = Index(home, chunk_tokens=80)
        index.check_whole()
        index.close()
    assert finished < rounds, "no run was killed half-way, so this test tests nothing"
    index = Index(home, chunk_tokens=80)
    index.documents.add(files)
    index.documents.sync()
    index.check_whole()
    names = sorted(path.name for path in files.iterdir())
    assert [document.name for document in index.documents.all()] == names
    for name in rng.sample(names, 20):
        text = (files / name).read_text("utf-8")
        first = text.split(".")[0]
        assert any(p.document == name and first in p.text for p in index.documents.search(first, k=8, mode="keyword"))
    index.close()


def test_the_real_model_finds_by_meaning(tmp_path: Path, embed: Embed) -> None:
    index = Index(tmp_path / "home", embed)
    texts = {
        "refunds": "You get your money back when you return an item within 14 days.",
        "hours": "The workshop is open from nine to five, except on Sundays.",
        "warranty": "A frame that breaks is replaced for free during the first ten years. Code ZX-4711.",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.txt").write_text(text, "utf-8")
    index.documents.add(*(tmp_path / f"{name}.txt" for name in texts))
    assert index.documents.search("When can I visit?", mode="dense")[0].document == "hours.txt"
    assert index.documents.search("guarantee on a broken bicycle")[0].document == "warranty.txt"
    assert index.documents.search("ZX-4711", mode="keyword")[0].document == "warranty.txt"
    best = index.documents.search("Can I send something back and get reimbursed?")[0]
    assert best.document == "refunds.txt"
    assert best.similarity > 0.3
    index.close()


def test_copies_of_one_text_take_one_place(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(12):
        (folder / f"copy{number}.txt").write_text("The gate is closed at night by the porter.\n")
    (folder / "other.txt").write_text("By the way, the porter has closed the northern gate for repairs.\n")
    asked: list[int] = []

    def rerank(query: str, texts: Sequence[str]) -> list[float]:
        asked.append(len(texts))
        return [1.0] * len(texts)

    index = Index(tmp_path / "home", rerank=rerank)
    index.documents.add(folder)
    found = index.documents.search("Who has closed the gate?", k=5)
    index.close()
    assert asked == [2]
    assert [passage.document.startswith("copy") for passage in found].count(True) == 1
    assert len(found) == 2


def test_the_first_few_are_ranked_again_and_the_best_of_them_leads(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number in range(14):
        (folder / f"{number:02}.txt").write_text("apple " * (20 - number) + f"pear{number} plum\n")
    asked: list[int] = []

    def rerank(query: str, texts: Sequence[str]) -> list[float]:
        asked.append(len(texts))
        return [float(at) for at in range(len(texts))]  # the last of them is the best

    index = Index(tmp_path / "home", rerank=rerank)
    index.documents.add(folder)
    plain = index.documents.search("apple", k=14, mode="hybrid")
    again = index.documents.search("apple", k=14)
    index.close()
    assert asked == [RERANKED]
    assert again[0].id == plain[RERANKED - 1].id
    assert {p.id for p in again} == {p.id for p in plain}
    scores = [p.score for p in again]
    assert 0 <= min(scores) <= max(scores) == scores[0] <= 1
