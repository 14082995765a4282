"""The REST door: what it says it does (schemathesis), what each key may, and that nobody reaches what is another's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.doors import EVERYTHING, House, house

SECRETS = ("walrus", "quartz", "saffron")
"""Words of Ada's document, memory and conversation."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("rest")) as made:
        yield made


@pytest.fixture(scope="module")
def adas(real: House) -> dict[str, str]:
    """The ids of what Ada (7) keeps: a document and a passage of it, a memory, a conversation and its answer."""
    with real.client("7") as ada:
        document = ada.post("/api/v1/documents", files={"file": ("ada.md", b"# Cellar\n\nThe walrus sleeps behind the green door.")}).json()
        memory = ada.post("/api/v1/memories", json={"text": "My quartz is blue"}).json()
        answer = ada.post("/api/v1/ask", json={"question": "saffron", "conversation": "monday"}).json()
        passage = ada.get(f"/api/v1/documents/{document['id']}").json()[0]
    return {"document": document["id"], "memory": memory["id"], "answer": answer["id"], "conversation": "monday", "passage": passage["id"]}


# What it does


def test_a_document_comes_in_is_found_and_goes(real: House) -> None:
    with real.client("docs") as client:
        made = client.post("/api/v1/documents", files={"file": ("../../warm.md", b"# Terms\n\nA warranty of 24 months.")})
        assert made.status_code == 201
        kept = made.json()
        assert (kept["name"], kept["user"], kept["passages"]) == ("warm.md", "docs", 1)
        assert "path" not in kept
        assert client.get("/api/v1/documents").json() == [kept]
        assert client.get("/api/v1/documents/search", params={"query": "warranty"}).json()[0]["text"] == "A warranty of 24 months."
        again = client.post("/api/v1/documents", files={"file": ("warm.md", b"# Terms\n\nA warranty of 36 months.")}).json()
        assert [d["id"] for d in client.get("/api/v1/documents").json()] == [again["id"]]
        assert client.delete(f"/api/v1/documents/{again['id']}").status_code == 204
        assert client.get("/api/v1/documents").json() == []
        assert client.get(f"/api/v1/documents/{again['id']}").status_code == 404


@pytest.mark.parametrize("name", ["", "..", "a/..", "...", "a|b.md", "x" * 300 + ".md", "C:", "a\\.."])
def test_a_file_s_name_is_no_path(real: House, name: str) -> None:
    with real.client("names") as client:
        assert client.post("/api/v1/documents", files={"file": (name, b"x")}).status_code in (400, 422)
        assert client.get("/api/v1/documents").json() == []


def test_what_cannot_be_read_is_refused_with_its_reason_and_not_kept(real: House) -> None:
    with real.client("refused") as client:
        answer = client.post("/api/v1/documents", files={"file": ("x.exe", b"MZ")})
        assert answer.status_code == 422
        assert "x.exe" in answer.json()["error"]["message"]
    uploads = real.assistant.settings.home / "uploads"
    assert not list(uploads.rglob("*.exe")), list(uploads.rglob("*"))


def test_memories_conversations_and_feedback(real: House) -> None:
    with real.client("everything") as client:
        memory = client.post("/api/v1/memories", json={"text": "I ride a Brompton"}).json()
        changed = client.put(f"/api/v1/memories/{memory['id']}", json={"text": "I ride a Moulton"}).json()
        assert client.get("/api/v1/memories/search", params={"query": "ride"}).json()[0]["text"] == "I ride a Moulton"
        assert client.delete(f"/api/v1/memories/{changed['id']}").status_code == 204
        assert client.get("/api/v1/memories").json() == []
        answer = client.post("/api/v1/ask", json={"question": "TABLE please", "conversation": "c"}).json()
        assert (answer["route"], answer["conversation"]) == ("sql", "c")
        assert client.post("/api/v1/feedback", json={"answer_id": answer["id"], "score": 1}).status_code == 204
        assert client.patch("/api/v1/conversations/c", json={"title": "Notes"}).status_code == 204
        assert [c["title"] for c in client.get("/api/v1/conversations").json()] == ["Notes"]
        assert [m["score"] for m in client.get("/api/v1/conversations/c").json()] == [None, 1]
        assert client.delete("/api/v1/conversations/c").status_code == 204
        assert client.get("/api/v1/conversations/c").status_code == 404


