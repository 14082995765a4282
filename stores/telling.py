"""Clauses about how a thing is to be told ("whose name is never given without …"): an order to whoever passes it on, hidden in the fact.

Too ordinary to be set aside before the model reads: a document may say that a price is only told by telephone. So they are left out
of what is shown (`graphs.quoting`), unless the question is about them; the citation has the whole sentence.
"""

from __future__ import annotations

import re

from stores.orders import folded

_TELLING = re.compile(
    r"\b(?:said|saying|told|nam(?:e|ed|ing)|mention\w*|announc\w*|utter\w*|recit\w*|spoken|spells?|spelt|heard?|hears|hearing|quot(?:e|es|ed|ing)"
    r"|(?:is|are|be|been|gets?|was|were) (?:\w+ ){0,2}given|given (?:out|this|these|that)|giv(?:es?|en|ing) out|(?:pass|hand)(?:es|ed|ing)? (?:\w+ )?on|(?:made|makes?) (?:known|public)|g(?:o|oes|one) (?:out|in print)"
    r"|words?|phrases?|formula|greetings?|salut\w+|motto|slogan|cheer\w*|toast|honou?r|wording|title|known as"
    # German, Dutch
    r"|genannt|gesagt|mitgeteilt|bekannt ?gegeben|weiter(?:ge)?geben|ausgesprochen|erwahn\w*|verkundet|angesagt|worten?|gru(?:ss|ß)\w*|anrede|titel|namen?"
    r"|genoemd|gezegd|meegedeeld|doorgegeven|vermeld|woorden|groet|naam"
    # French, Spanish, Italian, Portuguese
    r"|dit(?:e|es|s)?|dire|se donne\w*|donnee?s?|annonc\w+|mots?|titre|formule|salut|prononc\w+|mentionne\w*|communique\w*"
    r"|dice|dich[oa]s?|decir|nombra\w*|anuncia\w*|palabras?|titulo|saludo|menciona\w*|se da|dett[oaie]|nomina\w*|annuncia\w*|parol[ae]|titolo|saluto|menziona\w*"
    r"|dit[oa]s?|dizer|palavras?|saudacao)\b",
    re.IGNORECASE,
)
_EACH_TIME = re.compile(
    r"\b(?:always|never|whenever|wherever|only|solely|alone|without|unless|no (?:other|shorter|one|person|body)|nobody|nothing (?:else|besides|more)|accompan\w+|accompagn\w+|invariably|each time|every time|obliged"
    r"|word for word|verbatim|by all|all of us|neither|failing which|may not|on condition"
    r"|immer|stets|nie|niemals|nur|ausnahmslos|ohne|ausschliesslich|allein|jedes mal|verpflichtet|altijd|nooit|alleen|zonder|uitsluitend|telkens"
    r"|toujours|jamais|sans|seulement|uniquement|faute de|chaque fois|siempre|nunca|sin|solo|unicamente|acompan\w+|cada vez|sempre|mai|senza|soltanto|ogni volta|jamais|sem|somente|apenas|acompanh\w+)\b",
    re.IGNORECASE,
)
_JOINTS = re.compile(r"\s*[,;:()–—]\s*|\s+(?=(?:and|or|und|oder|et|ou|y|e|en)\s)", re.IGNORECASE)


def about_telling(clause: str) -> bool:
    """Whether a clause says how something is to be told each time."""
    plain = folded(clause)
    return bool(_TELLING.search(plain) and _EACH_TIME.search(plain))


def clauses(sentence: str) -> list[tuple[int, int]]:
    """Where the clauses of a sentence begin and end; what joins them goes with the one after it."""
    starts = [0, *(joint.start() for joint in _JOINTS.finditer(sentence) if joint.start())]
    return [(first, last) for first, last in zip(starts, [*starts[1:], len(sentence)], strict=True) if re.search(r"\w", sentence[first:last])]
