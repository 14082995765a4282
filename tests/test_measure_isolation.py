"""Twenty users on one real model, in threads: nothing of one in what another reads, is told or has kept."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from assistant import Answer, Assistant, Settings, answer_to_json

pytestmark = [pytest.mark.measure, pytest.mark.model, pytest.mark.timeout(3600)]
USERS, ROUNDS, THREADS, PROBES = 20, 5, 4, 400


def owner(text: str) -> set[str]:
    """Whose marks stand in a text."""
    return {a or b for a, b in re.findall(r"zq(\d+)x\d+q|zqrow(\d+)q", text)}


def said(user: str, at: int) -> str:
    mark = f"zq{user}x{at}q"
    return (
        f"I always write {mark} on parcel {at}.",
        f"Please remember that box {at} opens with {mark}",
        f"Rewrite this in a friendlier way: 'The gate opens with {mark}.'",
        "What did I tell you about my box?",
        "Show me the code of my locker in the notes",
    )[at % 5]


def test_a_hundred_turns_of_twenty_users_meet_nothing_of_each_other(tmp_path: Path, fetched: Callable[[str], Path]) -> None:
    models = fetched("smollm2-135m").parent
    fetched("all-minilm-l6-v2")
    with closing(sqlite3.connect(tmp_path / "notes.db")) as db:
        db.execute("CREATE TABLE notes (owner TEXT, title TEXT, code TEXT)")
        db.executemany("INSERT INTO notes VALUES (?, ?, ?)", [(str(user), "locker", f"zqrow{user}q") for user in range(USERS)])
        db.commit()
    home = tmp_path / "home"
    settings = Settings(
        home=home,
        sample=False,
        database={"url": f"sqlite:///{(tmp_path / 'notes.db').as_posix()}", "scopes": {"notes": "owner = :user"}},
        conversation={"clarify": 0.0},
        model={"name": "smollm2-135m", "directory": models, "context": 4096, "parallel": 2, "worker": False},
        sampling={"max_tokens": 16},
    )
    prompts: list[tuple[str, str]] = []
    with Assistant(settings) as one:
        chat: Any = one._models.chat()

        def watch(call: Any, cost: Any, seconds: float) -> None:
            prompts.append((call.user, b"".join(map(chat.engine.weights.piece, call.prompt.tokens)).decode(errors="replace")))

        chat.watch = watch
        answers: list[tuple[str, Answer]] = []

        def speak(number: int) -> None:
            user = str(number % USERS)
            answers.append((user, one.ask(said(user, number // USERS), user=user, conversation="talk")))

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(speak, range(USERS * ROUNDS)))
        assert one._turns.remembering.settle(300)
        met = [(user, answer_to_json(answer)) for user, answer in answers] + prompts
        for number in range(PROBES):
            user, mark = str(number % USERS), f"zq{number * 7 % USERS}x{number % ROUNDS}q"
            found = [memory.text for memory in one.memories.search(mark, user=user, k=10)]
            found += [message.text for message in one._parts.kept.history.search(mark, user=user)]
            met.append((user, " ".join(found)))
        for user in map(str, range(USERS)):
            assert owner(" ".join(memory.text for memory in one.memories.all(user=user))) == {user}, "everybody's own is kept"
    with closing(sqlite3.connect(home / "history.sqlite")) as db:
        met += db.execute("SELECT user, text || coalesce(answer, '') FROM messages").fetchall()
    with closing(sqlite3.connect(home / "index" / "chroma.sqlite3")) as db:
        records = "SELECT u.string_value, t.string_value FROM embedding_metadata AS u JOIN embedding_metadata AS t USING (id)"
        met += db.execute(f"{records} WHERE u.key = 'user' AND t.key = 'chroma:document'").fetchall()
    foreign = [(user, text) for user, text in met if not owner(text) <= {user}]
    print(f"{len(answers)} turns, {len(prompts)} prompts, {len(met)} texts looked at, {len(foreign)} with something foreign")  # noqa: T201
    assert len(answers) == USERS * ROUNDS
    assert foreign == []
