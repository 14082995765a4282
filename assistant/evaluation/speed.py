"""Speed on this machine: how long the first word takes, cold and warm, and how fast words follow."""

from __future__ import annotations

import time

from assistant.evaluation.report import Report
from assistant.evaluation.run import Run, Start, workspace
from graphs.values import Usage

TEXT = (
    "Rewrite this in a friendlier tone: We have received your letter of complaint. The goods that you ordered will be "
    "sent in the coming week. Until then we ask you to refrain from further letters."
)
AGAIN = TEXT.replace("friendlier", "shorter")


def measure(run: Run, start: Start, *, rounds: int = 3) -> Report:
    """Ask once on a fresh home (cold), then `rounds` times again (warm), each through the whole of a turn."""
    run.progress(0, rounds + 1, "cold")
    with workspace(run, start) as space:
        began = time.perf_counter()
        cold = space.assistant.ask(TEXT, user="bench-cold").usage
        cold_seconds = time.perf_counter() - began
        warm: list[Usage] = []
        for number in range(rounds):
            run.progress(number + 1, rounds + 1, "warm")
            warm.append(space.assistant.ask(AGAIN, user=f"bench-{number}").usage)
        run.progress(rounds + 1, rounds + 1, "")
    return Report.of("bench", run, overall=_figures(cold, cold_seconds, warm))


def _figures(cold: Usage, cold_seconds: float, warm: list[Usage]) -> dict[str, float | None]:
    firsts = sorted(usage.first_token_seconds for usage in warm if usage.first_token_seconds is not None)
    writing = sum(usage.seconds - (usage.first_token_seconds or 0.0) for usage in warm)
    read, reading = cold.prompt_tokens - cold.cached_tokens, cold.first_token_seconds
    return {
        "cold_first_token_seconds": cold.first_token_seconds,
        "cold_seconds": cold_seconds,
        "warm_first_token_seconds": firsts[len(firsts) // 2] if firsts else None,
        "prompt_tokens_per_second": read / reading if reading else None,
        "answer_tokens_per_second": sum(usage.completion_tokens for usage in warm) / writing if writing > 0 else None,
    }
