"""Each evaluation on a handful of made-up records, with an assistant that answers by script."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assistant.errors import ModelUnavailable
from assistant.evaluation import answers, memory, nl2sql, retrieval, routing
from assistant.evaluation.run import Identity, Run
from assistant.settings import Settings
from graphs.values import Answer, Citation, Usage
from stores.errors import DocumentUnreadable, QueryTimeout
from stores.values import IngestReport, Memory, Passage

MODEL, EMBEDDING = Identity("tiny", "aa11"), Identity("mini", "bb22")
USAGE = Usage(prompt_tokens=100, cached_tokens=60, completion_tokens=10, model_calls=2, first_token_seconds=0.5, seconds=1.0)


@dataclass
class Documents:
    """Keeps what is added; a search gives the files in which most words of the query stand."""

    files: list[Path] = field(default_factory=list)
    modes: list[str | None] = field(default_factory=list)

    def add(self, *paths: Path, user: str | None = None, progress: Any = None) -> IngestReport:
        self.files += [file for path in paths for file in sorted(path.iterdir())]
        return IngestReport()

    def search(self, query: str, *, user: str = "local", k: int = 5, mode: str | None = None, within: object = None) -> list[Passage]:
        self.modes.append(mode)
        scored = [(len(set(query.split()) & set(file.read_text().split())), file.name) for file in self.files]
        ranked = [name for score, name in sorted(scored, key=lambda pair: (-pair[0], pair[1])) if score]
        # Two passages of each document: they count once.
        return [Passage(f"{name}-{n}", name, name, "", "") for name in ranked for n in (1, 2)][:k]


@dataclass
class Memories:
    kept: list[Memory] = field(default_factory=list)

    def add_many(self, items: list[tuple[str, str, datetime]], *, user: str) -> None:
        self.kept += [Memory(f"{user}-{source}", user, text, said_at, source) for text, source, said_at in items]

    def search(self, query: str, *, user: str, k: int = 5) -> list[Memory]:
        wanted = set(query.lower().split())
        mine = [kept for kept in self.kept if kept.user == user]
        return sorted(mine, key=lambda kept: -len(wanted & set(kept.text.lower().split())))[:k]


class Scripted:
    """An assistant that gives to each question what the script holds for it, and keeps what it was asked."""

    def __init__(self, settings: Settings, script: dict[str, Answer | Exception], log: list[Any]) -> None:
        self.settings, self.script, self.log = settings, script, log
        self.documents, self.memories = Documents(), Memories()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self.log.append(("closed", self.settings.database.url))

    def with_settings(self, settings: Settings) -> Scripted:
        return Scripted(settings, self.script, self.log)

    def ask(self, question: str, *, user: str = "local", conversation: str | None = None, words: bool = True) -> Answer:
        self.log.append((question, user, words, self.settings.database.url))
        found = self.script[question]
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Bench:
    """A run on the script, and what came of it."""

    tmp_path: Path
    script: dict[str, Answer | Exception] = field(default_factory=dict)
    log: list[Any] = field(default_factory=list)
    opened: list[Scripted] = field(default_factory=list)

    def start(self, settings: Settings) -> Any:
        self.opened.append(Scripted(settings, self.script, self.log))
        return self.opened[-1]

    def run(self, **more: Any) -> Run:
        return Run(Settings(home=self.tmp_path / "home"), more.pop("model", MODEL), EMBEDDING, **more)

    @property
    def asked(self) -> list[str]:
        return [entry[0] for entry in self.log if entry[0] != "closed"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def answer(route: Any = "sql", text: str = "", **more: Any) -> Answer:
    return Answer(id="1", text=text, route=route, conversation="c", usage=USAGE, **more)


def lines(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture
def sql_set(bench: Bench) -> dict[str, Path]:
    databases = bench.tmp_path / "databases"
    databases.mkdir()
    for name in ("one", "two"):
        with closing(sqlite3.connect(databases / f"{name}.sqlite")) as connection, connection:
            connection.executescript("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2);")
    questions = lines(
        bench.tmp_path / "questions.jsonl",
        {"id": "q1", "source": "s", "db": "one", "question": "all?", "gold_sql": "SELECT x FROM t", "ordered": False},
        {"id": "q2", "source": "s", "db": "two", "question": "max?", "gold_sql": "SELECT 2", "ordered": False, "instructions": "The largest."},
        {"id": "q3", "source": "r", "db": "one", "question": "sorted?", "gold_sql": "SELECT x FROM t ORDER BY x", "ordered": True},
        {"id": "q4", "source": "r", "db": "one", "question": "slow?", "gold_sql": "SELECT 1 WHERE 0", "ordered": False},
    )
    bench.script.update(
        {
            "all?": answer(sql="SELECT x FROM t ORDER BY x DESC"),
            "max?\nThe largest.": answer(sql="SELECT max(x) FROM t"),
            "sorted?": answer(sql="SELECT x FROM t ORDER BY x DESC"),
            "slow?": QueryTimeout("The query took too long."),
        }
    )
    return {"questions": questions, "databases": databases}


def test_nl2sql_by_source(bench: Bench, sql_set: dict[str, Path]) -> None:
    report = nl2sql.evaluate(bench.run(), bench.start, **sql_set)
    whole = json.loads(report.to_json())
    assert whole["version"] == 1
    assert whole["model"] == {"name": "tiny", "sha256": "aa11"}
    names = {"n", "execution_accuracy", "valid_sql", "seconds_median", "seconds_p90"}
    assert set(whole["all"]) == names | {"model_calls", "prompt_tokens", "cached_tokens", "completion_tokens"}
    assert (whole["all"]["n"], whole["all"]["execution_accuracy"], whole["all"]["valid_sql"]) == (4, 0.5, 0.75)
    assert whole["by_source"]["s"]["execution_accuracy"] == 1
    assert whole["by_source"]["r"]["execution_accuracy"] == 0
    assert whole["by_source"]["s"]["prompt_tokens"] == 100
    text = report.to_text()
    assert "tiny" in text
    assert "aa11" in text


def test_nl2sql_opens_each_database_once_on_an_empty_home_and_never_shows_the_gold_sql(bench: Bench, sql_set: dict[str, Path]) -> None:
    nl2sql.evaluate(bench.run(), bench.start, **sql_set)
    assert len(bench.opened) == 1, "the models are loaded once and shared"
    urls = [entry[3] for entry in bench.log if entry[0] != "closed"]
    assert [Path(url).stem for url in urls] == ["one", "one", "one", "two"]
    assert [entry[1].rpartition("/")[2] for entry in bench.log if entry[0] == "closed" and entry[1]] == ["one.sqlite", "two.sqlite"]
    assert not any("SELECT" in question for question in bench.asked)
    assert all(entry[2] is False for entry in bench.log if entry[0] != "closed"), "no words are written for SQL"
    assert len({entry[1] for entry in bench.log if entry[0] != "closed"}) == 4, "no question sees what another left behind"
    settings = bench.opened[0].settings
    assert not settings.home.exists()
    assert settings.sample is False
    assert settings.models_directory == bench.tmp_path / "home" / "models"


def test_a_stopped_run_goes_on_where_it_was(bench: Bench, sql_set: dict[str, Path]) -> None:
    file = bench.tmp_path / "out" / "predictions.jsonl"
    first = nl2sql.evaluate(bench.run(predictions=file, limit=2), bench.start, **sql_set)
    assert dict(first.overall)["n"] == 2
    with file.open("a") as out:
        out.write('{"id": "q3", "right": tr')  # killed while it wrote
    bench.log.clear()
    second = nl2sql.evaluate(bench.run(predictions=file), bench.start, **sql_set)
    assert bench.asked == ["sorted?", "slow?"]
    assert second.overall["execution_accuracy"] == 0.5
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["id"] for record in written] == ["q1", "q2", "q3", "q4"]
    assert {"id", "predicted", "right", "seconds", "prompt_tokens", "completion_tokens", "sha256"} <= set(written[0])
    bench.log.clear()
    nl2sql.evaluate(bench.run(predictions=file), bench.start, **sql_set)
    assert bench.asked == []


def test_predictions_of_another_model_do_not_count(bench: Bench, sql_set: dict[str, Path]) -> None:
    file = bench.tmp_path / "predictions.jsonl"
    nl2sql.evaluate(bench.run(predictions=file), bench.start, **sql_set)
    bench.log.clear()
    nl2sql.evaluate(bench.run(predictions=file, model=Identity("tiny", "cc33")), bench.start, **sql_set)
    assert len(bench.asked) == 4
    assert len(file.read_text().splitlines()) == 8


def test_ids_choose_and_unknown_ids_are_an_error(bench: Bench, sql_set: dict[str, Path]) -> None:
    chosen = bench.tmp_path / "ids.txt"
    chosen.write_text("q3\nq1\n")
    assert nl2sql.evaluate(bench.run(ids=chosen), bench.start, **sql_set).overall["n"] == 2
    chosen.write_text("elsewhere\n")
    with pytest.raises(DocumentUnreadable, match="None of the ids"):
        nl2sql.evaluate(bench.run(ids=chosen), bench.start, **sql_set)


def test_a_missing_model_ends_the_run_at_once(bench: Bench, sql_set: dict[str, Path]) -> None:
    bench.script["all?"] = ModelUnavailable("There is no model.")
    with pytest.raises(ModelUnavailable):
        nl2sql.evaluate(bench.run(), bench.start, **sql_set)


@pytest.mark.parametrize(("content", "says"), [("{]\n", "not JSON"), ('{"id": "q"}\n', 'has no "source"'), ("", "no records"), ("[1]\n", "not a JSON object")])
def test_questions_that_cannot_be_used_are_named(bench: Bench, sql_set: dict[str, Path], content: str, says: str) -> None:
    sql_set["questions"].write_text(content)
    with pytest.raises(DocumentUnreadable, match=says):
        nl2sql.evaluate(bench.run(), bench.start, **sql_set)


def test_answers(bench: Bench) -> None:
    paragraphs = lines(
        bench.tmp_path / "paragraphs.jsonl",
        {"paragraph_id": "set:Normans:000", "article": "Normans", "text": "They lived in France."},
        {"paragraph_id": "set:Normans/000", "article": "Normans", "text": "They came from Norway."},
    )
    base = {"paragraph_id": "set:Normans:000", "answers": ["France"], "answerable": True}
    none = {"paragraph_id": "set:Normans:000", "answers": [], "answerable": False}
    questions = lines(
        bench.tmp_path / "questions.jsonl",
        {"id": "right", "question": "where?", **base},
        {"id": "wrong place", "question": "where else?", **base},
        {"id": "declined", "question": "where then?", **base},
        {"id": "silent", "question": "why?", **none},
        {"id": "made up", "question": "when?", **none},
        {"id": "invented", "question": "how?", **none},
    )
    gold = Citation("set_Normans_000.md", "Normans", "They lived in France.")
    other = Citation("set_Normans_000-1.md", "Normans", "They came from Norway.")
    bench.script.update(
        {
            "where?": answer("documents", "In France [1].", citations=(gold,), grounded=True),
            "where else?": answer("documents", "In Norway [1].", citations=(other,), grounded=True),
            "where then?": answer("documents", "I don't know. I looked at France.md"),
            "why?": answer("off_topic", "No idea, but here is a joke."),
            "when?": answer("chat", "In 1066, I made that up."),
            "how?": answer("documents", "By boat [1].", citations=(gold,), grounded=True),
        }
    )
    report = answers.evaluate(bench.run(), bench.start, paragraphs=paragraphs, questions=questions)
    found = dict(report.overall)
    assert found["answer_contains"] == pytest.approx(1 / 3)
    assert found["words_median"] == 2
    assert found["abstain_precision"] == 0.5
    assert found["abstain_recall"] == pytest.approx(1 / 3)
    assert found["citation_precision"] == 0.5
    assert found["citation_contains_answer"] == 0.5
    assert sorted(file.name for file in bench.opened[0].documents.files) == ["set_Normans_000-1.md", "set_Normans_000.md"]


def test_retrieval(bench: Bench) -> None:
    corpus = lines(
        bench.tmp_path / "corpus.jsonl",
        {"id": "d:1", "title": "red apples", "text": "grow on trees"},
        {"id": "d:2", "title": "blue whales", "text": "swim"},
        {"id": "d:3", "title": "red whales", "text": "do not swim"},
    )
    queries = lines(bench.tmp_path / "queries.jsonl", {"id": "q1", "text": "blue whales swim"}, {"id": "q2", "text": "red"}, {"id": "q3", "text": "x"})
    qrels = bench.tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nq1\td:3\t1\nq1\td:2\t2\nq2\td:3\t1\nq2\td:1\t0\n")
    file = bench.tmp_path / "predictions.jsonl"
    report = retrieval.evaluate(bench.run(predictions=file), bench.start, corpus=corpus, queries=queries, qrels=qrels)
    assert list(report.groups) == ["dense", "keyword", "hybrid", "assistant"]
    assert bench.opened[0].documents.modes[:4] == ["dense", "keyword", "hybrid", None]
    found = dict(report.groups["hybrid"])
    assert found["n"] == 2, "a query without judgements is not asked"
    assert (found["recall@1"], found["recall@5"], found["recall@10"]) == (0.25, 1, 1)
    assert found["mrr@10"] == 0.75
    assert found["ndcg@10"] == pytest.approx((1 + 0.6309297) / 2)
    assert found["queries_per_second"]
    assert found["documents_per_second"]
    again = retrieval.evaluate(bench.run(predictions=file), bench.start, corpus=corpus, queries=queries, qrels=qrels)
    assert again.groups["dense"]["ndcg@10"] == report.groups["dense"]["ndcg@10"]
    assert not bench.opened[1].documents.files, "nothing is ingested where nothing is left to search"


def test_qrels_that_cannot_be_read_name_the_line(tmp_path: Path) -> None:
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nq1 d1 1\n")
    with pytest.raises(DocumentUnreadable, match="Line 2"):
        retrieval.read_grades(qrels)


@pytest.fixture
def locomo(bench: Bench) -> dict[str, Path]:
    turn = {"conversation": "c1", "session": 1, "date": "1:56 pm on 8 May, 2023"}
    conversations = lines(
        bench.tmp_path / "turns.jsonl",
        {**turn, "dia_id": "D1:1", "speaker": "Caroline", "text": "I adopted a dog called Rex"},
        {**turn, "dia_id": "D1:2", "speaker": "Mel", "text": "I paint", "image_caption": "a sunset over a lake"},
        {**turn, "conversation": "c2", "dia_id": "D1:1", "speaker": "Ann", "text": "my dog sleeps"},
    )
    base = {"conversation": "c1", "category": 1, "answerable": True}
    questions = lines(
        bench.tmp_path / "questions.jsonl",
        {**base, "id": "q1", "question": "what dog was adopted", "answer": "Rex", "evidence": ["D1:1"], "category_name": "single-hop"},
        {**base, "id": "q2", "question": "who adopted a dog by a lake", "answer": "Mel", "evidence": ["D1:1", "D1:2"], "category_name": "multi-hop"},
        {
            **base, "id": "q3", "question": "which cat", "answer": None, "evidence": ["D1:2"],
            "category_name": "adversarial", "answerable": False,
        },
        {
            **base, "id": "q4", "question": "which cow", "answer": None, "evidence": ["D1:2"],
            "category_name": "adversarial", "answerable": False,
        },
    )  # fmt: skip
    return {"conversations": conversations, "questions": questions}


def test_memory_finds_the_turns_of_its_own_conversation(bench: Bench, locomo: dict[str, Path]) -> None:
    report = memory.evaluate(bench.run(), bench.start, k=1, **locomo)
    kept = bench.opened[0].memories.kept
    assert [one.text for one in kept] == ["Caroline (8 May 2023): I adopted a dog called Rex", "Mel (8 May 2023): I paint [picture: a sunset over a lake]"]
    assert {(one.user, one.source) for one in kept} == {("c1", "D1:1"), ("c1", "D1:2")}
    assert kept[0].said_at.date().isoformat() == "2023-05-08"
    assert report.groups["single-hop"]["evidence_recall@1"] == 1
    assert report.groups["multi-hop"]["evidence_recall@1"] == 0.5
    assert report.overall["n"] == 4
    assert report.overall["seconds_per_turn_remembered"] is not None
    assert "f1" not in report.overall
    assert bench.asked == []


def test_memory_answers(bench: Bench, locomo: dict[str, Path]) -> None:
    told = Memory("1", "c1", "…", datetime.now(UTC))
    bench.script.update(
        {
            "what dog was adopted": answer("memory", "Rex", memories=(told,), grounded=True),
            "who adopted a dog by a lake": answer("memory", "Caroline did", memories=(told,), grounded=True),
            "which cow": answer("chat", "It was Bella."),
            "which cat": answer("memory", "You have not told me which cat.", memories=(told,), grounded=True),
        }
    )
    report = memory.evaluate(bench.run(), bench.start, k=1, answers=True, **locomo)
    assert report.overall["f1"] == 0.5
    assert report.overall["declined"] == 0.5
    assert report.groups["single-hop"]["f1"] == 1
    assert report.groups["single-hop"]["declined"] is None


def test_routing(bench: Bench) -> None:
    folder = bench.tmp_path / "documents"
    folder.mkdir()
    (folder / "a.md").write_text("text")
    questions = lines(
        bench.tmp_path / "questions.jsonl",
        {"id": "1", "question": "count?", "route": "sql"},
        {"id": "2", "question": "rows and words?", "route": "sql"},
        {"id": "3", "question": "words?", "route": "documents"},
        {"id": "4", "question": "which?", "route": "documents"},
    )
    bench.script.update(
        {
            "count?": answer("sql"),
            "rows and words?": answer("both"),
            "words?": answer("documents"),
            "which?": answer("documents", choices=("In the database", "In the documents")),
        }
    )
    report = routing.evaluate(bench.run(), bench.start, questions=questions, database="sqlite:///x.db", documents=folder)
    assert report.overall["accuracy"] == 0.5
    assert report.confusion == {"sql": {"sql": 1, "both": 1}, "documents": {"documents": 1, "asked_back": 1}}
    assert "true \\ predicted" in report.to_text()
    assert json.loads(report.to_json())["confusion"]["sql"] == {"both": 1, "sql": 1}
    assert bench.opened[0].settings.database.url == "sqlite:///x.db"
