"""What a request asks to be done with whole documents; by program, so that a question about a fact stays what it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from graphs.library import KIND, Library, Target

Kind = Literal["summary", "comparison", "table", "translation"]
MOST_COLUMNS = 8
LONGEST = 50
"""Words of a request; what is longer brings a text of its own."""
_NUMBERS = {word: n for n, word in enumerate("one two three four five six seven eight nine ten".split(), 1)}
_LANGUAGES = (
    "arabic bulgarian catalan chinese croatian czech danish dutch english estonian finnish french german greek hebrew hindi hungarian "
    "icelandic indonesian irish italian japanese korean latin latvian lithuanian norwegian persian polish portuguese romanian russian "
    "serbian slovak slovene slovenian spanish swedish tamil thai turkish ukrainian vietnamese welsh"
).replace(" ", "|")

_POLITE = re.compile(r"^\s*((please|kindly|now|ok(ay)?|hi|hello|(can|could|would|will) you( please)?|i( would|'d) like( you)? to|let's)[\s,]+)*", re.IGNORECASE)
_LENGTH = re.compile(r"\bin (at most |about |no more than )?(?P<count>\d{1,2}|" + "|".join(_NUMBERS) + r") (short )?(sentences?|lines?|(bullet )?points?|bullets?)\b", re.IGNORECASE)
_MANNER = re.compile(
    r"[\s,]*\b(please|for me|to me|briefly|shortly|in (short|brief|detail)|in (simple|plain) (words|language|terms)"
    r"|in (a |a few |some |one |few )?(short )?(sentences?|words?|lines?|(bullet )?points?|bullets?|paragraphs?)|as (a list|bullets|bullet points))(?=\W|$)",
    re.IGNORECASE,
)
_SUMMARY = (
    re.compile(r"^(summari[sz]e|sum up|recap|condense|outline|digest)\s+(?P<what>.+)$", re.IGNORECASE),
    re.compile(r"\b(summary|overview|outline|synopsis|digest|gist|recap|tl;?dr|(key|main|most important) (points|facts|ideas))\s+(of|for|from|on|in)\s+(?P<what>.+)$", re.IGNORECASE),
    re.compile(r"^what('s| is| are)\s+(?P<what>.+?)\s+about$", re.IGNORECASE),
    re.compile(r"^what (do|does)\s+(?P<what>.+?)\s+(say|contain|cover|tell( us| me)?)$", re.IGNORECASE),
)
_COMPARE = (
    re.compile(r"^compare\s+(?P<what>.+)$", re.IGNORECASE),
    re.compile(r"\b(differences?|comparison)\s+(between|of)\s+(?P<what>.+)$", re.IGNORECASE),
    re.compile(r"^what(('s| is| has)?( changed| different| new)| changes| differs)\s+(between|from|in)\s+(?P<what>.+)$", re.IGNORECASE),
    re.compile(r"^how (do|does|is|are)\s+(?P<what>.+?)(\s+(differ|compare))?$", re.IGNORECASE),
)
_BESIDE = (r"\s+(?:and|to|with)\s+how\s+", r"\s+(?:with|against|versus|vs\.?|differs? from|different from|compares? (?:to|with))\s+", r"\s+to\s+", r"\s+and\s+")
_TRANSLATE = re.compile(rf"^translate\s+(?P<what>[^:]+?)\s+(in)?to\s+(?P<language>{_LANGUAGES})$", re.IGNORECASE)
_SECTION = re.compile(r"\b(sections?|passages?|paragraphs?|chapters?|parts?)\b", re.IGNORECASE)
_TOPIC = re.compile(r"^(the\s+)?(section|passage|paragraph|chapter|part)s?\s+(about|on|regarding|concerning|called|named|titled|that is about|with)\s+(?P<topic>.+)$", re.IGNORECASE)
_TOPIC_BEFORE = re.compile(r"^(the\s+)?(?P<topic>.+?)\s+(section|passage|paragraph|chapter|part)$", re.IGNORECASE)
_TABLE = re.compile(r"\b(table|spreadsheet|columns?|csv|extract)\b|^list\b.*\bwith\b", re.IGNORECASE)
_AS_TABLE = re.compile(r"[\s,]*\b(and (put|write|show) (it|them) )?(in|into|as)( a| one)? (table|spreadsheet|csv)\b", re.IGNORECASE)
_EACH = re.compile(r"^(extract|list|get|pull out|collect|give me|show me)\s+(?P<columns>.+?)\s+(of|for)\s+(all|every|each|any)\s+(?P<thing>.+)$", re.IGNORECASE)
_WITH = re.compile(r"\b(table|spreadsheet|list|extract|csv)\s+((of|with|listing)\s+)?(?P<thing>.*?)\s*\b(with|columns?:?|showing|listing|giving)\s+(the )?(columns?:?\s+)?(?P<columns>.+)$", re.IGNORECASE)
_OF = re.compile(r"\b(table|spreadsheet|extract|list|csv)\s+((of|with|listing)\s+)?(?P<columns>.+)$", re.IGNORECASE)
_ARTICLE = re.compile(r"^((all|every|each|any|the|their|its|a|an|of|these|columns?)\s+)+", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """What is to be done. `named` holds what each phrase that names a document may mean: none, one, or several to choose from.

    `topic`: only the sections about it. `columns` of each `thing` make the table.
    """

    kind: Kind
    named: tuple[tuple[Target, ...], ...] = ()
    topic: str = ""
    columns: tuple[str, ...] = ()
    thing: str = ""
    language: str = ""
    sentences: int | None = None


def may_be(question: str) -> bool:
    """Whether a request is worded as one about whole documents, whatever documents there are."""
    text = _plain(question)
    patterns = (*_SUMMARY, *_COMPARE, _TRANSLATE, _TABLE)
    return len(text.split()) <= LONGEST and any(pattern.search(_MANNER.sub("", _LENGTH.sub("", text)).strip(" ,.")) for pattern in patterns)


def understood(question: str, library: Library) -> Request | None:
    """The request, or None for what is no request about whole documents that are named."""
    if not library.documents or not may_be(question):
        return None
    text = _plain(question)
    return _translation(text, library) or _table(text, library) or _comparison(text, library) or _summary(text, library)


def _plain(question: str) -> str:
    return _POLITE.sub("", " ".join(question.split())).strip(" .?!")


def _summary(text: str, library: Library) -> Request | None:
    length = _LENGTH.search(text)
    count = length["count"].casefold() if length else ""
    sentences = (int(count) if count.isdigit() else _NUMBERS[count]) if count else None
    plain = _MANNER.sub("", _LENGTH.sub("", text)).strip(" ,.")
    for pattern in _SUMMARY:
        if found := pattern.search(plain):
            # What stands after a colon is a text of the user's own.
            where = None if ":" in found["what"] else _where(found["what"], library)
            return Request("summary", where[0], where[1], sentences=sentences) if where else None
    return None


def _where(phrase: str, library: Library) -> tuple[tuple[tuple[Target, ...], ...], str] | None:
    """(what may be named, topic) of "terms.md", "the section about refunds in terms.md", "the section about refunds"."""
    targets = library.find(phrase)
    if targets is not None:
        return (targets,), ""
    if not _SECTION.search(phrase):
        return None
    for found in reversed(list(re.finditer(r"\s+(?:in|from|of)\s+", phrase))):
        targets = library.find(phrase[found.end() :])
        if targets is not None and (topic := _topic(phrase[: found.start()])):
            return (targets,), topic
    topic = _topic(phrase)
    return ((), topic) if topic else None


def _topic(phrase: str) -> str:
    found = _TOPIC.match(phrase) or _TOPIC_BEFORE.match(phrase)
    topic = found["topic"].strip(" '\"“”‘’") if found else ""
    return "" if topic.casefold() in ("this", "that", "the", "last", "first", "following", "same", "above", "it") else topic


def _translation(text: str, library: Library) -> Request | None:
    found = _TRANSLATE.match(_MANNER.sub("", text))
    where = _where(found["what"], library) if found else None
    return Request("translation", where[0], where[1], language=found["language"].capitalize()) if found and where else None


def _comparison(text: str, library: Library) -> Request | None:
    for pattern in _COMPARE:
        if found := pattern.search(_MANNER.sub("", text)):
            return _both(found["what"], library)
    return None


def _both(what: str, library: Library) -> Request | None:
    """Two documents beside each other, or one phrase that names exactly two ("the two contracts")."""
    for joint in _BESIDE:
        for found in re.finditer(joint, what, re.IGNORECASE):
            first, second = what[: found.start()], what[found.end() :]
            one = library.find(first)
            # "the 2023 contract with the 2024 one": the second is of the first one's kind.
            kind = re.sub(r"\S*\d\S*", "", first)
            other = library.find(re.sub(r"\bones?\b", kind, second))
            known = all(there is not None or KIND.search(phrase) for phrase, there in ((first, one), (second, other)))
            if known and (one or other):  # beside one that is there, what is not there is said to be missing
                return Request("comparison", (one or (), other or ()))
    together = library.find(what) or ()
    return Request("comparison", ((together[0],), (together[1],))) if len(together) == 2 else None


def _table(text: str, library: Library) -> Request | None:
    if not _TABLE.search(text):
        return None
    plain = _AS_TABLE.sub("", _MANNER.sub("", text)).strip(" ,.")
    for found in reversed(list(re.finditer(r"\s+(?:from|in|out of|of)\s+", plain, re.IGNORECASE))):
        after = re.split(r"\s+(?:with|showing|listing|giving|that|and)\s+|[,:;]", plain[found.end() :], maxsplit=1)[0]
        targets = library.find(after)
        if targets is not None:
            rest = f"{plain[: found.start()]} {plain[found.end() + len(after) :]}".strip(" ,.")
            thing, columns = _columns(rest)
            return Request("table", (targets,), columns=columns, thing=thing) if columns else None
    return None


def _columns(text: str) -> tuple[str, tuple[str, ...]]:
    """(what the rows are, the columns) of "make a table of all tariffs with name and price"."""
    found = _EACH.match(text) or _WITH.search(text) or _OF.search(text)
    if found is None:
        return "", ()
    thing = _ARTICLE.sub("", f"{found.groupdict().get('thing') or ''} ").strip(" ,.")
    parts = re.split(r"\s*(?:,|;|&|\band\b|\bplus\b)\s*", found["columns"])
    named = [cleaned[:40] for part in parts if (cleaned := _ARTICLE.sub("", f"{part.strip()} ").strip(" .:"))]
    return thing[:80], tuple(dict.fromkeys(named))[:MOST_COLUMNS]
