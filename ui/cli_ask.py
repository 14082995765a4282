"""`assistant ask` and `assistant chat`: questions on the terminal, answers streamed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from ui.cli_session import session
from ui.terminal import StepLine, columns, note, say

if TYPE_CHECKING:
    from assistant import Answer, Assistant, Message

User = Annotated[str, typer.Option(help="Whose memories and rows are used.")]
Private = Annotated[bool, typer.Option("--private", help="Keep nothing of it: neither the conversation nor a memory.")]

PRIVATE = "Nothing of this conversation is kept."
HELP = "Ask, or: /retry answers the last question again, /new starts another conversation, /exit ends. Ctrl-C stops an answer."
GIVES_ORDERS = " (this passage addresses the assistant; that part was set aside and not followed)"


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command()(ask)
    app.command()(chat)


def ask(
    ctx: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    user: User = "local",
    conversation: Annotated[str | None, typer.Option(help="Go on with this conversation, or begin one of that name.")] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help="Ask this database, such as sqlite:///shop.db.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say in plain words what the query does.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole answer as JSON.")] = False,
    private: Private = False,
) -> None:
    """Answer one question."""
    given: dict[str, Any] = {"database": {"url": database}} if database else {}
    with session(ctx).assistant(prepare=True, preload=True, **given) as opened:
        if not as_json:
            answer = stream_answer(opened, question, user=user, conversation=conversation, private=private)
            if explain and answer.explanation:
                say(f"\nWhat this does: {answer.explanation}")
            return
        from assistant import answer_to_json

        # JSON escapes control characters itself.
        answer = opened.ask(question, user=user, conversation=conversation, private=private)
        sys.stdout.write(answer_to_json(answer, indent=2) + "\n")


def chat(
    ctx: typer.Context,
    private: Private = False,
    conversation: Annotated[str | None, typer.Option(help="Go on with this conversation, or begin one of that name.")] = None,
) -> None:
    """Talk in the terminal; questions may also be piped in, one a line."""
    with session(ctx).assistant(prepare=True, preload=True) as opened:
        note(f"{PRIVATE} {HELP}" if private else HELP)
        if conversation and (left := _last(opened, conversation)) and left[1] is None:
            note(f"This was not finished: {left[0].text}\n/retry asks it again.")
        conversation = conversation or uuid4().hex
        choices: tuple[str, ...] = ()
        while (question := _read_line()) is not None:
            if question in ("/exit", "/quit"):
                return
            if question == "/new":
                if private and _last(opened, conversation):  # it is not kept any longer than it is needed
                    opened.conversations.delete(conversation)
                conversation, choices = uuid4().hex, ()
            elif question == "/retry":
                answer = _retry(opened, conversation, private)
                choices = answer.choices if answer else ()
            elif question.startswith("/"):
                note(HELP)
            elif question:
                answer = _turn(opened, _chosen(question, choices), conversation, private)
                if answer is not None:
                    choices = answer.choices


def _last(assistant: Assistant, conversation: str) -> tuple[Message, Answer | None] | None:
    """The last question of a conversation with its whole answer, or without one; None where nothing was asked."""
    from assistant import NotFound, answer_from_json

    try:
        said = assistant.conversations.messages(conversation, turns=1)
    except NotFound:
        return None
    return (said[0], answer_from_json(said[-1].answer) if said[-1].answer else None) if said else None


def _retry(assistant: Assistant, conversation: str, private: bool) -> Answer | None:
    """The last question once more, in its own place."""
    last = _last(assistant, conversation)
    if last is None:
        note("Nothing was asked yet.")
        return None
    question, answer = last
    if answer and answer.route == "memory":  # once more, it would be done to what is left
        note("What was to be kept or forgotten is done. Say it again to do it again.")
        return None
    note(f"> {question.text}")
    return _turn(assistant, question.text, conversation, private, question.id)


def _turn(assistant: Assistant, question: str, conversation: str, private: bool, instead_of: str | None = None) -> Answer | None:
    """One turn of a chat; one that fails or is stopped does not end the chat."""
    from assistant import AssistantError

    try:
        return stream_answer(assistant, question, user="local", conversation=conversation, private=private, instead_of=instead_of)
    except KeyboardInterrupt:
        note("(stopped)")
    except AssistantError as error:
        note(f"Error: {error}")
    return None


def stream_answer(assistant: Assistant, question: str, **who: Any) -> Answer:
    """Print an answer as it comes, then the rows, the query and the citations that it stands on."""
    from assistant import Done, StepStarted, Token

    said = False
    answer: Answer | None = None
    steps = StepLine()
    # Leaving the stream stops the model: nobody reads any more, whatever the reason.
    with assistant.stream(question, **who) as events:
        try:
            for event in events:
                if isinstance(event, StepStarted):
                    steps.show(event.step)
                elif isinstance(event, Token):
                    steps.end()
                    say(event.text, end="")
                    said = True
                elif isinstance(event, Done):
                    answer = event.answer
        finally:
            steps.end()
            if said and answer is None:
                say()  # what comes now begins a line of its own
    assert answer is not None, "a stream ends with Done"
    say("" if said else answer.text)
    for block in evidence(answer):
        say(f"\n{block}")
    return answer


def evidence(answer: Answer) -> list[str]:
    """What an answer stands on, as blocks of text: rows, query, citations, choices."""
    blocks: list[str] = []
    if answer.table is not None and answer.table.rows:
        more = "\n(there are more rows)" if answer.table.truncated else ""
        blocks.append(columns(answer.table.rows, header=answer.table.columns) + more)
    if answer.sql:
        blocks.append(f"SQL:\n{answer.sql}" if "\n" in answer.sql else f"SQL: {answer.sql}")
    if answer.citations:
        cited = (f'[{n}] {c.document}, {c.location}: "{" ".join(c.quote.split())}"{GIVES_ORDERS if c.gives_orders else ""}' for n, c in enumerate(answer.citations, 1))
        blocks.append("\n".join(cited))
    if answer.choices:
        blocks.append("\n".join(f"{number}. {choice}" for number, choice in enumerate(answer.choices, 1)))
    return blocks


def _read_line() -> str | None:
    """The next question; None at the end of the input."""
    if sys.stdin.isatty():
        sys.stderr.write("\n> ")
        sys.stderr.flush()
    line = sys.stdin.readline()
    return line.strip() if line else None


def _chosen(question: str, choices: tuple[str, ...]) -> str:
    """A bare number is the choice of that number, where choices were given."""
    if question.isdecimal() and 1 <= int(question) <= len(choices):
        return choices[int(question) - 1]
    return question
