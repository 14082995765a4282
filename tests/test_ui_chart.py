"""Which rows get which chart, and that a drawing holds nothing but what it is made of."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from assistant import Answer, Table
from ui.chart import Chart, chart, charts
from ui.drawing import CHARACTER, WIDTH, described, figure, number
from ui.evidence import evidence
from ui.rows import drawn

MONTHS = tuple((f"2025-{month:02}", month * 1000.5) for month in range(1, 13))
CITIES = (("Porto", 12), ("Ghent", -3), ("Lyon", 7.25))
POINTS = tuple((float(n), n * n % 7) for n in range(8))
HOSTILE = '<script>alert(1)</script>"\'&]]><img src=x onerror=alert(1)>'


def made(columns: str, *rows: tuple[object, ...]) -> Chart | None:
    return chart(Table(tuple(columns.split(",")), rows))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "rows", "kind"),
    [
        ("month,total", MONTHS, "line"),
        ("day,n", [("2025-01-03", 1), ("2025-01-01", 2), ("2025-02-01", 3)], "line"),
        ("at,n", [("2025-01-03 10:00:00", 1), ("2025-01-03T12:00:00", 2), ("2025-02-01 00:00:00", 3)], "line"),
        ("year,n,m", [(2023, 5, 7), (2024, 6, 8), (2025, 7, 9)], "line"),
        ("strftime('%Y'),n", [("2023", 5), ("2024", 6), ("2025", 7)], "line"),
        ("month,n", [("01", 5), ("02", 6), ("03", 7)], "line"),
        ("quarter,n", [("2025-Q1", 5), ("2025-Q2", 6), ("2025-Q3", 7)], "line"),
        ("city,n", CITIES, "bars"),
        ("customer_id,city,n", [(n, *row) for n, row in enumerate(CITIES)], "bars"),
        ("country_code,n", [("DE", 1), ("FR", 2)], "bars"),
        ("first_name,last_name,n", [("Ada", "Lovelace", 3), ("Grace", "Hopper", 4)], "bars"),
        ("active,n", [(True, 3), (False, 4)], "bars"),
        ("price,stock", POINTS, "scatter"),
        ("year,price", [(2020 + n % 3, n) for n in range(9)], "scatter"),
    ],
)
def test_the_shape_of_the_rows_chooses_the_chart(columns: str, rows: list[tuple[object, ...]], kind: str) -> None:
    found = made(columns, *rows)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ("n", [(1,), (2,)]),
        ("city,n", CITIES[:1]),
        ("city,tier,n", [("Porto", "gold", 1), ("Ghent", "blue", 2)]),
        ("city,n,m", [("Porto", 1, 2), ("Ghent", 3, 4)]),
        ("city,note", [("Porto", "a"), ("Ghent", "b")]),
        ("city,n", [("Porto", 1), ("Porto", 2)]),
        ("city,n", [("Porto", None), ("Ghent", None)]),
        ("city,n", [(f"c{n}", n) for n in range(31)]),
        ("title,year", [("a", 1999), ("b", 2003)]),
        ("id,n", [(1, 5), (2, 6)]),
        ("MemberID,n", [(n, n) for n in range(9)]),
        ("order id,n", [(n, n) for n in range(9)]),
        ("zip,n", [(n, n) for n in range(9)]),
        ("price,stock", POINTS[:7]),
        ("price,member_id", POINTS),
        ("name,price,stock", [("x", *point) for point in POINTS]),
        ("day,n", [("2025-01-01", 1), ("2025-01-01", 2), ("2025-01-02", 3)]),
        ("day,city,n", [("2025-01-01", "Porto", 1), ("2025-01-02", "Porto", 2), ("2025-01-03", "Porto", 3)]),
        ("month,orders,revenue", [("2025-01", 3, 90000.0), ("2025-02", 4, 80000.0), ("2025-03", 5, 70000.0)]),
        ("month,a,b,c,d", [(f"2025-0{n}", n, n, n, n) for n in range(1, 5)]),
        ("n,m", [(float("inf"), 1), (float("nan"), 2)] * 5),
        ("a,b", []),
    ],
)
def test_other_rows_get_none(columns: str, rows: list[tuple[object, ...]]) -> None:
    assert made(columns, *rows) is None


@pytest.mark.parametrize(
    ("columns", "rows", "kinds"),
    [
        ("month,total", MONTHS, ["line", "bars"]),
        ("month,a,b", [(month, total, total * 2) for month, total in MONTHS], ["line"]),
        ("day,n", [(f"2025-{1 + at // 28:02}-{1 + at % 28:02}", at) for at in range(40)], ["line"]),  # too many for bars
        ("city,n", CITIES, ["bars"]),  # a line between cities would say that there is something between them
        ("price,stock", POINTS, ["scatter", "line", "bars"]),
        ("price,stock", [*POINTS, (3.0, 9.0)], ["scatter"]),  # two values at one place
        ("title,city", [("a", "b"), ("c", "d")], []),
    ],
)
def test_the_other_kinds_that_the_same_rows_allow(columns: str, rows: list[tuple[object, ...]], kinds: list[str]) -> None:
    found = charts(Table(tuple(columns.split(",")), tuple(rows)))  # type: ignore[arg-type]
    assert [chart.kind for chart in found] == kinds
    for each in found:
        ElementTree.fromstring(figure(each))


def test_a_line_through_points_goes_from_left_to_right() -> None:
    points = tuple(reversed(POINTS))
    _, line, bars = charts(Table(("price", "stock"), points))
    assert (line.places, line.series[0]) == tuple(zip(*POINTS, strict=True))
    assert bars.labels == tuple(map(str, range(8)))


def test_rows_that_are_not_all_there_get_no_chart_and_it_says_so() -> None:
    assert '<figure class="chart">' in drawn(Table(("month", "total"), MONTHS))
    assert drawn(Table(("month", "total"), MONTHS, truncated=True)) == '<p class="quiet chart-none">No chart: there are more rows than these.</p>'
    assert drawn(Table(("a", "b", "c"), (("x", "y", "z"),) * 3, truncated=True)) == ""


def test_times_are_put_in_order_and_lie_as_far_apart_as_they_are() -> None:
    found = made("day,n", ("2025-01-11", 3), ("2025-01-01", 1), ("2025-01-02", 2))
    assert found is not None
    assert found.labels == ("2025-01-01", "2025-01-02", "2025-01-11")
    assert [where - found.places[0] for where in found.places] == [0, 1, 10]
    assert found.series == ((1, 2, 3),)


def test_nulls_are_left_out_and_said() -> None:
    bars = made("city,n", *CITIES, ("Faro", None))
    assert bars is not None
    assert "1 row without a value left out." in figure(bars)
    line = made("month,n", *MONTHS[:5], ("2025-06", None), ("2025-07", 4), ("2025-08", None), (None, 3))
    assert line is not None
    html = figure(line)
    assert "3 rows without a value left out." in html
    path = re.search(r'class="line series-1" d="([^"]*)"', html)
    assert path is not None
    assert path[1].count("M") == 2, "the line is broken where a value is missing"
    assert html.count("<circle") == 6


def test_bars_begin_at_zero_and_negative_ones_go_the_other_way() -> None:
    found = made("city,n", *CITIES)
    assert found is not None
    html = figure(found)
    zero = float(re.findall(r'class="axis" d="M([\d.]+)', html)[0])
    bars = [(float(x), float(width)) for x, width in re.findall(r'<rect[^>]* x="([\d.]+)"[^>]* width="([\d.]+)"', html)]
    assert bars[0][0] == pytest.approx(zero, abs=0.02)
    assert bars[1][0] + bars[1][1] == pytest.approx(zero, abs=0.02)
    assert bars[0][1] / bars[1][1] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize(
    "found",
    [
        made("city,n", *CITIES),
        made("month,n", *MONTHS),
        made("month,a,b,c", *((month, value, value / 2, -value) for month, value in MONTHS)),
        made("price,stock", *POINTS),
        made(f"{HOSTILE},n", (HOSTILE, 1), (f"{HOSTILE}2", 10**12)),
        made(f"month,{HOSTILE},b", *((month, value, value) for month, value in MONTHS)),
        made(f"{HOSTILE},b", *POINTS),
        made("city,n", ("Porto", 0), ("Ghent", 0)),
        made("month,n", *((month, 5) for month, _ in MONTHS)),
        made("month,n", *((month, value * 1e290) for month, value in MONTHS)),
        made("month,n", *((month, 1 + value * 1e-14) for month, value in MONTHS)),
        made("price,stock", *((1e-300 * n, -n) for n in range(9))),
        made("city,n", *((f"A rather long name of a city, number {n}", n * 10**6) for n in range(30))),
    ],
)
def test_a_drawing_is_whole_and_says_what_it_shows(found: Chart | None) -> None:
    assert found is not None
    html = figure(found)
    root = ElementTree.fromstring(html)
    svg = root[0]
    assert {node.tag for node in root.iter()} <= set("figure svg figcaption span g title text rect path circle".split())
    assert {key for node in root.iter() for key in node.attrib} <= set(
        "class viewBox role aria-label x y cx cy r rx d width height text-anchor".split()
    )
    assert (svg.attrib["role"], svg.attrib["aria-label"]) == ("img", described(found))
    across, down = map(float, svg.attrib["viewBox"].split()[2:])
    for node in svg.iter():
        for key, most in (("x", across), ("cx", across), ("y", down), ("cy", down)):
            if key in node.attrib:
                assert -1 <= float(node.attrib[key]) <= most + 1, node.attrib
        if node.tag == "text":
            assert len("".join(node.itertext())) * CHARACTER <= WIDTH
    assert "nan" not in html.lower().replace(HOSTILE.lower(), "")


def test_the_label_names_what_is_shown() -> None:
    bars, line, scatter = made("city,n", *CITIES), made("month,n", *MONTHS), made("price,stock", *POINTS)
    assert bars is not None
    assert line is not None
    assert scatter is not None
    assert described(bars) == "Bar chart: n by city, 3 bars; n lowest -3 (Ghent), highest 12 (Porto)."
    assert described(line) == (
        "Line chart: n by month, 12 points from 2025-01 to 2025-12; n lowest 1,000.5 (2025-01), highest 12,006 (2025-12)."
    )
    assert described(scatter) == "Scatter plot: stock against price, 8 points."


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1,234,567"), (-1892.4, "-1,892.4"), (0.25, "0.25"), (0.00001234, "1.23e-05"), (1e20, "1e+20"), (3.0, "3"), (100, "100")],
)
def test_numbers_are_written_for_readers(value: float, text: str) -> None:
    assert number(value) == text


def test_the_chart_stands_under_its_rows_and_the_words_under_the_query() -> None:
    html = evidence(
        Answer("a", "x", "sql", "c", sql="SELECT 1", table=Table(("city", "n"), CITIES), explanation="Shows `a < b` and <b>."),
    )
    assert html.index("</table>") < html.index("<figure") < html.index("fold-sql") < html.index("What this does:")
    assert "<code>a &lt; b</code> and &lt;b&gt;." in html
