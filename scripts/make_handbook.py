"""Make the handbook's PDF, DOCX and HTML files from the Markdown in scripts/handbook_sources.

Run it after editing a source:  uv run python scripts/make_handbook.py
A source `warranty.pdf.md` becomes `warranty.pdf`. The same sources give the same bytes, as the dates in
them are fixed (a DOCX is compressed, so another zlib may make another file with the same content). The handbook's Markdown files are written by hand where they lie.
"""

from __future__ import annotations

import argparse
import html
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import docx
from docx.text.paragraph import Paragraph as WordParagraph
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    ListFlowable,
    ListItem,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "scripts" / "handbook_sources"
HANDBOOK = ROOT / "assistant" / "sample" / "handbook"
PUBLISHER = "Larkhaven Bicycle Cooperative"
WRITTEN = datetime(2026, 1, 15)
ZIP_DATE = (2026, 1, 15, 0, 0, 0)


@dataclass(frozen=True)
class Block:
    """A piece of a page: h1, h2, p, ul, ol (a line each) or table (cells separated by a tab, a line each)."""

    kind: str
    lines: tuple[str, ...]


def blocks(markdown: str) -> Iterator[Block]:
    """The blocks of the little Markdown that the sources use: headings, paragraphs, lists, tables and **bold**."""
    for chunk in re.split(r"\n\s*\n", markdown.strip()):
        lines = tuple(chunk.splitlines())
        first = lines[0]
        if first.startswith("#"):
            yield Block(f"h{len(first) - len(first.lstrip('#'))}", (first.lstrip("# "),))
        elif first.startswith("- "):
            yield Block("ul", tuple(line[2:] for line in lines))
        elif re.match(r"\d+\. ", first):
            yield Block("ol", tuple(line.split(". ", 1)[1] for line in lines))
        elif first.startswith("|"):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not set(line) <= set("|- ")]
            yield Block("table", tuple("\t".join(row) for row in rows))
        else:
            yield Block("p", (" ".join(lines),))


def marked_up(text: str) -> str:
    """Text with **bold** as HTML, which reportlab reads too."""
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", html.escape(text, quote=False))


def to_html(page: list[Block]) -> bytes:
    """A small, valid page."""
    title = page[0].lines[0]
    body = "\n".join(_html_block(block) for block in page)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n</head>\n<body>\n'
        f"<header>{PUBLISHER} · Handbook</header>\n<main>\n{body}\n</main>\n<footer>Version of {WRITTEN:%d.%m.%Y}</footer>\n</body>\n</html>\n"
    ).encode()


def _html_block(block: Block) -> str:
    lines = [marked_up(line) for line in block.lines]
    if block.kind in ("ul", "ol"):
        return f"<{block.kind}>\n" + "\n".join(f"<li>{line}</li>" for line in lines) + f"\n</{block.kind}>"
    if block.kind == "table":
        rows = [_html_row(line, "th" if number == 0 else "td") for number, line in enumerate(lines)]
        return "<table>\n" + "\n".join(rows) + "\n</table>"
    return f"<{block.kind}>{lines[0]}</{block.kind}>"


def _html_row(line: str, tag: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in line.split("\t")) + "</tr>"


def to_pdf(page: list[Block]) -> bytes:
    """A4 pages with their number at the foot."""
    out = io.BytesIO()
    title = page[0].lines[0]
    document = BaseDocTemplate(out, pagesize=A4, title=title, author=PUBLISHER, invariant=1, pageCompression=0)
    frame = Frame(2.2 * cm, 2 * cm, A4[0] - 4.4 * cm, A4[1] - 4 * cm)
    # The foot is drawn last, so that a reader of the text finds it at the end of the page.
    document.addPageTemplates(PageTemplate(frames=[frame], onPageEnd=_foot))
    document.build([part for block in page for part in _pdf_block(block)])
    return out.getvalue()


def _pdf_block(block: Block) -> list[Flowable]:
    styles = getSampleStyleSheet()
    body = styles["BodyText"]
    body.fontSize, body.leading = 11, 15
    styles["Heading2"].keepWithNext = 1
    lines = [marked_up(line) for line in block.lines]
    if block.kind in ("ul", "ol"):
        bullet: dict[str, Any] = {"bulletType": "bullet", "start": "–"} if block.kind == "ul" else {"bulletType": "1", "bulletFormat": "%s."}
        return [ListFlowable([ListItem(Paragraph(line, body)) for line in lines], **bullet), Spacer(1, 6)]
    if block.kind == "table":
        cells = [[Paragraph(cell, body) for cell in line.split("\t")] for line in lines]
        frame = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("VALIGN", (0, 0), (-1, -1), "TOP")])
        return [Table(cells, style=frame, repeatRows=1), Spacer(1, 8)]
    return [Paragraph(lines[0], {"h1": styles["Title"], "h2": styles["Heading2"]}.get(block.kind, body))]


def _foot(canvas: Canvas, document: Any) -> None:
    canvas.setFont("Helvetica", 8)
    canvas.drawCentredString(A4[0] / 2, 1.2 * cm, f"{PUBLISHER} - Handbook - page {document.page}")


def to_docx(page: list[Block]) -> bytes:
    """A Word document with real headings, lists and tables."""
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = page[0].lines[0], PUBLISHER, ""
    properties.created = properties.modified = WRITTEN
    for block in page:
        if block.kind == "table":
            _docx_table(document, block)
        for line in block.lines if block.kind != "table" else ():
            style = {"h1": "Heading 1", "h2": "Heading 2", "ul": "List Bullet", "ol": "List Number"}.get(block.kind)
            _docx_runs(document.add_paragraph(style=style), line)
    out = io.BytesIO()
    document.save(out)
    return _dated(out.getvalue())


def _docx_table(document: Any, block: Block) -> None:
    rows = [line.split("\t") for line in block.lines]
    table = document.add_table(rows=len(rows), cols=len(rows[0]), style="Table Grid")
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text


def _docx_runs(paragraph: WordParagraph, line: str) -> None:
    for number, text in enumerate(line.split("**")):
        paragraph.add_run(text).bold = True if number % 2 else None


def _dated(archive: bytes) -> bytes:
    """The same archive with a fixed date on every file in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.create_system = 3  # else the bytes would tell Windows from the others
            new.writestr(entry, old.read(name), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


RENDER = {".pdf": to_pdf, ".docx": to_docx, ".html": to_html}


def make(target: Path) -> list[Path]:
    """Write every document that has a source into `target`; the paths that were written."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted(SOURCES.glob("*.*.md")):
        path = target / source.stem
        path.write_bytes(RENDER[path.suffix](list(blocks(source.read_text("utf-8")))))
        written.append(path)
    return written


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the handbook's PDF, DOCX and HTML files from their Markdown sources.")
    parser.add_argument("--target", type=Path, default=HANDBOOK, help="the folder to write to")
    for path in make(parser.parse_args().target):
        print(path)
