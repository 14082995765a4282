"""A chart as inline SVG: no script, no style of its own, every text escaped; its colours come from the page's sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from ui.chart import Chart

WIDTH = 360
"""Units across: about the pixels of a phone's column, so that the text can be read there."""
HEIGHT = 180
CHARACTER = 6.0
"""Units that a character of the chart's text takes."""
LABEL = 20
"""Characters of a bar's label."""
CROWDED = 12
"""Bars above which they stand closer; lines above four times that have no dots."""


def figure(chart: Chart) -> str:
    """The chart with what it shows under it."""
    draw = {"bars": _bars, "line": _line, "scatter": _scatter}[chart.kind]
    body, height = draw(chart)
    left_out = ""
    if chart.left_out:
        left_out = f" {chart.left_out:,} {'row' if chart.left_out == 1 else 'rows'} without a value left out."
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{escape(described(chart))}">{body}</svg>'
        f'<figcaption class="quiet">{_caption(chart)}{left_out}</figcaption></figure>'
    )


def described(chart: Chart) -> str:
    """What the chart shows, for those who do not see it."""
    names, count = " and ".join(chart.names), len(chart.series[0])
    if chart.kind == "scatter":
        return f"Scatter plot: {names} against {chart.axis}, {count:,} points."
    extremes = []
    for name, series in zip(chart.names, chart.series, strict=True):
        known = [(value, label) for value, label in zip(series, chart.labels, strict=True) if value is not None]
        (low, low_at), (high, high_at) = min(known), max(known)
        extremes.append(f"{name} lowest {number(low)} ({low_at}), highest {number(high)} ({high_at})")
    if chart.kind == "bars":
        return f"Bar chart: {names} by {chart.axis}, {count} bars; {'; '.join(extremes)}."
    return f"Line chart: {names} by {chart.axis}, {count:,} points from {chart.labels[0]} to {chart.labels[-1]}; {'; '.join(extremes)}."


def number(value: float) -> str:
    """A number with its thousands apart and no more decimals than tell something."""
    if value == 0:
        return "0"
    if abs(value) >= 1e15 or abs(value) < 0.001:
        return f"{value:.3g}"
    text = f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4f}"
    return text.rstrip("0").rstrip(".")


def _caption(chart: Chart) -> str:
    names = [escape(name) for name in chart.names]
    if len(names) > 1:
        names = [f'<span class="series-name series-{at}">{name}</span>' for at, name in enumerate(names, 1)]
    joint = "against" if chart.kind == "scatter" else "by"
    return f"{', '.join(names)} {joint} {escape(chart.axis)}."


def _bars(chart: Chart) -> tuple[str, float]:
    values = [value or 0.0 for value in chart.series[0]]
    step = 21.0 if len(values) <= CROWDED else 16.0
    shown = [number(value) for value in values]
    left = min(LABEL, max(map(len, chart.labels))) * CHARACTER + 8
    right = WIDTH - max(map(len, shown)) * CHARACTER - 8
    low, high = min(0.0, *values), max(0.0, *values)
    scale = (right - left) / ((high - low) or 1.0)
    zero = left - low * scale
    parts = []
    for at, (label, value, text) in enumerate(zip(chart.labels, values, shown, strict=True)):
        top = at * step
        start, length = min(zero, zero + value * scale), abs(value) * scale
        parts.append(
            f"<g><title>{escape(label)}: {text}</title>"
            f'<text class="tick" x="{left - 8:g}" y="{top + step / 2 + 4:g}" text-anchor="end">{escape(_cut(label))}</text>'
            f'<rect class="series-1" x="{start:.2f}" y="{top + 2:g}" width="{max(length, 0.5):.2f}" height="{step - 5:g}" rx="2"/>'
            f'<text class="tick" x="{WIDTH}" y="{top + step / 2 + 4:g}" text-anchor="end">{text}</text></g>'
        )
    height = step * len(values)
    return "".join(parts) + f'<path class="axis" d="M{zero:.2f} 0V{height:g}"/>', height


def _line(chart: Chart) -> tuple[str, float]:
    known = [value for series in chart.series for value in series if value is not None]
    grid, across, up = _frame(chart.places, known, from_zero=True)
    dots = len(chart.places) <= 4 * CROWDED
    parts = [grid, _times(chart, across)]
    for at, (name, series) in enumerate(zip(chart.names, chart.series, strict=True), 1):
        points = [None if value is None else (across(place), up(value)) for place, value in zip(chart.places, series, strict=True)]
        parts.append(f'<path class="line series-{at}" d="{_path(points)}"/>')
        for index, (point, value) in enumerate(zip(points, series, strict=True)):
            if point is None or value is None:
                continue
            # A value between two gaps has no line, so it needs its dot.
            alone = not (index and points[index - 1]) and not (index + 1 < len(points) and points[index + 1])
            if dots or alone:
                label = f"{chart.labels[index]}, {name}: {number(value)}"
                parts.append(_dot(point, at, 2.5, label))
    return "".join(parts), HEIGHT


