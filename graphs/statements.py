"""What a message states about its user: by program, in the user's own words, so that nothing is kept that was not said.

Most messages state nothing (a question, a command, a greeting, work on a quoted text), and no model is asked about them.
"""

from __future__ import annotations

import re

from graphs.grounding import split, words

LONGEST = 200
"""Characters; a longer sentence is a story, not a fact to keep."""
FEWEST = 2
"""Words of content, names and numbers included, that a statement needs."""

_QUESTION = re.compile(
    r"^\W*((and|but|so|or|ok|okay|also|then|well|good|hi|hello|hey)\b[\s,]*)*(what|which|who|whom|whose|where|when|why|how|do|does|did|is|are|was|were|can|could|will|would"
    r"|shall|should|may|might|have you|has|had|any|am i)\b|^[^,;]*\?\W*$",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"^\W*((and|but|so|ok|okay|now|then|please|kindly|good|also|just)\b[\s,]*)*(show|list|give|count|sort|order|group|compare|tell|explain|summari[sz]e|translate"
    r"|rewrite|rephrase|shorten|correct|improve|fix|write|draft|find|search|look|get|make|let|try|check|open|print|add|remove|delete|forget|remember"
    r"|name|say|put|use|go|come|see|wait|stop|thank|thanks|sorry|never mind|you|yes|no|names|compute|calculate|export|help|describe|proofread)\b",
    re.IGNORECASE,
)
_TEXTWORK = re.compile(
    r"^\W*((please|can you|could you|would you|now)\s+)*(translate|rewrite|rephrase|shorten|summari[sz]e|correct|improve|proofread|write|draft|polish|edit)\b|^\W*dear\b", re.IGNORECASE
)
# Talk about the conversation, the moment and the mood: said in the first person, and over tomorrow.
_TALK = re.compile(
    r"\b(i|we)\s*('d|'ll|'m|'ve|'re|am|are|was|were|have|had|would|will|could|should|can|cannot|can't|do|did|don't|didn't|just|only|really|also|still|already|never|do not)?\s*"
    r"(not\s+|just\s+|only\s+|really\s+|so\s+|still\s+|a bit\s+|also\s+|very\s+|been\s+|already\s+)*"
    r"(need|want to (see|know|compare|ask|have|find)|would like|like (it|that|this|to|your)|'d like|love (it|this|that)|hate|think|guess|mean|meant|see|saw|know|believe|wonder|wondering"
    r"|hope|hoping|wish|forget|forgot|understand|get it|got it|got (an?|the)|asked?|asking|looking|look|trying|try|waiting|wait|thinking|talking|reading|read|typing|testing|kidding"
    r"|sorry|sure|glad|happy|pleased|sad|tired|curious|confused|afraid|busy|late|lucky|fine|ok|okay|back|ready|done|hungry|bored|angry|in a hurry|in the middle"
    r"|at the (counter|moment|door)|on the phone|going to|having (trouble|problems|a)|say|said|tell|told|agree|disagree|care|give up|read this|find|feel|expect(ed)?|suppose|assume"
    r"|checked?|noticed?|missed|mistyped|miss|clicked|opened|went|going|using|ill|sick|sold out|closed|full|cold)\b"
    r"|\bmy (guess|question|point|mistake|bad|fault|impression|hunch|reading|calculation)\b|\bwants? (to (know|see|have)|an?|the)\b",
    re.IGNORECASE,
)
_SOON = re.compile(r"\b(i|we)( will|'ll) (be|ask|take|come|call|let|try|do|get|go|look|check|have|see|wait|think)\b", re.IGNORECASE)
# What is to be done next, or would be; where a day or a rule is named it may be a plan.
_INTENDED = re.compile(
    r"(?!.*\b((mon|tues|wednes|thurs|fri|satur|sun)days?|january|february|march|april|may|june|july|august|september|october|november|december"
    r"|spring|summer|autumn|winter|easter|christmas|next|every|each|always|never|\d{4})\b).*\b((i|we)( will|'ll|'d)|should|would|could|might)\b",
    re.IGNORECASE | re.DOTALL,
)
# A comment on what was found: guessed, weighed, or concluded from it.
_COMMENT = re.compile(
    r"\b(obviously|apparently|probably|perhaps|maybe|looks?|seems?|sounds?|appears?|as (i|we) (thought|expected|said)|(i|we) (think|guess|believe|suppose|heard|was told))\b"
    r"|\bthen\W*$",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(r"\W*(so(?!,|\s+(i|my)\b)|then|in other words|in that case)\b", re.IGNORECASE)
_MOMENT = re.compile(
    r"\b(right now|at the moment|today|tonight|this (morning|afternoon|evening)|for this one|in (five|ten|a few|\d+) minutes|just now|for a moment|in a minute|a (question|problem|headache|meeting)|questions?)\b",
    re.IGNORECASE,
)
# "My sister is Ana. She keeps bees.": who is meant was named just before.
_PRONOUN = re.compile(r"^(he|she)\b(?!')", re.IGNORECASE)
_PERSON = re.compile(r"(?:(?:Dr|Mr|Mrs|Ms)\.? )?(?<=[a-z,] )(?!I\b)[A-ZÀ-Þ][\w-]+")
# "The same list", "my screen": what stands before the user, not what is so about them. "Those are …": of something not named.
_DATA = re.compile(
    r"\b(lists?|tables?|columns?|rows?|quer(y|ies)|results?|charts?|screen|page|errors?|answers?|numbers? (is|are)|the same|(this|that|first|second|third|last|other) one|again|hello|greetings|regards|says|tells me|told me)\b"
    r"|^\W*(that|those|this|these|it|they|he|she|his|her|their|its|there)('s|'re|\s)",
    re.IGNORECASE,
)
# Said as a rule or a wish for good: no model need be asked.
_SURE = re.compile(
    r"^\W*((i|we)\s+(?!\w+ (forget|wonder|think|get|have to)\b)(\w+\s+)?(always|never|prefer|usually|live|work (at|for|as|in|from)|speak|teach)\b|(please\s+)?call me\b|my name is\b|(i am|i'm) (not an?|allergic)\b|my birthday\b)",
    re.IGNORECASE,
)
_FIRST = re.compile(r"\b(i|my|mine|we|our|ours|me|i'm|i've|we're|we've)\b", re.IGNORECASE)
_NAMED = re.compile(r"(?<=[a-z0-9,;] )(?!I\b)[A-ZÀ-Þ][\w'-]*[a-zß-ÿ]")
_QUOTED = re.compile(r"[\"“”«»][^\"“”«»]{15,}[\"“”«»]")
# "…, so which of the menus can I have?": what stands before is stated, what stands after is asked.
_TAIL = re.compile(
    r"(\s*[,;:–—]|\s+-)\s+((so|and|but|anyway|by the way|also|in case|then|please|now|hence|therefore|therefore)\b[\s,]*)*(?=(what|which|who|whom|whose|where|when|why|how|do|does|did|is|are|can|could"
    r"|will|would|should|may|show|list|give|tell|name|find|count|please|in case|that matters|send|so)\b)",
    re.IGNORECASE,
)
# "We have two of that name, which one …", "we have 12 orders, right?": all of it is asked.
_OF_THESE = re.compile(r"(which|who) (one|of them|of these|of those)\b", re.IGNORECASE)
_TAG = re.compile(r",?\s*\b(right|correct|isn't it|is it|aren't they|yes|no|true|is (that|this|it) (right|true|correct|so))\s*\?\W*$", re.IGNORECASE)
_LEAD = re.compile(r"^\W*((by the way|btw|well|oh|hi|hello|hey|thanks|thank you|ok|okay|also|and|so|anyway|actually|good|great|lovely|nice|perfect|right|better|fine|sure|yes|no|of course|fyi|for your information|just so you know|note that)\b[\s,:!.-]*)+", re.IGNORECASE)


def stated(text: str) -> list[str]:
    """The statements of a message that may be worth keeping, in the user's words; empty for most messages."""
    if _TEXTWORK.search(text):
        return []
    found: list[str] = []
    named = None
    for sentence in split(_QUOTED.sub(" ", text)):
        for part in _parts(sentence) if len(sentence) <= LONGEST and not _CONCLUDES.match(sentence) else ():
            full = _PRONOUN.sub(named, part) if named else part
            if _may_hold(full, of_somebody=full != part):
                found.append(full)
        named = (_PERSON.findall(sentence) or [named])[-1]
    return found


def sure(statement: str) -> bool:
    """Whether the wording alone tells that a statement is meant to last."""
    return bool(_SURE.search(statement))


def _parts(sentence: str) -> list[str]:
    if _TAG.search(sentence) or (sentence.rstrip().endswith("?") and not _TAIL.search(sentence)):
        return []
    cut = _TAIL.search(sentence)
    while cut:
        head, sentence = sentence[: cut.start()], sentence[cut.end() :]
        if _OF_THESE.match(sentence):
            return []
        if not _QUESTION.search(head):
            return [_LEAD.sub("", head).strip(" ,;")]
        cut = _TAIL.search(sentence)
    return [_LEAD.sub("", sentence).strip(" ,;")]


def _may_hold(part: str, *, of_somebody: bool) -> bool:
    if any(pattern.search(part) for pattern in (_QUESTION, _COMMAND, _MOMENT, _SOON, _COMMENT)) or _INTENDED.match(part):
        return False
    if _DATA.search(part) and not _SURE.search(part):
        return False
    if _TALK.search(part) or len(words(part)) < FEWEST - 1:
        return False
    return of_somebody or bool(_FIRST.search(part)) or bool(_NAMED.search(part))
