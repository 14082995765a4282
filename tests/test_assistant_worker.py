"""The model in a process of its own: the same words, and what happens when that process dies."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from assistant import Assistant, Settings
from assistant.errors import ModelBusy, ModelFileCorrupt, ModelUnavailable
from assistant.machine import resident_bytes
from assistant.models import worker_process
from assistant.models.chat import LlamaChat
from assistant.models.load import load_chat
from assistant.models.shared import Models
from assistant.models.worker_chat import WorkerChat
from assistant.models.worker_process import Worker
from graphs.errors import QuestionTooLong, TurnCancelled
from graphs.values import StepStarted
from tests import puppet
from tests.offline import namespace, run_offline

RULES = "You answer questions about a shop in one short sentence. Say only what is known. " * 3
ROOT = Path(__file__).resolve().parent.parent
DIED = r"process died \((SIGKILL: perhaps the machine ran out of memory|exit code 9)\).*started again.*ask again"


@pytest.fixture(scope="module")
def chat() -> Iterator[WorkerChat]:
    """A puppet in a process of its own."""
    worker = Worker(puppet.load)
    worker.start()
    made = WorkerChat(worker=worker)
    yield made
    made.close()


def say(chat: WorkerChat, text: str, **options: Any) -> str:
    return str(chat.invoke([HumanMessage(text)], **options).content)


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


# --- the pipe, with a puppet at its other end


def test_pieces_cost_and_keywords_come_through(chat: WorkerChat) -> None:
    chunks = list(chat.stream([HumanMessage("echo one two")]))
    assert [chunk.content for chunk in chunks if chunk.content] == ["one", "two"]
    message = chat.invoke([HumanMessage("echo one two")])
    assert isinstance(message, AIMessage)
    assert message.usage_metadata is not None
    assert (message.content, message.usage_metadata["input_token_details"]["cache_read"]) == ("onetwo", 1)
    assert message.response_metadata["finish_reason"] == "stop"
    options = {"grammar": "g", "greedy": None, "max_tokens": 3, "user": "u"}
    assert say(chat, "options", stop=["x"], **options) == repr(sorted({"stop": ["x"], **options}.items()))
    assert (chat.count_tokens("abc"), chat.get_num_tokens_from_messages([HumanMessage("a")])) == (3, 1)
    assert chat._identifying_params == {"model": "puppet", "context": 7}


def test_errors_keep_their_class_and_their_words(chat: WorkerChat) -> None:
    with pytest.raises(ModelBusy, match="3 calls are waiting"):
        say(chat, "busy")
    with pytest.raises(RuntimeError, match="Odd: left and right"):
        say(chat, "odd")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'") as failed:
        chat.worker.call("nonsense")
    assert "In the model's process" in failed.value.__notes__[0]
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        say(chat, "echo", tools=[lambda: None])
    assert say(chat, "echo well") == "well"


def test_several_calls_run_at_once(chat: WorkerChat) -> None:
    cancelled = threading.Event()
    others = [chat.stream([HumanMessage("forever")], cancelled=cancelled) for _ in range(3)]
    assert [next(other).content for other in others] == ["on "] * 3
    assert say(chat, "echo meanwhile") == "meanwhile"
    cancelled.set()
    for other in others:
        with pytest.raises(TurnCancelled, match="the puppet was stopped"):
            list(other)


def test_cancelling_and_leaving_stop_the_model(chat: WorkerChat) -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    began = time.perf_counter()
    with pytest.raises(TurnCancelled):
        chat.warm("long", cancelled=cancelled)
    assert time.perf_counter() - began < 1.2
    with pytest.raises(TurnCancelled):  # set before it began
        say(chat, "forever", cancelled=cancelled)
    chat.forget("local")
    stream = chat.stream([HumanMessage("forever")])
    next(stream)
    assert say(chat, "left") == "False"
    stream.close()  # type: ignore[attr-defined]
    assert until(lambda: say(chat, "left") == "True")


def test_it_is_quiet_and_ctrl_c_is_not_for_it(chat: WorkerChat, capfd: pytest.CaptureFixture[str]) -> None:
    assert say(chat, "print") == ""
    assert say(chat, "interrupt") == "still here"
    assert capfd.readouterr() == ("", "")


def test_a_death_is_told_to_every_call_and_the_next_one_is_answered(chat: WorkerChat) -> None:
    other = chat.stream([HumanMessage("forever")])
    next(other)
    before = chat.worker.pid
    stream = chat.stream([HumanMessage("die")])
    assert next(stream).content == "I am "
    with pytest.raises(ModelUnavailable, match=DIED):
        list(stream)
    with pytest.raises(ModelUnavailable, match=DIED):
        list(other)
    assert chat.worker.pid is None
    chat.forget("local")
    assert chat.worker.pid is None, "there is nothing to forget, so nothing is started"
    assert int(say(chat, "pid")) == chat.worker.pid != before


def test_three_deaths_in_a_row_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    chat = WorkerChat(worker=Worker(puppet.load))
    for _ in range(worker_process.DEATHS):
        with pytest.raises(ModelUnavailable, match=r"exit code 3\)"):
            say(chat, "exit")
    with pytest.raises(ModelUnavailable, match=r"died 3 times within 5 minutes.*assistant doctor"):
        say(chat, "echo hello")
    monkeypatch.setattr(worker_process, "WITHIN_SECONDS", 0.0)  # the first of them is long ago
    assert say(chat, "echo hello") == "hello"
    chat.close()
    with pytest.raises(ModelUnavailable, match="was closed"):
        say(chat, "echo hello")


def test_dying_while_it_loads_counts_too_and_a_bad_file_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF")
    models = Models(Settings(home=tmp_path, model={"name": str(tmp_path / "own.gguf"), "worker": True}), None)
    monkeypatch.setattr("assistant.models.load.load_chat", puppet.load_corrupt)
    for _ in range(4):
        with pytest.raises(ModelFileCorrupt, match="cut short"):
            models.chat()
    models = Models(Settings(home=tmp_path, model={"name": str(tmp_path / "own.gguf"), "worker": True}), None)
    monkeypatch.setattr("assistant.models.load.load_chat", puppet.load_and_die)
    for expected in [r"exit code 4\)"] * 3 + ["assistant doctor"]:
        with pytest.raises(ModelUnavailable, match=expected):
            models.chat()
    assert not models.loaded


def test_closing_ends_calls_under_way_and_leaves_no_process() -> None:
    chat = WorkerChat(worker=Worker(puppet.load))
    stream = chat.stream([HumanMessage("forever")])
    next(stream)
    process = psutil.Process(chat.worker.pid)
    began = time.perf_counter()
    chat.close()
    assert not process.is_running()
    assert time.perf_counter() - began < 3
    with pytest.raises((ModelUnavailable, TurnCancelled)):
        list(stream)


SCRIPT = """
    import sys
    from langchain_core.messages import HumanMessage
    from assistant.models.worker_chat import WorkerChat
    from assistant.models.worker_process import Worker
    from tests import puppet

    chat = WorkerChat(worker=Worker(puppet.load))
    print(chat.invoke([HumanMessage("pid")]).content, flush=True)
    if "wait" in sys.argv:
        sys.stdin.read()
