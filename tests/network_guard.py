"""Refuse, and write down, every connection that would leave this machine. Standard library only: child processes run it too."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOG = "NETWORK_GUARD_LOG"


class Guard:
    """While installed, sockets reach loopback and Unix addresses only; `attempts` says what else was tried.

    It sees what Python code tries. What compiled code tries is counted by the kernel: see `tests.offline`.
    """

    def __init__(self, log: Path | None = None) -> None:
        self.attempts: list[str] = []
        self._log = log
        self._lifted = 0

    def install(self) -> None:
        """Patch the socket module for the rest of this process."""
        for name in ("connect", "connect_ex", "sendto", "sendmsg"):
            setattr(socket.socket, name, self._guarded_method(name, getattr(socket.socket, name)))
        socket.getaddrinfo = self._guarded_lookup(socket.getaddrinfo)

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Let everything through: for the fixtures that fetch a model file."""
        self._lifted += 1
        try:
            yield
        finally:
            self._lifted -= 1

    def _guarded_method(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(sock: socket.socket, *arguments: Any) -> Any:
            address = _address(name, arguments)
            if self._lifted or address is None or sock.family not in (socket.AF_INET, socket.AF_INET6) or is_local(address[0]):
                return original(sock, *arguments)
            self._record(f"{name} {address[0]}:{address[1]}")
            if name == "connect_ex":
                return errno.ENETUNREACH
            raise OSError(errno.ENETUNREACH, f"A test may not reach {address[0]}:{address[1]}")

        return guarded

    def _guarded_lookup(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(host: Any, *arguments: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if self._lifted or is_local(name) or _is_address(name):
                return original(host, *arguments, **named)
            if not name.endswith(".invalid"):  # a name made for being unreachable (RFC 6761) is no attempt
                self._record(f"look-up {name}")
            raise socket.gaierror(socket.EAI_NONAME, f"A test may not look up {name}")

        return guarded

    def _record(self, attempt: str) -> None:
        self.attempts.append(attempt)
        if self._log:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(f"{attempt} (from {Path(sys.argv[0]).name if sys.argv else 'python'})\n")


def is_local(host: str | None) -> bool:
    """Whether a name or an address stays on this machine."""
    if not host or host in ("localhost", "localhost.localdomain", socket.gethostname()):
        return True
    if not _is_address(host):
        return False
    address = ipaddress.ip_address(host.split("%")[0])
    return address.is_loopback or address.is_unspecified


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.split("%")[0])
    except ValueError:
        return False
    return True


def _address(name: str, arguments: tuple[Any, ...]) -> tuple[str, int] | None:
    """Where a call goes: `sendto` has flags in between, `sendmsg` may have no address at all."""
    candidate = arguments[3] if name == "sendmsg" and len(arguments) > 3 else arguments[-1] if arguments and name != "sendmsg" else None
    return candidate if isinstance(candidate, tuple) and isinstance(candidate[0], str) else None


if os.environ.get(LOG):  # loaded by the sitecustomize.py that tests.offline lays out
    Guard(Path(os.environ[LOG])).install()
