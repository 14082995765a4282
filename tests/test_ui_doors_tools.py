"""The MCP door, with the SDK's own client: over HTTP with a key, and over stdin and stdout."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from assistant import Settings
from assistant.accounts import FILE
from assistant.keys import Keys
from tests.doors import House, house
from tests.stand_in_assistant import StandIn
from ui.server import serve


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("tools")) as made:
        made.assistant.memories.add("My quartz is blue", user="7")
        yield made


def connected(url: str, token: str, mode: str = "auto", **headers: str) -> AbstractAsyncContextManager[Client]:
    @asynccontextmanager
    async def connect() -> Any:
        async with (
            httpx2.AsyncClient(headers={"authorization": f"Bearer {token}", **headers}, timeout=30) as http,
            Client(streamable_http_client(f"{url}mcp", http_client=http), mode=mode) as client,
        ):
            yield client

    return connect()


@pytest.mark.parametrize("mode", ["auto", "legacy"])  # with the handshake of 2025, and without
def test_a_client_lists_the_tools_and_calls_them(real: House, mode: str) -> None:
    async def visit() -> None:
        async with connected(real.running.url, real.key("7"), mode) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"ask", "search_documents", "query_database", "search_memories"}
            assert all(tool.description and tool.input_schema["properties"] for tool in tools.values())
            assert tools["query_database"].annotations
            assert tools["query_database"].annotations.read_only_hint
            asked = (await client.call_tool("ask", {"question": "Hello", "conversation": "tools"})).structured_content
            assert asked
            assert (asked["text"], asked["conversation"]) == ("I heard: Hello", "tools")
            rows = (await client.call_tool("query_database", {"sql": "SELECT title FROM notes"})).structured_content
            assert rows
            assert rows["rows"] == [["ada-note"]]
            found = (await client.call_tool("search_memories", {"query": "quartz"})).structured_content
            assert found
            assert [memory["text"] for memory in found["result"]] == ["My quartz is blue"]
            assert (await client.call_tool("search_documents", {"query": "walrus"})).structured_content == {"result": []}
            for sql in ("DELETE FROM notes", "SELECT 1; DROP TABLE notes", "ATTACH 'x' AS y"):
                refused = await client.call_tool("query_database", {"sql": sql})
                assert refused.is_error
                assert "SELECT" in refused.content[0].text  # type: ignore[union-attr]
            assert (await client.call_tool("ask", {"question": ""})).is_error
            assert (await client.call_tool("search_memories", {"query": "x", "k": 1000})).is_error

    asyncio.run(visit())


def test_a_key_s_scopes_and_user_bound_what_a_model_can_do(real: House) -> None:
    async def visit() -> None:
        async with connected(real.running.url, real.key("8", "query"), **{"x-assistant-user": "7"}) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["query_database"]
            rows = (await client.call_tool("query_database", {"sql": "SELECT title FROM notes"})).structured_content
            assert rows
            assert rows["rows"] == [["bob-note"]]
            assert (await client.call_tool("search_memories", {"query": "quartz"})).is_error
        async with connected(real.running.url, real.key("8")) as client:
            assert (await client.call_tool("search_memories", {"query": "quartz"})).structured_content == {"result": []}

    asyncio.run(visit())


def test_each_request_shows_its_key(real: House) -> None:
    """Nothing that one key opened serves another: there are no sessions."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search_memories", "arguments": {"query": "quartz"}}}
    accept = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18", "mcp-session-id": "stolen"}
    assert httpx2.post(f"{real.running.url}mcp", json=call, headers=accept).status_code == 401
    own, other = (
        httpx2.post(f"{real.running.url}mcp", json=call, headers={**accept, "authorization": f"Bearer {real.key(user)}"}).text for user in ("7", "8")
    )
    assert "quartz is blue" in own
    assert "quartz is blue" not in other
    with real.client("7") as client:
        assert client.get("/mcp").status_code == client.delete("/mcp").status_code == 405
        assert client.post("/mcp", content=b"{" * 10).status_code == 400


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_call_that_is_given_up_stops_the_model_within_a_second(tmp_path: Path, mode: str) -> None:
    stand_in = StandIn(settings=Settings(home=tmp_path, sample=False))
    served = serve(stand_in, port=0, open_browser=False, block=False)  # type: ignore[arg-type]
    token = Keys(tmp_path / FILE).add("k")[1]

    async def visit() -> float:
        async with connected(served.url, token, mode) as client:
            calling = asyncio.create_task(client.call_tool("ask", {"question": "forever"}))
            await asyncio.sleep(1.0)
            assert not stand_in.closed.is_set()
            calling.cancel()
            left = time.monotonic()
        assert await asyncio.to_thread(stand_in.closed.wait, 5)
        return time.monotonic() - left

    try:
        assert asyncio.run(visit()) < 1.0
    finally:
        served.close()


def test_over_stdin_and_stdout(real: House, tmp_path: Path) -> None:
    """`assistant mcp` as a program starts it; a home without models answers what needs none, and says what is missing for the rest."""
    environment = {**os.environ, "ASSISTANT_DATABASE__URL": real.assistant.settings.database.url, "ASSISTANT_SAMPLE": "false", "PYTHONPATH": os.pathsep.join(sys.path)}
    started = StdioServerParameters(command=sys.executable, args=["-c", "from ui.cli import main; main()", "--home", str(tmp_path / "home"), "mcp", "--user", "7"], env=environment)

    async def visit() -> None:
        async with Client(stdio_client(started)) as client:
            assert len((await client.list_tools()).tools) == 4
            rows = (await client.call_tool("query_database", {"sql": "SELECT code FROM notes WHERE code = 1"})).structured_content
            assert rows
            assert rows["rows"] == [[1]]
            refused = await client.call_tool("ask", {"question": "Hello"})
            assert refused.is_error
            assert "assistant models pull" in refused.content[0].text  # type: ignore[union-attr]

    asyncio.run(visit())
