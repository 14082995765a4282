"""Asking anew, branching, going back, and going on after a turn was broken off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant import Assistant, NotFound, TurnCancelled
from assistant.naming import name_of
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import held, home, opened

__all__ = ["home"]  # the fixture


@pytest.fixture
def one(home: Path) -> Iterator[Assistant]:
    with opened(home) as assistant:
        yield assistant


def said(assistant: Assistant, conversation: str = "c", user: str = "7") -> list[str]:
    return [m.text for m in assistant.conversations.messages(conversation, user=user) if m.role == "user"]


def talk(assistant: Assistant, *questions: str, user: str = "7", conversation: str = "c") -> None:
    for question in questions:
        assistant.ask(question, user=user, conversation=conversation)


def read_last(assistant: Assistant) -> str:
    """What the model was given last."""
    return str(assistant._models.rule.prompts[-1][1])  # type: ignore[attr-defined]


def test_a_question_asked_anew_takes_the_place_of_what_followed_and_both_are_kept(one: Assistant) -> None:
    talk(one, "I like red", "I like green", "I like blue")
    asked = one.conversations.messages("c", user="7")
    anew = one.ask("I like yellow", user="7", conversation="c", instead_of=asked[2].id)
    assert said(one) == ["I like red", "I like yellow"]
    prompt = read_last(one)
    assert "red" in prompt
    assert "green" not in prompt
    assert "blue" not in prompt
    (_, _, yellow, answer) = one.conversations.messages("c", user="7")
    assert (yellow.versions, answer.id, answer.versions) == ((asked[2].id, yellow.id), anew.id, ())
    one.conversations.restore("c", asked[2].id, user="7")
    assert one.conversations.messages("c", user="7")[4:] == asked[4:]
    one.ask("I like white", user="7", conversation="c")
    assert said(one) == ["I like red", "I like green", "I like blue", "I like white"]
    assert "yellow" not in read_last(one)
    one.conversations.restore("c", anew.id, user="7")
    assert said(one) == ["I like red", "I like yellow"]
    whole = json.loads(one.conversations.export("c", user="7", format="json"))
    assert [m["text"] for m in whole["messages"] if m["role"] == "user"] == said(one)
    assert [m["text"] for m in whole["replaced"] if m["role"] == "user"] == ["I like green", "I like blue", "I like white"]
    assert "green" not in one.conversations.export("c", user="7")
    assert "I like green" in one.export_all(user="7")


def test_an_answer_is_made_anew_by_its_own_id(one: Assistant) -> None:
    first = one.ask("Hello there", user="7", conversation="c")
    second = one.ask("Hello there", user="7", conversation="c", instead_of=first.id)
    asked, answered = one.conversations.messages("c", user="7")
    assert answered.id == second.id != first.id
    assert len(asked.versions) == 2


def test_a_branch_goes_on_by_itself(one: Assistant) -> None:
    talk(one, "I like red", "I like green", "I like blue")
    messages = one.conversations.messages("c", user="7")
    made = one.conversations.branch("c", messages[3].id, user="7")
    assert (made.title, made.messages) == ("I like red (branch)", 4)
    talk(one, "I like grey", conversation=made.id)
    assert said(one, made.id) == ["I like red", "I like green", "I like grey"]
    assert "blue" not in read_last(one)
    assert said(one) == ["I like red", "I like green", "I like blue"]
    copied = one.conversations.messages(made.id, user="7")
    assert not {m.id for m in copied} & {m.id for m in messages}
    answer = json.loads(copied[3].answer or "")
    assert (answer["id"], answer["conversation"]) == (copied[3].id, made.id)
    one.feedback(copied[3].id, user="7", score=1)
    assert [m.score for m in one.conversations.messages("c", user="7")] == [None] * 6


def test_another_users_message_is_not_found(one: Assistant) -> None:
    talk(one, "I like red", user="7")
    talk(one, "I like tea", user="8")
    foreign = one.conversations.messages("c", user="7")
    talk(one, "I like mine", user="8", conversation="other")
    mine = one.conversations.messages("other", user="8")[0].id
    for attempt in (
        lambda: one.conversations.branch("c", foreign[0].id, user="8"),
        lambda: one.conversations.restore("c", foreign[1].id, user="8"),
        lambda: one.ask("And mine?", user="8", conversation="c", instead_of=foreign[0].id),
        lambda: one.ask("And mine?", user="8", conversation="c", instead_of=mine),
        lambda: one.ask("And mine?", user="8", conversation="new", instead_of=foreign[0].id),
        lambda: one.ask("And mine?", user="8", instead_of=foreign[0].id),
        lambda: one.conversations.branch("c", mine, user="8"),
        lambda: one.conversations.unfinished("nowhere", user="8"),
    ):
        with pytest.raises(NotFound):
            attempt()
    assert (said(one), said(one, user="8")) == (["I like red"], ["I like tea"])
    assert {c.id for c in one.conversations.all(user="8")} == {"c", "other"}, "what was refused leaves nothing behind"


@pytest.fixture
def doubtful(one: Assistant, tmp_path: Path) -> Assistant:
    """One that has documents too, so that it may ask back where to look."""
    (tmp_path / "plan.md").write_text("# Plans\n\nThe plan is to travel.\n", encoding="utf-8")
    one.documents.add(tmp_path / "plan.md")
    return one


def test_a_reply_given_anew_goes_on_from_where_it_was_asked_for(doubtful: Assistant) -> None:
    one = doubtful
    talk(one, "Hello")
    asked = one.ask("CHOOSE the plan", user="7", conversation="c")
    assert asked.choices
    waiting = one.conversations.branch("c", asked.id, user="7")
    assert one.ask("In the documents", user="7", conversation="c").route == "documents"
    reply = one.conversations.messages("c", user="7")[-2]
    again = one.ask("In the database", user="7", conversation="c", instead_of=reply.id)
    assert again.route == "sql", "the turn that asked goes on, as if this had been the first reply"
    assert one.ask("In the documents", user="7", conversation=waiting.id).route == "documents", "so it does in a branch"
    one.conversations.restore("c", reply.id, user="7")
    assert one.ask("Hello again", user="7", conversation="c").route == "chat"


def test_what_waits_for_a_reply_does_so_in_its_version_alone(doubtful: Assistant) -> None:
    one = doubtful
    talk(one, "Hello", "CHOOSE the plan")
    first, waiting = (m for m in one.conversations.messages("c", user="7") if m.role == "user")
    assert one.ask("In the database", user="7", conversation="c", instead_of=first.id).route == "chat"
    one.conversations.restore("c", waiting.id, user="7")
    assert one.ask("In the database", user="7", conversation="c").route == "sql"
    assert one.ask("CHOOSE zqagain", user="7", conversation="c").choices
    assert {name.removesuffix("-wal") for name in held(one.settings.home, "zqagain")} == {"history.sqlite", "checkpoints.sqlite"}
    one.conversations.restore("c", first.id, user="7")
    assert one.ask("In the database", user="7", conversation="c", instead_of=first.id).route == "chat"


def test_a_reply_that_was_cut_off_goes_on_where_it_was_waited_for(one: Assistant) -> None:
    for colour in ("red", "blue"):
        one.memories.add(f"My {colour} bicycle is old", user="7")
    choices = one.ask("Please forget my bicycle", user="7", conversation="c").choices
    left = one._parts.kept.history.begin("c", user="7", question=choices[0])  # and then the program was killed
    answer = one.ask(choices[0], user="7", conversation="c", instead_of=left)
    assert answer.text.startswith(f'I have forgotten: "{choices[0]}"')
    assert [m.text for m in one.memories.all(user="7")] == [choices[1]]


def test_a_stopped_turn_is_asked_again_in_its_place(one: Assistant) -> None:
    talk(one, "I like red")
    with one.stream("Say this zqstopped", user="7", conversation="c") as events:
        next(events)
        events.close()
        assert events.wait(5)
    left = one.conversations.unfinished("c", user="7")
    assert left is not None
    assert left.text == "Say this zqstopped"
    one.ask(left.text, user="7", conversation="c", instead_of=left.id)
    assert said(one) == ["I like red", "Say this zqstopped"]
    assert one.conversations.messages("c", user="7")[2].versions == (), "the question that was never answered is the same one"
    assert one.conversations.unfinished("c", user="7") is None


def test_every_version_and_branch_is_deleted_to_the_last_byte(one: Assistant, home: Path) -> None:
    talk(one, "zqgone1 is red", "zqgone2 is green")
    last = one.conversations.messages("c", user="7")[-1].id
    one.ask("CHOOSE zqgone3", user="7", conversation="c", instead_of=last)
    branch = one.conversations.branch("c", last, user="7")
    one.ask("CHOOSE zqgone4", user="7", conversation=branch.id)
    talk(one, "zqstays", conversation="other")
    for mark in ("zqgone2", "zqgone3"):
        assert held(home, mark)
    one.conversations.delete("c", user="7")
    assert held(home, "zqgone3") == []
    assert said(one, branch.id) == ["zqgone1 is red", "zqgone2 is green", "CHOOSE zqgone4"]
    one.conversations.delete(branch.id, user="7")
    assert held(home, "zqgone") == []
    assert held(home, "zqstays")
    one.ask("zqgone5", user="7", conversation="other", instead_of=one.conversations.messages("other", user="7")[0].id)
    one.forget_all(user="7")
    assert held(home, "zqgone") == held(home, "zqstays") == []


def test_a_private_conversation_has_versions_and_branches_in_memory_alone(one: Assistant, home: Path) -> None:
    first = one.ask("zqsecret1 is red", user="7", private=True)
    one.ask("zqsecret2 is green", user="7", conversation=first.conversation, private=True, instead_of=first.id)
    branch = one.conversations.branch(first.conversation, first.id, user="7")
    talk(one, "zqsecret3", conversation=branch.id)
    assert held(home, "zqsecret") == []
    assert one.conversations.all(user="7") == []


def test_a_conversation_is_named_by_its_first_question_until_somebody_names_it(one: Assistant) -> None:
    def title() -> str:
        return one.conversations.all(user="7")[0].title

    talk(one, "Hello!")
    assert title() == "Conversation"
    talk(one, "Hi, could you please tell me how many membres there are?", "And bicycles?")
    assert title() == "How many membres there are"
    wrong = one.conversations.messages("c", user="7")[2].id
    one.ask("How many members are there?", user="7", conversation="c", instead_of=wrong)
    assert title() == "How many members are there"
    one.conversations.rename("c", "Count", user="7")
    one.ask("How many members?", user="7", conversation="c", instead_of=wrong)
    assert title() == "Count"


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Good morning! Which repairs are late?", "Which repairs are late"),
        ("hi", ""),
        ("Thanks!  Thank you.", ""),
        ("okra prices in May?", "Okra prices in May"),
        ("show me the five members who paid most for repairs of electric bicycles this year", "The five members who paid most for repairs of…"),
        ("Translate this. It is a long letter about a bicycle.", "Translate this"),
        ("x" * 300, "X" + "x" * 48 + "…"),
        ("SELECT 1", "SELECT 1"),
    ],
)
def test_a_name_is_short_and_without_courtesies(question: str, name: str) -> None:
    assert name_of(question) == name


_DYING = """
import os, sys
from pathlib import Path
from assistant import Token
from tests.test_assistant_kept import opened
with opened(Path(sys.argv[1])) as assistant:
    assistant.ask("I like red", user="7", conversation="c")
    for event in assistant.stream("What was under way?", user="7", conversation="c"):
        os._exit(9)
