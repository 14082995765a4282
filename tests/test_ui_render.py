"""What the page shows, as text: nothing from outside becomes markup, and what is left out is said."""

from __future__ import annotations

import base64
import csv
import io
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from assistant import (
    Answer,
    Citation,
    Conversation,
    Document,
    Done,
    IngestProgress,
    IngestReport,
    Memory,
    Message,
    Passage,
    Refusal,
    State,
    StepFinished,
    StepStarted,
    Table,
    Token,
    Usage,
)
from tests.stand_in_assistant import ATTACK, NOW
from ui import evidence, lists, markdown, render, rows
from ui.progress import Progress
from ui.session import Session, remembered

PAYLOADS = (
    ATTACK,
    "<svg onload=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "![x](http://example.invalid/p.png)",
    "[click](javascript:alert(1))",
    "[click](http://example.invalid)",
    "<http://example.invalid>",
    "`<img src=x onerror=alert(1)>`",
    "```html\n<script>alert(1)</script>\n```",
    "| a | b |\n|---|---|\n| <img src=x onerror=alert(1)> | **<b>x</b>** |",
    "**<i onclick=alert(1)>bold</i>** _<u>under</u>_ [1] [99]",
)
MADE_TAGS = set(
    "p br ul ol li h2 h3 h4 h5 h6 pre code strong em blockquote table thead tbody tr th td div span section article details summary "
    "button footer a svg path rect progress fieldset legend label input form textarea mark".split()
)


class Tags(HTMLParser):
    """Collects the tags, attributes and text of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless(html: str) -> None:
    """Only tags that the page makes, no handlers, and no address but a CSV file that the page carries."""
    for tag, attributes in Tags(html).tags:
        assert tag in MADE_TAGS, tag
        assert not any(name.startswith("on") or name in ("src", "srcset", "style") for name in attributes), attributes
        if "href" in attributes:
            assert str(attributes["href"]).startswith("data:text/csv;"), attributes


def answer(text: str = "Yes.", **more: object) -> Answer:
    fields: dict[str, object] = {
        "id": "a1",
        "text": text,
        "route": "sql",
        "conversation": "c1",
        "grounded": True,
        **more,
    }
    return Answer(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_text_from_outside_becomes_markup(payload: str) -> None:
    hostile = answer(
        payload, id=payload, sql=payload, table=Table((payload,), ((payload,), (None,))), citations=(Citation(payload, payload, payload, passage=payload),),
        memories=(Memory(payload, payload, payload, NOW, payload),), choices=(payload,), usage=Usage(seconds=1.0, steps={payload: 0.1}),
    )  # fmt: skip
    conversation = Conversation(payload, payload, payload, NOW, NOW, 1)
    shown = [
        render.answer(hostile),
        render.thread(
            [
                render.Shown(Message("m", "c", "user", payload, NOW)),
                render.Shown(Message("m", "c", "assistant", payload, NOW)),
            ]
        ),
        render.turn(Progress(payload, 0.0, text=payload, failure=payload), 1.0),
        render.turn(
            Progress(payload, 0.0).after(StepStarted(payload), 0.0).after(StepFinished("sql", 0.1, payload), 1.0), 1.0
        ),
        render.welcome((payload,)),
        lists.conversations((conversation,), payload),
        lists.documents((Document(payload, payload, payload, None, 1, NOW),)),
        lists.memories((Memory(payload, payload, payload, NOW),)),
        lists.report(IngestReport(new=(payload,), refused=(Refusal(payload, payload),))),
        lists.progress(IngestProgress(0, 1, payload)),
        lists.status(State(True, payload, True, payload, 1), None),
        lists.notice(payload),
        evidence.result(Table((payload, "n"), ((payload, 1), (payload, 2))), payload, payload, payload, payload),
        evidence.passage((Passage(payload, payload, payload, payload, f"{payload} {payload}"),), payload, payload),
        evidence.forgotten(payload, payload),
    ]
    for html in shown:
        assert_harmless(html)


def test_links_and_images_stay_text() -> None:
    assert markdown.to_html("![a](http://example.invalid/x.png)") == "<p>![a](http://example.invalid/x.png)</p>"
    assert markdown.to_html("see https://example.invalid") == "<p>see https://example.invalid</p>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("- a\n- **b**", "<ul><li>a</li><li><strong>b</strong></li></ul>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("```sql\nSELECT 1 < 2", "<pre><code>SELECT 1 &lt; 2</code></pre>"),
        ("snake_case_name and 2*3*4", "<p>snake_case_name and 2*3*4</p>"),
        ("# Title\n> quoted", "<h3>Title</h3><blockquote><p>quoted</p></blockquote>"),
        ("a `b*c*` *d*", "<p>a <code>b*c*</code> <em>d</em></p>"),
    ],
)
def test_markdown_subset(text: str, html: str) -> None:
    assert markdown.to_html(text) == html


def test_a_citation_mark_opens_its_source_and_an_unknown_number_stays_text() -> None:
    html = render.text(
        answer("Within 30 days [1], not [2].", citations=(Citation("handbook.md", "Refunds", "within 30 days"),))
    )
    assert 'data-cite="1"' in html
    assert "not [2]." in html


def test_the_sources_carry_document_location_and_the_quoted_words() -> None:
    text = Tags(evidence.sources((Citation("handbook.md", "Refunds", "within 30 days"),), "a1")).text
    assert re.sub(r"\s+", " ", text) == "Sources1handbook.md Refundswithin 30 days"


def test_a_source_that_addresses_the_assistant_is_marked() -> None:
    marked, plain = (Tags(evidence.sources((Citation("a.md", "Fees", "5 euros", 0.5, orders),), "a1")).text for orders in (True, False))
    assert "addresses the assistant" in marked
    assert "addresses" not in plain


@pytest.mark.parametrize(
    ("count", "truncated", "shown", "note"),
    [
        (1, False, 50, "1 row"),
        (1200, False, 2000, "1,200 rows"),
        (60, False, 50, "First 50 rows shown of 60."),
        (20, True, 50, "First 20 rows shown; there are more."),
        (200, True, 50, "First 50 rows shown of 200 fetched; there are more."),
    ],
)
def test_what_is_left_out_is_said(count: int, truncated: bool, shown: int, note: str) -> None:
    data = Table(("n",), tuple((n,) for n in range(count)), truncated)
    assert rows.row_note(data, shown) == note
    assert rows.table(data, rows_shown=shown).count("<td") == min(count, shown)


def test_the_csv_holds_all_rows_and_no_formula() -> None:
    data = Table(("name", "n"), (("=HYPERLINK(1)", -5), ('say "hi", ü', 1.5), (None, True), ("-dash", 0.1 + 0.2)))
    link = next(attributes["href"] for tag, attributes in Tags(rows.table(data, rows_shown=1)).tags if tag == "a")
    assert link is not None
    text = base64.b64decode(link.split(",", 1)[1]).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [["name", "n"], ["'=HYPERLINK(1)", "-5"], ['say "hi", ü', "1.5"], ["", "true"], ["'-dash", "0.3"]]


def test_a_csv_that_would_be_too_large_says_how_many_rows_it_holds() -> None:
    data = Table(("n",), tuple((f"{n:03}",) for n in range(100)))
    text, written = rows.to_csv(data, max_bytes=53)
    assert (len(text.encode()), written) == (53, 10)
    assert "CSV (first 10 rows)" in rows.table(data, csv_bytes=53)


def test_an_empty_result_is_said() -> None:
    assert "found no rows" in rows.table(Table(("n",), ()))


def test_the_cost_line() -> None:
    assert evidence.cost(Usage(1204, 980, 85, 3, 0.7, 2.41)) == "2.4 s · read 1,204 tokens (980 reused) · wrote 85"
    assert evidence.cost(Usage(seconds=0.02)) == "0.0 s"


def test_a_turn_is_drawn_from_its_events() -> None:
    progress = Progress("How many?", 100.0)
    assert "Starting" in render.turn(progress, 100.0)
    progress = progress.after(StepStarted("sql"), 101.0)
    assert "Querying the database" in render.turn(progress, 104.0)
    assert "3 s" in render.turn(progress, 104.0)
    progress = progress.after(StepFinished("sql", 3.2, "SELECT 1"), 104.2).after(StepStarted("answer"), 104.2)
    running = render.turn(progress.after(Token("Se"), 105.0).after(Token("ven"), 105.0), 105.0)
    assert "Writing the answer" in running
    assert "<p>Seven</p>" in running
    assert "SELECT 1" in running
    done = progress.after(Done(answer("Seven.", usage=Usage(seconds=5.0))), 106.0)
    assert done.over
    html = render.turn(done, 106.0)
    assert "running" not in html
    assert "<p>Seven.</p>" in html


def test_parallel_steps_end_by_name() -> None:
    progress = Progress("q", 0.0)
    for event in (StepStarted("sql"), StepStarted("documents"), StepFinished("sql", 1.0)):
        progress = progress.after(event, 1.0)
    assert [(step.name, step.seconds) for step in progress.steps] == [("sql", 1.0), ("documents", None)]
    assert progress.current is not None
    assert progress.current.name == "documents"


def test_a_failure_is_one_message_with_the_question_to_ask_again() -> None:
    html = render.turn(Progress("How many?", 0.0, failure="The database went away."), 1.0)
    assert 'role="alert"' in html
    assert "The database went away." in html
    assert 'data-failed="How many?"' in html


def test_only_the_last_answers_choices_can_be_taken() -> None:
    asked = render.Shown(Message("m1", "c", "assistant", "Which?", NOW), answer("Which?", choices=("A", "B")))
    after = render.Shown(Message("m2", "c", "user", "A", NOW))
    assert " disabled" not in render.thread([asked])
    assert render.thread([asked, after]).count(" disabled") == 2


def test_an_ungrounded_answer_is_marked_where_it_claims_something() -> None:
    assert "could not be checked" in render.answer(answer(grounded=False))
    assert "could not be checked" not in render.answer(answer(grounded=False, route="chat"))
    assert "could not be checked" not in render.answer(answer(grounded=True))


def test_a_judgement_shows_on_its_answer() -> None:
    html = render.thread([render.Shown(Message("m", "c", "assistant", "Yes.", NOW, score=-1), answer())])
    assert 'data-score="-1" aria-pressed="true"' in html
    assert 'data-score="1" aria-pressed="false"' in html


def test_the_report_names_each_file_and_the_reason_for_a_refusal() -> None:
    text = Tags(
        lists.report(IngestReport(new=("/tmp/a.md",), changed=("b.md",), refused=(Refusal("c.exe", "not a document"),)))
    ).text
    assert text == "New a.mdChanged b.mdRefused c.exe: not a document"


@pytest.mark.parametrize(
    ("server", "said"),
    [(None, "Nothing leaves this machine"), ("http://user:secret@gpu.lan:8080/v1", "Questions go to gpu.lan")],
)
def test_the_model_line_says_where_questions_go(server: str | None, said: str) -> None:
    html = lists.status(State(True, "qwen", True, None, 0), server)
    assert said in html
    assert "secret" not in html


@pytest.mark.parametrize("kept", [None, "", "{", "[]", '{"user": 7}', '{"user": ""}'])
def test_what_a_tab_kept_is_not_trusted(kept: str | None) -> None:
    assert remembered(kept).user == "local"


def test_a_tab_comes_back_to_its_conversation() -> None:
    session = remembered('{"user": "7", "conversation": "monday"}')
    assert (session.user, session.conversation) == ("7", "monday")
    assert Session("7").fresh().conversation != Session("7").conversation


def test_conversations_stand_by_day() -> None:
    today = NOW.astimezone()
    days = (0, 1, 3, 40)
    entries = [Conversation(f"c{ago}", "7", f"asked {ago} days ago", NOW, today - timedelta(days=ago), 2) for ago in days]
    drawn = lists.conversations(entries[::-1], None, today=today.date())
    earlier = (today - timedelta(days=40)).strftime("%Y-%m")
    assert re.findall(r'<h2 class="day">([^<]+)<', drawn) == ["Today", "Yesterday", "The last seven days", earlier]
    assert [int(ago) for ago in re.findall(r'title="asked (\d+)', drawn)] == list(days)
