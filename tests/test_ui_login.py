"""Signing in: nobody gets past without, a tab is its owner's alone, and who has not signed in as an administrator changes nothing."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from argon2 import PasswordHasher

from assistant import AssistantError, Document, NotFound, Settings, StoreUnavailable
from assistant.accounts import FILE, TRIES, WITHIN, Accounts, TooManyTries
from tests.stand_in_assistant import NOW, StandIn
from tests.test_ui_page import Page, chromium
from ui.login import IDLE, LONGEST, Login
from ui.server import Running, serve
from ui.session import Session, begun

__all__ = ["chromium"]  # the fixture
PASSWORD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    made = Accounts(tmp_path / "home" / FILE, hasher=QUICK)
    made.add("ada", PASSWORD, user="7")
    made.add("bob", PASSWORD)
    return made


@pytest.fixture
def running(tmp_path: Path, accounts: Accounts) -> Iterator[Running]:
    stand_in = StandIn(settings=Settings(home=tmp_path / "home", sample=False))
    served = serve(stand_in, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    yield served
    served.close()


def ask(url: str, path: str, *, method: str = "GET", cookie: str = "", body: str = "", kind: str = "application/json", accept: str = "*/*") -> tuple[int, str, str]:
    """(status, text, cookie or location) of a request of one's own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request(method, path, body or None, {"cookie": cookie, "content-type": kind, "accept": accept})
    answer = connection.getresponse()
    text = answer.read(100_000).decode("utf-8", "replace")
    found = answer.getheader("set-cookie") or answer.getheader("location") or ""
    connection.close()
    return answer.status, text, found


def sign_in(url: str, name: str, password: str = PASSWORD) -> tuple[int, str, str]:
    return ask(url, "/login", method="POST", body=urlencode({"name": name, "password": password}), kind="application/x-www-form-urlencoded")


def test_passwords_are_kept_hashed_and_checked(accounts: Accounts, tmp_path: Path) -> None:
    assert PASSWORD.encode() not in (tmp_path / "home" / FILE).read_bytes()
    ada = accounts.check("ada", PASSWORD)
    assert ada
    assert (ada.user, ada.admin) == ("7", True)
    bob = accounts.check("bob", PASSWORD)
    assert bob
    assert (bob.user, bob.admin) == ("bob", False)
    for name, password in (("ada", "wrong password"), ("nobody", PASSWORD), ("ada", ""), ("' OR 1=1 --", PASSWORD), ("ada", "x" * 10_000)):
        assert accounts.check(name, password) is None
    accounts.set_password("bob", "another password")
    assert accounts.check("bob", PASSWORD) is None
    accounts.remove("bob")
    assert [account.name for account in accounts.all()] == ["ada"]
    with pytest.raises(AssistantError, match="already"):
        accounts.add("ada", PASSWORD)
    with pytest.raises(AssistantError, match="characters"):
        accounts.add("eve", "short")
    with pytest.raises(NotFound):
        accounts.remove("bob")


def test_wrong_passwords_make_a_name_wait(accounts: Accounts) -> None:
    for at in range(TRIES):
        assert accounts.check("ada", "wrong password", now=float(at)) is None
    with pytest.raises(TooManyTries):
        accounts.check("ada", PASSWORD, now=TRIES)
    assert accounts.check("bob", PASSWORD, now=TRIES)
    assert accounts.check("ada", PASSWORD, now=WITHIN + 1)


def test_a_broken_file_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    with pytest.raises(StoreUnavailable):
        Accounts(tmp_path / FILE, hasher=QUICK).all()
    assert Accounts(tmp_path / "none", hasher=QUICK).all() == []
    assert not (tmp_path / "none").exists()


def test_nothing_is_there_for_who_has_not_signed_in(running: Running) -> None:
    assert ask(running.url, "/", accept="text/html")[::2] == (303, "/login")
    for path in ("/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x", "/theme.css", "/gradio_api/file=/etc/passwd", "//config", "/login/../config"):
        assert ask(running.url, path)[0] == 401, path
        assert ask(running.url, path, cookie="assistant-session=guessed")[0] == 401, path
    assert ask(running.url, "/gradio_api/queue/join", method="POST", body='{"fn_index": 0, "data": [], "session_hash": "x"}')[0] == 401
    assert "<form" in ask(running.url, "/login")[1]


def test_signing_in_gives_a_cookie_that_no_script_reads_and_signing_out_ends_it(running: Running) -> None:
    assert sign_in(running.url, "ada", "wrong password")[0] == 401
    status, _, cookie = sign_in(running.url, "ada")
    assert status == 303
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    token = cookie.split(";")[0]
    assert ask(running.url, "/config", cookie=token)[0] == 200
    ask(running.url, "/logout", cookie=token)
    assert ask(running.url, "/config", cookie=token)[0] == 401


