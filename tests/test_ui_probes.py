"""What a machine may ask the page's server without signing in."""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from assistant import Assistant, Settings
from assistant.accounts import FILE
from tests.scripted_models import RuleModels
from tests.test_ui_login import PASSWORD, QUICK, Accounts, ask
from ui.server import Running, serve

KEY = "a-key-for-the-monitor"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A page with accounts, so that everybody else has to sign in."""
    home = tmp_path_factory.mktemp("probes") / "home"
    Accounts(home / FILE, hasher=QUICK).add("ada", PASSWORD)
    settings = Settings(home=home, sample=False, page={"metrics_key": KEY, "names": ["assistant.example.org"]})
    with Assistant(settings, models=RuleModels()) as assistant:  # type: ignore[arg-type]
        served = serve(assistant, port=0, open_browser=False, block=False)
        assistant.ask("Hello")
        yield served
        served.close()


def get(url: str, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_it_lives_and_is_ready(running: Running) -> None:
    assert get(running.url, "/healthz", host="10.0.0.7:8080") == (200, "ok")
    status, text = get(running.url, "/readyz", host="10.0.0.7:8080")
    assert (status, json.loads(text)) == (200, {"model": True, "state": True, "index": True})


def test_a_part_that_is_missing_is_named(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RuleModels, "any_server_up", lambda self: False)
    status, text = get(running.url, "/readyz")
    assert (status, json.loads(text)) == (503, {"model": False, "state": True, "index": True})


def test_counts_are_for_this_machine_or_for_a_key(running: Running) -> None:
    status, text = get(running.url, "/metrics")
    assert status == 200
    assert 'assistant_turns_total{outcome="answered",route="chat"} 1.0' in text
    assert "process_resident_memory_bytes" in text or sys.platform != "linux"
    for headers in ({"x_forwarded_for": "203.0.113.9"}, {"via": "1.1 proxy"}, {"host": "assistant.example.org"}, {"x_real_ip": "203.0.113.9"}):
        assert get(running.url, "/metrics", **headers)[0] == 403
        assert get(running.url, "/metrics", **headers, authorization="Bearer wrong")[0] == 403
        assert get(running.url, "/metrics", **headers, authorization=f"Bearer {KEY}")[0] == 200


def test_all_else_asks_to_sign_in_under_a_name_that_is_known(running: Running) -> None:
    assert ask(running.url, "/")[0] == 401
    assert get(running.url, "/login", host="assistant.example.org")[0] == 200
    assert get(running.url, "/login", host="evil.example.org")[0] == 403


def test_metrics_can_be_off(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", sample=False, page={"metrics": False})
    with Assistant(settings, models=RuleModels()) as assistant:  # type: ignore[arg-type]
        served = serve(assistant, port=0, open_browser=False, block=False)
        assert get(served.url, "/metrics")[0] == 403
        assert get(served.url, "/metrics", authorization="Bearer ")[0] == 403
        assert not assistant.watch._observers, "nothing is counted"
        served.close()