# What a key may

NEEDS = {
    "ask": [("POST", "/v1/chat/completions"), ("POST", "/v1/embeddings"), ("POST", "/api/v1/ask"), ("POST", "/api/v1/feedback"), ("GET", "/api/v1/conversations"),
            ("GET", "/api/v1/conversations/x"), ("PATCH", "/api/v1/conversations/x"), ("DELETE", "/api/v1/conversations/x")],
    "documents": [("GET", "/api/v1/documents"), ("POST", "/api/v1/documents"), ("GET", "/api/v1/documents/search"), ("GET", "/api/v1/documents/x"),
                  ("DELETE", "/api/v1/documents/x"), ("GET", "/api/v1/passages/x")],
    "memories": [("GET", "/api/v1/memories"), ("POST", "/api/v1/memories"), ("GET", "/api/v1/memories/search"), ("PUT", "/api/v1/memories/x"), ("DELETE", "/api/v1/memories/x")],
    "query": [("POST", "/api/v1/query")],
}  # fmt: skip


def test_a_key_does_what_it_was_made_for_and_nothing_else(real: House) -> None:
    for own in (*NEEDS, "people", "admin"):
        with real.client("narrow", own) as client:
            for scope, requests in NEEDS.items():
                for method, path in requests:
                    status = client.request(method, path).status_code
                    assert (status == 403) == (scope != own), (own, method, path, status)


def test_every_route_is_in_that_list(real: House) -> None:
    with real.client() as client:
        paths = client.get("/api/v1/openapi.json").json()["paths"]
    told = {(method.upper(), path.replace("{id}", "x")) for path, methods in paths.items() for method in methods}
    assert told == {request for requests in NEEDS.values() for request in requests if request[1].startswith("/api")}


def test_what_is_for_everybody_is_changed_by_an_administrator_s_key_alone(real: House) -> None:
    with real.client("chief", *EVERYTHING) as chief, real.client("other") as other:
        sent: dict[str, Any] = {"files": {"file": ("rules.md", b"# Rules\n\nBring the receipt.")}, "data": {"everybody": "true"}}
        assert other.post("/api/v1/documents", **sent).status_code == 403
        made = chief.post("/api/v1/documents", **sent).json()
        assert made["user"] is None
        assert made in other.get("/api/v1/documents").json()
        assert other.delete(f"/api/v1/documents/{made['id']}").status_code == 403
        assert made in other.get("/api/v1/documents").json()
        assert chief.delete(f"/api/v1/documents/{made['id']}").status_code == 204


# Nobody reaches what is another's


@pytest.mark.parametrize(("who", "scopes"), [("8", EVERYTHING), ("7x", EVERYTHING[:4]), ("8", (*EVERYTHING, "people")), ("", (*EVERYTHING, "people"))])
def test_another_s_ids_are_of_no_use(real: House, adas: dict[str, str], who: str, scopes: tuple[str, ...]) -> None:
    """With every scope, with the names of the other's things, and claiming to be them in every way that there is."""
    claims = {"x-assistant-user": "7", "x-openwebui-user-id": "7", "x-openwebui-user-email": "7", "x-forwarded-user": "7", "cookie": "user=7"}
    with real.client(who or "gate", *scopes, **claims) as bob:
        seen = [
            bob.get(path).text
            for path in (
                "/api/v1/documents", "/api/v1/memories", "/api/v1/conversations", "/api/v1/conversations?query=saffron", "/api/v1/documents?user=7",
                "/api/v1/documents/search?query=walrus", "/api/v1/memories/search?query=quartz", "/api/v1/memories?user=7",
            )
        ]  # fmt: skip
        attempts = [
            ("GET", f"/api/v1/documents/{adas['document']}", None), ("DELETE", f"/api/v1/documents/{adas['document']}", None),
            ("GET", f"/api/v1/passages/{adas['passage']}", None), ("PUT", f"/api/v1/memories/{adas['memory']}", {"text": "mine"}),
            ("DELETE", f"/api/v1/memories/{adas['memory']}", None), ("GET", "/api/v1/conversations/monday", None),
            ("PATCH", "/api/v1/conversations/monday", {"title": "mine"}), ("DELETE", "/api/v1/conversations/monday", None),
            ("POST", "/api/v1/feedback", {"answer_id": adas["answer"], "score": -1}),
        ]  # fmt: skip
        for method, path, body in attempts:
            assert (answer := bob.request(method, path, json=body)).status_code == 404, (method, path, answer.text)
        refused = bob.post("/api/v1/memories", json={"text": "x", "user": "7"})
        assert refused.status_code == 422  # there is no such field
        rows = bob.post("/api/v1/query", json={"sql": "SELECT title FROM notes WHERE owner = '7' OR 1 = 1"}).json()["rows"]
        assert rows == ([["bob-note"]] if who == "8" and "people" not in scopes else [])
        history = [{"role": "user", "content": "saffron"}, {"role": "assistant", "content": "I heard: saffron"}, {"role": "user", "content": "What did I say?"}]
        for body in ({"messages": history, "user": "7"}, {"messages": history[:1], "conversation": "monday", "user": "7"}):
            assert bob.post("/v1/chat/completions", json=body).status_code == 200
        bob.post("/api/v1/ask", json={"question": "forget everything", "conversation": "monday"})
    assert not any(word in text for word in SECRETS for text in seen)
    prompts = [prompt for user, prompt in real.models.rule.prompts if user != "7"]
    assert not any(word in prompt for word in SECRETS[:2] for prompt in prompts)
    with real.client("7") as ada:  # all of it is as it was
        assert [d["id"] for d in ada.get("/api/v1/documents").json()] == [adas["document"]]
        assert [(m["id"], m["text"]) for m in ada.get("/api/v1/memories").json()] == [(adas["memory"], "My quartz is blue")]
        assert [m["text"] for m in ada.get("/api/v1/conversations/monday").json()] == ["saffron", "I heard: saffron"]
        assert [c["id"] for c in ada.get("/api/v1/conversations").json()] == ["monday"]


