"""Presentations, workbooks, books, e-mail and pictures to sections, each with the place that a citation names."""

from __future__ import annotations

import datetime
import io
from email.message import EmailMessage
from typing import Any

import openpyxl
import pytest
from PIL import Image, ImageDraw, ImageFont
from pptx import Presentation
from pptx.util import Inches
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from stores.chunks import split
from stores.errors import DocumentUnreadable
from stores.parsers import Section, parse
from tests.test_stores_parsers import docx_bytes, pdf_bytes, zip_bytes

CONTAINER = b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Chain</dc:title></metadata>
<manifest><item id="two" href="text/second%20part.xhtml" media-type="application/xhtml+xml"/><item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="picture" href="a.png" media-type="image/png"/></manifest><spine><itemref idref="one"/><itemref idref="two"/><itemref idref="gone"/></spine></package>"""


def pptx_bytes() -> bytes:
    deck = Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Opening hours"
    first.placeholders[1].text = "Open from nine to five."
    first.notes_slide.notes_text_frame.text = "Say that we close on Sundays."
    second = deck.slides.add_slide(deck.slide_layouts[5])
    second.shapes.title.text = "Prices"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for (row, column), text in {(0, 0): "part", (0, 1): "price", (1, 0): "chain", (1, 1): "20"}.items():
        table.cell(row, column).text = text
    below = second.shapes.add_textbox(Inches(1), Inches(6), Inches(4), Inches(1))
    below.text_frame.text = "Prices hold until May."
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(2), Inches(4), Inches(1)).text_frame.text = "In euros."
    deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = "Thank you"
    return saved(deck)


def xlsx_bytes(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    return saved(book)


def epub_bytes(**more: bytes) -> bytes:
    chapters = {
        "OEBPS/text/one.xhtml": b"<html><head><title>The Chain</title></head><body><p>Before all chapters.</p></body></html>",
        "OEBPS/text/second part.xhtml": b"<html><head><title>The Chain</title></head><body><h1>Oil</h1><p>Oil it <i>monthly</i>.</p></body></html>",
    }
    return zip_bytes({"mimetype": b"application/epub+zip", "META-INF/container.xml": CONTAINER, "OEBPS/book.opf": PACKAGE.encode(), **chapters, **more})


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "Ada <ada@example.org>", "To": "Bo <bo@example.org>", "Date": "Mon, 02 Mar 2026 10:00:00 +0100", "Subject": "Größe der Kette", **headers}.items():
        message[name] = value
    message.set_content("The chain has 114 links.\n\nAda")
    return message


def picture(*lines: str, size: tuple[int, int] = (1000, 300), scale: int = 32) -> Image.Image:
    drawn = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(drawn)
    for number, line in enumerate(lines):
        draw.text((30, 30 + 50 * number), line, font=ImageFont.load_default(scale), fill="black")
    return drawn


def picture_bytes(drawn: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    drawn.save(buffer, kind, **options)
    return buffer.getvalue()


def scanned_pdf(*pages: Image.Image) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for page in pages:
        canvas.drawImage(ImageReader(page), 50, 500, 500, 150)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def test_pptx_gives_its_slides_with_tables_groups_and_notes() -> None:
    assert parse(pptx_bytes(), "a.pptx") == [
        Section(("Opening hours",), "slide 1", "Open from nine to five.\n\nNotes: Say that we close on Sundays."),
        Section(("Prices",), "slide 2", "In euros.\n\nPrices hold until May."),
        Section(("Prices",), "slide 2", "chain | 20", "part | price"),
        Section((), "slide 3", "Thank you"),
    ]
    with pytest.raises(DocumentUnreadable, match="3 slides"):
        parse(pptx_bytes(), "a.pptx", max_pages=2)


def test_a_passage_from_a_slide_or_a_sheet_says_which() -> None:
    places = [chunk.location for chunk in split(parse(pptx_bytes(), "a.pptx"), name="a.pptx")]
    assert places == ["slide 1", "slide 2", "slide 3"]  # the two short parts of slide 2 are one passage
    data = xlsx_bytes(Prices=[["part", "price"], *([f"part number {n}", n] for n in range(2, 60))])
    chunks = split(parse(data, "a.xlsx"), name="a.xlsx", chunk_tokens=120)
    assert chunks[0].location.startswith("sheet Prices, rows 2–")
    assert all(chunk.text.startswith("part | price\n") for chunk in chunks)
    for chunk in chunks:
        first = int(chunk.location.removeprefix("sheet Prices, row").removeprefix("s").split("–")[0])
        assert f"part number {first} |" in chunk.text.split("\n")[1]


def test_xlsx_gives_the_rows_of_each_sheet_under_their_header_with_the_numbers_that_the_spreadsheet_shows() -> None:
    data = xlsx_bytes(
        Prices=[["Prices of 2026"], [], ["part", "price", "since"], ["chain", 20.0, datetime.datetime(2026, 3, 2)], ["tyre", 29.5, None], [], ["pump", 12, "line\nbreak"]],
        Empty=[],
        Names=[["name"], ["Ada"]],
    )
    header = "part | price | since"
    assert parse(data, "a.xlsx") == [
        Section(("Prices",), "sheet Prices, row 1", "Prices of 2026"),
        Section(("Prices",), "sheet Prices, rows 4–5", "chain | 20 | 2026-03-02\ntyre | 29.5", header),
        Section(("Prices",), "sheet Prices, row 7", "pump | 12 | line break", header),
        Section(("Names",), "sheet Names, row 2", "Ada", "name"),
    ]


def test_a_workbook_of_too_many_rows_is_for_a_database() -> None:
    from stores.parsers.sheets import parse_xlsx

    with pytest.raises(DocumentUnreadable, match="more than 10 rows"):
        parse_xlsx(xlsx_bytes(A=[[n] for n in range(20)]), "a.xlsx", max_rows=10)
    with pytest.raises(DocumentUnreadable, match="more than 50 cells"):
        parse_xlsx(xlsx_bytes(A=[[1] * 100]), "a.xlsx", max_cells=50)


def test_epub_gives_its_chapters_in_reading_order() -> None:
    assert parse(epub_bytes(), "a.epub") == [
        Section(("The Chain",), "part 1", "Before all chapters."),
        Section(("The Chain", "Oil"), "", "Oil it monthly."),
    ]


def test_an_email_gives_its_headers_text_and_the_names_of_what_is_attached() -> None:
    message = mail()
    message.add_alternative("<p>The chain has <b>114</b> links.</p>", subtype="html")
    message.add_attachment(pdf_bytes("Unseen words."), maintype="application", subtype="pdf", filename="offer.pdf")
    (section,) = parse(message.as_bytes(), "a.eml")
    assert section.headings == ("Größe der Kette",)
    assert section.text.split("\n") == [
        "From: Ada <ada@example.org>", "To: Bo <bo@example.org>", "Date: Mon, 02 Mar 2026 10:00:00 +0100", "Subject: Größe der Kette",
        "Attachments: offer.pdf", "", "The chain has 114 links.", "", "Ada",
    ]  # fmt: skip


def test_an_email_that_has_only_html_is_read_as_a_page() -> None:
    message = mail()
    message.set_content("<html><body><p>Hello.</p><h1>Offer</h1><p>Twenty euros.</p><script>x()</script></body></html>", subtype="html")
    first, second = parse(message.as_bytes(), "a.eml")
    assert first.text.endswith("\n\nHello.")
    assert (second.headings, second.text) == (("Größe der Kette", "Offer"), "Twenty euros.")


@pytest.mark.parametrize(("kind", "ending"), [("PNG", "png"), ("JPEG", "jpg"), ("TIFF", "tiff"), ("WEBP", "webp"), ("BMP", "bmp")])
def test_the_text_in_a_picture_is_recognised(kind: str, ending: str) -> None:
    (section,) = parse(picture_bytes(picture("Bring the invoice number 4711", "within fourteen days."), kind), f"a.{ending}")
    assert section == Section((), "", "Bring the invoice number 4711 within fourteen days.")


def test_dark_letters_on_a_transparent_ground_are_recognised() -> None:
    drawn = picture("Bring the invoice").convert("L")
    clear = Image.new("RGBA", drawn.size)
    clear.putalpha(drawn.point(lambda value: 255 - value))
    assert parse(picture_bytes(clear, "PNG"), "a.png")[0].text == "Bring the invoice"


def test_the_pages_of_a_tiff_are_told_apart() -> None:
    data = picture_bytes(picture("First page"), "TIFF", save_all=True, append_images=[picture(), picture("Third page")])
    assert parse(data, "a.tif") == [Section((), "page 1", "First page"), Section((), "page 3", "Third page")]


def test_a_scanned_page_of_a_pdf_is_recognised() -> None:
    assert parse(scanned_pdf(picture("The warranty lasts ten years"), picture()), "a.pdf") == [Section((), "page 1", "The warranty lasts ten years")]


def test_without_ocr_pictures_are_refused_and_say_how_to_have_them_read() -> None:
    for data, name in ((picture_bytes(picture("Words"), "PNG"), "a.png"), (scanned_pdf(picture("Words")), "a.pdf")):
        with pytest.raises(DocumentUnreadable, match=r"documents\.ocr is off"):
            parse(data, name, ocr=False)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (docx_bytes(), "a.xlsx", "Welcome."),
        (docx_bytes(), "a.txt", "Welcome."),
        (xlsx_bytes(A=[["part"], ["chain"]]), "a.docx", "chain"),
        (picture_bytes(picture("Bring the invoice"), "PNG"), "a.jpg", "Bring the invoice"),
    ],
    ids=["Word named Excel", "Word named text", "Excel named Word", "PNG named JPEG"],
)
def test_a_document_under_another_name_is_read_as_what_it_is(data: bytes, name: str, expected: str) -> None:
    assert parse(data, name)[0].text == expected
