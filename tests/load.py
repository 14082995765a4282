"""Many conversations at once through the doors of a team, as people's programs would hold them, and what each was told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from tests.team import Team

AGAIN = 0.3
"""Seconds after which somebody who was told of an error asks again."""


@dataclass
class Load:
    """What became of the turns: `took` are seconds of those answered, `told` when whose question was refused, by the clock of `time.monotonic`."""

    conversations: int
    turns: int
    at_once: int = 50
    took: dict[str, float] = field(default_factory=dict)
    answered: list[float] = field(default_factory=list)
    told: list[tuple[float, str, str]] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    """The answer ids of each conversation, in order."""
    seconds: float = 0.0

    def question(self, number: int, turn: int) -> str:
        """What is asked: it names its conversation, and the answer says it again."""
        return f"turn {turn} of zq{number}q"

    def person(self, number: int) -> str:
        """Whose conversation it is: ten people's."""
        return f"p{number % 10}"

    async def run(self, team: Team, prefix: str = "c", give_up: float = 120.0) -> None:
        """Hold the conversations, `at_once` at a time, the first of them begun over an answer's length; who is told of an error asks again."""
        began = time.monotonic()
        gate = asyncio.Semaphore(self.at_once)
        limits = httpx.Limits(max_connections=self.at_once, max_keepalive_connections=self.at_once)
        async with httpx.AsyncClient(base_url=team.url, timeout=60, limits=limits) as client:

            async def talk(number: int) -> None:
                async with gate:
                    if number < self.at_once:
                        await asyncio.sleep(team.model.seconds * number / self.at_once)
                    self.answers[f"{prefix}{number}"] = [await self._ask(client, team, prefix, number, turn, give_up) for turn in range(self.turns)]

            await asyncio.gather(*(talk(number) for number in range(self.conversations)))
        self.seconds = time.monotonic() - began

    async def _ask(self, client: httpx.AsyncClient, team: Team, prefix: str, number: int, turn: int, give_up: float) -> str:
        question, first = self.question(number, turn), time.monotonic()
        while True:
            began = time.monotonic()
            assert began - first < give_up, f"{question}: {self.told[-3:]}"
            try:
                said = await client.post(
                    "/api/v1/ask", json={"question": question, "conversation": f"{prefix}{number}"}, headers=team.headers(self.person(number))
                )
                if said.status_code == 200:
                    break
                why = f"{said.status_code} {said.text[:300]}"
            except httpx.TransportError as error:
                why = type(error).__name__
            self.told.append((time.monotonic(), question, why))
            await asyncio.sleep(AGAIN)
        self.took[question] = time.monotonic() - began
        self.answered.append(time.monotonic())
        assert said.json()["text"].endswith(question), said.text
        return str(said.json()["id"])


async def alone(team: Team, load: Load) -> dict[str, float]:
    """Seconds that the model server takes for the calls of those turns when it is asked directly, as many at once."""
    took: dict[str, float] = {}
    gate = asyncio.Semaphore(load.at_once)
    async with httpx.AsyncClient(base_url=team.model.url, timeout=60, limits=httpx.Limits(max_connections=load.at_once)) as client:

        async def asked(question: str) -> None:
            async with gate:
                messages = [{"role": "user", "content": question}]
                began = time.monotonic()
                await client.post("/embeddings", json={"input": [question]})
                await client.post("/chat/completions", json={"messages": messages})
                await client.post("/chat/completions", json={"messages": messages, "stream": True})
                took[question] = time.monotonic() - began

        questions = (load.question(number, turn) for turn in range(load.turns) for number in range(load.conversations))
        await asyncio.gather(*map(asked, questions))
    return took


def percentile(values: Iterable[float], share: float) -> float:
    """The value that so large a share is at most."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
