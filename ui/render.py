"""The conversation as HTML: pure functions from messages, turns and answers to what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from assistant import Answer, Message
from ui import controls, icons, markdown
from ui.evidence import cost, evidence, judgement
from ui.progress import Progress, Step

STEP_NAMES = {
    "waiting": "Waiting for the model",
    "recall": "Recalling",
    "relevance": "Deciding where to look",
    "sql": "Querying the database",
    "documents": "Reading the documents",
    "memory": "Looking at what you told me",
    "chat": "Thinking",
    "off_topic": "Thinking",
    "answer": "Writing the answer",
    "verify": "Checking the answer",
    "remember": "Noting what to remember",
}

GROUNDED_ROUTES = ("sql", "documents", "both", "memory")
"""Routes whose answers claim something, so that one that stands on nothing is marked."""


@dataclass(frozen=True)
class Shown:
    """A message of a conversation with its answer read back, where it has one."""

    message: Message
    answer: Answer | None = None


def welcome(suggestions: Sequence[str]) -> str:
    """What stands in an empty conversation."""
    chips = "".join(
        f'<li><button type="button" class="chip" data-ask="{escape(text)}">{escape(text)}</button></li>'
        for text in suggestions
    )
    return (
        f'<div class="welcome"><div class="welcome-mark">{icons.MARK}</div><h2>What would you like to know?</h2>'
        '<p class="quiet">Ask your database, your documents and what you told me before. Each answer shows what it stands on.</p>'
        + (f'<ul class="chips" aria-label="Suggested questions">{chips}</ul>' if chips else "")
        + "</div>"
    )


def thread(messages: Sequence[Shown], *, choosable: bool = True, more: bool = False) -> str:
    """A conversation as it was. Choices of the last answer can be taken when `choosable`; earlier ones are over. There may be `more` before."""
    parts = [controls.earlier()] if more else []
    asked: Message | None = None
    for at, shown in enumerate(messages):
        last = choosable and at == len(messages) - 1
        message = shown.message
        if message.role == "user":
            asked = message
            parts.append(question(message.text, message.id, message.versions))
            if at == len(messages) - 1 or messages[at + 1].message.role == "user":
                parts.append(_broken("", "This was not finished.", message, last))
        elif shown.answer is None:
            parts.append(_broken(f'<div class="prose-text">{markdown.to_html(message.text)}</div>', "Stopped.", asked, last))
        else:
            parts.append(answer(shown.answer, score=message.score, choosable=last))
    return "".join(parts)


def _broken(words: str, what: str, asked: Message | None, last: bool) -> str:
    again = controls.unfinished(what, asked.text, asked.id if last else None) if asked else ""
    return f'<article class="turn stopped" aria-label="Answer">{_words(words, again)}</article>'


def question(text: str, key: str | None = None, versions: Sequence[str] = ()) -> str:
    """A question as its user wrote it, with what can be done with it: see `controls.of_question`."""
    return (
        f'<div class="question" data-message="{escape(key or "")}"><p role="heading" aria-level="2">{escape(text)}</p>'
        f"{controls.of_question(key, versions)}</div>"
    )


def answer(answer: Answer, *, steps: Sequence[Step] = (), score: int | None = None, choosable: bool = True) -> str:
    """A finished answer with its evidence, its choices, its cost and the buttons under it; one that is not `choosable` is not the last."""
    return (
        f'<article class="turn" aria-label="Answer" data-answer="{escape(answer.id)}">'
        + _words(
            _step_fold(steps or _steps_of(answer), answer.id),
            f'<div class="prose-text">{text(answer)}</div>',
            _doubt(answer),
            choices(answer, choosable=choosable),
        )
        + f'{evidence(answer)}<div class="under">{_footer(answer, score, choosable)}</div></article>'
    )


def turn(progress: Progress, now: float, kept: Message | None = None) -> str:
    """The newest turn: while it runs the step and the words so far, then its answer, or why there is none. `kept` is the
    question of one that was answered, as the history has it."""
    over = progress.stopped or progress.failure is not None
    asked = question(progress.question, "" if over else kept.id if kept else None, kept.versions if kept else ())
    if progress.answer is not None:
        return asked + answer(progress.answer, steps=progress.steps)
    words = f'<div class="prose-text">{markdown.to_html(progress.text)}</div>' if progress.text else ""
    if progress.failure is not None:
        return f'{asked}<article class="turn failed" data-failed="{escape(progress.question)}">{_words(words, _failure(progress))}</article>'
    if progress.stopped:
        return f'{asked}<article class="turn stopped">{_words(words, _stopped(progress))}</article>'
    return f'{asked}<article class="turn running" aria-busy="true">{_words(running(progress, now), words)}</article>'


def _words(*parts: str) -> str:
    """What is read from top to bottom; on a wide screen the evidence stands beside it."""
    return f'<div class="words">{"".join(parts)}</div>'


def text(answer: Answer) -> str:
    """The words of an answer, with its citation marks as buttons that open the source."""

    def cite(number: int) -> str | None:
        if not 1 <= number <= len(answer.citations):
            return None
        name = escape(answer.citations[number - 1].document)
        return f'<button type="button" class="mark" data-cite="{number}" aria-label="Source {number}: {name}">{number}</button>'

    return markdown.to_html(answer.text, cite=cite)


def choices(answer: Answer, *, choosable: bool) -> str:
    """What the assistant asks back, as buttons that send the choice."""
    if not answer.choices:
        return ""
    off = "" if choosable else " disabled"
    buttons = "".join(
        f'<li><button type="button" class="chip" data-ask="{escape(choice)}"{off}>{escape(choice)}</button></li>'
        for choice in answer.choices
    )
    return f'<ul class="chips choices" aria-label="Choices">{buttons}</ul>'


def running(progress: Progress, now: float) -> str:
    """The quiet line of a turn under way: the step that runs and its seconds; the steps before it fold out."""
    step = progress.current
    label = " · ".join(filter(None, (step_name(step.name), step.detail))) if step else "Starting"
    since = step.started if step else progress.started
    line = f'<span class="spinner" aria-hidden="true"></span><span role="status">{escape(label)}</span><span class="quiet seconds" aria-hidden="true">{max(0.0, now - since):.0f} s</span>'
    done = [step for step in progress.steps if step.seconds is not None]
    if not done:
        return f'<div class="steps"><div class="step-line">{line}</div></div>'
    return f'<details class="steps" data-key="live:steps"><summary>{line}</summary>{_step_list(done)}</details>'


def step_name(name: str) -> str:
    """A step as a reader calls it."""
    return STEP_NAMES.get(name, name.replace("_", " ").capitalize())


def _steps_of(answer: Answer) -> tuple[Step, ...]:
    """The steps of an answer from its history: names and seconds were kept."""
    return tuple(Step(name, 0.0, seconds) for name, seconds in answer.usage.steps.items())


def _step_fold(steps: Sequence[Step], answer_id: str) -> str:
    done = [step for step in steps if step.seconds is not None]
    if not done:
        return ""
    count = "1 step" if len(done) == 1 else f"{len(done)} steps"
    return f'<details class="steps" data-key="{escape(answer_id)}:steps"><summary>{count}</summary>{_step_list(done)}</details>'


def _step_list(steps: Sequence[Step]) -> str:
    items = "".join(
        f'<li><span>{escape(step_name(step.name))}</span> <span class="quiet seconds">{step.seconds or 0:.1f} s</span>'
        + (f'<span class="step-detail quiet">{escape(step.detail)}</span>' if step.detail else "")
        + "</li>"
        for step in steps
    )
    return f"<ol>{items}</ol>"


def _doubt(answer: Answer) -> str:
    if answer.grounded or answer.choices or answer.route not in GROUNDED_ROUTES:
        return ""
    return '<p class="doubt">This could not be checked against your data.</p>'


def _failure(progress: Progress) -> str:
    return (
        f'<div class="failure" role="alert"><p>{escape(progress.failure or "")}</p>'
        f'<button type="button" class="text-button" data-ask="{escape(progress.question)}">Ask again</button></div>'
    )


def _stopped(progress: Progress) -> str:
    return (
        '<p class="quiet stopped-line" role="status">Stopped. '
        f'<button type="button" class="text-button" data-ask="{escape(progress.question)}">Ask again</button></p>'
    )


def _footer(answer: Answer, score: int | None, last: bool) -> str:
    def thumb(value: int, icon: str, label: str) -> str:
        pressed = "true" if score == value else "false"
        return f'<button type="button" class="icon-button" data-act="feedback" data-id="{escape(answer.id)}" data-for="{escape(answer.id)}:judge" data-score="{value}" aria-pressed="{pressed}" aria-label="{label}" title="{label}">{icon}</button>'

    return (
        f'<footer class="turn-foot"><span class="quiet cost">{cost(answer.usage)}</span><span class="turn-actions">'
        # What was kept or forgotten is done: once more, it would be done to what is left.
        f"{controls.anew(answer.id) if last and answer.route != 'memory' else ''}"
        f'<button type="button" class="icon-button" data-copy="{escape(answer.text)}" aria-label="Copy the answer" title="Copy">{icons.COPY}</button>'
        f"{thumb(1, icons.UP, 'Good answer')}{thumb(-1, icons.DOWN, 'Poor answer')}{controls.menu(answer.id)}</span></footer>{judgement(answer)}"
    )
