"""What was said before the window is still known: condensed before it, called back by its words, and gone where it was edited away or deleted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assistant import Answer, Assistant, Settings, answer_to_json
from graphs.earlier import CONDENSED, Exchange, called_back, condensed, recalled
from stores.history import History
from tests.scripted_models import RuleModels
from tests.test_assistant_kept import held

LEMONADE = Exchange("How much lemonade do 69 guests need?", "It depends on the weather. About 34.5 litres at half a litre each.")
LANTERNS = Exchange("Good, amber lanterns for Lantern Lane.", "Amber it is.")
SMALL = [Exchange("Make it shorter", "Here it is, shorter and friendlier than before, for whoever reads it."), Exchange("Thanks!", "You're welcome!")]


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Assistant]:
    with Assistant(Settings(home=tmp_path / "home", sample=False), models=RuleModels()) as assistant:  # type: ignore[arg-type]
        yield assistant


def read(assistant: Assistant) -> str:
    """What the model read last."""
    return str(assistant._models.rule.prompts[-1][1])  # type: ignore[attr-defined]


def talk(assistant: Assistant, conversation: str, turns: int, **options: bool) -> None:
    for number in range(turns):
        assistant.ask(f"Tell me about number {number}", user="7", conversation=conversation, **options)  # type: ignore[arg-type]


def test_few_turns_stand_whole_and_of_many_the_first_and_those_that_name_something() -> None:
    assert condensed([]) == ""
    assert condensed([LEMONADE, *SMALL]).count("- The user:") == 3
    other = [Exchange(f"Make it {'very ' * n}short", "It is as short as can be, and friendlier than before.") for n in range(20)]
    long = condensed([LEMONADE, LANTERNS, *other, Exchange("Who brings the accordion?", "Mrs. Oduya brings it."), *other[:10]])
    assert len(long) <= CONDENSED
    assert "34.5 litres" in long, "of an answer the sentence that names something"
    assert "amber lanterns" in long
    assert "Oduya" in long
    assert "friendlier" not in long
    numbered = condensed([Exchange(f"And {n} guests?", f"For {n} guests take {n} chairs and as many lanterns.") for n in range(200)])
    assert len(numbered) <= CONDENSED + 2
    assert [f"And {n} guests" in numbered for n in (0, 1, 2, 198, 199)] == [True, True, False, True, True]


def test_a_question_calls_back_what_it_is_about_and_other_messages_nothing() -> None:
    said = [LEMONADE, LANTERNS, *SMALL * 3]
    assert called_back("What did you say about the lemonade?", said) == [LEMONADE]
    assert called_back("Which colour were the lanterns?", said) == [LANTERNS]
    assert called_back("Who needed so much lemonade?", said) == [LEMONADE]
    assert called_back("What did you say about the weather in Rome and the trains there?", said) == []
    assert called_back("Thanks!", []) == []
    turn: Any = SimpleNamespace(services=None)
    assert recalled("Now make the lemonade answer shorter", turn, []) == [], "what does not look back needs no history"


def test_the_beginning_of_the_prompt_changes_only_when_the_window_moves(one: Assistant) -> None:
    begins = []
    for number in range(30):
        one.ask(f"Tell me about number {number}", user="7", conversation="c")
        found = re.search(r"\(Earlier in this conversation.*?\)\n\n", read(one), re.DOTALL)
        begins.append(found[0] if found else "")
    assert "Tell me about number 0 You: I heard" in begins[-1]
    assert [len(list(same)) for _, same in groupby(begins)] == [12, 6, 6, 6]


def test_what_was_edited_away_is_not_among_it_and_a_branch_has_its_own(one: Assistant) -> None:
    for name in ("zqbefore", "zqaway"):
        one.ask(f"Tell me about {name}", user="7", conversation="c")
    talk(one, "c", 14)
    assert "zqaway" in read(one)
    questions = [m for m in one.conversations.messages("c", user="7") if m.role == "user"]
    branch = one.conversations.branch("c", questions[0].id, user="7").id
    one.ask("Tell me about zqinstead", user="7", conversation="c", instead_of=questions[1].id)
    for conversation in ("c", branch):
        talk(one, conversation, 14)
        assert "zqbefore" in read(one)
        assert "zqaway" not in read(one)
        assert ("zqinstead" in read(one)) is (conversation == "c")
    one.conversations.restore("c", questions[1].id, user="7")
    one.ask("And now?", user="7", conversation="c")
    assert "zqaway" in read(one)
    assert "zqinstead" not in read(one)


def test_a_long_conversation_leaves_no_byte_and_a_private_one_never_any(one: Assistant, tmp_path: Path) -> None:
    one.ask("Tell me about zqgoes", user="7", conversation="c")
    one.ask("Tell me about zqsecret", user="7", conversation="p", private=True)
    talk(one, "c", 14)
    talk(one, "p", 14, private=True)
    assert "zqsecret" in read(one)
    assert held(tmp_path / "home", "zqgoes")
    one.conversations.delete("c", user="7")
    assert held(tmp_path / "home", "zqgoes") == held(tmp_path / "home", "zqsecret") == []
    one.ask("Tell me about it", user="7", conversation="c")
    assert "zqgoes" not in read(one)
    assert one.conversations.messages("p", user="7")
    one.ask("What did you say about zqsecret?", user="8", conversation="p", private=True)
    assert "I heard" not in read(one), "another's conversation of the same name is another's"


@pytest.mark.model
def test_what_was_said_thirty_turns_ago_is_still_known(tmp_path: Path, fetched: Callable[[str], Path]) -> None:
    models = fetched("qwen2.5-coder-0.5b").parent
    fetched("all-minilm-l6-v2")
    model = {"name": "qwen2.5-coder-0.5b", "directory": models, "context": 4096}
    with Assistant(Settings(home=tmp_path / "home", sample=False, model=model, sampling={"max_tokens": 32})) as assistant:
        history: History = assistant._parts.kept.history
        turns = [LEMONADE, *[Exchange(f"Another word for 'cosy', number {n}?", "Snug.") for n in range(30)]]
        for number, said in enumerate(turns):
            asked = history.begin("c", user="7", question=said.question, title="A party")
            answer = Answer(f"a{number}", said.answer, "chat", "c")
            history.finish(asked, user="7", answer_id=answer.id, text=answer.text, answer_json=answer_to_json(answer))
        answer = assistant.ask("How many litres of lemonade did you say?", user="7", conversation="c")
        assert "34.5" in answer.text
