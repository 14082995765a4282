"""The tables of a database and the keys between them, as inline SVG: no script, every text escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from assistant import TableInfo

WIDTH, ROW, HEAD = 170, 17, 24
"""Units of a table's box: across, a column's line, its name."""
ACROSS, DOWN = 70, 18
"""Units between two boxes."""
MOST = 40
"""Tables that are drawn; more cannot be told apart."""
NAME = 24
"""Characters of a name that have room."""


def diagram(tables: Sequence[TableInfo]) -> str:
    """The tables with their keys, those that others refer to on the left; nothing where no key joins any."""
    tables = tables[:MOST]
    names = {table.name.lower() for table in tables}
    keys = {table.name.lower(): [(c.name, t) for c in table.columns if c.references and (t := _target(c.references)) in names] for table in tables}
    if not any(keys.values()):
        return ""
    ranks = _ranks({name: [target for _, target in found] for name, found in keys.items()})
    joined = {target for found in keys.values() for _, target in found} | {name for name, found in keys.items() if found}
    drawn = sorted((table for table in tables if table.name.lower() in joined), key=lambda table: ranks[table.name.lower()])
    places: dict[str, tuple[int, int]] = {}
    height = 0
    for rank, column in groupby(drawn, key=lambda table: ranks[table.name.lower()]):
        top = 0
        for table in column:
            places[table.name.lower()] = (rank * (WIDTH + ACROSS), top)
            top += _height(table) + DOWN
        height = max(height, top - DOWN)
    width = max(x for x, _ in places.values()) + WIDTH
    lines = "".join(_line(places, table, keys[table.name.lower()]) for table in drawn)
    boxes = "".join(_box(table, *places[table.name.lower()]) for table in drawn)
    said = "; ".join(f"{table.name} refers to {', '.join(target for _, target in keys[table.name.lower()])}" for table in drawn if keys[table.name.lower()])
    return (
        f'<figure class="diagram" tabindex="0" aria-label="Tables and keys"><svg width="{width + 2}" height="{height + 2}" viewBox="-1 -1 {width + 2} {height + 2}" '
        f'role="img" aria-label="{escape(said)}">{lines}{boxes}</svg></figure>'
    )


def _target(references: str) -> str:
    return references.rsplit(".", 1)[0].lower()


def _ranks(targets: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many keys lie between a table and one that refers to nothing; a circle of keys counts once."""
    ranks: dict[str, int] = {}

    def rank(name: str, above: tuple[str, ...]) -> int:
        if name not in ranks:
            further = [rank(target, (*above, name)) + 1 for target in targets[name] if target not in (*above, name)]
            if above and any(target in above for target in targets[name]):
                return max(further, default=0)  # inside a circle it is only known from where one came
            ranks[name] = max(further, default=0)
        return ranks[name]

    for name in targets:
        rank(name, ())
    return ranks


def _shown(table: TableInfo) -> list[str]:
    """The columns that are keys."""
    return [column.name for column in table.columns if column.primary_key or column.references]


def _height(table: TableInfo) -> int:
    return HEAD + ROW * len(_shown(table)) + (6 if _shown(table) else 0)


def _box(table: TableInfo, x: int, y: int) -> str:
    columns = "".join(
        f'<text class="tick" x="{x + 10}" y="{y + HEAD + 13 + at * ROW}">{escape(_cut(name))}</text>' for at, name in enumerate(_shown(table))
    )
    return (
        f'<g><title>{escape(table.name)}</title><rect class="table-box" x="{x}" y="{y}" width="{WIDTH}" height="{_height(table)}" rx="6"/>'
        f'<text class="table-name" x="{x + 10}" y="{y + 16}">{escape(_cut(table.name))}</text>{columns}</g>'
    )


def _line(places: Mapping[str, tuple[int, int]], table: TableInfo, keys: Sequence[tuple[str, str]]) -> str:
    x, y = places[table.name.lower()]
    drawn = []
    for column, target in keys:
        start = y + HEAD + 9 + _shown(table).index(column) * ROW
        to_x, to_y = places[target]
        end = to_y + HEAD // 2
        if target == table.name.lower() or to_x >= x:  # to itself, or within a circle: around the right side
            right = max(x, to_x) + WIDTH
            drawn.append(f"M{x + WIDTH} {start}C{right + 40} {start} {right + 40} {end} {to_x + WIDTH} {end}")
        else:
            drawn.append(f"M{x} {start}C{x - ACROSS / 2:g} {start} {to_x + WIDTH + ACROSS / 2:g} {end} {to_x + WIDTH} {end}")
    return f'<path class="key-line" d="{"".join(drawn)}"/>' if drawn else ""


def _cut(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
