"""Reading prompts: from memory or disk as far as they were read before, the rest in small batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from assistant.models.context import Cancelled, Context
from assistant.models.prefix_files import PrefixFiles
from assistant.models.prefixes import Prefix, Prefixes, Segment
from assistant.models.probes import Values
from assistant.models.scoring import Row, surprise
from assistant.models.sharing import Place, Room, Steps
from assistant.models.template import Prompt

_LEAST_SHARED = 32


@dataclass
class Cost:
    """What a call read and wrote, in tokens; `cached_tokens` of the prompt were not read anew, `guessed_tokens` of
    the answer were guessed right before they were drawn."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    guessed_tokens: int = 0
    first_token_seconds: float | None = None
    finish: Literal["stop", "length"] = "stop"


@dataclass
class Working:
    """What a sequence of the context holds: the tokens read so far, of which the first `exact` as a cold engine would read
    them, and the logits after the last one. `surprises`: of the tokens that were read closely, and followed another one."""

    sequence: int
    tokens: list[int] = field(default_factory=list)
    exact: int = 0
    logits: Row = field(default_factory=lambda: np.zeros(0, np.float32))
    surprises: list[float] = field(default_factory=list)


class Reader:
    """Brings prompts into `context`, and keeps what may be of use again.

    What is kept lies outside the context, which holds the calls under way: cells of other prompts in it would be looked at
    for every token (measured with 20,000 of them: 0.5B reads half as fast), and bringing 700 tokens back takes 4 ms.
    """

    def __init__(self, context: Context, prefixes: Prefixes, files: PrefixFiles | None, room: Room) -> None:
        self._context = context
        self._prefixes = prefixes
        self._files = files
        self._room = room
        self.steps = Steps(context)

    @contextmanager
    def working(
        self, prompt: Prompt, *, closely: int = 0, answer: int = 0, user: str | None, cancelled: Cancelled | None, cost: Cost
    ) -> Iterator[Working]:
        """A sequence with `prompt` read into it, its last tokens `closely`, and room for `answer` tokens.

        Afterwards its tokens are kept for `user`'s next call (for nobody's when None), also when the reader closes the
        stream between two tokens. After any other error only the shared part is.
        """

        def unknown() -> bool:
            # A shared part is read for the first time by one call alone: in whole batches, and only once.
            return self.recall(prompt) is None and prompt.shared >= _LEAST_SHARED

        plain = max(prompt.shared, len(prompt.tokens) - closely)
        with self._room.place(len(prompt.tokens) + answer, alone=unknown, cancelled=cancelled) as place:
            with self._context.lock:
                working = self._begin(prompt, plain if closely else len(prompt.tokens) - 1, user, place)
            cost.prompt_tokens, cost.cached_tokens = len(prompt.tokens), len(working.tokens)
            aligned = working.exact == self._prefixes.batch_end(len(working.tokens), prompt.shared) == len(working.tokens)
            keeper: str | None = None
            try:
                # The shared part ends a batch of its own, so that what is kept does not depend on what comes after it.
                for end in (prompt.shared, plain):
                    self.read(working, prompt.tokens[len(working.tokens) : end], cancelled)
                    if aligned:
                        working.exact = len(working.tokens)
                    if place.alone:
                        with self._context.lock:
                            self._keep_shared(working, prompt)
                        self._room.share(place)
                self.read_closely(working, prompt.tokens[plain:], cancelled)
                yield working
                keeper = user
            except GeneratorExit:
                keeper = user
                raise
            finally:
                with self._context.lock:
                    self._finish(working, prompt, keeper)

    def read(self, working: Working, tokens: Sequence[int], cancelled: Cancelled | None) -> None:
        """Read `tokens` after what the sequence holds."""
        for at in range(0, len(tokens), self._context.batch_size):
            part = tokens[at : at + self._context.batch_size]
            (working.logits,) = self.steps.read(part, sequence=working.sequence, start=len(working.tokens), cancelled=cancelled)
            working.tokens += part

    def read_closely(self, working: Working, tokens: Sequence[int], cancelled: Cancelled | None) -> None:
        """As `read`, in smaller batches, and note how surprising each token was after those before it."""
        for at in range(0, len(tokens), self._context.outputs):
            part = tokens[at : at + self._context.outputs]
            rows = self.steps.read(part, sequence=working.sequence, start=len(working.tokens), cancelled=cancelled, every_row=True)
            for before, token in zip([working.logits, *rows], part, strict=False):
                if before.size:
                    working.surprises.append(surprise(before, token))
            working.logits = rows[-1]
            working.tokens += part

    def read_ahead(self, working: Working, token: int, guess: Sequence[int], cancelled: Cancelled | None) -> list[Row]:
        """Read `token`, and `guess` after it without counting it in: row n of the logits follows n tokens of the guess."""
        # An earlier guess that did not come true is read over.
        rows = self.steps.read(
            [token, *guess], sequence=working.sequence, start=len(working.tokens), cancelled=cancelled, every_row=True
        )
        working.tokens.append(token)
        return rows

    def read_aside(self, working: Working, tokens: Sequence[int], cancelled: Cancelled | None) -> Iterator[Row]:
        """Read `tokens` on a branch and give the logits after each."""
        with self.branches(working, 1) as (branch,):
            for at in range(0, len(tokens), self._context.outputs):
                part = tokens[at : at + self._context.outputs]
                start = len(working.tokens) + at
                yield from self._context.decode([(token, branch, start + n, True) for n, token in enumerate(part)], cancelled)

    def values(self, working: Working, count: int) -> Values | None:
        """What attention keeps of the last `count` tokens that were read."""
        with self._context.lock:
            self._context.check_open()
            return self._context.values(working.sequence, max(0, len(working.tokens) - count), len(working.tokens))

    @contextmanager
    def branches(self, working: Working, count: int) -> Iterator[range]:
        """`count` sequences that go on from what was read, for this call alone: others wait until they are dropped."""
        with self._context.lock:
            self._context.check_open()
            numbers = self._context.branches[:count]
            for number in numbers:
                self._context.copy(working.sequence, number, 0, len(working.tokens))
            try:
                yield numbers
            finally:
                if not self._context.closed:
                    for number in numbers:
                        self._context.drop(number)

    def recall(self, prompt: Prompt) -> Prefix | None:
        """The shared part, from memory or else from disk."""
        tokens = prompt.tokens[: prompt.shared]
        if len(tokens) < _LEAST_SHARED:
            return None
        if (kept := self._prefixes.shared(tokens)) is not None or self._files is None:
            return kept
        if (data := self._files.load(tokens)) is None:
            return None
        self._prefixes.keep(Prefix(np.asarray(tokens, np.int32), (Segment(data),), None, len(tokens)))
        return self._prefixes.shared(tokens)

    def _begin(self, prompt: Prompt, end: int, user: str | None, place: Place) -> Working:
        """A sequence that holds what is kept of the prompt, at most up to `end`."""
        self._context.check_open()
        if self._room.taken == 1:
            self._context.clear()
        prefix, length = self._prefixes.find(prompt.tokens[: end + 1], shared=prompt.shared, user=user)
        if prefix is None:
            return Working(place.sequence)
        if not all(self._context.restore(segment.data, sequence=place.sequence) for segment in prefix.segments):
            self._context.drop(place.sequence)
            return Working(place.sequence)
        self._context.cut(place.sequence, length)
        return Working(place.sequence, list(prompt.tokens[:length]), min(prefix.exact, length))

    def _finish(self, working: Working, prompt: Prompt, user: str | None) -> None:
        if self._context.closed:
            return
        try:
            self._keep(working, prompt, user)
        finally:
            self._context.drop(working.sequence)

    def _keep(self, working: Working, prompt: Prompt, user: str | None) -> None:
        shared = self._keep_shared(working, prompt)
        if user is None or len(working.tokens) <= prompt.shared:
            return
        start = prompt.shared if shared is not None else 0
        own = Segment(self._context.state(working.sequence, start, len(working.tokens)))
        segments = (*shared.segments, own) if shared is not None else (own,)
        self._prefixes.keep(Prefix(np.asarray(working.tokens, np.int32), segments, user, working.exact))

    def _keep_shared(self, working: Working, prompt: Prompt) -> Prefix | None:
        """The kept shared part of a prompt, kept now when it was read for the first time."""
        tokens = prompt.tokens[: prompt.shared]
        if not _LEAST_SHARED <= len(tokens) <= len(working.tokens):
            return None
        if (kept := self._prefixes.shared(tokens)) is None:
            data = self._context.state(working.sequence, 0, len(tokens))
            kept = Prefix(np.asarray(tokens, np.int32), (Segment(data),), None, len(tokens))
            self._prefixes.keep(kept)
            if self._files is not None:
                self._files.save(tokens, data)
        return kept
