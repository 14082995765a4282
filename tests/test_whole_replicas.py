"""All of a team's parts together: two replicas behind nginx on PostgreSQL, Chroma's server and a model server, and each of them killed under load."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.load import Load, alone, percentile
from tests.team import Team, team

pytestmark = [pytest.mark.measure, pytest.mark.postgres]

SECONDS = float(os.environ.get("TEAM_SECONDS", "4"))
CONVERSATIONS = int(os.environ.get("TEAM_CONVERSATIONS", "200"))
TURNS = 10


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """The team, behind nginx."""
    with team(tmp_path_factory.mktemp("team"), seconds=SECONDS) as running:
        yield running


def client(team: Team, person: str, replica: int | None = None) -> httpx.Client:
    """What sends that person's requests: to the proxy, or to one replica."""
    return httpx.Client(base_url=team.url if replica is None else team.replicas[replica].url, headers=team.headers(person), timeout=60)


def test_what_is_said_at_one_replica_is_known_at_the_other(whole: Team) -> None:
    with client(whole, "ada", 0) as one, client(whole, "ada", 1) as other, client(whole, "ada") as either, client(whole, "bob") as bob:
        asked = [f"turn {n} of zqsmokeq" for n in range(6)]
        for door, question in zip((one, other, either) * 2, asked, strict=True):
            assert door.post("/api/v1/ask", json={"question": question, "conversation": "smoke"}).status_code == 200
        for door in (one, other):
            assert [m["text"] for m in door.get("/api/v1/conversations/smoke").json() if m["role"] == "user"] == asked
        assert bob.get("/api/v1/conversations/smoke").status_code == 404

        file = {"file": ("plan.md", b"# Plans\n\nThe plan is to travel to Graz by train.\n")}
        assert one.post("/api/v1/documents", files=file).status_code == 201
        assert [p["document"] for p in other.get("/api/v1/documents/search", params={"query": "travel to Graz"}).json()] == ["plan.md"]
        assert bob.get("/api/v1/documents/search", params={"query": "travel to Graz"}).json() == []

        assert other.post("/api/v1/ask", json={"question": "Remember that I live in Linz."}).status_code == 200
        assert [m["text"] for m in one.get("/api/v1/memories/search", params={"query": "Where do I live?"}).json()] == ["I live in Linz."]
        assert bob.get("/api/v1/memories").json() == []

        words = either.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "turn of zqsaidq"}], "stream": True})
        assert words.text.rstrip().endswith("data: [DONE]")
        assert "zqsaidq" in words.text


def test_fifty_at_once_over_both_replicas(whole: Team) -> None:
    """Prints what it measured: turns a second, seconds a turn, and what of that is the program's."""
    asyncio.run(Load(50, 1).run(whole, "warm"))
    load = Load(CONVERSATIONS, TURNS)
    directly = asyncio.run(alone(whole, load))
    asyncio.run(load.run(whole))
    own = [seconds - directly[question] for question, seconds in load.took.items()]
    turns = len(load.took)
    print(  # noqa: T201
        f"\n{turns} turns, {load.at_once} at once, answers of {SECONDS:g} s: {turns / load.seconds:.1f} turns/s;"
        f" a turn {percentile(load.took.values(), 0.5):.3f} s (p50) {percentile(load.took.values(), 0.99):.3f} s (p99);"
        f" the program's part {1000 * percentile(own, 0.5):.0f} ms (p50) {1000 * percentile(own, 0.99):.0f} ms (p99); load {os.getloadavg()[0]:.1f}"
    )
    assert load.told == []
    kept_once_and_in_order(whole, load, "c")


def kept_once_and_in_order(team: Team, load: Load, prefix: str) -> None:
    """Every turn once, in order, and in its own conversation; twice only where its user was told of an error, and asked again."""
    told = [question for _, question, _ in load.told]
    for number in range(load.conversations):
        with client(team, load.person(number), number % len(team.replicas)) as door:
            messages = door.get(f"/api/v1/conversations/{prefix}{number}").json()
        asked = [m["text"] for m in messages if m["role"] == "user"]
        assert list(dict.fromkeys(asked)) == [load.question(number, turn) for turn in range(load.turns)]
        for question in set(asked):
            assert asked.count(question) <= 1 + told.count(question)
        answers = {m["id"]: m["text"] for m in messages if m["role"] == "assistant"}
        given = load.answers[f"{prefix}{number}"]
        assert [id_ for id_ in answers if id_ in given] == given, "what was answered is kept, in order"
        assert all(f"zq{number}q" in text for text in answers.values())


@dataclass
class Outage:
    """What a part's death did: how many were answered and told meanwhile and after, and how long after its return the last was told."""

    part: str
    answered: int
    told: int
    after: float
    why: str

    def __str__(self) -> str:
        return f"{self.part}: while away {self.answered} turns answered, {self.told} told; last told {self.after:.1f} s after its return ({self.why})"


def killed(load: Load, part: str, kill: Callable[[], None], start: Callable[[], None], *, away: float) -> Outage:
    """Kill a part under the load, bring it back after some seconds, and look for fifteen more."""
    began = time.monotonic()
    kill()
    time.sleep(away)
    start()
    back = time.monotonic()
    time.sleep(15)
    told = [(when, why) for when, _, why in load.told if when > began]
    late = [when - back for when, _ in told if when > back]
    answered = sum(began + 1 < when < back for when in load.answered)
    assert any(when > back for when in load.answered), f"{part} is back, and nobody is answered"
    return Outage(part, answered, len(told), max(late, default=0.0), "; ".join(sorted({" ".join(why.split())[:110] for _, why in told})))


def test_each_part_may_die_under_load_and_nobody_is_left_untold(whole: Team) -> None:
    load = Load(CONVERSATIONS, TURNS)
    running = threading.Thread(target=lambda: asyncio.run(load.run(whole, "k")), name="load")
    running.start()
    time.sleep(SECONDS + 2)
    victim = whole.replicas[0]

    def again() -> None:
        victim.start()
        victim.ready()

    def crash() -> None:
        whole.state.stop(signal.SIGQUIT)

    outages = []
    for part, away, kill, start in (
        ("replica", 4, victim.kill, again),
        ("model server", 4, whole.model.kill, whole.model.start),
        ("Chroma", 4, whole.index.kill, whole.index.start),
        ("PostgreSQL", 4, crash, whole.state.start),
        ("PostgreSQL for longer than anybody waits", 14, crash, whole.state.start),
    ):
        outages.append(killed(load, part, kill, start, away=away))
        print(f"\n{outages[-1]}", flush=True)  # noqa: T201
        assert running.is_alive(), "the load ended too soon to show anything: set TEAM_CONVERSATIONS higher"
    running.join(300)
    assert len(load.answers) == load.conversations, "somebody gave up"
    kept_once_and_in_order(whole, load, "k")
    assert all(outage.after < 10 for outage in outages), outages
    assert {outage.part: outage.told for outage in outages}["Chroma"] == 0, "turns go on without memories and passages"


def test_the_replicas_log_no_surprise(whole: Team, tmp_path: Path) -> None:
    for replica in whole.replicas:
        assert "Traceback" not in replica.log, replica.log[-5000:]
