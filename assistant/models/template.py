"""Messages to prompt tokens by the model's own chat template, with no way for a message to forge the template."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Protocol

_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Private-use characters stand for the messages while the template runs, so a message's words never pass through it.
_MARK = re.compile("\ue000(\\d+)\ue001")


class Tokenizer(Protocol):
    """What turns text into tokens."""

    @property
    def bos(self) -> int:
        """The token that begins a text, -1 for none."""

    @property
    def adds_bos(self) -> bool:
        """Whether every prompt begins with `bos`."""

    def chat_template(self) -> str:
        """The Jinja source."""

    def metadata(self, key: str) -> str:
        """A value of the model file's metadata."""

    def token_text(self, token: int) -> str:
        """How the vocabulary spells a token."""

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Tokens of a text."""


@dataclass(frozen=True)
class Turn:
    """One message: `role` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True)
class Prompt:
    """Tokens to read. The first `shared` of them (the leading system message) hold nothing personal."""

    tokens: tuple[int, ...]
    shared: int = 0


class ChatTemplate:
    """A model's chat template; ChatML when the file names none."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._render = _compiled(tokenizer.chat_template() or _CHATML)
        self._named = {
            "bos_token": tokenizer.token_text(tokenizer.bos),
            "eos_token": tokenizer.token_text(_token_id(tokenizer, "eos")),
        }
        self._has_system = self._knows_system()

    def prompt(self, turns: Sequence[Turn], *, reply: bool = True) -> Prompt:
        """The tokens of a conversation, open for the assistant's reply; a last assistant turn is text to be continued.

        A system turn at the head is a token prefix of every prompt that begins with it.
        """
        opening = ""
        if reply and turns and turns[-1].role == "assistant":
            opening, turns = turns[-1].content, turns[:-1]
        tokens: list[int] = []
        shared = 0
        seen = 0
        for text, is_content in self._segments(turns, reply=reply):
            if is_content and (seen := seen + 1) == 2:
                shared = len(tokens)
            tokens += self._tokenizer.tokenize(text, special=not is_content)
        tokens += self._tokenizer.tokenize(opening)
        if self._tokenizer.adds_bos and tokens[:1] != [self._tokenizer.bos]:
            tokens.insert(0, self._tokenizer.bos)
            shared += bool(shared)
        leads = bool(turns) and turns[0].role == "system"
        return Prompt(tuple(tokens), (shared or (len(tokens) if not reply else 0)) if leads else 0)

    def system_prefix(self, system: str) -> Prompt:
        """The tokens that every conversation under this system message begins with."""
        whole = self.prompt([Turn("system", system), Turn("user", "")])
        return Prompt(whole.tokens[: whole.shared], whole.shared)

    def _segments(self, turns: Sequence[Turn], *, reply: bool) -> list[tuple[str, bool]]:
        """(text, whether it is a message's own) in order."""
        marked = [Turn(turn.role, f"\ue000{index}\ue001") for index, turn in enumerate(turns)]
        if not self._has_system:
            marked = _into_first_user(marked)
        parts = _MARK.split(self._call(marked, reply=reply))
        pairs = [(turns[int(part)].content, True) if at % 2 else (part, False) for at, part in enumerate(parts)]
        return [pair for pair in pairs if pair[0] or pair[1]]

    def _call(self, turns: Sequence[Turn], *, reply: bool) -> str:
        messages = [{"role": turn.role, "content": turn.content} for turn in turns]
        return self._render(messages=messages, add_generation_prompt=reply, **self._named)

    def _knows_system(self) -> bool:
        from jinja2 import TemplateError

        try:
            return "\ue0000\ue001" in self._call([Turn("system", "\ue0000\ue001"), Turn("user", "?")], reply=True)
        except TemplateError:  # templates refuse a system message by raising
            return False


def _compiled(source: str) -> Callable[..., str]:
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def refuse(message: str) -> NoReturn:
        raise TemplateError(message)

    # A template comes with a downloaded file: it runs in the sandbox.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals.update(raise_exception=refuse, strftime_now=lambda form: datetime.now().strftime(form))
    render: Any = environment.from_string(source).render
    return lambda **values: str(render(**values))


def _token_id(tokenizer: Tokenizer, name: str) -> int:
    number = tokenizer.metadata(f"tokenizer.ggml.{name}_token_id")
    return int(number) if number.isdigit() else -1


def _into_first_user(turns: Sequence[Turn]) -> list[Turn]:
    """System messages put before the first user's words, for templates that know no system role."""
    system = "\n\n".join(turn.content for turn in turns if turn.role == "system")
    rest = [turn for turn in turns if turn.role != "system"]
    if not system:
        return rest
    if not rest or rest[0].role != "user":
        return [Turn("user", system), *rest]
    return [Turn("user", f"{system}\n\n{rest[0].content}"), *rest[1:]]
