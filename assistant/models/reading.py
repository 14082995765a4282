"""Reading prompts: from memory or disk as far as they were read before, the rest in small batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from assistant.models.context import Cancelled, Context, NoRoom
from assistant.models.prefix_files import PrefixFiles
from assistant.models.prefixes import Prefix, Prefixes
from assistant.models.template import Prompt
from graphs.errors import QuestionTooLong

_LEAST_SHARED = 32


@dataclass
class Cost:
    """What a call read and wrote, in tokens; `cached_tokens` of the prompt were not read anew."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0
    first_token_seconds: float | None = None
    finish: Literal["stop", "length"] = "stop"


class Reader:
    """Brings prompts into `context`, and keeps what may be of use again."""

    def __init__(self, context: Context, prefixes: Prefixes, files: PrefixFiles | None) -> None:
        self._context = context
        self._prefixes = prefixes
        self._files = files

    @contextmanager
    def working(self, prompt: Prompt, *, user: str | None, room: int, cancelled: Cancelled | None, cost: Cost) -> Iterator[Prefix]:
        """A sequence that has read `prompt`, with cells for `room` more tokens.

        Afterwards it is kept for `user`'s next call (for nobody's when None), also when the reader closes the stream
        between two tokens; after any other error it is dropped.
        """
        fresh: Prefix | None = None
        known = self.recall(prompt)
        working = self._prefixes.begin(prompt.tokens, user=user)
        cost.prompt_tokens, cost.cached_tokens = len(prompt.tokens), len(working)
        try:
            self._prefixes.make_room(len(prompt.tokens) - len(working) + room)
            # The shared part ends a batch of its own, so that what is kept does not depend on what comes after it.
            self.read(working, prompt.tokens[len(working) : prompt.shared], cancelled)
            if not known and prompt.shared >= _LEAST_SHARED:
                fresh = self._prefixes.fork(working, end=prompt.shared)
                self._prefixes.keep(fresh, user=None)
            self.read(working, prompt.tokens[len(working) :], cancelled)
            yield working
        except GeneratorExit:
            self._finish(working, user, fresh)
            raise
        except BaseException:
            self._finish(working, None, fresh)
            raise
        self._finish(working, user, fresh)

    def read(self, working: Prefix, tokens: Sequence[int], cancelled: Cancelled | None) -> None:
        """Read `tokens` after what `working` holds; the last row of logits is kept."""
        for at in range(0, len(tokens), self._context.batch_size):
            self._read_batch(working, tokens[at : at + self._context.batch_size], cancelled)

    def read_rows(self, working: Prefix, tokens: Sequence[int], cancelled: Cancelled | None) -> Iterator[int]:
        """Read `tokens` and give the index of the row of logits after each, valid until the next is asked for."""
        for at in range(0, len(tokens), self._context.outputs):
            part = tokens[at : at + self._context.outputs]
            self._read_batch(working, part, cancelled, every_row=True)
            yield from range(len(part))

    def recall(self, prompt: Prompt) -> bool:
        """Whether the shared part is in memory, fetched from disk when it lies there."""
        tokens = prompt.tokens[: prompt.shared]
        if not tokens:
            return False
        if self._prefixes.held(tokens):
            return True
        data = self._files.load(tokens) if self._files is not None else None
        if self._files is None or data is None:
            return False
        self._prefixes.make_room(len(tokens))
        prefix = self._prefixes.blank()
        if not self._context.restore(prefix.sequence, data):
            self._prefixes.drop(prefix)
            self._files.remove(tokens)
            return False
        self._prefixes.extend(prefix, tokens)
        self._prefixes.keep(prefix, user=None)
        return True

    def _read_batch(self, working: Prefix, tokens: Sequence[int], cancelled: Cancelled | None, *, every_row: bool = False) -> None:
        while True:
            try:
                self._context.read(tokens, sequence=working.sequence, start=len(working), cancelled=cancelled, every_row=every_row)
            except NoRoom:
                if not self._prefixes.evict_one():
                    raise QuestionTooLong("The model's memory is full. Shorten the question, or raise model.context.") from None
            else:
                self._prefixes.extend(working, tokens)
                return

    def _finish(self, working: Prefix, user: str | None, fresh: Prefix | None) -> None:
        if user is None:
            self._prefixes.drop(working)
        else:
            self._prefixes.keep(working, user=user)
        if fresh is not None and self._files is not None and self._prefixes.keeps(fresh):
            self._files.save(fresh.tokens.tolist(), self._context.state(fresh.sequence))
