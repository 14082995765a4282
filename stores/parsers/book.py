"""Books (EPUB): the chapters in their reading order, each an HTML page."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote
from xml.etree import ElementTree

from stores.errors import DocumentUnreadable
from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.decoding import decode
from stores.parsers.section import Section
from stores.parsers.web import parse_html

_TITLE = "{http://purl.org/dc/elements/1.1/}title"
_PAGES = ("application/xhtml+xml", "text/html")


def parse_epub(data: bytes, name: str) -> list[Section]:
    """Sections by heading, under the book's title. The archive has been looked at before."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [section for number, path, title in _chapters(archive, name) for section in _chapter(archive, name, number, path, title)]
    except MALFORMED as error:
        raise damaged(name, "book", error) from error


def _chapters(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[int, str, str]]:
    """(number, path in the archive, the book's title) of each page of the book."""
    rootfile = ElementTree.fromstring(archive.read("META-INF/container.xml")).find(".//{*}rootfile")
    at = rootfile.get("full-path", "") if rootfile is not None else ""
    package = ElementTree.fromstring(archive.read(at))
    title = " ".join((package.findtext(f".//{_TITLE}") or "").split())[:200]
    items = {item.get("id"): item for item in package.iterfind(".//{*}manifest/{*}item")}
    locked = archive.read("META-INF/encryption.xml") if "META-INF/encryption.xml" in archive.NameToInfo else b""
    for number, reference in enumerate(package.iterfind(".//{*}spine/{*}itemref"), start=1):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _PAGES:
            continue
        href = item.get("href", "")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(at), unquote(href)))
        if posixpath.join(posixpath.dirname(at), href).encode() in locked:
            raise DocumentUnreadable(f"{name} is protected against copying and cannot be read here")
        yield number, path, title


def _chapter(archive: zipfile.ZipFile, name: str, number: int, path: str, title: str) -> Iterator[Section]:
    for section in parse_html(decode(archive.read(path), name), name):
        inner = section.headings[1:] if section.headings[:1] == (title,) else section.headings
        where = "" if inner else f"part {number}"  # where there are headings, they say the place
        yield Section((*filter(None, [title]), *inner), where, section.text, section.header)
