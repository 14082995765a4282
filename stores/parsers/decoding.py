"""Bytes to text."""

from __future__ import annotations

import codecs
import re

from stores.errors import DocumentUnreadable

_ENCODED = re.compile(r"[A-Za-z0-9+/=%_-]{1000,}")  # a picture in base 64, a key: nobody's words
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def decode(data: bytes, name: str) -> str:
    """Text from UTF-8, from UTF-16 or -32 with their mark, or else from cp1252, with plain line ends."""
    encoding = next((encoding for mark, encoding in _BOMS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:65536]:
        raise DocumentUnreadable(f"{name} is not text: it holds binary data")
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding:
            raise DocumentUnreadable(f"{name} is damaged: its text is not the {encoding} that its first bytes say") from error
        text = data.decode("cp1252", errors="replace")
    sample = text[:65536]
    odd = sum(1 for character in sample if (character < " " and character not in "\t\n\r\f\v") or character == "\ufffd")
    if odd > 0.05 * len(sample):
        raise DocumentUnreadable(f"{name} is not text: it holds binary data")
    text = _ENCODED.sub("…", text)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\0", "")


def shown(name: str) -> str:
    """A name without the control characters that would forge lines in a log or a page."""
    return "".join(character if character.isprintable() else "\ufffd" for character in name)
