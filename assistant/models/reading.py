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
from assistant.models.template import Prompt

_LEAST_SHARED = 32
_MAIN, _BRANCH = 0, 1


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
    """What the context holds: the tokens read so far, of which the first `exact` as a cold engine would read them."""

    tokens: list[int] = field(default_factory=list)
    exact: int = 0


class Reader:
    """Brings prompts into `context`, and keeps what may be of use again.

    What is kept lies outside the context, which holds one call at a time: cells of other prompts in it would be looked at
    for every token (measured with 20,000 of them: 0.5B reads half as fast), and bringing 700 tokens back takes 4 ms.
    """

    def __init__(self, context: Context, prefixes: Prefixes, files: PrefixFiles | None) -> None:
        self._context = context
        self._prefixes = prefixes
        self._files = files

    @contextmanager
    def working(self, prompt: Prompt, *, user: str | None, cancelled: Cancelled | None, cost: Cost) -> Iterator[Working]:
        """The context with `prompt` read into it.

        Afterwards its tokens are kept for `user`'s next call (for nobody's when None), also when the reader closes the
        stream between two tokens. After any other error only the shared part is.
        """
        working = self._begin(prompt, user)
        cost.prompt_tokens, cost.cached_tokens = len(prompt.tokens), len(working.tokens)
        aligned = working.exact == self._prefixes.batch_end(len(working.tokens), prompt.shared) == len(working.tokens)
        try:
            # The shared part ends a batch of its own, so that what is kept does not depend on what comes after it.
            for end in (prompt.shared, len(prompt.tokens)):
                self.read(working, prompt.tokens[len(working.tokens) : end], cancelled)
                if aligned:
                    working.exact = len(working.tokens)
            yield working
        except GeneratorExit:
            self._finish(working, prompt, user)
            raise
        except BaseException:
            self._finish(working, prompt, None)
            raise
        self._finish(working, prompt, user)

    def read(self, working: Working, tokens: Sequence[int], cancelled: Cancelled | None) -> None:
        """Read `tokens` after what the context holds; the last row of logits is kept."""
        for at in range(0, len(tokens), self._context.batch_size):
            part = tokens[at : at + self._context.batch_size]
            self._context.read(part, sequence=_MAIN, start=len(working.tokens), cancelled=cancelled)
            working.tokens += part

    def read_ahead(self, working: Working, token: int, guess: Sequence[int], cancelled: Cancelled | None) -> None:
        """Read `token`, and `guess` after it without counting it in: row n of logits follows n tokens of the guess."""
        start = len(working.tokens)
        self._context.cut(_MAIN, start)  # an earlier guess that did not come true
        self._context.read([token, *guess], sequence=_MAIN, start=start, cancelled=cancelled, every_row=True)
        working.tokens.append(token)

    def read_aside(self, working: Working, tokens: Sequence[int], cancelled: Cancelled | None) -> Iterator[int]:
        """Read `tokens` on a branch and give the index of the row of logits after each, valid until the next is asked for."""
        self._context.copy(_MAIN, _BRANCH, 0, len(working.tokens))
        try:
            for at in range(0, len(tokens), self._context.outputs):
                part = tokens[at : at + self._context.outputs]
                start = len(working.tokens) + at
                self._context.read(part, sequence=_BRANCH, start=start, cancelled=cancelled, every_row=True)
                yield from range(len(part))
        finally:
            self._context.drop(_BRANCH)

    @contextmanager
    def branches(self, working: Working, count: int) -> Iterator[range]:
        """`count` sequences that go on from what was read; they are dropped afterwards."""
        numbers = range(_BRANCH, _BRANCH + count)
        for number in numbers:
            self._context.copy(_MAIN, number, 0, len(working.tokens))
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

    def _begin(self, prompt: Prompt, user: str | None) -> Working:
        self._context.check_open()
        self.recall(prompt)
        prefix, length = self._prefixes.find(prompt.tokens, shared=prompt.shared, user=user)
        self._context.clear()
        if prefix is None:
            return Working()
        for segment in prefix.segments:
            if not self._context.restore(segment.data, sequence=_BRANCH):
                self._context.clear()
                return Working()
            self._context.copy(_BRANCH, _MAIN, 0, -1)
            self._context.drop(_BRANCH)
        self._context.cut(_MAIN, length)
        return Working(list(prompt.tokens[:length]), min(prefix.exact, length))

    def _finish(self, working: Working, prompt: Prompt, user: str | None) -> None:
        if self._context.closed:
            return
        shared = self._keep_shared(working, prompt)
        if user is None or len(working.tokens) <= prompt.shared:
            return
        start = prompt.shared if shared is not None else 0
        own = Segment(self._context.state(_MAIN, start, len(working.tokens)))
        segments = (*shared.segments, own) if shared is not None else (own,)
        self._prefixes.keep(Prefix(np.asarray(working.tokens, np.int32), segments, user, working.exact))

    def _keep_shared(self, working: Working, prompt: Prompt) -> Prefix | None:
        """The kept shared part of a prompt, kept now when it was read for the first time."""
        tokens = prompt.tokens[: prompt.shared]
        if not _LEAST_SHARED <= len(tokens) <= len(working.tokens):
            return None
        if (kept := self._prefixes.shared(tokens)) is None:
            data = self._context.state(_MAIN, 0, len(tokens))
            kept = Prefix(np.asarray(tokens, np.int32), (Segment(data),), None, len(tokens))
            self._prefixes.keep(kept)
            if self._files is not None:
                self._files.save(tokens, data)
        return kept
