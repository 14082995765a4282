"""The drawing of the graph on the architecture page is the graph."""

from scripts.draw_graph import PAGE, drawn


def test_the_drawing_is_current() -> None:
    page = PAGE.read_text("utf-8")
    assert "relevance -.-> sql" in page
    assert page == drawn(page)
