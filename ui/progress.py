"""A turn as far as it has come: the events so far folded into one value that can be drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace

from assistant import Answer, Done, StepFinished, StepStarted, Token

Event = StepStarted | StepFinished | Token | Done


@dataclass(frozen=True)
class Step:
    """A step of the turn; `seconds` is None while it runs, `started` is on the caller's clock."""

    name: str
    started: float
    seconds: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """A turn under way or over: over when there is an answer, a failure, or a stop."""

    question: str
    started: float
    steps: tuple[Step, ...] = ()
    text: str = ""
    answer: Answer | None = None
    failure: str | None = None
    stopped: bool = False

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self.stopped or self.answer is not None or self.failure is not None

    @property
    def current(self) -> Step | None:
        """The step that began last of those that run."""
        return next((step for step in reversed(self.steps) if step.seconds is None), None)

    def after(self, event: Event, now: float) -> Progress:
        """The turn after one more event, at the time `now`."""
        match event:
            case StepStarted(name, detail):
                if detail and self.current and self.current == self.steps[-1] and self.current.name == name:  # more is known of it
                    return replace(self, steps=(*self.steps[:-1], replace(self.steps[-1], detail=detail)))
                return replace(self, steps=(*self.steps, Step(name, now, detail=detail)))
            case StepFinished(name, seconds, detail):
                return replace(self, steps=_finished(self.steps, Step(name, now - seconds, seconds, detail)))
            case Token(text):
                return replace(self, text=self.text + text)
            case Done(answer):
                return replace(self, answer=answer, text=answer.text)


def _finished(steps: tuple[Step, ...], done: Step) -> tuple[Step, ...]:
    """The steps with the newest running one of that name ended; a step that was never announced is added."""
    for at in range(len(steps) - 1, -1, -1):
        if steps[at].name == done.name and steps[at].seconds is None:
            return (*steps[:at], replace(done, started=steps[at].started), *steps[at + 1 :])
    return (*steps, done)