"""


@pytest.mark.parametrize("started", ["script", "module", "-c", "stdin"])
def test_it_works_however_the_program_was_started_and_ends_with_it(started: str, tmp_path: Path) -> None:
    """A script has no guard against being imported again, as most people's have none."""
    code = textwrap.dedent(SCRIPT)
    (tmp_path / "unguarded.py").write_text(code)
    command = {"script": [str(tmp_path / "unguarded.py")], "module": ["-m", "unguarded"], "-c": ["-c", code], "stdin": ["-"]}[started]
    paths = f"{ROOT}{os.pathsep}{tmp_path}"
    done = subprocess.run(
        [sys.executable, *command], input=code if started == "stdin" else "", env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == 1
    assert until(lambda: not psutil.pid_exists(int(done.stdout)))


def test_a_parent_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), "wait"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    assert until(lambda: not psutil.pid_exists(pid))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows only has another way to send Ctrl+C")
def test_ctrl_c_for_the_whole_group_reaches_the_parent_alone(tmp_path: Path) -> None:
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # deaf to it, where the tests run in a shell's background
    command = [sys.executable, "-c", hearing + textwrap.dedent(SCRIPT), "wait"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        assert parent.stderr is not None
        pid = int(parent.stdout.readline())
        os.killpg(parent.pid, signal.SIGINT)
        said = parent.stderr.read().decode()
    assert said.count("KeyboardInterrupt") == 1, said
    assert until(lambda: not psutil.pid_exists(pid))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows only has another way to send Ctrl+C")
def test_ctrl_c_while_it_starts_is_not_for_it_either() -> None:
    deaf = "import signal; signal.signal(signal.SIGINT, lambda *_: None)\n"
    command = [sys.executable, "-c", deaf + textwrap.dedent(SCRIPT)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True
    ) as parent:
        assert until(lambda: bool(workers(parent.pid)))
        (child,) = workers(parent.pid)
        while child.is_running() and parent.poll() is None:
            os.killpg(parent.pid, signal.SIGINT)
            time.sleep(0.01)
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert (parent.stdout.read().strip(), parent.stderr.read()) == (str(child.pid).encode(), b"")


def workers(parent: int) -> list[psutil.Process]:
    """The processes that multiprocessing started, but for its own that counts resources."""
    return [child for child in psutil.Process(parent).children() if "spawn_main" in " ".join(child.cmdline())]


def test_nothing_is_tried_over_the_network() -> None:
    code = f"{textwrap.dedent(SCRIPT)}\nimport time; time.sleep(1)"
    run = run_offline(["-c", code], env={"PYTHONPATH": str(ROOT), "LANGSMITH_TRACING": "true", "LANGSMITH_API_KEY": "not_a_key"})
    assert (run.returncode, run.attempts) == (0, ()), run.stderr


def test_memory_counts_the_process_too(chat: WorkerChat) -> None:
    say(chat, "echo")
    held = psutil.Process(chat.worker.pid).memory_info().rss
    assert resident_bytes() > held + psutil.Process().memory_info().rss * 0.9


# --- with a real model

SMALL = Settings(model={"context": 2048, "prefix_cache_mb": 64, "queue": 1, "parallel": 1, "threads": 1}, sampling={"max_tokens": 32})


@pytest.fixture(scope="module")
def here(fetched: Callable[[str], Path]) -> Iterator[LlamaChat]:
    made = load_chat(SMALL, fetched("smollm2-135m"))
    assert isinstance(made, LlamaChat)
    yield made
    made.close()


@pytest.fixture(scope="module")
def there(fetched: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerChat]:
    worker = Worker(partial(load_chat, SMALL, fetched("smollm2-135m"), prefixes=tmp_path_factory.mktemp("prefixes")))
    worker.start()
    made = WorkerChat(worker=worker)
    yield made
    made.close()


def messages(question: str, *more: BaseMessage) -> list[BaseMessage]:
    return [SystemMessage(RULES), HumanMessage(question), *more]


@pytest.mark.model
def test_the_same_words_choices_and_costs_as_in_process(here: LlamaChat, there: WorkerChat) -> None:
    calls: list[tuple[list[BaseMessage], dict[str, Any]]] = [
        (messages("Name three colours."), {}),
        (messages("Name three colours.", AIMessage("They are")), {"stop": ["."], "greedy": None}),
        (messages("Count."), {"grammar": 'root ::= "one two three"', "max_tokens": 2, "user": "other"}),
        (messages("Paris or Berlin?"), {"choices": ["Berlin", "Paris"]}),
        (messages("Name a fruit."), {"drafts": 2, "max_tokens": 8}),
    ]
    for asked, options in calls:
        mine, theirs = here.invoke(asked, **options), there.invoke(asked, **options)
        assert isinstance(mine, AIMessage)
        assert isinstance(theirs, AIMessage)
        assert (mine.content, mine.usage_metadata) == (theirs.content, theirs.usage_metadata)
        mine.response_metadata.pop("first_token_seconds")
        assert theirs.response_metadata.pop("first_token_seconds") > 0
        assert mine.response_metadata == theirs.response_metadata
        assert [c.content for c in here.stream(asked, **options) if c.content] == [c.content for c in there.stream(asked, **options) if c.content]
    assert here._identifying_params == there._identifying_params
    assert here.count_tokens("How many orders?") == there.count_tokens("How many orders?")
    assert here.get_num_tokens_from_messages(messages("Hi")) == there.get_num_tokens_from_messages(messages("Hi"))


@pytest.mark.model
@pytest.mark.parametrize(
    ("asked", "options", "error"),
    [
        ([HumanMessage("word " * 4000)], {}, QuestionTooLong),
        ([HumanMessage("Hi"), ToolMessage("1", tool_call_id="1")], {}, ValueError),
        ([HumanMessage("Hi")], {"temperatur": 1}, TypeError),
        ([HumanMessage("Hi")], {"grammar": "no grammar"}, ValueError),
    ],
)
def test_what_it_cannot_do_is_said_in_the_same_words(
    here: LlamaChat, there: WorkerChat, asked: list[BaseMessage], options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as mine:
        here.invoke(asked, **options)
    with pytest.raises(error) as theirs:
        there.invoke(asked, **options)
    assert (type(mine.value), str(mine.value)) == (type(theirs.value), str(theirs.value))


@pytest.mark.model
def test_reading_and_waiting_stop_within_a_second(there: WorkerChat) -> None:
    cancelled, waiting_cancelled = threading.Event(), threading.Event()
    failed: list[BaseException] = []

    def ask(text: str, event: threading.Event) -> None:
        try:
            there.invoke(messages(text), cancelled=event)
        except TurnCancelled as error:
            failed.append(error)

    for event in (cancelled, waiting_cancelled):
        threading.Thread(target=ask, args=("orders and letters " * 500, event), daemon=True).start()
        time.sleep(0.15)
    with pytest.raises(ModelBusy, match="1 calls are waiting"):
        there.invoke(messages("Hi"))
    for count, event in enumerate((waiting_cancelled, cancelled), 1):
        event.set()
        assert until(lambda count=count: len(failed) == count, 1.0)
    assert "waiting for the model" in str(failed[0])
    assert there.invoke(messages("Hi"), max_tokens=2).content


@pytest.mark.model
def test_killed_in_the_middle_of_an_answer_it_is_soon_back_and_warm(there: WorkerChat) -> None:
    before = there.invoke(messages("Who are you?"), user="k").content
    stream = there.stream(messages("Tell a long story."), max_tokens=400)
    next(stream)
    psutil.Process(there.worker.pid).kill()
    with pytest.raises(ModelUnavailable, match=r"process died .*ask again"):
        list(stream)
    after = there.invoke(messages("Who are you?"), user="k")
    assert isinstance(after, AIMessage)
    assert after.usage_metadata is not None
    assert after.content == before
    assert after.usage_metadata["input_token_details"]["cache_read"] >= there.count_tokens(RULES), "read from disk"


@pytest.mark.model
def test_two_at_once_get_their_own_answers(here: LlamaChat, there: WorkerChat) -> None:
    asked = {user: messages(f"My name is {user}. Who am I?") for user in ("Ada", "Grace")}
    found: dict[str, Any] = {}
    threads = [threading.Thread(target=lambda user=user: found.update({user: there.invoke(asked[user], user=user).content})) for user in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {user: here.invoke(asked[user], user=user).content for user in asked}


@pytest.mark.model
def test_a_model_file_cut_short_is_named(fetched: Callable[[str], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with fetched("smollm2-135m").open("rb") as whole:
        (tmp_path / "half.gguf").write_bytes(whole.read(40 << 20))
    models = Models(Settings(home=tmp_path, model={"name": str(tmp_path / "half.gguf"), "worker": True}), None)
    before = workers(os.getpid())
    with pytest.raises(ModelFileCorrupt, match=r"half\.gguf cannot be loaded: .*(bounds|corrupted|incomplete)"):
        models.chat()
    assert capfd.readouterr().err == ""
    assert workers(os.getpid()) == before


@pytest.mark.model
def test_a_turn_whose_model_dies_is_reported_and_the_next_one_is_answered(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    models = fetched("smollm2-135m").parent
    fetched("all-minilm-l6-v2")
    settings = Settings(
        home=tmp_path / "home", sample=False, sampling={"max_tokens": 16},
        model={"name": "smollm2-135m", "directory": models, "worker": True, "context": 4096, "threads": 1},
    )  # fmt: skip
    with Assistant(settings) as assistant:
        assistant.load()
        worker = assistant._models.chat().worker
        events = assistant.stream("Hello, who are you?", conversation="c")
        assert any(isinstance(event, StepStarted) and event.step == "relevance" for event in events)
        psutil.Process(worker.pid).kill()
        with pytest.raises(ModelUnavailable, match=r"process died .*ask again"):
            list(events)
        assert assistant.ask("Hello, who are you?", conversation="c").text
        asked = [(message.role, message.text) for message in assistant.conversations.messages("c")]
        process = psutil.Process(worker.pid)
    assert asked[:2] == [("user", "Hello, who are you?")] * 2
    assert len(asked) == 3
    assert not process.is_running()


@pytest.mark.skipif(namespace() is None, reason="this machine permits no network namespace (unshare)")
@pytest.mark.model
def test_with_a_real_model_it_works_without_a_network(fetched: Callable[[str], Path]) -> None:
    code = """
        import pathlib, sys
        from functools import partial
        from assistant import Settings
        from assistant.models.load import load_chat
        from assistant.models.worker_chat import WorkerChat
        from assistant.models.worker_process import Worker

        chat = WorkerChat(worker=Worker(partial(load_chat, Settings(model={"threads": 1}), pathlib.Path(sys.argv[1]))))
        assert chat.invoke("Hello!", max_tokens=2).content
    """
    run = run_offline(["-c", textwrap.dedent(code), str(fetched("smollm2-135m"))], env={"PYTHONPATH": str(ROOT), "LANGSMITH_TRACING": "true"})
    assert (run.returncode, run.attempts) == (0, ()), run.stderr


@pytest.mark.model
@pytest.mark.measure
def test_what_the_pipe_costs(fetched: Callable[[str], Path]) -> None:
    """`pytest -m measure -k pipe_costs -s` prints medians of calls that take turns, in this process and in the other."""
    load = partial(load_chat, SMALL, fetched("smollm2-135m"))
    seconds: dict[str, list[float]] = {}

    def timed(name: str, run: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        found = run()
        seconds.setdefault(name, []).append(time.perf_counter() - began)
        return found

    def started(loaded: Callable[[], Any]) -> WorkerChat:
        worker = Worker(loaded)
        worker.start()
        return WorkerChat(worker=worker)

    chats: dict[str, Any] = {"here": load(), "there": started(load)}
    for _ in range(7):
        timed("start, model and imports", lambda: started(load)).close()
        timed("start, no model", lambda: started(puppet.load)).close()
        timed("load alone", load).close()
    asked = messages("Tell a long story about a bicycle.")
    for number in range(21):
        for place, chat in chats.items():
            stream = chat._stream(asked, None, None, max_tokens=64, user="m")
            timed(f"first piece {place}", lambda stream=stream: next(stream))
            timed(f"the next 63 pieces {place}", lambda stream=stream: list(stream))
            timed(f"choice {place}", lambda chat=chat: chat.invoke(asked, choices=["Yes", "No"], user="m"))
            timed(f"counting {place}", lambda chat=chat, number=number: chat.count_tokens(f"How many orders? {number}"))
    pieces = HumanMessage("echo " + " ".join(["word"] * 1000))
    chats["puppet"] = started(puppet.load)
    alone = puppet.load()
    for _ in range(21):
        timed("1000 pieces of a puppet here", lambda: list(alone._stream([pieces], None, cancelled=threading.Event())))
        timed("1000 pieces of a puppet there", lambda: list(chats["puppet"]._stream([pieces])))
    held = psutil.Process(chats["puppet"].worker.pid).memory_info().rss
    for chat in chats.values():
        chat.close()
    for name, found in seconds.items():
        print(f"{statistics.median(found) * 1000:10.2f} ms  {name}")  # noqa: T201 - read by a person
    print(f"{held / 2**20:10.0f} MiB  the process without a model")  # noqa: T201
    assert held < 300 << 20
