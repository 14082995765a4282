"""People and things: what a user calls somebody ("my sister") and the name that goes with it, from the statements themselves."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

from stores.keywords import STOP_WORDS

_NAME = r"(?P<name>(?:(?:Dr|Mr|Mrs|Ms|Prof|St)\b\.? )?[A-ZÀ-Þ][\w’'-]*(?: (?:(?:de|del|van|von|der|la) )*[A-ZÀ-Þ][\w-]*){0,3})"
_OWNER = r"(?:[Mm]y|[Oo]ur|[A-ZÀ-Þ][\w-]*['’]s)"
_ALIAS = r"(?P<alias>[a-zß-ÿ][\w'’ -]{1,50}?)"
_LINKS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?P<owner>{_OWNER}) {_ALIAS}(?:['’]s name)? (?:is|are|was|were)(?: now)?(?: called| named| in| at| near)? {_NAME}",
        rf"^\W*{_NAME} (?:is|was) (?:now )?(?P<owner>{_OWNER}|the|a|an) {_ALIAS}(?=[.,;!]|$| (?:and|who|in|at|from)\b)",
        rf"\b(?P<owner>{_OWNER}) {_ALIAS},? {_NAME}",
        rf"\b(?P<owner>a|an|the|{_OWNER}) {_ALIAS} (?:called|named) {_NAME}",
    )
)
_OWN = re.compile(r"\b(my|our|mine|ours)\b", re.IGNORECASE)
STEPS = 2
"""How far names are followed: my sister, her husband."""
MOST = 4
"""Names added to a query."""


class Links:
    """What things are called, and their names, by the id of the statement that says so. Thread-safe."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._links: dict[str, list[tuple[frozenset[str], str]]] = {}
        self.put(texts)

    def put(self, texts: Mapping[str, str]) -> None:
        """Adds statements, replacing those under the same ids."""
        for key, text in texts.items():
            found = links(text)
            with self._lock:
                self._links.pop(key, None)
                if found:
                    self._links[key] = found

    def followed(self, query: str) -> str:
        """The query, with the names of what it speaks of after it."""
        with self._lock:
            known = [link for found in self._links.values() for link in found]
        asked, names, own = _words(query), list[str](), bool(_OWN.search(query))
        for _ in range(STEPS):
            for alias, name in known:
                # "The dog" is anybody's; one word stands for a name only where the user speaks of their own.
                if alias and (own or len(alias) > 1) and alias <= asked and not _words(name) <= asked and name not in names:
                    names.append(name)
            asked |= {word for name in names for word in _words(name)}
        return f"{query} {' '.join(names[:MOST])}" if names else query


def links(text: str) -> list[tuple[frozenset[str], str]]:
    """What a statement says that something is called: the words for it, whose it is among them where that is a name, and the name."""
    found: dict[tuple[frozenset[str], str], None] = {}
    for pattern in _LINKS:
        for match in pattern.finditer(text):
            owner = match["owner"] if match["owner"][0].isupper() and match["owner"] not in ("My", "Our") else ""
            name = match["name"].removesuffix("'s").removesuffix("’s")
            if name.lower() not in STOP_WORDS:
                found[frozenset(_words(f"{owner} {match['alias']}") - {"new", "old", "now"}), name] = None
    return list(found)


def _words(text: str) -> set[str]:
    """The words that carry meaning, without possessive and plural endings."""
    words = (re.sub(r"['’]s?$", "", word) for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text.lower()))
    return {word.removesuffix("s") if len(word) > 3 else word for word in words if word not in STOP_WORDS}
