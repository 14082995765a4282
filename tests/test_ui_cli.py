"""The command line: what goes to stdout and stderr, the exit codes, and each verb on an assistant that answers by script."""

from __future__ import annotations

import io
import json
import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import assistant
from assistant import (
    Answer,
    Citation,
    Conversation,
    Done,
    Example,
    IngestProgress,
    IngestReport,
    Memory,
    Message,
    NotFound,
    Refusal,
    Settings,
    StepStarted,
    Table,
    Token,
)
from ui import cli, cli_ask, cli_session, terminal

WHEN = datetime(2025, 3, 4, 9, 30, tzinfo=UTC)
ANSWER = Answer(
    id="a1",
    text="Ann ordered most.",
    route="sql",
    conversation="c1",
    sql="SELECT name, total FROM customer",
    table=Table(("name", "total"), (("Ann", 12.5), ("Bob\x1b[2J", None)), truncated=True),
    citations=(Citation("handbook.md", "Refunds", "Within\n30 days."),),
    grounded=True,
)


class Events(Iterator[Any]):
    def __init__(self, events: list[Any]) -> None:
        self.events, self.closed = iter(events), False

    def __next__(self) -> Any:
        found = next(self.events)
        if isinstance(found, BaseException):
            raise found
        return found

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@dataclass
class Kept:
    """Documents, memories, conversations and examples of the stand-in."""

    added: list[Path] = field(default_factory=list)
    report: IngestReport = field(default_factory=IngestReport)
    memories: dict[str, Memory] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    said: dict[str, list[Message]] = field(default_factory=dict)


class Scripted:
    """Stands in for `Assistant`; `made` are those that commands opened."""

    made: list[Scripted] = []  # noqa: RUF012 - reset by the fixture
    kept = Kept()
    script: list[Any] = []  # noqa: RUF012

    def __init__(self, settings: Settings, *, preload: bool = False) -> None:
        self.settings, self.preload, self.prepared, self.questions = settings, preload, False, []
        Scripted.made.append(self)
        self.documents = self.memories = self.conversations = self.examples = self

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None: ...

    def prepare(self, progress: Any = None, ingesting: Any = None) -> None:
        self.prepared = True

    def load_soon(self) -> None:
        pass

    def outdated(self) -> None: ...

    def stream(self, question: str, **who: Any) -> Events:
        self.questions.append((question, who))
        answer = Scripted.script.pop(0) if Scripted.script else ANSWER
        said = self.kept.said[who["conversation"]] = [Message("q1", who["conversation"], "user", question, WHEN)]
        if isinstance(answer, Answer):
            said.append(Message("a1", who["conversation"], "assistant", answer.text, WHEN, assistant.answer_to_json(answer)))
        if isinstance(answer, BaseException):
            return Events([StepStarted("recall"), answer])
        middle = len(answer.text) // 2
        return Events([StepStarted("recall"), Token(answer.text[:middle]), Token(answer.text[middle:]), Done(answer)])

    def ask(self, question: str, **who: Any) -> Answer:
        self.questions.append((question, who))
        return ANSWER

    def add(self, *things: Any, **more: Any) -> Any:
        if things and isinstance(things[0], str) and set(more) == {"user"}:
            self.kept.memories["new"] = Memory("new", more["user"], things[0], WHEN)
            return self.kept.memories["new"]
        if "fingerprint" in more:
            self.kept.examples.append(Example(f"e{len(self.kept.examples)}", *things, created=WHEN, **more))
            return None
        self.kept.added += things
        more["progress"](IngestProgress(1, 1, str(things[0])))
        return self.kept.report

    def all(self, *, user: str | None = None) -> list[Any]:
        if user is None:
            return self.kept.examples
        return [memory for memory in self.kept.memories.values() if memory.user == user]

    def forget(self, id: str, *, user: str) -> Memory:  # noqa: A002
        if id not in self.kept.memories:
            raise NotFound(f"There is no memory {id}.\nList them.")
        return self.kept.memories.pop(id)

    def forget_all(self, *, user: str) -> int:
        count = len(self.kept.memories)
        self.kept.memories.clear()
        return count

    def search(self, query: str, *, user: str, k: int) -> list[Memory]:
        return [memory for memory in self.all(user=user) if query in memory.text][:k]

    def edit(self, id: str, text: str, *, user: str) -> Memory:  # noqa: A002
        self.kept.memories[id] = replace(self.kept.memories[id], text=text)
        return self.kept.memories[id]

    def delete(self, id: str, *, user: str = "local") -> None:  # noqa: A002
        self.kept.deleted.append((id, user))

    def messages(self, id: str, *, user: str = "local", turns: int | None = None) -> list[Message]:  # noqa: A002
        if id not in self.kept.said:
            raise NotFound(f"There is no conversation {id}.")
        return self.kept.said[id]

    def branch(self, id: str, message_id: str, *, user: str) -> Conversation:  # noqa: A002
        return Conversation(f"{id} to {message_id} of {user}", user, "A branch", WHEN, WHEN, 2)

    def rename(self, id: str, title: str, *, user: str) -> None:  # noqa: A002
        self.kept.deleted.append((id, title))

    def export_all(self, *, user: str) -> str:
        return json.dumps({"version": 1, "user": user})

    def remove(self, id: str) -> None:  # noqa: A002
        self.kept.examples = [example for example in self.kept.examples if example.id != id]

    def export(self, id: str, *, user: str, format: str) -> str:  # noqa: A002
        return f"# {id} of {user} as {format}"


