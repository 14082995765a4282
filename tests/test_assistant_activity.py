"""The turns as the history tells them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from assistant import Answer, Usage, answer_to_json
from assistant.activity import activity
from stores.history import History
from stores.values import Feedback


def test_each_turn_has_its_own_answer_whatever_the_conversation(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    for at, (conversation, user) in enumerate((("a", "ada"), ("b", "ada"), ("a", "ada"), ("a", "bob"))):
        question = history.begin(conversation, user=user, question=f"question {at}", title="t")
        if at != 2:  # this one was broken off
            answer = Answer(f"answer-{at}", f"text {at}", "sql", conversation, usage=Usage(prompt_tokens=at))
            history.finish(question, user=user, answer_id=answer.id, text=answer.text, answer_json=answer_to_json(answer))
    history.add_feedback(Feedback("answer-1", "ada", -1, None, None, datetime.now(UTC)))
    turns = activity(history, user="ada", turns=10)
    assert [(turn.question, turn.conversation, turn.usage and turn.usage.prompt_tokens, turn.score) for turn in turns] == [
        ("question 2", "a", None, None),
        ("question 1", "b", 1, -1),
        ("question 0", "a", 0, None),
    ]
    assert [turn.question for turn in activity(history, user="ada", turns=2)] == ["question 2", "question 1"]
    assert activity(history, user="carol", turns=10) == []
    history.branch("b", "answer-1", user="ada")
    assert activity(history, user="ada", turns=10) == turns, "what was copied into a branch was not asked twice"
    history.close()
