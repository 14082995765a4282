"""A folder of broken and hostile files among good ones: a clear line for each, and the rest is found.

Every file is made here; none is a fixture that somebody would have to trust.
"""

from __future__ import annotations

import gzip
import io
import re
import struct
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from stores.errors import DocumentUnreadable
from stores.reading import Reader
from tests.test_stores_documents import Index
from tests.test_stores_formats import CONTAINER, epub_bytes, mail, picture, picture_bytes, pptx_bytes, saved, xlsx_bytes
from tests.test_stores_parsers import docx_bytes, locked_pdf, pdf_bytes, zip_bytes

LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha">' + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)) + b"]>"
OUTSIDE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512

Make = Callable[[], bytes]


def with_part(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    """An archive with one of its parts changed."""
    source = zipfile.ZipFile(io.BytesIO(data))
    return zip_bytes({name: change(source.read(name)) if name == part else source.read(name) for name in source.namelist()})


def with_entities(data: bytes, part: str, entities: bytes) -> bytes:
    return with_part(data, part, lambda xml: xml.replace(b"?>", b"?>" + entities, 1).replace(b"Welcome.", b"&j;"))


def locked_zip(data: bytes) -> bytes:
    """Each entry says that it is encrypted."""
    changed = bytearray(data)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(mark), data):
            changed[found.start() + at] |= 1
    return bytes(changed)


def lying_zip() -> bytes:
    """A member that is 50 MB large and says that it is 100 bytes."""
    data = bytearray(zip_bytes({"word/document.xml": b" " * 50_000_000}))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        data[data.index(mark) + at : data.index(mark) + at + 4] = struct.pack("<I", 100)
    return bytes(data)


def pdf_of(*objects: bytes) -> bytes:
    """A PDF of numbered objects, the first its root."""
    data, places = b"%PDF-1.7\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, text)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d /Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return data + end % (len(places) + 1, table, len(places) + 1, len(data))


def pdf_page(content: bytes, *, root: bytes = b"", filters: bytes = b"/FlateDecode") -> bytes:
    font = b"/Resources <</Font <</F1 <</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>>>>>"
    return pdf_of(
        b"<</Type /Catalog /Pages 2 0 R %s>>" % root,
        b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
        b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R %s>>" % font,
        b"<</Length %d /Filter %s>>\nstream\n%s\nendstream" % (len(content), filters, content),
    )


def bomb_stream() -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(b" " * 1_000_000) for _ in range(500)) + packer.flush()


def scripted_pdf() -> bytes:
    words = zlib.compress(b"BT /F1 12 Tf 72 700 Td (The scripted saddle costs thirty euros.) Tj ET")
    return pdf_page(words, root=b"/OpenAction <</S /JavaScript /JS (app.launchURL('http://example.invalid/'))>>")


def linked_docx() -> bytes:
    """A picture that Word would fetch from elsewhere."""
    relation = b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="http://example.invalid/x.png" TargetMode="External"/></Relationships>'
    other = with_part(docx_bytes(), "word/document.xml", lambda xml: xml.replace(b"Prices hold until May.", b"The linked hub is sealed."))
    return with_part(other, "word/_rels/document.xml.rels", lambda xml: xml.replace(b"</Relationships>", relation))


def macro_docx() -> bytes:
    """A DOCM under the name of a DOCX."""
    return with_part(
        docx_bytes(), "[Content_Types].xml",
        lambda xml: xml.replace(b"officedocument.wordprocessingml.document.main", b"ms-word.document.macroEnabled.main").replace(b"application/vnd.openxmlformats-ms-", b"application/vnd.ms-"),
    )  # fmt: skip


def deep_xml(data: bytes) -> bytes:
    return with_part(data, "word/document.xml", lambda xml: xml.replace(b"<w:body>", b"<w:body>" + b"<w:p>" * 100_000 + b"</w:p>" * 100_000))


