"""Thirty questions on the sample workspace, on the default model: on a laptop with the network taken away, and of a team's two replicas."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.sample import workspace
from tests.offline import run_offline
from tests.team import team
from tests.test_assistant_servers import llama_server
from tests.thirty import ask_all, questions, report

ENOUGH = 26
ON_THAT_DAY = """
import sys
from assistant.api import Assistant
from tests.thirty import TODAY
from ui.cli import main
Assistant.__init__.__kwdefaults__["today"] = lambda: TODAY
main()
"""


@pytest.mark.model
@pytest.mark.timeout(2400)
def test_thirty_questions_without_a_network(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    models = fetched("qwen2.5-coder-1.5b").parent
    fetched("all-minilm-l6-v2")
    home, out = tmp_path / "home", tmp_path / "answers.jsonl"
    arguments = ["-m", "tests.thirty", str(home), str(out), str(models)]
    run = run_offline(arguments, cwd=Path(__file__).parent.parent, timeout=2300)
    assert run.returncode == 0, run.stderr
    enough_are_right(out, home / "sample" / workspace.DATABASE)
    assert run.attempts == ()


@pytest.mark.measure
@pytest.mark.model
@pytest.mark.postgres
@pytest.mark.timeout(5400)
def test_thirty_questions_of_two_replicas_and_a_model_server(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    """All parts are real: PostgreSQL, `chroma run`, llama-cpp-python's own server, and two replicas behind nginx, which asks the less busy of them."""
    model, embedding = fetched("qwen2.5-coder-1.5b"), fetched("all-minilm-l6-v2")
    sample, out = workspace.set_up(tmp_path), tmp_path / "answers.jsonl"
    # Probabilities need logits_all; without interrupt_requests a question waits for the one before it instead of ending it.
    options = ("--n_ctx", "8192", "--n_threads", "2", "--logits_all", "true", "--interrupt_requests", "false")
    with llama_server(model, *options) as address:
        settings = {
            "ASSISTANT_MODEL__SERVER_URL": address, "ASSISTANT_MODEL__SERVER_TIMEOUT": "900", "ASSISTANT_EMBEDDING__SERVER_URL": "",
            "ASSISTANT_MODEL__DIRECTORY": str(embedding.parent), "ASSISTANT_DATABASE__SCOPES": "{}",
            "ASSISTANT_DATABASE__URL": f"sqlite:///{sample.database.as_posix()}", "ASSISTANT_DATABASE__USER_COLUMN": workspace.USER_COLUMN,
        }  # fmt: skip
        with team(tmp_path, settings=settings, console=ON_THAT_DAY) as running, httpx.Client(base_url=running.url, timeout=900) as door:
            running.desk.run("ingest", str(sample.handbook))
            users = {question.get("user", "local") for question in questions()}
            keys = {user: {"authorization": f"Bearer {running.desk.run('keys', 'add', f'of {user}', '--user', user, '--scope', 'ask')}"} for user in users}

            def asked(question: str, user: str, conversation: str) -> dict[str, Any]:
                said = door.post("/api/v1/ask", json={"question": question, "conversation": conversation}, headers=keys[user])
                said.raise_for_status()
                found: dict[str, Any] = said.json()
                sys.stderr.write(f"{found['usage']['seconds']:.0f} s, {found['route']}: {question} -> {found['text'][:80]!r}\n")
                return found

            ask_all(asked, out, set(), httpx.HTTPError)
            for user, key in keys.items():  # whichever replica answered, either knows it
                wanted = {question["conversation"] for question in questions() if question.get("user", "local") == user}
                for replica in running.replicas:
                    assert {found["id"] for found in httpx.get(f"{replica.url}/api/v1/conversations", headers=key).json()} == wanted
    enough_are_right(out, sample.database)


def enough_are_right(out: Path, database: Path) -> None:
    judged = report(out, database)
    wrong = [f"{name}: {problems} | {text[:200]}" for name, problems, text in judged if problems]
    sys.stderr.write("\n".join([f"{len(judged) - len(wrong)} of {len(judged)} right", *wrong, ""]))
    assert len(judged) == len(questions()) == 30
    assert len(judged) - len(wrong) >= ENOUGH, "\n".join(wrong)


def test_the_thirty_are_spread_as_promised() -> None:
    asked = questions()
    routes = [q["route"] for q in asked]
    assert all(routes.count(route) >= 4 for route in ("sql", "documents", "both", "memory", "chat", "off_topic"))
    assert sum("after" in q for q in asked) >= 4
