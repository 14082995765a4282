"""An OpenAI-compatible model server as a process of its own, to be killed: it follows the rule of `tests.scripted_models`.

`python -m tests.rule_server PORT SECONDS DIMENSIONS`: an answer takes so many seconds, as a real one would; by its words half as long to half as
long again, as no crowd keeps step. A question with SAYS in it is one to the documents, and answered by the first sentence of the first passage.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

from tests import hashed

ROOT = Path(__file__).parent.parent
SAYS = "What is said of"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_FRAME = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
_PASSAGE = re.compile(r"^\[1\] .*\n(?:[^.\n]*\n)*([^.\n]+\.)", re.MULTILINE)
_TALK = (("chat", -0.01), ("memory", -6.0), ("no", -0.5), ("off", -9.0), ("sql", -9.0))
_DOCUMENTS = (("documents", -0.01), ("yes", -0.01), ("chat", -9.0), ("no", -9.0))
_USED = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}


class RunningRule:
    """The server on loopback; `kill` and `start` as often as wanted."""

    def __init__(self, seconds: float, dimensions: int = hashed.DIMENSIONS) -> None:
        self.port, self.seconds, self.dimensions = free_port(), seconds, dimensions
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        given = map(str, (self.port, self.seconds, self.dimensions))
        self._process = subprocess.Popen([sys.executable, "-m", "tests.rule_server", *given], cwd=ROOT, env=dict(os.environ))
        wait_for(self.port)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            self._process.kill()
            self._process.wait(20)
            self._process = None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(port: int, seconds: float = 60.0) -> None:
    """Wait until something listens."""
    began = time.monotonic()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() - began < seconds, f"nothing listens on {port}"
            time.sleep(0.05)
        else:
            return


async def _serve(port: int, seconds: float, dimensions: int) -> None:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                body = json.loads(await reader.readexactly(int(length[1]))) if length else {}
                await _answer(head.split(b" ", 2)[1].decode(), body, writer, seconds, dimensions)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async with await asyncio.start_server(client, "127.0.0.1", port, backlog=512) as server:
        await server.serve_forever()


async def _answer(path: str, body: dict[str, Any], writer: asyncio.StreamWriter, seconds: float, dimensions: int) -> None:
    if path.endswith("/embeddings"):
        rows = [{"index": at, "object": "embedding", "embedding": row} for at, row in enumerate(hashed.embed(body["input"], dimensions).tolist())]
        _json(writer, {"object": "list", "model": "m", "data": rows, "usage": {"prompt_tokens": 1, "total_tokens": 1}})
    elif "messages" not in body:
        _json(writer, {})
    elif body.get("stream"):
        await _words(writer, _quoted(body) or f"I heard: {_asked(body)}", seconds)
    else:
        likely = _DOCUMENTS if SAYS in _asked(body) else _TALK
        top = [{"token": token, "logprob": value, "bytes": None} for token, value in likely]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": likely[0][0]}, "logprobs": {"content": [{**top[0], "top_logprobs": top}]}}
        _json(writer, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": _USED})


def _asked(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"]).splitlines()[-1]


def _quoted(body: dict[str, Any]) -> str:
    """The first sentence of the first passage that the messages show."""
    found = _PASSAGE.search("\n".join(str(message["content"]) for message in body["messages"]))
    return found[1] if found and SAYS in found.string else ""


def _json(writer: asyncio.StreamWriter, content: dict[str, Any]) -> None:
    data = json.dumps(content).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data))


async def _words(writer: asyncio.StreamWriter, text: str, seconds: float) -> None:
    pieces = re.findall(r"\S+\s*", text)
    seconds *= 0.5 + zlib.crc32(text.encode()) % 1000 / 1000

    def frame(data: str) -> None:
        sent = f"data: {data}\n\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(sent), sent))

    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in pieces:
        await asyncio.sleep(seconds / len(pieces))
        frame(json.dumps({**_FRAME, "choices": [{"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}]}))
        await writer.drain()
    frame(json.dumps({**_FRAME, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    frame(json.dumps({**_FRAME, "choices": [], "usage": _USED}))
    frame("[DONE]")
    writer.write(b"0\r\n\r\n")


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