def huge_png() -> bytes:
    """A header that says 60,000 by 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    end = struct.pack(">I4sI", 0, b"IDAT", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


def nested_mail() -> bytes:
    parts = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(3000))
    return b"From: a@example.org\nSubject: deep\n" + parts + b"Content-Type: text/plain\n\ntext"


def mail_without_headers() -> bytes:
    return b"Dear all,\n\nthis is a letter and no e-mail.\n"


def encrypted_mail() -> bytes:
    return b"From: a@example.org\nSubject: s\nContent-Type: multipart/encrypted; boundary=b\n\n--b\nContent-Type: text/plain\n\nx\n--b--\n"


def drm_epub() -> bytes:
    return epub_bytes(**{"META-INF/encryption.xml": b'<encryption><CipherReference URI="OEBPS/text/one.xhtml"/></encryption>'})


def epub_with(old: bytes, new: bytes) -> bytes:
    return with_part(epub_bytes(), "OEBPS/book.opf", lambda xml: xml.replace(old, new))


REFUSED: dict[str, tuple[Make, str]] = {
    # PDF
    "cut early.pdf": (lambda: pdf_bytes("words")[:300], "damaged"),
    "cut late.pdf": (lambda: pdf_bytes("words " * 50)[:-400].replace(b"/Root", b"/Rot"), "damaged"),
    "only a header.pdf": (lambda: b"%PDF-1.7\n", "damaged"),
    "words.pdf": (lambda: b"just words", "does not begin as a PDF"),
    "garbled.pdf": (lambda: b"%PDF-1.7\n" + b"\xff\x00 garbage obj << /" * 500, "damaged"),
    "zeros.pdf": (lambda: b"%PDF-1.4\n" + b"\0" * 100_000, "damaged"),
    "locked.pdf": (locked_pdf, "password"),
    "blank.pdf": (lambda: pdf_bytes("", ""), "no text"),
    "pages in a circle.pdf": (lambda: pdf_of(b"<</Type /Catalog /Pages 2 0 R>>", b"<</Type /Pages /Kids [2 0 R] /Count 1>>"), "damaged"),
    "too many pages.pdf": (lambda: pdf_bytes(*["x"] * 31), "31 pages"),
    "deep arrays.pdf": (lambda: pdf_of(b"<</Type /Catalog /Pages 2 0 R /X " + b"[" * 100_000 + b"]" * 100_000 + b">>", b"<<>>"), "damaged"),
    "bomb.pdf": (lambda: pdf_page(bomb_stream()), "unpacks to more"),
    "unknown filter.pdf": (lambda: pdf_page(b"xxx", filters=b"/NoSuchDecode"), "damaged"),
    # Word
    "cut.docx": (lambda: docx_bytes()[:2000], "damaged"),
    "another zip.docx": (lambda: zip_bytes({"x": b"y"}), "not a Word document"),
    "broken XML.docx": (lambda: with_part(docx_bytes(), "word/document.xml", lambda xml: xml[:-100]), "damaged"),
    "locked.docx": (lambda: OLE, "password"),
    "locked as zip.docx": (lambda: locked_zip(docx_bytes()), "password"),
    "bomb.docx": (lambda: zip_bytes({"word/document.xml": b" " * 150_000_000}), "unpacks to 150 MB"),
    "lies of its size.docx": (lying_zip, "damaged"),
    "laughs.docx": (lambda: with_entities(docx_bytes(), "word/document.xml", LAUGHS), "entities"),
    "reads other files.docx": (lambda: with_entities(docx_bytes(), "word/document.xml", OUTSIDE), "entities"),
    "macros.docx": (macro_docx, "macros"),
    "many parts.docx": (lambda: zip_bytes({f"{n}": b"" for n in range(20_001)}), "20001 parts"),
    "without parts.docx": (lambda: zip_bytes({"word/document.xml": b"<x/>"}), "damaged"),
    "deep.docx": (lambda: deep_xml(docx_bytes()), "damaged"),
    "words.docx": (lambda: b"just words", "damaged"),
    "empty inside.docx": (lambda: saved(__import__("docx").Document()), "no text"),
    # PowerPoint
    "cut.pptx": (lambda: pptx_bytes()[:5000], "damaged"),
    "another zip.pptx": (lambda: zip_bytes({"x": b"y"}), "not a presentation"),
    "broken XML.pptx": (lambda: with_part(pptx_bytes(), "ppt/slides/slide1.xml", lambda xml: xml[:-100]), "damaged"),
    "locked.pptx": (lambda: OLE, "password"),
    "bomb.pptx": (lambda: with_part(pptx_bytes(), "ppt/slides/slide1.xml", lambda xml: xml + b" " * 210_000_000), "unpacks to 21. MB"),
    "empty inside.pptx": (lambda: saved(__import__("pptx").Presentation()), "no text"),
    # Excel
    "cut.xlsx": (lambda: xlsx_bytes(A=[["x"]])[:2000], "damaged"),
    "broken XML.xlsx": (lambda: with_part(xlsx_bytes(A=[["x"]]), "xl/worksheets/sheet1.xml", lambda xml: xml[:-40]), "damaged"),
    "locked.xlsx": (lambda: OLE, "password"),
    "bomb.xlsx": (lambda: with_part(xlsx_bytes(A=[["x"]]), "xl/worksheets/sheet1.xml", lambda xml: xml + b" " * 210_000_000), "unpacks to 210 MB"),
    "laughs.xlsx": (lambda: with_part(xlsx_bytes(A=[["x"]]), "xl/workbook.xml", lambda xml: LAUGHS + xml), "entities"),
    "no rows.xlsx": (lambda: xlsx_bytes(A=[]), "no text"),
    # EPUB
    "no package.epub": (lambda: zip_bytes({"META-INF/container.xml": CONTAINER}), "damaged"),
    "broken package.epub": (lambda: epub_with(b"</package>", b""), "damaged"),
    "protected.epub": (drm_epub, "protected against copying"),
    "a chapter is missing.epub": (lambda: epub_with(b"one.xhtml", b"none.xhtml"), "damaged"),
    "leads outside.epub": (lambda: epub_with(b"text/one.xhtml", b"../../../../etc/passwd"), "damaged"),
    "nothing to read.epub": (lambda: epub_with(b"itemref", b"other"), "no text"),
    # E-mail
    "a letter.eml": (mail_without_headers, "not an e-mail"),
    "encrypted.eml": (encrypted_mail, "encrypted"),
    "deep.eml": (nested_mail, "damaged"),
    "binary.eml": (lambda: bytes(range(256)) * 40, "not an e-mail"),
    # Pictures
    "cut.png": (lambda: picture_bytes(picture("Words"), "PNG")[:500], "damaged"),
    "cut.jpg": (lambda: picture_bytes(picture("Words"), "JPEG")[:200], "damaged"),
    "cut.webp": (lambda: picture_bytes(picture("Words"), "WEBP")[:100], "damaged"),
    "huge.png": (huge_png, "more pixels"),
    "words.png": (lambda: b"just words", "damaged, or not a picture"),
    "one pixel.png": (lambda: picture_bytes(picture(size=(1, 1)), "PNG"), "no text that could be recognised"),
    "white.jpg": (lambda: picture_bytes(picture(), "JPEG"), "no text that could be recognised"),
    "a drawing.png": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><text>x</text></svg>", "damaged, or not a picture"),
    "moving.png": (lambda: picture_bytes(picture("Words"), "GIF"), "moving picture"),
    "cut.tiff": (lambda: picture_bytes(picture("Words"), "TIFF")[:100], "damaged"),
    # Text
    "empty.txt": (lambda: b"", "empty"),
    "spaces.md": (lambda: b" \n\t\n", "empty"),
    "marks.md": (lambda: b"---\n***\n", "no text"),
    "binary.txt": (lambda: bytes(range(256)) * 40, "binary"),
    "a picture.txt": (lambda: picture_bytes(picture("Words"), "PNG"), "picture"),
    "a program.txt": (lambda: b"\x7fELF\x02\x01\x01" + b"\0" * 100, "program"),
    "packed.csv": (lambda: gzip.compress(b"a,b\n1,2\n"), "archive"),
    "a database.csv": (lambda: b"SQLite format 3\0" + b"\0" * 100, "database"),
    "rich.txt": (lambda: b"{\\rtf1 words}", "RTF"),
    "a zip.md": (lambda: zip_bytes({"a.txt": b"words"}), "zip file"),
    "cut in two.txt": (lambda: "Größe".encode("utf-16")[:-1], "damaged"),
    "one line of 200 MB.txt": (lambda: b"x" * 200_000_000, "larger than 50 MB"),
    "a huge field.csv": (lambda: b'a,b\n"' + b"x y " * 50_000 + b'",2\n', "not a table"),
    "too many rows.csv": (lambda: b"a,b\n" + b"1,2\n" * 200_001, "more than 200000 rows"),
    # HTML
    "deep.html": (lambda: b"<div>" * 100_000 + b"text", "nested"),
    "too many tags.html": (lambda: b"<b>x</b>" * 300_000, "tags"),
    "only a script.html": (lambda: b"<script>alert('x')</script>", "no text"),
    # Kinds that are not read
    "old.doc": (lambda: OLE, "save it as DOCX"),
    "macros.xlsm": (lambda: xlsx_bytes(A=[["x"]]), "without macros"),
    "folder.zip": (lambda: zip_bytes({"a.txt": b"words"}), "unpack it"),
    "program.exe": (lambda: b"MZ\x90\0", "type that is not read"),
}

# Odd, and read all the same: words that stand in the file, by its name.
READ: dict[str, tuple[Make, str]] = {
    "latin.txt": (lambda: "Die Größe der Nabe ist zwölf.".encode("cp1252"), "Größe der Nabe"),
    "utf-16.txt": (lambda: "The axle is long.".encode("utf-16"), "axle is long"),
    "marked.md": (lambda: b"\xef\xbb\xbf# Brakes\n\nThe brakes are new.\n", "brakes are new"),
    "windows.md": (lambda: b"# Bells\r\n\r\nThe bell is loud.\r\n", "bell is loud"),
    "old mac.txt": (lambda: b"The lamp is dim.\rIt is old.", "lamp is dim"),
    "some bad bytes.txt": (lambda: b"The pedal \xff\xfe is \x81 flat. " * 10, "pedal"),
    "a page.txt": (lambda: b"<html><body>The spoke is bent.</body></html>", "spoke is bent"),
    "really a PDF.txt": (lambda: pdf_bytes("The rim is round."), "rim is round"),
    "really Word.xlsx": (docx_bytes, "Prices hold"),
    "junk around.pdf": (lambda: b"\n\njunk\n" + pdf_bytes("The cable is frayed.") + b"\0junk" * 100, "cable is frayed"),
    "scripted.pdf": (scripted_pdf, "scripted saddle"),
    "linked.docx": (linked_docx, "linked hub is sealed"),
    "deep lists.md": (lambda: "\n".join("  " * n + f"- level {n}" for n in range(1000)).encode(), "level 999"),
    "deep lists.html": (lambda: b"<ul><li>level" * 1000 + b"the valve leaks", "valve leaks"),
    "one long line.txt": (lambda: b"The crank turns. " * 60_000, "crank turns"),
    "one long word.txt": (lambda: b"xy " + b"z" * 3_000_000 + b" The grip is soft.", "grip is soft"),
    "far cell.xlsx": (lambda: far_cell(), "mudguard"),
    "unknown letters.eml": (lambda: mail().as_bytes().replace(b'charset="utf-8"', b'charset="x-nobody"'), "114 links"),
    "old page.epub": (lambda: with_part(epub_bytes(), "OEBPS/text/one.xhtml", lambda page: b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "http://example.invalid/x.dtd">' + page), "Oil it monthly"),
    "many links.html": (lambda: b"<img src='http://example.invalid/x.png'><link rel=stylesheet href='http://example.invalid/x.css'>" * 500 + b"<p>The fork is stiff.</p>", "fork is stiff"),
}  # fmt: skip


def far_cell() -> bytes:
    """A cell in the last column of the last row."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "part", "mudguard"
    return saved(book)


