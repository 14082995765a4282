"""The model inside this process: reads prompts, reuses what it has read, writes text, weighs choices, for several at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from assistant.machine import memory
from assistant.models.context import BRANCHES, Cancelled, Context
from assistant.models.drafting import Lookup
from assistant.models.library import physical_cores
from assistant.models.pieces import Pieces
from assistant.models.prefix_files import PrefixFiles
from assistant.models.prefixes import Prefixes
from assistant.models.probes import TOKENS, Probe, Values
from assistant.models.reading import Cost, Reader, Working
from assistant.models.room import affordable
from assistant.models.sampling import Sampler, Sampling
from assistant.models.scoring import Row, begins_another, log_probability, normalised
from assistant.models.sharing import Room
from assistant.models.template import ChatTemplate, Prompt
from assistant.models.weights import Weights
from graphs.errors import QuestionTooLong

_LEAST_ANSWER = 16


@dataclass(frozen=True)
class EngineSettings:
    """How much the engine may hold. `prefix_cache_mb` bounds kept prefixes; `prefix_files` is their folder on disk, if any.

    `drafting`: guess what comes next from what was read, and check several words in one step. `parallel`: calls that are
    worked on at once, in one context of `context` tokens. `read_threads`: for batches, as many as `threads` where None.
    `lower_context`: hold fewer tokens where memory is short.
    """

    context: int = 8192
    lower_context: bool = False
    parallel: int = 4
    batch: int = 128
    threads: int | None = None
    read_threads: int | None = None
    gpu_layers: int | None = None
    prefix_cache_mb: int = 384
    prefix_files: Path | None = None
    prefix_files_mb: int = 1024
    drafting: bool = True
    verbose: bool = False


@dataclass(frozen=True)
class Call:
    """One call: the prompt, whose it is, and how to write. A `grammar` (GBNF) holds what is written, not the prompt's end.

    For choices a `probe` may be named, which looks into the model, and the last `closely` tokens of the prompt are read such
    that it is known how surprising they were; where this model has no probe of that name, they are not.
    """

    prompt: Prompt
    user: str = "local"
    max_tokens: int = 512
    stop: Sequence[str] = ()
    grammar: str | None = None
    probe: str | None = None
    closely: int = 0
    sampling: Sampling = field(default_factory=Sampling)
    cancelled: Cancelled | None = None


@dataclass(frozen=True)
class Choice:
    """The probability of each choice, adding up to 1; the log-odds that the call's probe found, if there is one for this model;
    and how surprising each of the tokens was that were read closely, the earliest first."""

    probabilities: list[float]
    log_odds: float | None = None
    surprises: tuple[float, ...] = ()


class Engine:
    """A model file with one context, in which several calls read in turn and write together (a fair queue stands before it)."""

    def __init__(self, path: Path, settings: EngineSettings | None = None) -> None:
        self.settings = settings = settings or EngineSettings()
        self.weights = weights = Weights(path, gpu_layers=settings.gpu_layers, verbose=settings.verbose)
        self.template = ChatTemplate(weights)
        lower = settings.lower_context and not weights.gpu_layers
        context = affordable(settings.context, weights.cell_bytes, memory().available) if lower else settings.context
        self.context_size = min(context, weights.trained_context)
        threads = settings.threads or physical_cores()
        self._context = Context(weights, cells=self.context_size, batch=settings.batch, threads=threads, sequences=settings.parallel)
        self._context.set_threads(threads, settings.read_threads or threads)
        self.prefixes = Prefixes(settings.prefix_cache_mb << 20 if weights.rewinds else 0, batch=settings.batch)
        self._probes: dict[str, Probe | None] = {}
        self._room = Room(sequences=settings.parallel, cells=self.context_size)
        self._reader = Reader(self._context, self.prefixes, _prefix_files(weights, settings), self._room)

    def stream(self, call: Call, cost: Cost) -> Iterator[str]:
        """The answer piece by piece; `cost` is filled in on the way.

        Raises `QuestionTooLong` before anything is read, `TurnCancelled` once `call.cancelled` is set. Closing the
        iterator stops the model.
        """
        limit = min(call.max_tokens, self._left(call.prompt))
        started = time.perf_counter()
        with closing(Sampler(self.weights, call.sampling, call.grammar)) as sampler, self._working(call, limit, cost) as working:
            yield from self._write(sampler, working, limit, call, cost, started)

    def choose(self, call: Call, choices: Sequence[str], cost: Cost) -> Choice:
        """The probability of each choice as the answer to the prompt, and what was seen on the way.

        When the choices begin with different tokens, that one token decides; else each is read to its end.
        """
        self._left(call.prompt)
        tokens = [self.weights.tokenize(choice) for choice in choices]
        if not tokens or not all(tokens):
            raise ValueError("Choices must not be empty.")
        started = time.perf_counter()
        probe = self._probe(call.probe)
        if call.probe and probe is None:
            call = replace(call, closely=0)  # it costs time, and nobody would look at it
        with self._working(call, 0, cost) as working:
            cost.first_token_seconds, cost.written_tokens = time.perf_counter() - started, 1
            values = self._reader.values(working, TOKENS) if probe else None
            log_odds = probe.log_odds(values) if probe and values is not None else None
            firsts = [each[0] for each in tokens]
            if len(set(firsts)) == len(firsts):
                logs = [float(working.logits[first]) for first in firsts]
            else:
                whole = begins_another(tokens)
                begin = [log_probability(working.logits, first) for first in firsts]
                logs = [start + self._rest(working, each, call.cancelled, to_end=whole) for start, each in zip(begin, tokens, strict=True)]
            return Choice(normalised(logs), log_odds, tuple(working.surprises))

    def values(self, call: Call) -> Values | None:
        """What attention keeps of the prompt's last tokens, from which a probe is fitted."""
        self._left(call.prompt)
        with self._working(call, 0, Cost()) as working:
            return self._reader.values(working, TOKENS)

    def drafts(self, call: Call, count: int, cost: Cost) -> list[str]:
        """`count` (at most `BRANCHES`) answers drawn independently and written side by side, which costs little more than one.

        They differ by their seeds, `call.sampling.seed` (0 where it is None) and the ones after it.
        """
        limit = min(call.max_tokens, self._left(call.prompt) // count)
        first = call.sampling.seed or 0
        samplings = [replace(call.sampling, greedy=False, seed=first + number) for number in range(min(count, BRANCHES))]
        started = time.perf_counter()
        with ExitStack() as held:
            drafts = [_Draft(held.enter_context(closing(Sampler(self.weights, each, call.grammar))), Pieces(call.stop)) for each in samplings]
            working = held.enter_context(self._working(call, limit * len(drafts), cost))
            branches = held.enter_context(self._reader.branches(working, len(drafts)))
            rows = dict.fromkeys(branches, working.logits)
            cost.first_token_seconds = time.perf_counter() - started
            for at in range(len(working.tokens), len(working.tokens) + limit):
                tokens = {}
                for branch, row in rows.items():
                    token = drafts[branch - branches.start].draw(row, self.weights)
                    if token is not None:
                        tokens[branch] = token
                        cost.written_tokens += 1
                if not tokens or at == len(working.tokens) + limit - 1:
                    break
                cells = [(token, branch, at, True) for branch, token in tokens.items()]
                rows = dict(zip(tokens, self._context.decode(cells, call.cancelled), strict=True))
        return [draft.text + draft.pieces.add(b"", last=True) for draft in drafts]

    def warm(self, system: str, *, cancelled: Cancelled | None = None) -> None:
        """Read what every prompt under this system message begins with, unless it is kept already."""
        prompt = self.template.system_prefix(system)
        self._left(prompt)
        if prompt.shared and self._reader.recall(prompt) is None:
            with self._reader.working(prompt, user=None, cancelled=cancelled, cost=Cost()):
                return

    def forget(self, user: str) -> None:
        """Drop what was kept of a user's conversations."""
        self.prefixes.forget(user)

    def close(self, *, wait: float = 5.0) -> None:
        """Stop the call under way and free the model. A stream that is open but not being read ends at its next step."""
        self._context.stop()
        held = self._context.lock.acquire(timeout=wait)
        try:
            self._context.close()
            self.weights.close()
        finally:
            if held:
                self._context.lock.release()

    def _working(self, call: Call, answer: int, cost: Cost) -> AbstractContextManager[Working]:
        return self._reader.working(call.prompt, closely=call.closely, answer=answer, user=call.user, cancelled=call.cancelled, cost=cost)

    def _probe(self, name: str | None) -> Probe | None:
        if name is None:
            return None
        if name not in self._probes:
            self._probes[name] = Probe.load(name, self.weights.fingerprint())
        return self._probes[name]

    def _left(self, prompt: Prompt) -> int:
        """Tokens that are left for the answer."""
        room = self.context_size - len(prompt.tokens)
        if room < _LEAST_ANSWER:
            raise QuestionTooLong(
                f"The prompt has {len(prompt.tokens)} tokens and the model reads {self.context_size - _LEAST_ANSWER}. "
                "Shorten the question, or raise model.context."
            )
        return room

    def _write(self, sampler: Sampler, working: Working, limit: int, call: Call, cost: Cost, started: float) -> Iterator[str]:
        pieces = Pieces(call.stop)
        cost.finish = "length"
        lookup = Lookup(working.tokens) if self.settings.drafting and self.weights.rewinds else None
        rows, ahead = [working.logits], list[int]()  # logits for the next tokens, and what was read after the first on a guess
        with self._reader.steps.writing():
            while cost.written_tokens < limit:
                token = sampler.draw(rows[0])
                if cost.first_token_seconds is None:
                    cost.first_token_seconds = time.perf_counter() - started
                if self.weights.ends(token):
                    cost.finish = "stop"
                    break
                cost.written_tokens += 1
                if text := pieces.add(self.weights.piece(token)):
                    yield text
                if pieces.stopped:
                    cost.finish = "stop"
                    return
                if lookup:
                    lookup.add(token)
                if ahead and ahead[0] == token:
                    cost.guessed_tokens += 1
                    working.tokens.append(ahead.pop(0))
                    rows = rows[1:]
                elif cost.written_tokens < limit:
                    # A guess spares a step of one's own; where several write, a step costs by its words, guessed or not.
                    ahead = lookup.guess() if lookup and self._room.taken == 1 else []
                    rows = self._reader.read_ahead(working, token, ahead, call.cancelled)
        if text := pieces.add(b"", last=True):
            yield text

    def _rest(self, working: Working, tokens: list[int], cancelled: Cancelled | None, *, to_end: bool) -> float:
        """The log probability of what follows the first token of a choice; with `to_end`, that the answer ends after it."""
        following = tokens[1:] + ([self.weights.end_of_turn] if to_end else [])
        if not following:
            return 0.0
        rows = self._reader.read_aside(working, tokens[: len(following)], cancelled)
        return sum(log_probability(row, token) for row, token in zip(rows, following, strict=True))


@dataclass
class _Draft:
    """One of several answers that are written side by side."""

    sampler: Sampler
    pieces: Pieces
    text: str = ""

    def draw(self, logits: Row, weights: Weights) -> int | None:
        """The next token, or None where the answer has ended."""
        token = self.sampler.draw(logits)
        if weights.ends(token):
            return None
        self.text += self.pieces.add(weights.piece(token))
        return None if self.pieces.stopped else token


def _prefix_files(weights: Weights, settings: EngineSettings) -> PrefixFiles | None:
    if settings.prefix_files is None or not weights.rewinds:
        return None
    # What the bytes of a state depend on; 16-bit keys and values with flash attention are fixed in `Context`.
    identity = f"{weights.fingerprint()} llama-cpp-python {version('llama-cpp-python')} f16 flash gpu {weights.gpu_layers}"
    return PrefixFiles(settings.prefix_files, identity=identity, max_bytes=settings.prefix_files_mb << 20)
