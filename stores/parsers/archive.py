"""Formats that are zip archives inside (DOCX, PPTX, XLSX, EPUB): looked at before any of it is unpacked."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from stores.errors import DocumentUnreadable

# What the libraries raise on files that are not what they say; each is the file's fault, none the program's.
MALFORMED = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, RecursionError, NotImplementedError,
    OSError, EOFError, MemoryError, zlib.error, struct.error, zipfile.BadZipFile, SyntaxError,  # the last is what XML parsers raise
)  # fmt: skip

_MAIN_PARTS = {"word/document.xml": "docx", "ppt/presentation.xml": "pptx", "xl/workbook.xml": "xlsx", "META-INF/container.xml": "epub"}
_XML = (".xml", ".rels", ".opf")


def kind_inside(data: bytes, name: str, *, max_megabytes: float = 200.0, max_ratio: float = 200.0, max_members: int = 20_000) -> str:
    """Which format an archive is, by its main part; empty where it is none that is read.

    Refuses what is locked, what would unpack to too much, and XML that declares entities (zipfile itself stops a member
    that is larger than its entry says, so that the sizes can be believed).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if any(member.flag_bits & 1 for member in members):
                raise DocumentUnreadable(f"{name} is locked with a password; save it without one")
            unpacked = sum(member.file_size for member in members)
            if len(members) > max_members or unpacked > max_megabytes * 1e6 or unpacked > max(10e6, max_ratio * len(data)):
                raise DocumentUnreadable(f"{name} unpacks to {unpacked / 1e6:.0f} MB in {len(members)} parts, more than such a document needs")
            for member in members:
                if member.filename.lower().endswith(_XML):
                    with archive.open(member) as part:
                        if b"<!ENTITY" in part.read(4096):
                            raise DocumentUnreadable(f"{name} defines entities in its XML, as only hostile files do")
            return next((kind for part, kind in _MAIN_PARTS.items() if part in archive.NameToInfo), "")
    except MALFORMED as error:
        raise damaged(name, "whole archive", error) from error


def damaged(name: str, what: str, error: BaseException) -> DocumentUnreadable:
    """The refusal of a file that could not be read as `what` it says it is."""
    if "macroEnabled" in str(error):
        return DocumentUnreadable(f"{name} is a document with macros under another name; save it without macros")
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DocumentUnreadable(f"{name} is damaged, or not a {what}: {reason}")