"""


def test_a_question_that_a_kill_cut_off_is_asked_again_after_the_restart(home: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    assert subprocess.run([sys.executable, "-c", _DYING, str(home)], env=environment, check=False).returncode == 9
    with opened(home, RuleModels()) as assistant:
        left = assistant.conversations.unfinished("c", user="7")
        assert left is not None
        assert left.text == "What was under way?"
        assistant.ask(left.text, user="7", conversation="c", instead_of=left.id)
        assert said(assistant) == ["I like red", "What was under way?"]
        assert assistant.conversations.unfinished("c", user="7") is None


def test_what_was_shown_before_a_stop_is_kept_as_a_version(one: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(self: Any, messages: Any, **_: Any) -> Iterator[Any]:
        yield "Half of "
        raise TurnCancelled("stopped")

    with monkeypatch.context() as broken:
        broken.setattr("graphs.speaking.Speaker.stream", cut)
        with pytest.raises(TurnCancelled):
            one.ask("Tell it", user="7", conversation="c")
    left = one.conversations.unfinished("c", user="7")
    assert left is not None
    one.ask("Tell it", user="7", conversation="c", instead_of=left.id)
    (asked, _) = one.conversations.messages("c", user="7")
    one.conversations.restore("c", asked.versions[0], user="7")
    assert [m.text for m in one.conversations.messages("c", user="7")] == ["Tell it", "Half of "]
