"""Trying once more what the way to a server broke in the middle of."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from stores.errors import StoreUnavailable

P = ParamSpec("P")
R = TypeVar("R")


class Gone(StoreUnavailable):
    """The way to the server broke in the middle: nobody knows whether what was under way has happened."""


def twice(method: Callable[P, R]) -> Callable[P, R]:
    """Try once more where the server was gone: for what says the same when it happens twice. Opening a new way waits, and backs off, by itself."""

    @wraps(method)
    def tried(*args: P.args, **named: P.kwargs) -> R:
        try:
            return method(*args, **named)
        except Gone:
            return method(*args, **named)

    return tried
