"""Speed on this machine: a conversation with the whole assistant, against the bare llama.cpp in the same run."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from assistant.api import Assistant
from assistant.evaluation.conversation import CONVERSATION, Measured, Seen, Told, Watched, converse
from assistant.evaluation.report import Metrics, Report
from assistant.evaluation.run import Run, isolated
from assistant.models.library import physical_cores
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.models.engine import Call, Engine
    from graphs.values import Answer

TOGETHER = (
    "Rewrite this in a friendlier tone: We have received your letter. The goods will be sent in the coming week.",
    "Translate this into French: Our workshop is closed on Monday. On all other days we are there for you from nine to six.",
    "Make this shorter: Dear all, as you have surely noticed, the stairs are being painted, so that everybody has to use the back door until Friday.",
    "Correct the spelling of this text: We whish you a plesant evning, and we are looking foward to seing you agian next weak.",
)
"""What four people ask at the same moment: work on texts, whose answers are written rather than looked up."""
BARS = {
    "follow_up_first_token": 20.0,
    "documents_first_token": 1.0,
    "restart_first_token": 10.0,
    "tokens_read_anew": 120.0,
    "outside_models_share": 0.05,
    "outside_models_seconds": 0.15,
    "sql_writing_speed": 1.4,
    "documents_writing_speed": 1.4,
    "generations_per_sql_turn": 2.0,
    "four_at_once_speed": 1.5,
    "four_at_once_worst_wait": 2.0,
    "memory_above_file_gb": 1.0,
    "ask_to_first_token": 2.0,
}
HIGHER_IS_BETTER = frozenset(
    ("follow_up_first_token", "restart_first_token", "sql_writing_speed", "documents_writing_speed", "four_at_once_speed")
)
NOISE = 1.2
"""Times on a busy machine differ by so much from run to run without a cause."""
_REPLAYED = 6


def measure(run: Run, *, command: Sequence[str], turns: int = len(CONVERSATION)) -> Report:
    """Hold the conversation, restart, ask several at once, and read the same prompts with the bare llama.cpp.

    `command` starts the assistant's command line. Raises `ModelUnavailable` where the model is not a file on this machine.
    """
    with tempfile.TemporaryDirectory(prefix="assistant-bench-", ignore_cleanup_errors=True) as folder:
        settings = isolated(run.settings, Path(folder) / "home")
        with Measured(settings) as assistant:
            run.progress(0, turns, "reading the rules and the sample workspace")
            assistant.prepare()
            assistant.load()
            told = converse(assistant, turns, run)
            seen = list(assistant.watched.seen)
            path = assistant.watched.files.path(settings.model.name)
        assert path is not None
        with Measured(settings) as assistant:
            run.progress(turns, turns, "after a restart")
            first, load_seconds = _first_after_restart(assistant)
            run.progress(turns, turns, "with and without drafting")
            drafting = {name: _drafting(assistant.watched, name, seen, told) for name in ("sql", "documents")}
            run.progress(turns, turns, "four at once")
            speed, wait = _together(assistant)
        run.progress(turns, turns, "a new process")
        started = _process(command, settings)
        run.progress(turns, turns, "the bare model")
        with _bare(path, settings) as read:
            figures = _figures(seen, told, read, first)
    figures |= {f"{name}_writing_speed": ratio for name, ratio in drafting.items()}
    figures |= {
        "four_at_once_speed": speed,
        "four_at_once_worst_wait": wait,
        "memory_above_file_gb": (max(told.resident) - path.stat().st_size) / 2**30,
        "memory_growth_gb": (told.resident[-1] - told.resident[len(told.resident) // 2]) / 2**30,
        "ask_to_first_token": started - load_seconds if started else None,
    }
    columns = {"found": figures, "bar": {name: BARS[name] for name in figures if name in BARS}}
    return Report.of("bench", run, groups=columns, by="column")


def worse(now: Metrics, before: Metrics) -> list[str]:
    """The figures that got worse than noise explains, as lines to read."""
    found = []
    for name in BARS:
        new, old = now.get(name), before.get(name)
        if new is None or old is None or min(new, old) <= 0:
            continue
        ratio = old / new if name in HIGHER_IS_BETTER else new / old
        if ratio > NOISE:
            found.append(f"{name} was {old:g} and is {new:g}")
    return found


def _first_after_restart(assistant: Measured) -> tuple[Seen, float]:
    """The first call of the first question, and the seconds that loading the model took."""
    started = time.perf_counter()
    assistant.watched.chat()
    loaded = time.perf_counter() - started
    assistant.ask(CONVERSATION[1], conversation="restart")
    return assistant.watched.seen[0], loaded


def _drafting(models: Watched, route: str, seen: Sequence[Seen], told: Told) -> float | None:
    """How much faster the longest texts of a route are written with drafting than without."""
    engine: Engine = models.chat().engine
    calls = [call for call in seen if call.writes and told.answers[call.turn].route == route]
    ratios = []
    for one in sorted(calls, key=lambda call: -call.cost.written_tokens)[:_REPLAYED]:
        plain, drafted = (_writing(engine, one.call, drafting) for drafting in (False, True))
        ratios.append(drafted / plain)
    return median(ratios) if ratios else None


def _writing(engine: Engine, call: Call, drafting: bool) -> float:
    """Tokens a second after the first one, with the prompt read before."""
    from assistant.models.reading import Cost

    before, engine.settings = engine.settings, replace(engine.settings, drafting=drafting)
    try:
        list(engine.stream(replace(call, max_tokens=1, cancelled=None), Cost()))
        cost = Cost()
        started = time.perf_counter()
        list(engine.stream(replace(call, cancelled=None), cost))
        seconds = time.perf_counter() - started - (cost.first_token_seconds or 0.0)
    finally:
        engine.settings = before
    return cost.written_tokens / seconds


def _together(assistant: Assistant) -> tuple[float, float]:
    """Tokens a second of four conversations at once, against one of the same questions; and the worst wait for a first word
    against the mean. Each begins with another question, so that long answers do not meet."""

    def talk(first: int, into: list[list[Answer]]) -> None:
        order = [TOGETHER[(first + n) % len(TOGETHER)] for n in range(len(TOGETHER))]
        into.append([assistant.ask(question, user=f"bench-{len(alone)}-{first}") for question in order])

    alone: list[list[Answer]] = []
    started = time.perf_counter()
    talk(0, alone)
    one = _written(alone) / (time.perf_counter() - started)
    found: list[list[Answer]] = []
    threads = [threading.Thread(target=talk, args=(first, found)) for first in range(len(TOGETHER))]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    several = _written(found) / (time.perf_counter() - started)
    waits = [answer.usage.first_token_seconds or answer.usage.seconds for answers in found for answer in answers]
    return several / one, max(waits) / (sum(waits) / len(waits))


def _written(talks: Sequence[Sequence[Answer]]) -> int:
    return sum(answer.usage.completion_tokens for answers in talks for answer in answers)


def _process(command: Sequence[str], settings: Settings) -> float | None:
    """Seconds from the start of `assistant ask` to the first byte of its answer, prefixes on disk."""
    environment = {"ASSISTANT_MODEL__DIRECTORY": str(settings.models_directory), "ASSISTANT_MODEL__NAME": settings.model.name}
    # An installed Python keeps its bytecode; a developer's or a container's may be told not to.
    environment["PYTHONDONTWRITEBYTECODE"] = ""
    asked = [*command, "--home", str(settings.home), "ask", CONVERSATION[0]]
    started = time.perf_counter()
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=os.environ | environment) as process:
        assert process.stdout is not None
        first = process.stdout.read(1)
        seconds = time.perf_counter() - started
        process.stdout.read()
    return seconds if first else None


Read = Callable[[Sequence[int]], float]
"""Seconds that a prompt takes to read from nothing."""


@contextmanager
def _bare(path: Path, settings: Settings) -> Iterator[Read]:
    """llama-cpp-python as its own documentation uses it."""
    from llama_cpp import Llama

    llama = Llama(str(path), n_ctx=settings.model.context, n_threads=settings.model.threads or physical_cores(), verbose=False)

    def read(tokens: Sequence[int]) -> float:
        llama.reset()  # type: ignore[no-untyped-call]
        started = time.perf_counter()
        llama.eval(list(tokens))
        return time.perf_counter() - started

    try:
        yield read
    finally:
        llama.close()


def _figures(seen: Sequence[Seen], told: Told, read: Read, first: Seen) -> dict[str, float | None]:
    routes = [answer.route for answer in told.answers]
    # The first turn of each route in a conversation reads what the later ones need not.
    later = {n for n, route in enumerate(routes) if route in routes[:n]}
    speed = median(len(one.call.prompt.tokens) / read(one.call.prompt.tokens) for one in _longest(seen))
    follow_up = []
    for n in later:
        if routes[n] in ("chat", "memory", "sql") and (calls := _before_first_word(seen, n, routes[n])):
            cold = sum(len(one.call.prompt.tokens) for one in calls) / speed
            follow_up.append(cold / sum(one.waited for one in calls))
    documents = [one.waited / (one.read / speed + 0.5) for one in seen if routes[one.turn] == "documents" and one.carried]
    anew = [sum(one.read - one.carried for one in seen if one.turn == n) for n in range(len(routes))]
    sql = [sum(one.writes for one in seen if one.turn == n) for n, answer in enumerate(told.answers) if answer.route == "sql" and len(answer.attempts) == 1]
    return {
        "follow_up_first_token": median(follow_up) if follow_up else None,
        "documents_first_token": median(documents) if documents else None,
        "restart_first_token": len(first.call.prompt.tokens) / speed / first.waited,
        "bare_prompt_tokens_per_second": speed,
        "tokens_read_anew": median(anew),
        "outside_models_share": median(outside / answer.usage.seconds for outside, answer in zip(told.outside, told.answers, strict=True)),
        "outside_models_seconds": median(told.outside),
        "generations_per_sql_turn": median(sql) if sql else None,
        "turn_seconds": median(answer.usage.seconds for answer in told.answers),
        "first_token_seconds": median(answer.usage.first_token_seconds or answer.usage.seconds for answer in told.answers),
    }


def _longest(seen: Sequence[Seen]) -> list[Seen]:
    """The longest prompt of each kind, by the part that its calls share."""
    kinds: dict[int, Seen] = {}
    for one in sorted(seen, key=lambda call: len(call.call.prompt.tokens)):
        kinds[one.call.prompt.shared] = one
    return list(kinds.values())


def _before_first_word(seen: Sequence[Seen], turn: int, route: str) -> list[Seen]:
    """The calls of a turn up to the one that wrote the answer: a query's words are not shown, and are not waited for here."""
    calls = [one for one in seen if one.turn == turn]
    writing = [number for number, one in enumerate(calls) if one.writes]
    shown = writing[:1] if route != "sql" else writing[-1:]
    return calls[: shown[0] + 1] if shown else []
