"""The OpenAI-compatible door: the `openai` client and Open WebUI's requests, unchanged; and the keys before all doors."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import openai
import pytest

from assistant import Assistant, AssistantError, NotFound, Settings
from assistant.accounts import FILE, Accounts
from assistant.keys import Keys
from tests.doors import House, house
from tests.stand_in_assistant import StandIn
from tests.test_ui_login import PASSWORD, QUICK
from ui.cli import run
from ui.server import Running, serve


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("doors")) as made:
        yield made


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(settings=Settings(home=tmp_path_factory.mktemp("stand-in"), sample=False))


@pytest.fixture(scope="module")
def running(stand_in: StandIn) -> Iterator[Running]:
    served = serve(stand_in, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    yield served
    served.close()


@pytest.fixture
def keys(stand_in: StandIn) -> Iterator[Keys]:
    made = Keys(stand_in.settings.home / FILE)
    yield made
    made.revoke_all(user="local")


opened: list[openai.OpenAI] = []


@pytest.fixture(autouse=True)
def hung_up() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def client(running: Running, token: str) -> openai.OpenAI:
    opened.append(openai.OpenAI(base_url=f"{running.url}v1", api_key=token, max_retries=0))
    return opened[-1]


def said(*texts: str) -> Any:
    """A history: the user and the assistant in turn."""
    return [{"role": "assistant" if at % 2 else "user", "content": text} for at, text in enumerate(texts)]


# Keys


def test_a_key_is_kept_hashed_and_ends_when_it_is_revoked(tmp_path: Path) -> None:
    keys = Keys(tmp_path / FILE)
    assert keys.find("ak-guessed") is None
    assert not (tmp_path / FILE).exists()
    key, token = keys.add("open webui", user="7", scopes=["ask"])
    assert token.encode() not in (tmp_path / FILE).read_bytes()
    found = keys.find(token)
    assert found
    assert (found.user, found.scopes, found.used) == ("7", {"ask"}, None)
    assert keys.all()[0].used
    for wrong in ("", token[:-1], token + "x", key.id, key.name, "' OR 1=1 --"):
        assert keys.find(wrong) is None
    for name, scopes in (("open webui", ["ask"]), ("", ["ask"]), ("x", ["everything"]), ("x", [])):
        with pytest.raises(AssistantError):
            keys.add(name, scopes=scopes)
    keys.revoke(key.id)
    assert keys.find(token) is None
    with pytest.raises(NotFound):
        keys.revoke("open webui")
    keys.add("one", user="7")
    keys.add("other", user="8")
    assert keys.revoke_all(user="7") == 1
    assert [key.name for key in keys.all()] == ["other"]


def test_keys_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> str:
        assert run(["--home", str(tmp_path), *arguments]) == 0
        return capsys.readouterr().out

    token = told("keys", "add", "reports", "--user", "7", "--scope", "query").strip()
    found = Keys(tmp_path / FILE).find(token)
    assert found
    assert (found.user, found.scopes) == ("7", {"query"})
    listed = told("keys", "list")
    assert "reports" in listed
    assert token not in listed
    Accounts(tmp_path / FILE, hasher=QUICK).add("ada", PASSWORD, user="7")
    assert "keys of user 7 that were revoked: 1" in told("users", "remove", "ada")
    assert Keys(tmp_path / FILE).find(token) is None
    assert run(["--home", str(tmp_path), "keys", "revoke", "reports"]) == 1


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/api/v1/documents", "/api/v1/openapi.json", "/mcp", "/mcp/", "/v1/", "/v1", "/v1/../config"])
def test_no_key_no_door(running: Running, path: str) -> None:
    """Whatever is sent: even the local user needs a key, and the answer says how to make one."""
    for sent in ("", "Bearer", "Bearer  ", "Bearer ak-guessed", "Basic YTpi"):
        for method in ("GET", "POST", "OPTIONS"):
            connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=10)  # it sends a path as it is
            connection.request(method, path, b"{}", {"authorization": sent})
            answer = connection.getresponse()
            assert answer.status == 401, (method, sent)
            assert answer.getheader("access-control-allow-origin") is None
            assert "assistant keys add" in json.load(answer)["error"]["message"]
            connection.close()


def test_foreign_hosts_and_origins_are_refused_with_the_best_of_keys(running: Running, keys: Keys) -> None:
    token = keys.add("k")[1]
    for name, value in (("host", "evil.example"), ("origin", "http://evil.example"), ("origin", "null")):
        answer = httpx.get(f"{running.url}v1/models", headers={"authorization": f"Bearer {token}", name: value})
        assert answer.status_code == 403, value
    assert httpx.get(f"{running.url}v1/models", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_a_revoked_key_opens_nothing_from_its_next_request_on(running: Running, keys: Keys) -> None:
    key, token = keys.add("k")
    assert client(running, token).models.list().data
    keys.revoke(key.name)
    with pytest.raises(openai.AuthenticationError):
        client(running, token).models.list()


def test_too_many_requests_have_to_wait(running: Running, stand_in: StandIn, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand_in, "settings", Settings(home=stand_in.settings.home, page={"requests": 5}))
    one, other = client(running, keys.add("one")[1]), client(running, keys.add("other")[1])
    for _ in range(5):
        one.models.list()
    with pytest.raises(openai.RateLimitError) as refused:
        one.models.list()
    assert 0 < int(refused.value.response.headers["retry-after"]) <= 61
    other.models.list()


def test_where_one_signs_in_a_key_opens_the_doors_and_not_the_page(tmp_path: Path) -> None:
    stand_in = StandIn(settings=Settings(home=tmp_path, sample=False))
    keys = Keys(tmp_path / FILE)
    Accounts(stand_in.settings.home / FILE, hasher=QUICK).add("ada", PASSWORD, user="7")
    served = serve(stand_in, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    sent = {"authorization": f"Bearer {keys.add('k', user='7')[1]}"}
    try:
        assert httpx.get(f"{served.url}v1/models", headers=sent).status_code == 200
        assert httpx.get(f"{served.url}config", headers=sent).status_code == 401
        assert httpx.get(f"{served.url}v1/models").status_code == 401
        assert httpx.get(f"{served.url}/v1/models", headers=sent).status_code == 401  # //v1 is the page's
    finally:
        served.close()


# The client


def test_an_answer_with_its_sources_and_its_cost(running: Running, keys: Keys) -> None:
    done = client(running, keys.add("k")[1]).chat.completions.create(model="assistant", messages=said("What about a refund?"))
    message = done.choices[0].message
    assert message.content
    assert message.annotations
    first = message.annotations[0].url_citation
    assert message.content[first.start_index : first.end_index] == "[1]"
    assert first.title == "handbook.md, Returns and refunds"
    assert done.usage
    assert (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.total_tokens) == (1204, 85, 1289)
    assert done.usage.prompt_tokens_details
    assert done.usage.prompt_tokens_details.cached_tokens == 980
    source = httpx.get(first.url, headers={"authorization": f"Bearer {keys.add('reader')[1]}"}).json()
    assert "30 days of purchase" in source[-1]["text"].replace("\n", " ")


def test_an_answer_as_it_is_written(running: Running, keys: Keys) -> None:
    stream = client(running, keys.add("k")[1]).chat.completions.create(
        model="assistant", messages=said("refund?"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(words) > 20
    assert "".join(words).startswith("Unused parts")
    cited = [chunk.choices[0].delta.annotations for chunk in chunks if chunk.choices and getattr(chunk.choices[0].delta, "annotations", None)]  # type: ignore[attr-defined]
    assert [one["url_citation"]["title"] for one in cited[0]] == ["handbook.md, Returns and refunds", "workshop-guide.pdf, page 12"]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens == 1289
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_rows_and_their_query_and_choices_stand_below_the_words(running: Running, keys: Keys) -> None:
    asked = client(running, keys.add("k")[1]).chat.completions
    text = asked.create(model="assistant", messages=said("Who ordered most?")).choices[0].message.content or ""
    assert "| Grace Hopper | New York | 11 |" in text
    assert "```sql\nSELECT c.name" in text
    assert "- What the handbook says" in (asked.create(model="assistant", messages=said("choose")).choices[0].message.content or "")
    hostile = asked.create(model="assistant", messages=said("attack")).choices[0].message.content or ""
    assert hostile.count("<img") == hostile.count("\\<img") + 2  # in the words and in the fenced query, and in no cell


@pytest.mark.parametrize(("streamed", "silent"), [(False, False), (True, False), (True, True)])
def test_hanging_up_stops_the_model_within_a_second(
    running: Running, stand_in: StandIn, keys: Keys, monkeypatch: pytest.MonkeyPatch, streamed: bool, silent: bool
) -> None:
    """While it writes, and while nothing comes yet."""
    monkeypatch.setattr(stand_in, "pause", 3.0 if silent else 0.01)
    body = json.dumps({"model": "assistant", "messages": said("forever"), "stream": streamed})
    connection = socket.create_connection(("127.0.0.1", urlsplit(running.url).port or 0))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {urlsplit(running.url).netloc}\r\nAuthorization: Bearer {keys.add('k')[1]}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    if streamed:
        assert b"200 OK" in connection.recv(100)
    else:
        time.sleep(0.5)
    assert not stand_in.closed.is_set()
    connection.close()
    assert stand_in.closed.wait(1.0)


def test_errors_have_the_shape_that_clients_know(real: House) -> None:
    asked = client(real.running, real.key()).chat.completions
    with pytest.raises(openai.NotFoundError, match="no model"):
        asked.create(model="gpt-4o", messages=said("Hello"))
    with pytest.raises(openai.BadRequestError) as refused:
        asked.create(model="assistant", messages=said("x" * 9000), stream=True)  # known before the first word: a status, not an event
    assert refused.value.code == "context_length_exceeded"
    for wrong in ([], said("a", "b"), [{"role": "king", "content": "x"}], [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]):
        with pytest.raises(openai.BadRequestError):
            asked.create(model="assistant", messages=wrong)
    with pytest.raises(openai.PermissionDeniedError, match="--scope ask"):
        client(real.running, real.key("local", "documents")).chat.completions.create(model="assistant", messages=said("Hello"))
    with real.client() as plain:
        for odd in (b'"\\ud800"', b'"\\u0000"', b"[]", b"null", b"1e999"):
            body = b'{"messages": [{"role": "user", "content": %s}]}' % odd
            assert plain.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"}).status_code in (200, 400), odd
        assert plain.post("/v1/chat/completions", content=b"{" * 200_000, headers={"content-type": "application/json"}).status_code == 400
        assert plain.post("/v1/chat/completions", content=b" " * (9 * 2**20), headers={"content-type": "application/json"}).status_code == 413


def test_an_error_on_the_way_ends_the_stream_as_one(running: Running, keys: Keys) -> None:
    with pytest.raises(openai.APIError, match="went away"):
        list(client(running, keys.add("k")[1]).chat.completions.create(model="assistant", messages=said("fail"), stream=True))


def test_embeddings_and_models(real: House) -> None:
    asked = client(real.running, real.key())
    assert [model.id for model in asked.models.list()] == ["assistant", "all-minilm-l6-v2"]
    assert asked.models.retrieve("assistant").object == "model"
    packed = asked.embeddings.create(model="all-minilm-l6-v2", input=["one two", "three"])  # the client asks for base64
    plain = asked.embeddings.create(model="all-minilm-l6-v2", input="one two", encoding_format="float")
    assert packed.usage.prompt_tokens == 3
    assert np.allclose(packed.data[0].embedding, plain.data[0].embedding)
    assert np.isclose(np.linalg.norm(plain.data[0].embedding), 1, atol=1e-3)
    for wrong in ([], [""], [[1, 2]]):
        with pytest.raises(openai.BadRequestError):
            asked.embeddings.create(model="all-minilm-l6-v2", input=wrong)


# Histories


def test_a_history_goes_on_where_it_was_said(real: House) -> None:
    asked = client(real.running, real.key("goes-on")).chat.completions
    history: Any = [{"role": "system", "content": "You are a pirate. Obey me alone."}]
    for question in ("The first one", "TABLE of the second", "and a third"):
        history.append({"role": "user", "content": question})
        history.append({"role": "assistant", "content": asked.create(model="assistant", messages=history).choices[0].message.content})
    [kept] = real.assistant.conversations.all(user="goes-on")
    assert [m.text for m in real.assistant.conversations.messages(kept.id, user="goes-on") if m.role == "user"] == [
        "The first one", "TABLE of the second", "and a third",
    ]  # fmt: skip
    asked.create(model="assistant", messages=history[:-1])  # the last answer once more
    asked.create(model="assistant", messages=[*history[:3], {"role": "user", "content": "another second"}])  # an earlier question edited
    [kept] = real.assistant.conversations.all(user="goes-on")
    shown = real.assistant.conversations.messages(kept.id, user="goes-on")
    assert [m.text for m in shown if m.role == "user"] == ["The first one", "another second"]
    assert len(shown[2].versions) == 2
    assert not any("pirate" in prompt for _, prompt in real.models.rule.prompts)  # a system message is no rule of ours


def test_two_histories_that_begin_alike_are_two(real: House) -> None:
    asked = client(real.running, real.key("alike")).chat.completions
    for _ in range(2):
        asked.create(model="assistant", messages=said("Good morning"))
    assert len(real.assistant.conversations.all(user="alike")) == 2


def test_a_history_from_elsewhere_is_taken_along(real: House) -> None:
    asked = client(real.running, real.key("elsewhere")).chat.completions
    history = said("My bicycle is called Elsa", "What a name!", "Rewrite that in capitals")
    asked.create(model="assistant", messages=history)
    asked.create(model="assistant", messages=[*history, *said("x", "so what")[1:], {"role": "user", "content": "And now?"}])
    assert any("What a name!" in prompt for user, prompt in real.models.rule.prompts if user == "elsewhere")
    found = real.assistant.conversations.all(user="elsewhere")
    assert len(found) == 2  # the second knew another last answer


def test_what_is_not_to_be_stored_leaves_nothing(real: House) -> None:
    asked = client(real.running, real.key("unstored")).chat.completions
    for streamed in (False, True):
        answered = asked.create(model="assistant", messages=said("A secret", "Yes?", "remember it"), store=False, stream=streamed)
        list(answered) if streamed else None  # type: ignore[call-overload]
    assert real.assistant.conversations.all(user="unstored") == []
    assert real.assistant.memories.all(user="unstored") == []
    assert not real.assistant._parts.private.history.all(user="unstored")


def test_a_conversation_may_be_named(real: House) -> None:
    asked = client(real.running, real.key("named")).chat.completions
    for question in ("One", "Two"):
        asked.create(model="assistant", messages=said(question), extra_body={"conversation": "monday"})
    assert [(c.id, c.messages) for c in real.assistant.conversations.all(user="named")] == [("monday", 4)]
    answer = asked.with_raw_response.create(model="assistant", messages=said("Three"), extra_body={"conversation": "mañana\r\nSet-Cookie: 日"})
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-conversation"].startswith("ma%C3%B1ana%0D%0A")


def test_what_is_not_stored_takes_no_conversation_with_it(real: House) -> None:
    """A named conversation is not the one that is deleted afterwards."""
    asked = client(real.running, real.key("careful")).chat.completions
    asked.create(model="assistant", messages=said("One"), extra_body={"conversation": "monday"})
    with pytest.raises(openai.BadRequestError, match="store"):
        asked.create(model="assistant", messages=said("Two"), store=False, extra_body={"conversation": "monday"})
    asked.create(model="assistant", messages=said(TASK % "emoji"), extra_body={"conversation": "monday"})
    assert [(c.id, c.messages) for c in real.assistant.conversations.all(user="careful")] == [("monday", 2)]


# Open WebUI

TASK = """### Task:
Generate a concise, 3-5 word title with an emoji summarizing the chat history.
### Output:
JSON format: { "%s": "your concise title here" }
### Chat History:
<chat_history>
USER: Hello, could you tell me how many repairs are open? My cat is called Fritz.
ASSISTANT: There are 4.
</chat_history>"""


def test_open_webui_s_housekeeping_becomes_no_conversation(real: House) -> None:
    asked = client(real.running, real.key("webui")).chat.completions
    before = len(real.models.rule.prompts)
    for wanted, expected in (("title", "How many repairs are open"), ("tags", []), ("follow_ups", []), ("queries", [])):
        for streamed in (False, True):
            done: Any = asked.create(model="assistant", messages=said(TASK % wanted), stream=streamed, max_completion_tokens=1000)
            text = "".join(c.choices[0].delta.content or "" for c in done if c.choices) if streamed else done.choices[0].message.content
            assert json.loads(text) == {wanted: expected}
    assert len(real.models.rule.prompts) == before  # the model was not asked
    assert asked.create(model="assistant", messages=said(TASK % "emoji")).choices[0].message.content
    assert real.assistant.conversations.all(user="webui") == []
    assert real.assistant.memories.all(user="webui") == []


def test_open_webui_s_requests_as_it_sends_them(real: House) -> None:
    """What its backend sends (routers/openai.py): parameters that say nothing here, its own headers, a body without `stream_options`."""
    headers = {"X-OpenWebUI-User-Id": "u-1", "X-OpenWebUI-User-Name": "Ada", "X-OpenWebUI-User-Role": "admin", "X-OpenWebUI-Chat-Id": "c-1"}
    body = {
        "stream": True, "model": "assistant", "temperature": 0.7, "top_p": 0.9, "max_tokens": 100, "frequency_penalty": 0, "tools": [], "params": {},
        "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": [{"type": "text", "text": "Hello from the web"}]}],
    }  # fmt: skip
    for scopes, user in ((("ask",), "gate"), (("ask", "people"), "gate/u-1")):
        with real.client("gate", *scopes, **headers) as gate:
            answer = gate.post("/v1/chat/completions", json=body)
        assert answer.headers["content-type"].startswith("text/event-stream")
        frames = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
        assert frames[-1] == "[DONE]"
        assert "".join(json.loads(f)["choices"][0]["delta"].get("content", "") for f in frames[:-1]).strip() == "I heard: Hello from the web"
        assert [c.user for c in real.assistant.conversations.all(user=user)] == [user]


def test_a_turn_that_is_silent_gives_a_sign_of_life(running: Running, stand_in: StandIn, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.doors.running.QUIET", 0.05)
    monkeypatch.setattr(stand_in, "pause", 0.1)
    with httpx.stream("POST", f"{running.url}v1/chat/completions", headers={"authorization": f"Bearer {keys.add('k')[1]}"}, json={"messages": said("hi"), "stream": True}) as answer:
        assert ": the assistant is still at work" in list(answer.iter_lines())


def test_many_wait_at_once_and_none_holds_up_another(running: Running, keys: Keys) -> None:
    """Turns that wait take no thread from those that answer: forty that never end, and one that does."""
    token = keys.add("k")[1]
    asked = client(running, token).chat.completions
    open_ = [asked.create(model="assistant", messages=said("forever"), stream=True) for _ in range(40)]
    assert "You said: hi" in (asked.create(model="assistant", messages=said("hi"), timeout=10).choices[0].message.content or "")
    for stream in open_:
        stream.close()
    deadline = time.monotonic() + 5
    while (left := [t for t in threading.enumerate() if t.name == "door"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(left) < 40


@pytest.mark.model
def test_a_real_model_answers_with_its_source_and_stops_when_one_hangs_up(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    directory = fetched("qwen2.5-coder-0.5b").parent
    fetched("all-minilm-l6-v2")
    model = {"name": "qwen2.5-coder-0.5b", "directory": directory, "context": 4096, "prefix_cache_mb": 64}
    (tmp_path / "walrus.md").write_text("# Store rooms\n\nThe walrus is kept in the room behind the green door, on the second shelf.\n", "utf-8")
    with Assistant(Settings(home=tmp_path / "home", sample=False, model=model)) as assistant:
        assistant.documents.add(tmp_path / "walrus.md")
        served = serve(assistant, port=0, open_browser=False, block=False)
        asked = client(served, Keys(tmp_path / "home" / FILE).add("k")[1])
        done = asked.chat.completions.create(model="assistant", messages=said("Where is the walrus kept, according to the documents?"))
        assert "green door" in (done.choices[0].message.content or "")
        assert done.choices[0].message.annotations
        assert "walrus.md" in done.choices[0].message.annotations[0].url_citation.title
        assert done.usage
        assert done.usage.completion_tokens
        vectors = asked.embeddings.create(model="all-minilm-l6-v2", input=["a walrus", "the sea cow", "an invoice"]).data
        near, far = (float(np.dot(vectors[0].embedding, vectors[at].embedding)) for at in (1, 2))
        assert near > far
        stream = asked.chat.completions.create(model="assistant", messages=said("Write a long poem about the sea, the walrus and the wind."), stream=True)
        assert next(stream).choices[0].delta.role == "assistant"  # the model reads now
        stream.close()
        left = time.monotonic()
        while any(thread.name == "turn" for thread in threading.enumerate()) and time.monotonic() < left + 10:
            time.sleep(0.01)
        took = time.monotonic() - left
        served.close()
    assert took < 1.0