def test_the_people_of_a_gateway_are_kept_apart(real: House) -> None:
    key = real.key("gateway", *EVERYTHING[:4], "people")
    import httpx

    def of(person: str) -> httpx.Client:
        return httpx.Client(base_url=real.running.url, headers={"authorization": f"Bearer {key}", "x-openwebui-user-id": person}, timeout=30)

    for person in ("ada", "bob", "../7", "7", "ada/../bob"):
        with of(person) as client:
            assert client.get("/api/v1/memories").json() == [], person
            assert client.post("/api/v1/memories", json={"text": f"I am {person}"}).json()["user"].startswith("gateway/")
    with of("ada") as client:
        assert [m["text"] for m in client.get("/api/v1/memories").json()] == ["I am ada"]
    with of("x" * 201) as client:
        assert client.get("/api/v1/memories").status_code == 400


# What the OpenAPI says


def test_it_is_as_its_openapi_says(real: House) -> None:
    """Generated requests to every route, right ones and wrong ones: every status, body and type as documented, and no 500."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.generation import GenerationMode
    from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

    with real.client("machine", *EVERYTHING) as client:
        document = client.get("/api/v1/openapi.json").json()
        assert client.get("/api/v1/openapi.json").status_code == 200
        sent = {"Authorization": client.headers["authorization"]}
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=real.running.url.rstrip("/"))
    tried: list[int] = []
    few = settings(max_examples=3, deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
    # Whether it is a query that reads, or a file that can be read, no schema can say.
    beyond = ("POST /api/v1/query", "POST /api/v1/documents")

    def attempt(operation: Any, mode: GenerationMode) -> None:
        excluded = [positive_data_acceptance] if operation.label in beyond else []
        if operation.method == "get":  # of a parameter that is given twice, the last counts
            excluded.append(negative_data_rejection)

        @few
        @given(case=operation.as_strategy(generation_mode=mode))
        def cases(case: Any) -> None:
            tried.append(case.call_and_validate(headers=sent, excluded_checks=excluded).status_code)

        cases()

    for found in schema.get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            attempt(found.ok(), mode)
    assert len(tried) > 70
    assert {200, 201, 404, 422} <= set(tried)


def test_ids_from_nowhere_are_not_found(real: House) -> None:
    with real.client("nowhere") as client:
        for kind in ("documents", "passages", "conversations"):
            for wrong in (str(uuid.uuid4()), "%00", "' OR 1=1 --", "%2e%2e%2f", "é", "a" * 3000):
                assert client.get(f"/api/v1/{kind}/{wrong}").status_code in (404, 422), (kind, wrong)