def _scatter(chart: Chart) -> tuple[str, float]:
    series = [value for value in chart.series[0] if value is not None]
    grid, across, up = _frame(chart.places, series, from_zero=False)
    low, high, step = _ticks(min(chart.places), max(chart.places), from_zero=False)
    ticks = _steps(low, high, step)
    if sum(len(number(tick)) + 2 for tick in ticks) * CHARACTER > WIDTH * 0.8:
        ticks = [low, high]
    parts = [grid]
    for at, tick in enumerate(ticks):
        anchor = "start" if at == 0 else "end" if at == len(ticks) - 1 else "middle"
        parts.append(f'<text class="tick" x="{across(tick):.2f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{number(tick)}</text>')
    for x, y in zip(chart.places, series, strict=True):
        parts.append(_dot((across(x), up(y)), 1, 3, f"{chart.axis} {number(x)}, {chart.names[0]} {number(y)}"))
    return "".join(parts), HEIGHT


class _Scale:
    """From values to units of the drawing."""

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self._low, self._start = low, start
        self._factor = (end - start) / ((high - low) or 1.0)

    def __call__(self, value: float) -> float:
        return self._start + (value - self._low) * self._factor


def _frame(places: Sequence[float], values: Sequence[float], *, from_zero: bool) -> tuple[str, _Scale, _Scale]:
    """The lines and numbers behind the points, and the scales across and up."""
    low, high, step = _ticks(min(values), max(values), from_zero=from_zero)
    ticks = _steps(low, high, step)
    shown = [number(tick) for tick in ticks]
    left = max(map(len, shown)) * CHARACTER + 8
    up = _Scale(low, high, HEIGHT - 22, 8)
    grid = "".join(
        f'<path class="axis" d="M{left:g} {up(tick):.2f}H{WIDTH - 6}"/>'
        f'<text class="tick" x="{left - 6:g}" y="{up(tick) + 4:.2f}" text-anchor="end">{text}</text>'
        for tick, text in zip(ticks, shown, strict=True)
    )
    first, last = min(places), max(places)
    if not from_zero:  # a scatter's places are values as well
        first, last, _ = _ticks(first, last, from_zero=False)
    return grid, _Scale(first, last, left + 4, WIDTH - 10), up


def _ticks(low: float, high: float, *, from_zero: bool) -> tuple[float, float, float]:
    """(lowest, highest, step) of round numbers around the values. With `from_zero` zero is on it where it is not far away."""
    if from_zero and 0 < low < high / 2:
        low = 0.0
    if from_zero and low / 2 < high < 0:
        high = 0.0
    if high - low < max(abs(high), abs(low)) * 1e-9 or high == low:
        room = abs(high) / 2 or 1.0
        low, high = low - room, high + room
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough * 0.999)
    return math.floor(low / step) * step, math.ceil(high / step) * step, step


def _steps(low: float, high: float, step: float) -> list[float]:
    ticks = [low + at * step for at in range(round((high - low) / step) + 1)]
    return [tick if abs(tick) > step / 1e6 else 0.0 for tick in ticks]


def _times(chart: Chart, across: _Scale) -> str:
    """The first, the last and a few labels between, as far as they have room."""
    wide = max(map(len, chart.labels)) * CHARACTER + 12
    last = len(chart.labels) - 1
    free = across(chart.places[last]) - wide * 0.9
    parts = [_time(chart, across, 0, "start"), _time(chart, across, last, "end")]
    end = across(chart.places[0]) + wide
    for at in range(1, last):
        where = across(chart.places[at])
        if end + wide / 2 <= where <= free - wide / 2:
            parts.append(_time(chart, across, at, "middle"))
            end = where + wide / 2 + wide / 3
    return "".join(parts)


def _time(chart: Chart, across: _Scale, at: int, anchor: str) -> str:
    return f'<text class="tick" x="{across(chart.places[at]):.2f}" y="{HEIGHT - 4}" text-anchor="{anchor}">{escape(_cut(chart.labels[at]))}</text>'


def _path(points: Sequence[tuple[float, float] | None]) -> str:
    """A line through the points, broken where one is missing."""
    parts, drawing = [], False
    for point in points:
        if point is not None:
            parts.append(f"{'L' if drawing else 'M'}{point[0]:.2f} {point[1]:.2f}")
        drawing = point is not None
    return "".join(parts)


def _dot(point: tuple[float, float], series: int, radius: float, label: str) -> str:
    return f'<circle class="series-{series}" cx="{point[0]:.2f}" cy="{point[1]:.2f}" r="{radius:g}"><title>{escape(label)}</title></circle>'


def _cut(label: str) -> str:
    flat = " ".join(label.split())
    return flat if len(flat) <= LABEL else flat[: LABEL - 1] + "…"
