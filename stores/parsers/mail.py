"""E-mail (EML): who wrote to whom, when, about what, and the text.

Attachments are named and not opened: a stranger sent them, and what is found would be cited under the name of another
file. Saved beside the e-mail they are read like any file.
"""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart

from stores.errors import DocumentUnreadable
from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.section import Section
from stores.parsers.web import parse_html

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_ENCRYPTED = ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")


def parse_mail(data: bytes, name: str) -> list[Section]:
    """The headers and the text under the subject; an HTML body gives its own headings below that."""
    try:
        message = message_from_bytes(data, policy=policy.default)
        headers = {header: " ".join(str(message[header]).split())[:1000] for header in _HEADERS if message[header]}
        if not headers:
            raise DocumentUnreadable(f"{name} is not an e-mail: it says neither who wrote it nor what about")
        if message.get_content_type() in _ENCRYPTED:
            raise DocumentUnreadable(f"{name} is encrypted; save it decrypted")
        body = _body(message, name)
        attached = [" ".join((part.get_filename() or part.get_content_type()).split()) for part in message.iter_attachments()]
    except (*MALFORMED, RuntimeError) as error:
        raise damaged(name, "whole e-mail", error) from error
    subject = headers.get("Subject", "")[:200]
    above = (subject,) if subject else ()
    lines = [f"{header}: {value}" for header, value in headers.items()]
    lines += [f"Attachments: {', '.join(attached)[:1000]}"] if attached else []
    if body and not body[0].headings and not body[0].header:
        lines += ["", body.pop(0).text]
    return [Section(above, "", "\n".join(lines)), *(Section((*above, *part.headings), part.location, part.text, part.header) for part in body)]


def _body(message: EmailMessage, name: str) -> list[Section]:
    """The plain text, or else the HTML."""
    plain = message.get_body(("plain",))
    if plain is not None and (text := _content(plain).strip()):
        return [Section((), "", text)]
    html = message.get_body(("html",))
    return parse_html(_content(html), name) if html is not None else []


def _content(part: MIMEPart) -> str:
    try:
        text = part.get_content()
    except LookupError:  # a character set that nobody knows
        payload = part.get_payload(decode=True)
        text = payload.decode("cp1252", errors="replace") if isinstance(payload, bytes) else ""
    return text.replace("\r\n", "\n") if isinstance(text, str) else ""
