"""What an answer stands on and what it cost, as HTML. All text from outside is escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from assistant import Answer, Citation, Memory, Passage, Table, Usage
from ui import icons, markdown
from ui.rows import rows

REASONS = ("Wrong rows", "Wrong words", "Not found", "Other")
"""What may be wrong with an answer, as its user would say it."""

GIVES_ORDERS = '<p class="quiet gives-orders">This passage addresses the assistant. That part was set aside and not followed.</p>'


def evidence(answer: Answer) -> str:
    """The rows with their chart, the sources, the SQL, the tries before it and the memories of an answer; empty where there are none."""
    parts = (
        rows(answer.table, f"{answer.id}:rows") if answer.table else "",
        sources(answer.citations, answer.id),
        _folds(answer),
    )
    return f'<div class="evidence">{"".join(parts)}</div>' if any(parts) else ""


def slot(key: str) -> str:
    """An empty place; evidence.js puts what the server says for that key there."""
    # The conversation around it is read out as it grows; a table would be read whole.
    return f'<div class="slot" data-slot="{escape(key)}" aria-live="off"></div>'


def sources(citations: Sequence[Citation], answer_id: str) -> str:
    """The cited passages, numbered as in the text, each with its place and its own words."""
    if not citations:
        return ""
    entries = "".join(_source(citation, number, answer_id) for number, citation in enumerate(citations, 1))
    return f'<section class="sources" aria-label="Sources"><h3>Sources</h3><ol>{entries}</ol></section>'


def _source(citation: Citation, number: int, answer_id: str) -> str:
    key = f"{answer_id}:c{number}"
    around = ""
    if citation.passage:
        around = (
            f'<button type="button" class="text-button" data-act="passage" data-id="{escape(citation.passage)}" data-for="{escape(key)}"'
            f' data-value="{escape(citation.quote)}">Read around it</button>{slot(key)}'
        )
    return (
        f'<li><details data-key="{escape(key)}" data-citation="{number}"><summary><span class="mark">{number}</span>'
        f'<span class="source-name">{escape(citation.document)}</span> <span class="quiet">{escape(citation.location)}</span></summary>'
        f"<blockquote>{escape(citation.quote)}</blockquote>{GIVES_ORDERS if citation.gives_orders else ''}{around}</details></li>"
    )


def passage(found: Sequence[Passage], id: str, quote: str, link: str = "") -> str:  # noqa: A002
    """A passage with the quoted words marked, between the one before and the one after it. `link` is HTML."""
    parts = [
        f"<p>{marked(part.text, quote)}</p>" if part.id == id else f'<p class="beyond">{escape(part.text)}</p>'
        for part in found
    ]
    return f'<div class="passage" tabindex="0" role="region" aria-label="Passage around the quotation">{"".join(parts)}</div>{link}'


def marked(text: str, quote: str) -> str:
    """The text escaped, with the quotation in it marked. A quotation is one line where the text may be broken over several."""
    found = re.search(r"\s+".join(map(re.escape, quote.split())), text) if quote.strip() else None
    if not found:
        return escape(text)
    return f"{escape(text[: found.start()])}<mark>{escape(found[0])}</mark>{escape(text[found.end() :])}"


def cost(usage: Usage) -> str:
    """One line: seconds, tokens read, reused and written."""
    parts = [f"{usage.seconds:.1f} s"]
    if usage.prompt_tokens:
        reused = f" ({usage.cached_tokens:,} reused)" if usage.cached_tokens else ""
        parts.append(f"read {usage.prompt_tokens:,} tokens{reused}")
    if usage.completion_tokens:
        parts.append(f"wrote {usage.completion_tokens:,}")
    return " · ".join(parts)


def result(table: Table, answer_id: str, sql: str, explanation: str, key: str) -> str:
    """What a query of the reader's own found, and a button that keeps it as the right one."""
    return (
        f"{rows(table, key)}{_explained(explanation)}"
        f'<button type="button" class="text-button" data-act="correct" data-id="{escape(answer_id)}" data-for="{escape(answer_id)}:kept"'
        f' data-value="{escape(sql)}">This is the right query</button>{slot(f"{answer_id}:kept")}'
    )


def judgement(answer: Answer) -> str:
    """What was wrong with an answer, and with its SQL: shown once it was judged poor."""
    key = escape(answer.id)
    reasons = "".join(
        f'<label class="chip"><input type="checkbox" name="reason" value="{reason}" data-typed="{key}:{reason}">{reason}</label>'
        for reason in REASONS
    )
    return (
        f'<details class="judge" data-key="{key}:judge"><summary>What was wrong?</summary><form data-form="judge" data-id="{key}" data-for="{key}:judge">'
        f'<fieldset class="chips"><legend class="unseen">What was wrong?</legend>{reasons}</fieldset>'
        + _typed("comment", f"{answer.id}:comment", "In your own words", lines=2)
        + (_typed("sql", f"{answer.id}:right", "The SQL, put right", answer.sql) if answer.sql else "")
        + f'<p class="form-foot"><button type="submit" class="go">Keep</button></p></form></details>{slot(f"{answer.id}:judge")}'
    )


