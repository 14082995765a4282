"""The activity: what the last turns cost and how they went, as figures, plots and a list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from statistics import median
from typing import TYPE_CHECKING

import gradio as gr

from assistant import AssistantError, Table, TurnRecord, Usage
from ui import downloads, lists, rows
from ui.chart import Chart
from ui.chat import CONNECT
from ui.drawing import figure
from ui.evidence import cost
from ui.session import Session
from ui.views import Opened, View

if TYPE_CHECKING:
    from assistant import Assistant

LISTED = 50
"""Turns in the list."""

COLUMNS = ("asked", "conversation", "route", "seconds", "first_token_seconds", "prompt_tokens", "cached_tokens", "completion_tokens", "model_calls", "score")
"""Of the CSV file."""


def build(assistant: Assistant, session: gr.State) -> Opened:
    """The view's components and events."""
    shown = gr.HTML(elem_id="activity", apply_default_css=False, js_on_load=CONNECT)
    save = downloads.place("activity-file")

    def draw(session: Session) -> str:
        try:
            return activity(assistant.activity(user=session.user))
        except AssistantError as error:
            return lists.notice(str(error))

    def export(session: Session) -> str:
        return downloads.link(rows.to_csv(table(assistant.activity(user=session.user)))[0], "activity.csv")

    shown.act(export, [session], [save], show_progress="hidden", api_visibility="private")
    return Opened(draw, [shown])


VIEW = View("activity", "Activity", build)


def activity(turns: Sequence[TurnRecord]) -> str:
    """All of the view, from the newest turn to the oldest."""
    if not turns:
        return '<p class="quiet empty">Nothing yet. Once you have asked something, its route, its seconds and its tokens stand here.</p>'
    save = '<p><button type="button" class="text-button" data-act="save" data-id="">Save as CSV</button></p>'
    return f'{_figures(turns)}<div class="plots">{_plots(turns)}</div><h3>Last turns</h3>{_list(turns[:LISTED])}{save}'


def table(turns: Sequence[TurnRecord]) -> Table:
    """A row for each turn, with its costs; of what was said nothing."""
    return Table(COLUMNS, tuple((turn.asked.isoformat(), turn.conversation, turn.route, *_costs(turn.usage), turn.score) for turn in turns))


def _costs(usage: Usage | None) -> tuple[float | None, ...]:
    if usage is None:
        return (None,) * 6
    return (usage.seconds, usage.first_token_seconds, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.model_calls)


def _figures(turns: Sequence[TurnRecord]) -> str:
    costs = [turn.usage for turn in turns if turn.usage]
    firsts = [usage.first_token_seconds for usage in costs if usage.first_token_seconds is not None]
    read = sum(usage.prompt_tokens for usage in costs)
    reused = sum(usage.cached_tokens for usage in costs)
    up, down = (sum(turn.score == score for turn in turns) for score in (1, -1))
    figures = [
        ("turns", f"{len(turns):,}"),
        ("seconds a turn, median", f"{median(u.seconds for u in costs):.1f}" if costs else "–"),
        ("seconds to the first word, median", f"{median(firsts):.1f}" if firsts else "–"),
        ("tokens of prompts that were reused", f"{reused / read:.0%}" if read else "–"),
        ("tokens written", f"{sum(u.completion_tokens for u in costs):,}"),
        ("good / bad answers, as you judged", f"{up} / {down}"),
        ("failed or stopped", f"{len(turns) - len(costs)}"),
    ]
    items = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in figures)
    return f'<dl class="figures">{items}</dl>'


def _plots(turns: Sequence[TurnRecord]) -> str:
    routes = Counter(turn.route.replace("_", " ") if turn.route else "failed or stopped" for turn in turns)
    days = sorted(Counter(f"{turn.asked:%Y-%m-%d}" for turn in turns).items())[-14:]
    timed = [turn.usage.seconds for turn in reversed(turns) if turn.usage][-100:]
    charts = [_bars("route", "turns", routes.most_common()), _bars("day", "turns", days)]
    if len(timed) > 2:
        places = tuple(float(at) for at in range(1, len(timed) + 1))
        charts.append(Chart("line", "turn, the latest last", ("seconds",), tuple(f"turn {at:g}" for at in places), places, (tuple(timed),)))
    return "".join(figure(chart) for chart in charts)


def _bars(axis: str, name: str, counted: Sequence[tuple[str, int]]) -> Chart:
    return Chart("bars", axis, (name,), tuple(label for label, _ in counted), (), (tuple(float(count) for _, count in counted),))


def _list(turns: Sequence[TurnRecord]) -> str:
    return f'<ul class="turns">{"".join(_turn(turn) for turn in turns)}</ul>'


def _turn(turn: TurnRecord) -> str:
    usage = turn.usage
    said = f"{turn.route.replace('_', ' ')} · {cost(usage)}" if usage and turn.route else "failed or stopped"
    if turn.score:
        said += " · judged good" if turn.score > 0 else " · judged bad"
    steps = ""
    if usage and usage.steps:
        parts = "".join(f"<li>{escape(step)} <span class=\"seconds\">{seconds:.2f} s</span></li>" for step, seconds in usage.steps.items())
        steps = f'<ol class="quiet">{parts}</ol>'
    head = f'<span class="turn-asked">{escape(turn.question[:200])}</span><span class="quiet">{turn.asked.astimezone():%Y-%m-%d %H:%M} · {said}</span>'
    return f"<li><details><summary>{head}</summary>{steps}</details></li>" if steps else f"<li>{head}</li>"
