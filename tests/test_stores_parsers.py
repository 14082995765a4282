"""Files to sections, and the files that are refused."""

from __future__ import annotations

import contextlib
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from docx import Document as WordDocument
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas

from stores.errors import DocumentUnreadable
from stores.parsers import Section, parse, read
from stores.parsers.lines import unwrapped


def pdf_bytes(*pages: str) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for page in pages:
        for number, line in enumerate(page.split("\n")):
            canvas.drawString(72, 720 - 20 * number, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def locked_pdf() -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf_bytes("secret"))))
    writer.encrypt("password", algorithm="RC4-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def docx_bytes() -> bytes:
    document = WordDocument()
    document.add_heading("Handbook", 0)
    document.add_paragraph("Welcome.")
    document.add_heading("Prices", 1)
    table = document.add_table(rows=0, cols=2)
    for cells in (("part", "price"), ("chain", "20")):
        row = table.add_row()
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_paragraph("Prices hold until May.")
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def zip_bytes(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_markdown_gives_the_heading_path_of_each_section_and_tables_apart() -> None:
    text = """---
title: not text
---
Before.

# Handbook #

Intro with `code`.

```
# not a heading
```

Repairs
-------

### *Warranty*

Two years.

| part | price |
|------|-------|
| chain | 20 |
| tyre | 30 |

After the table.
"""
    sections = parse(text.encode(), "handbook.md")
    assert [(s.headings, s.header.split("\n")[0], s.text) for s in sections] == [
        ((), "", "Before."),
        (("Handbook",), "", "Intro with `code`.\n\n```\n# not a heading\n```"),
        (("Handbook", "Repairs", "Warranty"), "", "Two years."),
        (("Handbook", "Repairs", "Warranty"), "| part | price |", "| chain | 20 |\n| tyre | 30 |"),
        (("Handbook", "Repairs", "Warranty"), "", "After the table."),
    ]


def test_a_heading_with_nothing_below_it_is_text_itself() -> None:
    assert parse(b"# Only a title\n", "a.md") == [Section((), "", "Only a title")]
    assert parse(b"# A\n## B\n## C\ntext\n# D\n", "a.md") == [Section(("A",), "", "B"), Section(("A", "C"), "", "text"), Section((), "", "D")]
    assert parse(b"<title>Page</title><h1>Only a title</h1>", "a.html") == [Section(("Page",), "", "Only a title")]


def test_text_knows_its_lines() -> None:
    lines = [f"Line {n}." if n % 10 else "" for n in range(1, 101)]
    sections = parse("\n".join(lines).encode(), "notes.txt")
    assert len(sections) > 1
    for section in sections:
        first, last = (int(number) for number in section.location.removeprefix("lines ").split("–"))
        assert section.text.startswith(f"Line {first}.")
        assert section.text.endswith(f"Line {last}.")
    assert "".join(s.text for s in sections).count("Line") == 90


def test_pdf_gives_its_pages() -> None:
    sections = parse(pdf_bytes("First page.\nIt goes on.", "", "Third page."), "a.pdf")
    assert [(s.location, " ".join(s.text.split())) for s in sections] == [("page 1", "First page. It goes on."), ("page 3", "Third page.")]


def test_docx_gives_headings_paragraphs_and_tables_in_order() -> None:
    assert parse(docx_bytes(), "a.docx") == [
        Section(("Handbook",), "", "Welcome."),
        Section(("Handbook", "Prices"), "", "chain | 20", "part | price"),
        Section(("Handbook", "Prices"), "", "Prices hold until May."),
    ]


def test_html_gives_what_a_reader_sees() -> None:
    html = """<html><head><title>Shop &amp; more</title><style>p {}</style></head><body><nav>Menu</nav>
    <h1>Rules</h1><p>Bring it <b>back</b> within<br>14 days.</p><!-- a comment --><script>alert("x")</script>
    <p hidden>Unseen</p><div style="display: none">Unseen</div><div aria-hidden="true">Unseen</div>
    <h2>Prices</h2><table><tr><th>part</th><th>price</th></tr><tr><td>chain</td><td>20</td></tr></table><ul><li>One</li><li>Two</li></ul>"""
    assert parse(html.encode(), "a.html") == [
        Section(("Shop & more", "Rules"), "", "Bring it back within 14 days."),
        Section(("Shop & more", "Rules", "Prices"), "", "part | price\nchain | 20\n\nOne\n\nTwo"),
    ]


def test_rows_keep_their_header_and_numbers() -> None:
    text = "name;age\n" + "\n".join(f'"p{n};x";{n}' for n in range(1, 46))
    sections = parse(text.encode(), "people.csv")
    assert [s.location for s in sections] == ["rows 1–20", "rows 21–40", "rows 41–45"]
    assert {s.header for s in sections} == {"name | age"}
    assert sections[1].text.startswith("p21;x | 21\n")
    assert parse(b"a\tb\n1\t2\n", "t.tsv") == [Section((), "row 1", "1 | 2", "a | b")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("Größe".encode(), "Größe"),
        (b"\xef\xbb\xbfGr\xc3\xb6\xc3\x9fe", "Größe"),
        ("Größe – 5 €".encode("cp1252"), "Größe – 5 €"),
        ("Größe".encode("utf-16"), "Größe"),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree"),
    ],
)
def test_encodings(data: bytes, expected: str) -> None:
    assert parse(data, "a.txt")[0].text == expected


BROKEN: list[tuple[str, str, Callable[[], bytes], str]] = [
    ("empty", "a.txt", lambda: b"", "empty"),
    ("only spaces", "a.md", lambda: b" \n\t\n", "empty"),
    ("only marks", "a.md", lambda: b"---\n***\n", "no text"),
    ("too large", "a.txt", lambda: b"x " * 600_000, "larger than 1 MB"),
    ("unknown type", "a.xyz", lambda: b"text", "type that is not read"),
    ("binary", "a.txt", lambda: bytes(range(256)) * 40, "binary"),
    ("picture named text", "a.txt", lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 100, "picture"),
    ("archive named text", "a.md", lambda: zip_bytes({"a": b"b"}), "zip"),
    ("cut PDF", "a.pdf", lambda: pdf_bytes("words")[:300], "damaged"),
    ("no PDF at all", "a.pdf", lambda: b"just words", "does not begin as a PDF"),
    ("garbled PDF", "a.pdf", lambda: b"%PDF-1.7\n" + b"\xff\x00 garbage obj << /" * 500, "damaged"),
    ("PDF without text", "a.pdf", lambda: pdf_bytes("", ""), "scanned"),
    ("locked PDF", "a.pdf", locked_pdf, "password"),
    ("too many pages", "a.pdf", lambda: pdf_bytes(*["x"] * 12), "12 pages"),
    ("cut DOCX", "a.docx", lambda: docx_bytes()[:2000], "damaged"),
    ("DOCX that is another archive", "a.docx", lambda: zip_bytes({"x": b"y"}), "not a Word document"),
    ("DOCX with broken XML", "a.docx", lambda: broken_docx(), "damaged"),
    ("locked DOCX", "a.docx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "password"),
    ("bomb DOCX", "a.docx", lambda: zip_bytes({"word/document.xml": b" " * 150_000_000}), "unpacks to 150 MB"),
    ("deep HTML", "a.html", lambda: b"<div>" * 100_000 + b"text", "nested"),
    ("UTF-16 cut in two", "a.txt", lambda: "Größe".encode("utf-16")[:-1], "damaged"),
]


def broken_docx() -> bytes:
    source = zipfile.ZipFile(io.BytesIO(docx_bytes()))
    return zip_bytes({n: source.read(n)[: -100 if n == "word/document.xml" else None] for n in source.namelist()})


@pytest.mark.parametrize(("name", "make", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_what_cannot_be_read_is_refused_with_its_reason(tmp_path: Path, name: str, make: Callable[[], bytes], reason: str) -> None:
    path = tmp_path / name
    path.write_bytes(make())
    began = time.process_time()
    with pytest.raises(DocumentUnreadable, match=reason) as refused:
        read(path, max_megabytes=1, max_pages=10)
    assert "\n" not in str(refused.value)
    assert name in str(refused.value)
    assert time.process_time() - began < 20


def test_a_pdf_named_text_is_read_as_what_it_is() -> None:
    assert parse(pdf_bytes("Real words."), "a.txt")[0].location == "page 1"


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "b.txt").mkdir()
    for name in ("a.txt", "b.txt"):
        with pytest.raises(DocumentUnreadable, match=name):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "word " * 2_000_000),
        ("a.md", "x" * 10_000_000 + " and words"),
        ("a.md", "# " * 1_000_000 + "\n" + "-" * 1_000_000),
        ("a.md", "| a " * 500_000 + "\n" + "|-" * 500_000 + "\n" + "| b " * 500_000),
        ("a.csv", "a," * 1_000_000 + "\n" + "1," * 1_000_000),
        ("a.html", "<p>" * 50_000 + "text"),
        ("a.html", "<table><tr>" + "<td>x" * 20_000),
        ("a.html", "<" * 1_000_000 + " text"),
    ],
)
def test_monstrous_lines_take_bounded_time(name: str, text: str) -> None:
    began = time.process_time()
    with contextlib.suppress(DocumentUnreadable):
        parse(text.encode(), name)
    assert time.process_time() - began < 30


def test_embedded_pictures_are_not_words() -> None:
    text = f"# Report\n\nBefore ![chart](data:image/png;base64,{'iVBORw0KGgo' * 5000}) after."
    (section,) = parse(text.encode(), "a.md")
    assert len(section.text) < 100
    assert section.text.endswith("after.")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("together with the number of\nthe invoice. You need\nno appointment.", "together with the number of the invoice. You need no appointment."),
        ("Wear parts\n3 months\nOther parts", "Wear parts\n3 months\nOther parts"),
        ("What is not covered:\n–\ndamage from accidents;\n–\nraces", "What is not covered:\n–\ndamage from accidents;\n–\nraces"),
    ],
)
def test_the_width_of_a_page_does_not_cut_a_sentence(page: str, text: str) -> None:
    assert unwrapped(page) == text
