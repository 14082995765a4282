"""A model server that says what a test puts in its mouth, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """What the server says next, and what it was asked."""

    pieces: list[str] = field(default_factory=lambda: ["Hel", "lo."])
    logprobs: list[tuple[str, float]] | None = None
    status: int = 200
    error: str = "no"
    wait: float = 0.0  # before each piece
    breaks_after: int | None = None  # pieces, then the connection goes
    refuses: tuple[str, ...] = ()  # fields that it does not know
    hangs: threading.Event | None = None  # until when it says nothing at all
    longest: int = 10**9  # characters of a text to be embedded
    looks: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)  # the client hung up


def handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

        def do_GET(self) -> None:
            script.looks += 1
            if script.hangs:
                script.hangs.wait(30)
            self._json(404, {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            script.requests.append({**body, "_key": self.headers.get("Authorization")})
            if script.hangs:
                script.hangs.wait(30)
            unknown = [name for name in script.refuses if name in body]
            if unknown:
                self._json(400, {"error": {"message": f"Unrecognized request argument: {unknown[0]}", "type": "x", "code": None, "param": None}})
            elif self.path.endswith("/embeddings") and script.status == 200:
                self._embed(body["input"])
            elif script.status != 200:
                self._json(script.status, {"error": {"message": script.error, "type": "x", "code": None, "param": None}})
            elif body.get("stream"):
                self._sse()
            else:
                self._json(200, self._whole())

        def _embed(self, texts: list[str]) -> None:
            if any(len(text) > script.longest for text in texts):
                self._json(500, {"error": {"message": "input is too large to process", "type": "x", "code": None, "param": None}})
                return
            rows = [{"index": at, "object": "embedding", "embedding": [float(len(text)), 1.0]} for at, text in enumerate(texts)]
            self._json(200, {"object": "list", "model": "m", "data": rows[::-1], "usage": {"prompt_tokens": 1, "total_tokens": 1}})

        def _json(self, status: int, content: dict[str, Any]) -> None:
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _whole(self) -> dict[str, Any]:
            choice: dict[str, Any] = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "".join(script.pieces)}}
            if script.logprobs is not None:
                top = [{"token": token, "logprob": value, "bytes": None} for token, value in script.logprobs]
                choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
            usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
            return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}

        def _sse(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            frame = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
            try:
                for at, piece in enumerate(script.pieces):
                    if at == script.breaks_after:
                        self.connection.shutdown(socket.SHUT_RDWR)
                        return
                    if script.wait:
                        # A client that hangs up makes the socket readable (its end of the stream).
                        self.connection.settimeout(script.wait)
                        try:
                            if self.connection.recv(1) == b"":
                                script.gone.set()
                                return
                        except TimeoutError:
                            self.connection.settimeout(None)
                    self._frame({**frame, "choices": [{"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}]})
                self._frame({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
                self._frame({**frame, "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}})
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                script.gone.set()

        def _frame(self, content: dict[str, Any]) -> None:
            self.wfile.write(f"data: {json.dumps(content)}\n\n".encode())
            self.wfile.flush()

    return Handler


@contextmanager
def served(script: Script, port: int = 0) -> Iterator[str]:
    """The script at an address of this machine, as model.server_url takes it."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(script))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hung up
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
