"""Files that are damaged, and formats that are zip archives inside: those are looked at before any of them is unpacked."""

from __future__ import annotations

import io
import re
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


def kind_inside(data: bytes, name: str, what: str, *, max_megabytes: float = 200.0, max_ratio: float = 200.0, max_members: int = 20_000) -> str:
    """Which format an archive is, by its main part; empty where it is none that is read. `what` it should be stands in refusals.

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
        raise damaged(name, what, error) from error


def damaged(name: str, what: str, error: BaseException) -> DocumentUnreadable:
    """The refusal of a file that a library could not read as `what` it says it is, in words for people."""
    said = " ".join(str(error).split())
    if "macroEnabled" in said:
        return DocumentUnreadable(f"{name} is a document with macros under another name; save it without macros")
    if isinstance(error, RecursionError) or "depth" in said:
        reason = ": it is nested too deeply"
    elif "Limit reached" in said:
        reason = ": it unpacks to more than such a document needs"
    elif isinstance(error, SyntaxError):
        reason = ": its XML is broken"
    elif missing := re.search(r"no item named '([^']{1,100})'", said):
        reason = f": its part {missing.group(1)} is missing"
    elif isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError)) or re.search("truncat|ended unexpectedly", said.lower()):
        reason = ": it was cut short or changed"
    else:
        reason = ""
    return DocumentUnreadable(f"{name} is damaged, or not a {what}{reason}")
