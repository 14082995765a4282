"""A model's Markdown as HTML: a small subset, everything else as the text it is.

Links and images stay text: nothing that a model, a document or a cell says may make the browser fetch or follow something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*$")
BULLET = re.compile(r"^\s*[-*+]\s+(.*)$")
NUMBERED = re.compile(r"^\s*(\d{1,9})[.)]\s+(.*)$")
QUOTE = re.compile(r"^ {0,3}>\s?(.*)$")
RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
SPAN = re.compile(
    r"(?P<code>(?P<ticks>`+)(?P<inside>.+?)(?P=ticks))"
    r"|\*\*(?P<bold>[^\s*](?:.*?[^\s*])?)\*\*"
    r"|(?<!\w)(?P<mark>[*_])(?P<italic>[^\s*_](?:[^*_]*[^\s*_])?)(?P=mark)(?!\w)"
    r"|\[(?P<number>\d{1,3})\](?!\()"
)

Cite = Callable[[int], str | None]


def to_html(text: str, *, cite: Cite | None = None) -> str:
    """The text as HTML blocks. `cite` gives the HTML of a citation mark such as [1], or None to leave it as text."""
    return "".join(_blocks(text.replace("\r\n", "\n").split("\n"), cite))


def _blocks(lines: list[str], cite: Cite | None) -> Iterator[str]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif fence := FENCE.match(line):
            end = _fence_end(lines, at, fence[1])
            yield f"<pre><code>{escape(chr(10).join(lines[at + 1 : end]))}</code></pre>"
            at = end + 1
        elif heading := HEADING.match(line):
            yield f"<h{min(len(heading[1]) + 2, 6)}>{inline(heading[2], cite)}</h{min(len(heading[1]) + 2, 6)}>"
            at += 1
        elif "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and RULE.match(lines[at + 1]):
            end = _while(lines, at + 2, lambda other: "|" in other)
            yield _table(line, lines[at + 2 : end], cite)
            at = end
        elif BULLET.match(line) or NUMBERED.match(line):
            pattern = BULLET if BULLET.match(line) else NUMBERED
            end = _while(lines, at, lambda other, pattern=pattern: bool(pattern.match(other)))  # type: ignore[misc]
            yield _list(lines[at:end], pattern, cite)
            at = end
        elif QUOTE.match(line):
            end = _while(lines, at, lambda other: bool(QUOTE.match(other)))
            inner = "<br>".join(inline(found[1], cite) for other in lines[at:end] if (found := QUOTE.match(other)))
            yield f"<blockquote><p>{inner}</p></blockquote>"
            at = end
        else:
            end = _while(lines, at + 1, _goes_on)
            yield f"<p>{'<br>'.join(inline(other.strip(), cite) for other in lines[at:end])}</p>"
            at = end


def _goes_on(line: str) -> bool:
    return bool(line.strip()) and not any(pattern.match(line) for pattern in (FENCE, HEADING, BULLET, NUMBERED, QUOTE))


def _while(lines: list[str], start: int, holds: Callable[[str], bool]) -> int:
    end = start
    while end < len(lines) and holds(lines[end]):
        end += 1
    return end


def _fence_end(lines: list[str], start: int, fence: str) -> int:
    """Where a fenced block ends; a block that is still being written ends with the text."""
    return next((at for at in range(start + 1, len(lines)) if lines[at].strip().startswith(fence)), len(lines))


def _list(lines: list[str], pattern: re.Pattern[str], cite: Cite | None) -> str:
    found = [match for line in lines if (match := pattern.match(line))]
    items = "".join(f"<li>{inline(match[match.re.groups], cite)}</li>" for match in found)
    if pattern is BULLET:
        return f"<ul>{items}</ul>"
    return f'<ol start="{int(found[0][1])}">{items}</ol>'


def _table(head: str, rows: list[str], cite: Cite | None) -> str:
    def cells(line: str, tag: str) -> str:
        inner = line.strip().strip("|").split("|")
        return "<tr>" + "".join(f"<{tag}>{inline(cell.strip(), cite)}</{tag}>" for cell in inner) + "</tr>"

    body = "".join(cells(row, "td") for row in rows)
    return f'<div class="table-scroll"><table><thead>{cells(head, "th")}</thead><tbody>{body}</tbody></table></div>'


def inline(text: str, cite: Cite | None = None) -> str:
    """One line: code, bold, italics and citation marks; the rest escaped."""
    parts: list[str] = []
    at = 0
    for match in SPAN.finditer(text):
        parts.append(escape(text[at : match.start()]))
        parts.append(_span(match, cite))
        at = match.end()
    parts.append(escape(text[at:]))
    return "".join(parts)


def _span(match: re.Match[str], cite: Cite | None) -> str:
    if match["code"]:
        return f"<code>{escape(match['inside'].strip())}</code>"
    if match["bold"]:
        return f"<strong>{inline(match['bold'], cite)}</strong>"
    if match["italic"]:
        return f"<em>{inline(match['italic'], cite)}</em>"
    shown = cite(int(match["number"])) if cite else None
    return shown if shown is not None else escape(match[0])