class Peak:
    """The most memory, in MB, that this process took above what it had, and that the processes it started took."""

    def __enter__(self) -> Peak:
        self._me = psutil.Process()
        self._before = self._me.memory_info().rss
        self.own = self.started = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.own = max(self.own, (self._me.memory_info().rss - self._before) / 1e6)
            for child in self._me.children():
                try:
                    self.started = max(self.started, child.memory_info().rss / 1e6)
                except psutil.Error:
                    continue


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, (make, _) in {**REFUSED, **READ}.items():
        (folder / name).write_bytes(make())
    yield folder
    for path in folder.iterdir():  # pytest keeps the folders of its last runs, and 200 MB need not be kept
        path.unlink()


def test_there_are_enough_of_them() -> None:
    assert len(REFUSED) >= 60
    assert not REFUSED.keys() & READ.keys()


def test_each_broken_file_is_refused_in_a_clear_line_and_the_rest_is_found(folder: Path, tmp_path: Path) -> None:
    index = Index(tmp_path / "home", max_pages=30, max_memory_megabytes=1500)
    began = time.monotonic()
    with Peak() as peak:
        report = index.documents.add(folder)
    seconds = time.monotonic() - began
    reasons = {Path(refusal.path).name: refusal.reason for refusal in report.refused}
    assert set(report.new) == set(READ)
    assert reasons.keys() == REFUSED.keys()
    wrong = {name: reasons[name] for name, (_, reason) in REFUSED.items() if not re.search(reason, reasons[name])}
    assert not wrong
    for name, reason in reasons.items():
        assert reason.isprintable(), name
        assert 10 < len(reason) < 400, name
        assert not re.search(r"Traceback|File \"|line \d+, in |0x[0-9a-f]{6}|Error|<", reason), reason
    for name, (_, words) in READ.items():
        found = index.documents.search(words, mode="keyword", k=10)
        assert any(passage.document == name and words.split()[-1] in passage.text for passage in found), name
    index.check_whole()
    index.close()
    assert peak.own < 400
    assert peak.started < 1700
    assert seconds < 180  # about 20 on two idle cores