@dataclass
class Shell:
    """Runs commands in this process; gives code, stdout and stderr of the last."""

    capture: pytest.CaptureFixture[str]
    home: Path
    out: str = ""
    err: str = ""

    def __call__(self, *arguments: str) -> int:
        code = cli.run(["--home", str(self.home), *arguments])
        self.out, self.err = self.capture.readouterr()
        return code


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    for name in list(os.environ):
        if name.startswith("ASSISTANT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr(assistant, "Assistant", Scripted, raising=False)
    monkeypatch.setattr(Scripted, "made", [])
    monkeypatch.setattr(Scripted, "kept", Kept())
    monkeypatch.setattr(Scripted, "script", [])
    levels = {name: logging.getLogger(name).level for name in ("assistant", "graphs", "stores", "ui")}
    yield Shell(capsys, tmp_path / "home")
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_ask_streams_the_answer_and_what_it_stands_on(shell: Shell) -> None:
    assert shell("ask", "Who ordered most?", "--user", "7", "--conversation", "monday") == 0
    assert shell.out.startswith("Ann ordered most.\n")
    assert "SQL: SELECT name, total FROM customer" in shell.out
    assert "there are more rows" in shell.out
    assert '[1] handbook.md, Refunds: "Within 30 days."' in shell.out
    assert "\x1b" not in shell.out, "a cell cannot steer the terminal"
    assert shell.err == ""
    made = Scripted.made[0]
    assert made.prepared
    assert made.preload
    assert made.questions == [("Who ordered most?", {"user": "7", "conversation": "monday", "private": False})]


def test_ask_explains_the_query_when_it_is_told_to(shell: Shell) -> None:
    Scripted.script = [replace(ANSWER, sql="SELECT name,\n  total\nFROM customer", explanation="Looks at customer.")] * 2
    assert shell("ask", "Who ordered most?") == 0
    assert "SQL:\nSELECT name,\n  total" in shell.out
    assert "What this does" not in shell.out
    assert shell("ask", "Who ordered most?", "--explain") == 0
    assert shell.out.endswith("\nWhat this does: Looks at customer.\n")


def test_ask_as_json_prints_the_answer_with_a_version(shell: Shell) -> None:
    assert shell("ask", "Who?", "--json", "--database", "sqlite:///other.db") == 0
    printed = json.loads(shell.out)
    assert printed["version"] == 1
    assert printed["text"] == ANSWER.text
    assert assistant.answer_from_json(shell.out) == ANSWER
    assert Scripted.made[0].settings.database.url == "sqlite:///other.db"


def test_choices_are_numbered_and_a_number_chooses_in_a_chat(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asks_back = replace(ANSWER, text="Where?", choices=("In the database", "In the documents"), table=None, sql=None, citations=())
    Scripted.script = [asks_back, ANSWER, ANSWER]
    monkeypatch.setattr(sys, "stdin", io.StringIO("Who?\n2\n\n2\n/new\nAgain?\n/exit\nnever\n"))
    assert shell("chat") == 0
    assert "1. In the database\n2. In the documents" in shell.out
    asked = Scripted.made[0].questions
    assert [question for question, _ in asked] == ["Who?", "In the documents", "2", "Again?"]
    first, *same, new = [who["conversation"] for _, who in asked]
    assert {first} == set(same) != {new}


def test_a_failed_or_stopped_turn_does_not_end_the_chat(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted.script = [NotFound("It is gone."), KeyboardInterrupt(), ANSWER]
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\nthree\n"))
    assert shell("chat") == 0
    assert "Error: It is gone." in shell.err
    assert "(stopped)" in shell.err
    assert "Ann ordered most." in shell.out


def test_an_error_is_one_line_on_stderr_and_exit_code_1(shell: Shell) -> None:
    assert shell("memories", "forget", "nothing") == 1
    assert shell.err == "Error: There is no memory nothing. List them.\n"
    assert shell.out == ""


def test_verbose_shows_where_an_error_came_from(shell: Shell) -> None:
    with pytest.raises(NotFound):
        shell("--verbose", "memories", "forget", "nothing")


def test_ctrl_c_is_130_and_one_line(shell: Shell) -> None:
    Scripted.script = [KeyboardInterrupt()]
    assert shell("ask", "Who?") == 130
    assert shell.err == "Stopped.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["ask"],
        ["ask", "a?", "--nonsense"],
        ["--port", "99999"],
        ["--port", "80", "settings"],
        ["ingest", "/does/not/exist"],
        ["memories", "forget"],
        ["eval", "nl2sql"],
        ["eval", "nl2sql", "--questions", "/does/not/exist", "--databases", "."],
    ],
)
def test_wrong_usage_is_2_and_says_so_on_stderr(shell: Shell, arguments: list[str]) -> None:
    assert shell(*arguments) == 2
    assert shell.err
    assert shell.out == ""


def test_a_setting_that_cannot_be_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_MODEL__CONTEXT", "5")
    assert shell("settings") == 1
    assert "model.context" in shell.err
    assert shell("--config", "/does/not/exist.toml", "settings") == 1
    assert "exist.toml" in shell.err


def test_ingest_says_what_was_new_and_refused(shell: Shell, tmp_path: Path) -> None:
    Scripted.kept.report = IngestReport(new=("a.md",), unchanged=("b.md",), refused=(Refusal("c.exe", "not a document"),), passages=3, seconds=0.5)
    assert shell("ingest", str(tmp_path)) == 0
    assert "new        a.md" in shell.out
    assert "refused    c.exe: not a document" in shell.out
    assert "1 new, 0 changed, 1 unchanged, 0 removed, 1 refused; 3 passages" in shell.out
    assert shell.err == ""
    Scripted.kept.report = IngestReport(refused=(Refusal("c.exe", "not a document"),))
    assert shell("ingest", str(tmp_path)) == 1, "nothing was taken in"


def test_memories_of_one_user(shell: Shell) -> None:
    for name, user in (("m1", "local"), ("m2", "7")):
        Scripted.kept.memories[name] = Memory(name, user, f"fact of {user}", WHEN)
    assert shell("memories", "list", "--user", "7") == 0
    assert not Scripted.made[-1].preload, "no model is read for a list"
    assert "m2" in shell.out
    assert "2025-03-04" in shell.out
    assert "m1" not in shell.out
    assert shell("memories", "forget", "m2", "--user", "7") == 0
    assert shell.out == "Forgot: fact of 7\n"
    assert shell("memories", "forget", "--all") == 0
    assert "1 memories" in shell.out


def test_conversations_export(shell: Shell) -> None:
    assert shell("conversations", "export", "c1", "--user", "7", "--json") == 0
    assert shell.out == "# c1 of 7 as json\n"


def test_examples_go_out_and_come_in_once(shell: Shell, tmp_path: Path) -> None:
    Scripted.kept.examples = [Example("e0", "Hoe veel?", "SELECT 1", "f", "7", WHEN)]
    assert shell("examples", "export") == 0
    file = tmp_path / "examples.json"
    file.write_text(shell.out, encoding="utf-8")
    assert json.loads(shell.out)["version"] == 1
    assert shell("examples", "import", str(file)) == 0
    assert shell.out == "0 new, 1 were here.\n"
    assert shell("examples", "remove", "e0") == 0
    assert shell("examples", "import", str(file)) == 0
    assert shell.out == "1 new, 0 were here.\n"
    assert (Scripted.kept.examples[0].sql, Scripted.kept.examples[0].user) == ("SELECT 1", "7")
    file.write_text('{"version": 99, "examples": []}')
    assert shell("examples", "import", str(file)) == 1
    assert "newer version" in shell.err
    file.write_text('{"version": 1}')
    assert shell("examples", "import", str(file)) == 1


def test_models_list_use_and_the_comments_of_the_settings_file(shell: Shell) -> None:
    assert shell("models", "list") == 0
    assert "*  qwen2.5-coder-1.5b" in shell.out
    assert "absent" in shell.out
    shell.home.mkdir(exist_ok=True)
    file = shell.home / "assistant.toml"
    file.write_text("# mine\n[model]\nthreads = 2  # not more\n", encoding="utf-8")
    assert shell("models", "use", "qwen2.5-coder-0.5b") == 0
    assert "models pull qwen2.5-coder-0.5b" in shell.err
    assert file.read_text(encoding="utf-8") == '# mine\n[model]\nthreads = 2  # not more\nname = "qwen2.5-coder-0.5b"\n'
    assert shell("models", "list") == 0
    assert "*  qwen2.5-coder-0.5b" in shell.out
    assert shell("models", "use", "qwen2.5-coder-0.6b") == 1
    assert "Did you mean" in shell.err
    assert shell("models", "use", str(shell.home / "no.gguf")) == 1
    file.write_text("[model\n")
    assert shell("models", "use", "qwen2.5-coder-0.5b") == 1


def test_models_use_takes_an_own_file(shell: Shell, tmp_path: Path) -> None:
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and more")
    assert shell("models", "use", str(own)) == 0
    assert cli_session.Session(home=shell.home).settings().model.name == str(own)


def test_models_verify_names_the_damaged_one(shell: Shell) -> None:
    folder = shell.home / "models"
    folder.mkdir(parents=True)
    assert shell("models", "verify") == 0
    (folder / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF but wrong")
    assert shell("models", "verify") == 1
    assert "wrong smollm2-135m" in shell.out


def test_settings_say_where_a_value_comes_from_and_keep_secrets(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_DATABASE__URL", "postgresql://ann:secret@host/db")
    assert shell("settings", "--json") == 0
    printed = json.loads(shell.out)
    assert printed["version"] == 1
    found = {setting["name"]: setting for setting in printed["settings"]}
    assert found["database.url"]["source"] == "environment"
    assert found["home"]["source"] == "given"
    assert found["model.name"]["source"] == "default"
    assert all(setting["description"] for setting in found.values())
    assert shell("settings") == 0
    assert 'model.name = "qwen2.5-coder-1.5b"  (default)' in shell.out
    assert "secret" not in shell.out


def test_doctor_is_1_when_something_is_to_be_done(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import assistant.doctor as doctor

    found = [doctor.Check("memory", True, "16 GB"), doctor.Check("model", False, "absent", "Run `assistant models pull`.")]
    monkeypatch.setattr(doctor, "checks", lambda settings: iter(found))
    measured = []
    monkeypatch.setattr(doctor, "calibrate", lambda settings, progress: measured.append(settings.home))
    assert shell("doctor", "--calibrate") == 1
    assert len(measured) == 1
    assert shell("doctor") == 1
    assert len(measured) == 1, "only when asked for"
    assert shell.out == "ok    memory: 16 GB\ntodo  model: absent\n      Run `assistant models pull`.\n"
    del found[1]
    assert shell("doctor") == 0


def test_the_page_gets_host_and_port(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[dict[str, Any]] = []
    fake: Any = type(sys)("ui.server")
    fake.serve = lambda opened, **where: served.append(where)
    monkeypatch.setitem(sys.modules, "ui.server", fake)
    assert shell("--host", "::1", "--port", "0") == 0
    assert shell() == 0
    assert served == [{"host": "::1", "port": 0}, {"host": "127.0.0.1", "port": 7860}]
    assert Scripted.made[0].prepared


def test_only_the_page_has_a_worker_unless_the_settings_say(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = type(sys)("ui.server")
    fake.serve = lambda opened, **where: None
    monkeypatch.setitem(sys.modules, "ui.server", fake)
    for set_to, page, ask in (("", True, None), ("false", False, False), ("true", True, True)):
        monkeypatch.setenv("ASSISTANT_MODEL__WORKER", set_to)
        assert (shell(), shell("ask", "Who?")) == (0, 0)
        assert [made.settings.model.worker for made in Scripted.made[-2:]] == [page, ask]


def test_eval_prints_the_model_and_the_figures(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(cli_session.Session, "files", lambda self: type("Files", (), {"ensure": lambda _, name, tell: fetched.append(name)})())
    monkeypatch.setattr(Scripted, "ask", lambda self, question, **more: ANSWER)
    questions = tmp_path / "questions.jsonl"
    questions.write_text('{"id": "1", "question": "Who?", "route": "sql"}\n', encoding="utf-8")
    folder = tmp_path / "documents"
    folder.mkdir()
    options = ["--questions", str(questions), "--database", "sqlite:///x.db", "--documents", str(folder)]
    assert shell("eval", "routing", *options, "--json", "--predictions", str(tmp_path / "out.jsonl")) == 0
    printed = json.loads(shell.out)
    assert printed["all"]["accuracy"] == 1
    assert printed["model"]["name"] == "qwen2.5-coder-1.5b"
    assert len(printed["model"]["sha256"]) == 64
    assert printed["model"]["sha256"] in shell.err
    assert sorted(fetched) == ["all-minilm-l6-v2", "qwen2.5-coder-1.5b"]
    assert shell("eval", "routing", *options, "--limit", "1") == 0
    assert "accuracy" in shell.out
    (tmp_path / "ids").write_text("2\n")
    assert shell("eval", "routing", *options, "--ids", str(tmp_path / "ids")) == 1


def test_columns_are_cut_and_numbers_stand_to_the_right() -> None:
    shown = terminal.columns([("a", 5), ("x" * 100, 1000)], header=("name", "n")).splitlines()
    assert shown[2].endswith("     5")
    assert len(shown[3]) == 60 + 2 + 4
    assert terminal.columns([], header=()) == ""


def test_evidence_of_a_plain_answer_is_nothing() -> None:
    assert cli_ask.evidence(Answer("1", "Hello", "chat", "c")) == []


def run(*arguments: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", "from ui.cli import main; main()", *arguments], capture_output=True, timeout=60, **more)


def test_quick_commands_are_quick_and_load_nothing_heavy(tmp_path: Path) -> None:
    seconds = []
    for arguments in (["--version"], ["--help"], ["settings"]):
        began = time.perf_counter()
        done = run("--home", str(tmp_path), *arguments)
        seconds.append(time.perf_counter() - began)
        assert done.returncode == 0
        assert done.stderr == b""
    assert min(seconds) < 2, "a loaded machine is given time; alone it is under half a second"
    code = "import sys, ui.cli; print([m for m in ('chromadb', 'gradio', 'langgraph', 'llama_cpp', 'numpy', 'sqlalchemy', 'onnxruntime') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "[]\n"


def test_output_is_utf8_whatever_the_locale_and_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    odd = tmp_path / "hôme ✓"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    assert "hôme ✓" in run("--home", str(odd), "settings", env=environment).stdout.decode("utf-8")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", "from ui.cli import main; main()", "--home", str(odd), "settings"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert done.stderr == b""


def test_an_unforeseen_error_is_one_line(tmp_path: Path) -> None:
    code = "import ui.cli_machine as m, ui.cli as c\nm.plain = lambda value: {}['x']\nc.main()"
    done = subprocess.run([sys.executable, "-c", code, "--home", str(tmp_path), "settings"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "Error: KeyError: 'x'. Run it again with --verbose before the command for the details.\n"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_step_never_draws_over_the_answer(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    events = [StepStarted("recall"), Token("Ann "), StepStarted("remember"), Token("ordered most."), Done(ANSWER)]
    monkeypatch.setattr(Scripted, "stream", lambda self, question, **who: Events(events))
    cli.run(["--home", str(shell.home), "ask", "Who?"])
    assert screen.getvalue().startswith("\r\x1b[Krecall …\r\x1b[KAnn ordered most.\n")


def test_a_bar_is_drawn_on_a_terminal_only_once_something_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress("Nothing"):
        pass
    assert screen.getvalue() == ""
    with terminal.progress("Fetching", bytes_=True) as tell:
        tell(10, 100, "model [x]\x1b[2J")
        tell(1, 5, "next")
        tell(5, 5, "")
    assert "model [x]" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_progress_elsewhere_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: clock[0])
    with terminal.progress("Reading") as tell:
        tell(0, 3, "a")
        clock[0] = 6.0
        tell(1, 3, "b")
        tell(2, 3, "c")
        tell(3, 3, "")
    assert capsys.readouterr().err == "Reading: 1 of 3 (b)\nReading: 3 of 3\n"


def test_watching_says_what_changed_until_it_is_stopped(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import watchfiles

    def watch(*paths: Path) -> Iterator[set[Any]]:
        assert paths == (tmp_path,)
        yield set()
        raise KeyboardInterrupt

    monkeypatch.setattr(watchfiles, "watch", watch)
    monkeypatch.setattr(Scripted, "sync", lambda self: IngestReport(removed=("old.md",)), raising=False)
    assert shell("ingest", str(tmp_path), "--watch") == 130
    assert "removed    old.md" in shell.out
    assert shell.err == "Watching. Ctrl-C ends.\nStopped.\n"


def test_memories_are_searched_edited_and_brought_back(shell: Shell) -> None:
    Scripted.kept.memories |= {"m1": Memory("m1", "7", "likes tea", WHEN), "m2": Memory("m2", "7", "has a dog's bowl", WHEN)}
    assert shell("memories", "list", "--user", "7", "--search", "tea") == 0
    assert "m1" in shell.out
    assert "m2" not in shell.out
    assert shell("memories", "edit", "m1", "likes coffee", "--user", "7") == 0
    assert Scripted.kept.memories["m1"].text == "likes coffee"
    assert shell("memories", "forget", "m2", "--user", "7") == 0
    undo = shlex.split(shell.err.strip().removeprefix("Undo: assistant "))
    assert shell(*undo) == 0
    assert (Scripted.kept.memories["new"].text, Scripted.kept.memories["new"].user) == ("has a dog's bowl", "7")
    assert "Undo: assistant memories forget new --user 7" in shell.err
    assert shell("memories", "export", "--user", "7") == 0
    assert json.loads(shell.out)["user"] == "7"
    assert shell("memories", "forget", "--everything", "--user", "7") == 0
    assert "everything" in shell.out
    assert shell("memories", "forget", "--everything", "--all") == 2


def test_conversations_are_renamed_and_deleted(shell: Shell) -> None:
    assert shell("conversations", "rename", "c1", "Holidays", "--user", "7") == 0
    assert shell("conversations", "delete", "c1", "c2", "--user", "7") == 0
    assert Scripted.kept.deleted == [("c1", "Holidays"), ("c1", "7"), ("c2", "7")]


def test_a_conversation_is_branched_at_its_end_or_at_a_message(shell: Shell) -> None:
    Scripted.kept.said["c1"] = [Message("q1", "c1", "user", "hello", WHEN)]
    assert shell("conversations", "branch", "c1", "--user", "7") == 0
    assert shell.out == "Branched: c1 to q1 of 7 (A branch)\n"
    assert shell("conversations", "branch", "c1", "--message", "a0") == 0
    assert shell.out == "Branched: c1 to a0 of local (A branch)\n"
    Scripted.kept.said["c2"] = []
    assert shell("conversations", "branch", "c2") == 1


def test_a_chat_answers_again_and_goes_on_where_it_was_cut_off(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    Scripted.kept.said["c1"] = [Message("q0", "c1", "user", "what was cut off", WHEN)]
    Scripted.script = [KeyboardInterrupt(), ANSWER, replace(ANSWER, route="memory")]
    monkeypatch.setattr(sys, "stdin", io.StringIO("/retry\n/retry\nremember me\n/retry\n/new\n/retry\n"))
    assert shell("chat", "--conversation", "c1") == 0
    assert "This was not finished: what was cut off" in shell.err
    asked = Scripted.made[-1].questions
    assert [(question, who["conversation"], who["instead_of"]) for question, who in asked] == [
        ("what was cut off", "c1", "q0"),
        ("what was cut off", "c1", "q1"),
        ("remember me", "c1", None),
    ]
    assert "is done" in shell.err
    assert "Nothing was asked yet." in shell.err


def test_a_private_chat_says_so_and_closes_what_it_leaves(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n/new\nhello again\n/exit\n"))
    assert shell("chat", "--private") == 0
    assert cli_ask.PRIVATE in shell.err
    (left, opened) = [who["conversation"] for _, who in Scripted.made[-1].questions]
    assert [who["private"] for _, who in Scripted.made[-1].questions] == [True, True]
    assert left != opened
    assert Scripted.kept.deleted == [(left, "local")]
    assert shell("ask", "hello", "--private") == 0
    assert Scripted.made[-1].questions[0][1]["private"] is True
