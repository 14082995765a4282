"""The queue in front of the model: fair between users, bounded, and left by who is cancelled."""

from __future__ import annotations

import threading
import time

import pytest

from assistant.errors import ModelBusy
from assistant.models.queue import FairQueue
from graphs.errors import TurnCancelled
from tests.threads import start, until


def served(queue: FairQueue, users: list[str]) -> list[str]:
    """The order in which these users' calls are served when all wait at once, behind a call of "a"."""
    order: list[str] = []

    def call(user: str) -> None:
        with queue.turn(user):
            order.append(user)

    threads = []
    with queue.turn("a"):
        for user in users:
            before = queue.waiting
            threads.append(start(lambda user=user: call(user)))
            until(lambda before=before: queue.waiting == before + 1)
    for thread in threads:
        thread.join(10)
    return order


def test_a_user_with_many_calls_does_not_hold_up_the_others() -> None:
    assert served(FairQueue(16), ["a", "a", "a", "b", "c", "b"]) == ["b", "c", "a", "b", "a", "a"]


def test_calls_of_one_user_keep_their_order() -> None:
    queue, order = FairQueue(4), []

    def call(number: int) -> None:
        with queue.turn("a"):
            order.append(number)

    with queue.turn("a"):
        threads = []
        for number in range(3):
            threads.append(start(lambda number=number: call(number)))
            until(lambda number=number: queue.waiting == number + 1)
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2]


def test_one_call_at_a_time() -> None:
    queue, inside, most = FairQueue(32), 0, 0

    def call() -> None:
        nonlocal inside, most
        with queue.turn("a"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.001)
            inside -= 1

    threads = [start(call) for _ in range(20)]
    for thread in threads:
        thread.join(10)
    assert (most, queue.waiting) == (1, 0)


def test_a_full_queue_says_busy_at_once() -> None:
    queue = FairQueue(1)
    with queue.turn("a"):
        waiting = start(lambda: queue.turn("b").__enter__())
        until(lambda: queue.waiting == 1)
        began = time.monotonic()
        with pytest.raises(ModelBusy, match="busy"), queue.turn("c"):
            pytest.fail("the queue was full")
        assert time.monotonic() - began < 0.5
    waiting.join(10)
    assert not waiting.is_alive()


def test_a_cancelled_call_leaves_the_queue() -> None:
    queue, cancelled, raised = FairQueue(1), threading.Event(), threading.Event()

    def call() -> None:
        with pytest.raises(TurnCancelled), queue.turn("b", cancelled):
            pytest.fail("it was cancelled")
        raised.set()

    with queue.turn("a"):
        start(call)
        until(lambda: queue.waiting == 1)
        cancelled.set()
        assert raised.wait(1)
        assert queue.waiting == 0
    with queue.turn("c"):  # and the turn was not lost on it
        assert queue.waiting == 0


def test_an_error_inside_a_turn_hands_the_model_on() -> None:
    queue = FairQueue(1)
    with pytest.raises(RuntimeError, match="inside"), queue.turn("a"):
        raise RuntimeError("inside")
    with queue.turn("b"):
        assert queue.waiting == 0


def test_a_queue_is_resized_under_way() -> None:
    queue, inside, go = FairQueue(4), [], threading.Event()

    def call() -> None:
        with queue.turn("a"):
            inside.append(1)
            go.wait(10)

    threads = [start(call) for _ in range(4)]
    until(lambda: (len(inside), queue.waiting) == (1, 3))
    queue.resize(4, 3)
    until(lambda: (len(inside), queue.waiting) == (3, 1))
    queue.resize(0, 1)  # three are under way, and none is cut off
    with pytest.raises(ModelBusy), queue.turn("b"):
        pytest.fail("nobody may wait any more")
    go.set()
    for thread in threads:
        thread.join(10)
    assert (len(inside), queue.waiting) == (4, 0)
    with queue.turn("a"), pytest.raises(ModelBusy), queue.turn("b"):
        pytest.fail("one at a time")


def test_a_turn_may_end_in_another_thread() -> None:
    queue = FairQueue(1)
    turn = queue.turn("a")
    turn.__enter__()
    start(lambda: turn.__exit__(None, None, None)).join(10)
    with queue.turn("b"):
        assert queue.waiting == 0


def test_who_waits_is_told_how_many_are_before() -> None:
    queue, told = FairQueue(16), []

    def call(user: str) -> None:
        with queue.turn(user, tell=lambda before: told.append((user, before))):
            until(lambda: len(told) >= 6)

    threads = []
    with queue.turn("a"):
        for user, before in (("a", 0), ("b", 0), ("a", 2), ("c", 1)):  # who was never served comes first
            count = queue.waiting
            threads.append(start(lambda user=user: call(user)))
            until(lambda count=count: queue.waiting == count + 1)
            until(lambda user=user, before=before: (user, before) in told)
    for thread in threads:
        thread.join(10)
    assert ("a", 1) in told  # "b" went before the first of "a"
