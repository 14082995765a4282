"""Serving the page: its own address only, no self-test over a proxy, nothing sent anywhere else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount

from assistant import AssistantError
from assistant.keys import Keys
from ui.chat import Chat
from ui.doors.access import Doors
from ui.guard import Guard, is_loopback
from ui.login import Login
from ui.page import assemble, look
from ui.probes import Probes

if TYPE_CHECKING:
    from assistant import Assistant
    from assistant.accounts import Accounts


LOOK = 0.01
"""Least seconds between two looks of Gradio's queue. Its own 0.001 (0.05 on Windows) takes 3 % of a processor while nobody asks; with 0.05 quick clicks met what
was drawn before."""


class Server(uvicorn.Server):
    """Ends what streams before it waits for open connections: each open page holds one for as long as it is open."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, talk: Chat) -> None:
        super().__init__(config)
        self._gradio = next(
            route.app for route in app.routes if isinstance(route, Mount) and isinstance(route.app, gr.routes.App)
        )
        self._talk = talk

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the turns, let the pages go, then what uvicorn does."""
        self._talk.close()
        self._gradio.stop_event.set()
        await super().shutdown(sockets)


class Running:
    """A page being served; `close` ends it."""

    def __init__(self, server: Server, listening: socket.socket, url: str) -> None:
        self.url = url
        self._server = server
        self._socket = listening
        self._thread: threading.Thread | None = None

    def run(self) -> None:
        """Serve until the program is interrupted: the process has nothing else to do."""
        # What was made by now stays. Looking through all of it again now and then would hold up every turn for a tenth of a second.
        gc.collect()
        gc.freeze()
        with contextlib.suppress(KeyboardInterrupt):
            self._server.run(sockets=[self._socket])

    def start(self, *, patience: float = 30.0) -> None:
        """Serve in a thread; returns once the page answers."""
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="page", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + patience
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)

    def close(self, *, patience: float = 10.0) -> None:
        """End it and wait for what is under way, at most `patience` seconds."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(patience)
        self._socket.close()


def serve(
    assistant: Assistant, *, host: str = "127.0.0.1", port: int = 7860, open_browser: bool = True, block: bool = True
) -> Running:
    """Show the page of `assistant` on `host`:`port` (0: any free port), until interrupted where `block`.

    Raises AssistantError when the address cannot be listened on.
    """
    accounts: Accounts | None = assistant.accounts
    if accounts and not accounts.all():
        if not is_loopback(host):
            raise AssistantError(
                f"On {host} whoever reaches this machine could use the page as any user, so it asks them to sign in. "
                "Add somebody first (assistant users add NAME), or leave --host out to keep the page to this machine."
            )
        accounts = None
    listening = _listen(host, port)
    url = _url(host, listening.getsockname()[1])
    talk = Chat(assistant)
    app = asyncio.run(_make(assistant, talk, host, accounts))
    logs = None if assistant.settings.watching.logs == "json" else uvicorn.config.LOGGING_CONFIG
    config = uvicorn.Config(app, log_level="warning", log_config=logs, timeout_graceful_shutdown=2, lifespan="on")
    running = Running(Server(config, app, talk), listening, url)
    sys.stderr.write(f"The page is at {url} (Ctrl+C ends it)\n")
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    if block:
        running.run()
    else:
        running.start()
    return running


async def _make(assistant: Assistant, talk: Chat, host: str, accounts: Accounts | None) -> FastAPI:
    """The page's application. Made inside a loop: outside, Gradio makes a loop for each of its locks and closes none."""
    # A file over the limit is refused with its reason; one far over it is not even taken.
    return application(
        assemble(assistant, talk), host=host, accounts=accounts, max_megabytes=4 * assistant.settings.documents.max_megabytes,
        routes=[talk.checking.originals.route()], assistant=assistant,
    )  # fmt: skip


def application(
    page: gr.Blocks, *, host: str, accounts: Accounts | None = None, max_megabytes: float = 200.0, routes: Sequence[BaseRoute] = (),
    assistant: Assistant | None = None,
) -> FastAPI:  # fmt: skip
    """The page as an ASGI application behind its guard, with everything of Gradio's that leaves the machine off.

    Beside it, where an assistant is given, the doors for other programs, which ask for a key instead of a session.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, routes=list(routes))
    if accounts is not None:
        app.add_middleware(Login, accounts=accounts)
    if assistant is not None:
        app.add_middleware(Doors, assistant=assistant, keys=Keys(assistant.accounts.place))
    app.add_middleware(Guard, host=host, names=assistant.settings.page.names if assistant is not None else ())
    if assistant is not None:
        app.add_middleware(Probes, watch=assistant.watch, page=assistant.settings.page)  # the outermost: a machine asks by an address
    mounted: FastAPI = gr.mount_gradio_app(
        app, page, path="/", server_name=host, max_file_size=int(max_megabytes * 2**20), footer_links=[], run_history=False, show_error=False,
        ssr_mode=False, enable_monitoring=False, pwa=False, mcp_server=False, **look(),
    )  # fmt: skip
    page._queue.sleep_when_free = max(page._queue.sleep_when_free, LOOK)
    return mounted


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; bound here so that a taken port is one clear message."""
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    try:
        return socket.create_server((name, port), family=family, backlog=128)
    except OSError as error:
        raise AssistantError(
            f"The page cannot listen on {host}:{port}: {error.strerror or error}. Choose another port with --port."
        ) from error


def _url(host: str, port: int) -> str:
    name = host.strip("[]")
    if name in ("0.0.0.0", "::", ""):
        name = "127.0.0.1"
    return f"http://[{name}]:{port}/" if ":" in name else f"http://{name}:{port}/"