def test_a_reader_that_takes_too_long_is_ended_and_the_next_file_is_read() -> None:
    data = b"<p>" * 50_000 + b"words"
    with Reader(max_seconds=0.05) as hurried, pytest.raises(DocumentUnreadable, match=r"a\.html takes longer than 0\.05 s"):
        hurried.parse(data, "a.html")
    with Reader(max_seconds=120) as patient:
        patient.parse(b"<p>first", "a.html")
        patient._max_seconds = 0.0
        with pytest.raises(DocumentUnreadable, match="takes longer"):
            patient.parse(data, "a.html")
        patient._max_seconds = 120
        assert patient.parse(b"<p>words", "b.html")[0].text == "words"


def test_a_reader_that_takes_too_much_memory_is_ended() -> None:
    with Reader(max_memory_megabytes=1) as reader, pytest.raises(DocumentUnreadable, match="needs more than 1 MB of memory"):
        reader.parse(b"<p>words", "a.html")


def test_a_reader_that_crashes_takes_nothing_with_it() -> None:
    with Reader() as reader:

        def crash() -> bool:
            assert reader._process
            reader._process.kill()
            return False

        with pytest.raises(DocumentUnreadable, match=r"a\.html cannot be read: it makes its reader crash"):
            reader.parse(b"<p>" * 50_000 + b"words", "a.html", cancelled=crash)
        assert reader.parse(b"<p>words", "b.html")[0].text == "words"


def test_a_cancel_ends_the_reading_of_a_file_and_does_not_call_it_broken(tmp_path: Path) -> None:
    index = Index(tmp_path / "home")
    (tmp_path / "a.html").write_bytes(b"<p>" * 50_000 + b"words")
    asked = iter([False])
    report = index.documents.add(tmp_path / "a.html", cancelled=lambda: next(asked, True))
    assert (report.new, report.refused) == ((), ())
    assert index.documents.add(tmp_path / "a.html").new == ("a.html",)
    index.close()


@pytest.mark.skipif(sys.platform == "win32", reason="other names for the same there")
def test_the_process_that_reads_does_not_import_what_lies_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bs4.py").write_text("raise SystemExit", "utf-8")
    (tmp_path / "stores").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    with Reader() as reader:
        assert reader.parse(b"<p>words", "a.html")[0].text == "words"