def memory(kept: Memory, slot_key: str) -> str:
    """A memory that was used: when it was said, where, and that it is not true."""
    where = ""
    if kept.source:
        where = f'<button type="button" class="text-button" data-act="said" data-id="{escape(kept.source)}">Where you said it</button>'
    until = f", until {kept.until:%Y-%m-%d}" if kept.until else ""
    return (
        f'<span class="memory">{escape(kept.text)}</span> <span class="quiet">{kept.said_at:%Y-%m-%d}{until}</span> {where}'
        f'<button type="button" class="text-button" data-act="forget" data-id="{escape(kept.id)}" data-for="{escape(slot_key)}"'
        f' aria-label="Not true, forget: {escape(kept.text)}">Not true</button>'
    )


def forgotten(id: str, slot_key: str) -> str:  # noqa: A002
    """What stands where a memory was forgotten."""
    return (
        '<span class="quiet">Forgotten.</span> '
        f'<button type="button" class="text-button" data-act="restore" data-id="{escape(id)}" data-for="{escape(slot_key)}">Undo</button>'
    )


def _folds(answer: Answer) -> str:
    failed = [attempt for attempt in answer.attempts if attempt.error]
    tries = "".join(_attempt(attempt.sql, attempt.error or "") for attempt in failed)
    used = answer.memories
    parts = [
        _fold(answer, "sql", "SQL", _sql(answer.sql) + _explained(answer.explanation) + _editor(answer.id, answer.sql))
        if answer.sql
        else "",
        _fold(answer, "tries", _count(len(failed), "try before it", "tries before it"), tries) if failed else "",
        _fold(answer, "memories", _count(len(used), "memory used", "memories used"), _memories(answer)) if used else "",
    ]
    return f'<div class="folds">{"".join(parts)}</div>' if any(parts) else ""


def _fold(answer: Answer, key: str, title: str, inner: str) -> str:
    return f'<details class="fold fold-{key}" data-key="{escape(answer.id)}:{key}"><summary>{title}</summary>{inner}</details>'


def _sql(sql: str) -> str:
    return (
        f'<div class="code"><button type="button" class="icon-button" data-copy aria-label="Copy the SQL" title="Copy">{icons.COPY}</button>'
        f"<pre><code>{escape(sql)}</code></pre></div>"
    )


def _editor(answer_id: str, sql: str) -> str:
    """The query to change and run again."""
    key = escape(answer_id)
    return (
        f'<details class="editor" data-key="{key}:edit"><summary>Edit and run</summary><form data-form="query" data-id="{key}" data-for="{key}:query">'
        + _typed("sql", f"{answer_id}:sql", "SQL to run", sql)
        + '<p class="form-foot"><button type="submit" class="go">Run</button><span class="quiet">or Ctrl+Enter. Nothing can be changed in the database.</span></p>'
        f"</form>{slot(f'{answer_id}:query')}</details>"
    )


def _typed(name: str, key: str, label: str, text: str = "", *, lines: int = 0) -> str:
    """A box to type in; evidence.js keeps what is typed while the conversation is drawn again."""
    height = lines or min(max(text.count("\n") + 1, 3), 14)
    # HTML takes away the first line break.
    return (
        f'<label class="typed"><span class="quiet">{label}</span><textarea name="{name}" rows="{height}" spellcheck="{"false" if name == "sql" else "true"}"'
        f' autocapitalize="off" data-typed="{escape(key)}">\n{escape(text)}</textarea></label>'
    )


def _explained(explanation: str | None) -> str:
    """What the query does, with its quoted pieces as code."""
    return f'<p class="explained">What this does: {markdown.inline(explanation)}</p>' if explanation else ""


def _attempt(sql: str, error: str) -> str:
    return f'<div class="attempt"><pre><code>{escape(sql)}</code></pre><p class="quiet">{escape(error)}</p></div>'


def _memories(answer: Answer) -> str:
    keyed = [(f"{answer.id}:m:{kept.id}", kept) for kept in answer.memories]
    entries = "".join(f'<li data-slot="{escape(key)}" aria-live="off">{memory(kept, key)}</li>' for key, kept in keyed)
    return f"<ul>{entries}</ul>"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