def test_a_tab_belongs_to_who_opened_it(running: Running) -> None:
    ada, bob = (sign_in(running.url, name)[2].split(";")[0] for name in ("ada", "bob"))
    join = json.dumps({"fn_index": 0, "data": [], "session_hash": "tab1"})
    assert ask(running.url, "/gradio_api/queue/join", method="POST", body=join, cookie=ada)[0] not in (401, 403)
    assert ask(running.url, "/gradio_api/queue/join", method="POST", body=join, cookie=bob)[0] == 403
    assert ask(running.url, "/gradio_api/queue/data?session_hash=tab1", cookie=bob)[0] == 403
    assert ask(running.url, "/gradio_api/heartbeat/tab1", cookie=bob)[0] == 403
    assert ask(running.url, "/gradio_api/reset", method="POST", body=join, cookie=bob)[0] == 403


def test_a_link_to_a_document_is_of_no_use_to_another(running: Running, tmp_path: Path) -> None:
    kept = tmp_path / "ada.txt"
    kept.write_text("Ada's own", encoding="utf-8")
    links = next(route.endpoint.__self__ for route in running._server.config.app.routes if getattr(route, "name", "") == "_open")  # type: ignore[union-attr]
    links._assistant.documents._kept = [Document("d1", kept.name, str(kept), None, 1, NOW)]
    path = "/" + links.link("d1", user="7").partition('href="')[2].partition('"')[0]
    ada, bob = (sign_in(running.url, name)[2].split(";")[0] for name in ("ada", "bob"))
    assert ask(running.url, path)[0] == 401
    assert ask(running.url, path, cookie=ada)[:2] == (200, "Ada's own")
    assert ask(running.url, path, cookie=bob)[0] == 404


def test_an_account_that_is_removed_is_signed_out(running: Running, accounts: Accounts) -> None:
    token = sign_in(running.url, "bob")[2].split(";")[0]
    assert ask(running.url, "/config", cookie=token)[0] == 200
    accounts.remove("bob")
    assert ask(running.url, "/config", cookie=token)[0] == 401


@pytest.mark.parametrize("after", [IDLE + 1, LONGEST + 1])
def test_sessions_expire(accounts: Accounts, after: float) -> None:
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    from starlette.testclient import TestClient

    now = [0.0]
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"))])
    with TestClient(Login(app, accounts=accounts, clock=lambda: now[0])) as client:
        client.post("/login", data={"name": "ada", "password": PASSWORD})
        while now[0] + IDLE - 1 < after:
            assert client.get("/").text == "in"
            now[0] += IDLE - 1
        now[0] = after if after > LONGEST else now[0] + after
        assert client.get("/").status_code == 401


def test_a_tab_takes_its_user_from_the_account_and_from_nothing_else(accounts: Accounts) -> None:
    ada = accounts.find("ada")
    kept = json.dumps({"user": "8", "conversation": "c1"})
    session = begun(kept, ada)
    assert (session.user, session.signed_in, session.admin) == ("7", "ada", True)
    assert session.conversation != "c1"
    assert session.fresh().signed_in == session.opened("c").signed_in == "ada"
    assert begun(json.dumps({"user": "7", "conversation": "c1"}), ada).conversation == "c1"
    assert begun(kept, None) == Session("8", "c1")


def test_another_address_is_refused_without_accounts(tmp_path: Path) -> None:
    stand_in = StandIn(settings=Settings(home=tmp_path / "home", sample=False))
    with pytest.raises(AssistantError, match="assistant users add"):
        serve(stand_in, host="0.0.0.0", port=0, open_browser=False, block=False)  # type: ignore[arg-type]


@pytest.mark.browser
def test_the_page_is_the_account_s_own(chromium: Any, running: Running) -> None:
    chromium.delete_all_cookies()
    chromium.get(running.url)
    for name, admin in (("bob", False), ("ada", True)):
        chromium.find_element("css selector", "input[name=name]").send_keys(name)
        chromium.find_element("css selector", "input[name=password]").send_keys(PASSWORD + "\ue007")
        page = Page.__new__(Page)
        page.chrome, page.url = chromium, running.url
        page.wait("document.querySelector('#account .account') && document.querySelector('#thread .welcome')")
        assert name in page.text("#account")
        assert not page.js("document.querySelector('#who input')")
        page.click("#open-models")
        page.wait("document.querySelector('#models').textContent.trim()")
        assert ("administrator" in page.text("#models")) is not admin
        page.click("#account a")
        page.wait("document.querySelector('input[name=name]')")


def test_accounts_that_cannot_be_read_just_now_are_said_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    token = sign_in(running.url, "ada")[2].split(";")[0]

    def gone(*_: object) -> None:
        raise StoreUnavailable("The server does not answer.")

    with monkeypatch.context() as down:
        down.setattr(Accounts, "_found", gone)
        down.setattr(Accounts, "check", gone)
        for status, text, _ in (ask(running.url, "/", cookie=token), sign_in(running.url, "ada")):
            assert status == 503
            assert "The server does not answer." in text
    assert ask(running.url, "/config", cookie=token)[0] == 200
