"""Several calls in one context: who may go beside whom, in which order, and what they write together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from assistant.errors import ModelUnavailable
from assistant.models.engine import Call, Engine, EngineSettings
from assistant.models.lock import FairLock
from assistant.models.queue import FairQueue
from assistant.models.reading import Cost
from assistant.models.sharing import Room
from assistant.models.template import Turn
from graphs.errors import TurnCancelled
from tests.threads import start, until

RULES = "You answer questions about a shop in one short sentence. Say only what is known, and name the day on which it was said. "
STORY = "Tell a very long story of a shop, a baker and a bicycle, with many details."
# Words that stand in the prompt: none is nearly as likely as another, whatever else is computed in the same step.
QUESTIONS = (
    "Repeat these words and nothing else: apple, river, candle, seven, garden, window, silver, market, pencil, winter.",
    "Repeat these words and nothing else: Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday.",
    "Repeat these words and nothing else: January, February, March, April, May, June, July, August, September.",
    "Repeat these words and nothing else: copper, violin, harbour, eleven, kitchen, saddle, forest, lantern, bottle.",
)


def never() -> bool:
    return False


def always() -> bool:
    return True


# --- its parts


def test_the_lock_goes_to_who_has_waited_longest() -> None:
    lock, order = FairLock(), list[int]()

    def take(number: int) -> None:
        with lock:
            order.append(number)

    threads = []
    with lock:
        assert not lock.acquire(timeout=0.01)  # who gives up is not waited for
        for number in range(5):
            threads.append(start(lambda number=number: take(number)))
            until(lambda number=number: len(lock._line) == number + 1)
    for thread in threads:
        thread.join(5)
    assert order == list(range(5))


def test_room_is_given_in_order_and_never_beyond_what_there_is() -> None:
    room, order = Room(sequences=3, cells=100), list[str]()

    def call(name: str, cells: int) -> None:
        with room.place(cells, alone=never, cancelled=None):
            order.append(name)

    with room.place(80, alone=never, cancelled=None):
        threads = [start(lambda: call("large", 50))]
        until(lambda: len(room._line) == 1)
        threads.append(start(lambda: call("small", 10)))  # would fit, and waits its turn all the same
        until(lambda: len(room._line) == 2)
        assert order == []
    for thread in threads:
        thread.join(5)
    assert order == ["large", "small"]
    with room.place(500, alone=never, cancelled=None):  # longer than the room: the context says so, not a wait for ever
        assert room.taken == 1


def test_a_call_that_must_be_alone_waits_for_the_others_and_they_for_it() -> None:
    room, order = Room(sequences=4, cells=100), list[str]()

    def call(name: str, alone: Callable[[], bool]) -> None:
        with room.place(1, alone=alone, cancelled=None) as place:
            order.append(name)
            time.sleep(0.05)
            room.share(place)

    with ExitStack() as held:
        held.enter_context(room.place(1, alone=never, cancelled=None))
        threads = [start(lambda: call("alone", always))]
        until(lambda: len(room._line) == 1)
        threads.append(start(lambda: call("beside", never)))
        until(lambda: len(room._line) == 2)
        assert order == []
    for thread in threads:
        thread.join(5)
    assert order == ["alone", "beside"]


def test_who_goes_away_while_waiting_leaves_the_line() -> None:
    room, gone = Room(sequences=1, cells=10), threading.Event()
    with room.place(1, alone=never, cancelled=None):
        threading.Timer(0.05, gone.set).start()
        with pytest.raises(TurnCancelled), room.place(1, alone=never, cancelled=gone):
            pass
    with room.place(1, alone=never, cancelled=None):
        assert room.taken == 1


def test_the_queue_lets_as_many_in_as_it_is_told() -> None:
    queue, inside = FairQueue(4, at_once=2), list[str]()
    leave = threading.Event()

    def call(user: str) -> None:
        with queue.turn(user):
            inside.append(user)
            leave.wait(5)

    threads = [start(lambda user=user: call(user)) for user in "abc"]
    until(lambda: len(inside) == 2 and queue.waiting == 1)
    leave.set()
    for thread in threads:
        thread.join(5)
    assert sorted(inside) == ["a", "b", "c"]


# --- with a model


@pytest.fixture(scope="module")
def engine(fetched: Callable[[str], Path]) -> Iterator[Engine]:
    made = Engine(fetched("qwen2.5-coder-0.5b"), EngineSettings(context=4096, prefix_cache_mb=128, threads=1))
    yield made
    made.close()


def call(engine: Engine, question: str, *, cancelled: threading.Event | None = None, most: int = 40) -> Call:
    prompt = engine.template.prompt([Turn("system", RULES), Turn("user", question)])
    return Call(prompt, user=question, max_tokens=most, cancelled=cancelled)


@pytest.mark.model
def test_four_at_once_write_what_each_writes_alone(engine: Engine) -> None:
    alone = ["".join(engine.stream(call(engine, question), Cost())) for question in QUESTIONS]
    engine.prefixes.forget(QUESTIONS[0])
    together: dict[str, str] = {}
    writing = threading.Barrier(4, timeout=60)

    def ask(question: str) -> None:
        stream = engine.stream(call(engine, question), Cost())
        together[question] = next(stream)
        writing.wait()  # each has its first word before any has its last
        together[question] += "".join(stream)

    threads = [start(lambda question=question: ask(question)) for question in QUESTIONS]
    for thread in threads:
        thread.join(120)
    assert [together[question] for question in QUESTIONS] == alone
    assert engine._room.taken == 0


@pytest.mark.model
def test_one_that_goes_away_stops_at_once_and_does_not_disturb_the_other(engine: Engine) -> None:
    long = f"{QUESTIONS[0]} Then repeat them once more."
    expected = "".join(engine.stream(call(engine, long, most=120), Cost()))
    gone, ended = threading.Event(), list[float]()
    begun = threading.Event()

    def leave() -> None:
        with pytest.raises(TurnCancelled):
            tell()
        ended.append(time.perf_counter())

    def tell() -> None:
        for _ in engine.stream(call(engine, STORY, cancelled=gone, most=400), Cost()):
            begun.set()

    leaving = start(leave)
    assert begun.wait(60)
    stream, text = engine.stream(call(engine, long, most=120), Cost()), ""
    left = 0.0
    for piece in stream:
        text += piece
        if not left and len(text) > 20:
            left = time.perf_counter()
            gone.set()
    done = time.perf_counter()
    leaving.join(10)
    assert ended[0] - left < 1.5
    assert ended[0] < done, "the other was still writing"
    assert text == expected


@pytest.mark.model
def test_choices_and_drafts_are_made_beside_a_stream(engine: Engine) -> None:
    expected = "".join(engine.stream(call(engine, QUESTIONS[2]), Cost()))
    stream = engine.stream(call(engine, QUESTIONS[2]), Cost())
    text = next(stream)
    assert sum(engine.choose(call(engine, "Is a shop a place to buy things?"), ["yes", "no"], Cost()).probabilities) == pytest.approx(1)
    assert len(engine.drafts(call(engine, QUESTIONS[3], most=6), 3, Cost())) == 3
    assert text + "".join(stream) == expected


@pytest.mark.model
def test_closing_ends_all_that_is_under_way(fetched: Callable[[str], Path]) -> None:
    made = Engine(fetched("smollm2-135m"), EngineSettings(context=2048, threads=1))
    ended = list[str]()

    def ask(question: str) -> None:
        try:
            for _ in made.stream(call(made, question, most=400), Cost()):
                begun.set()
        except (ModelUnavailable, TurnCancelled) as error:
            ended.append(type(error).__name__)

    begun = threading.Event()
    threads = [start(lambda question=question: ask(question)) for question in QUESTIONS[:3]]
    assert begun.wait(30)
    made.close()
    for thread in threads:
        thread.join(10)
    assert len(ended) == 3
