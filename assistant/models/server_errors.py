"""What can go wrong with a model server, as this project's errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from assistant.errors import ModelBusy, ModelUnavailable
from assistant.models.context import Cancelled
from graphs.errors import QuestionTooLong, TurnCancelled

_TOO_LONG = ("too large to process", "too long")


@contextmanager
def server_errors(address: str, cancelled: Cancelled | None, section: str = "model") -> Iterator[None]:
    """Raise what the server at `address` and the way to it raise as errors that say what to do, by the settings of `section`."""
    import openai

    transport = transport_error()
    try:
        yield
    except (openai.OpenAIError, transport, NotCompleted, json.JSONDecodeError) as error:
        stop_if(cancelled, error)
        raise _explained(error, address, section) from error


def stop_if(cancelled: Cancelled | None, cause: Exception | None = None) -> None:
    """Raise `TurnCancelled` once `cancelled` is set."""
    if cancelled is not None and cancelled.is_set():
        raise TurnCancelled("The reader went away, so the model server was told to stop.") from cause


class NotCompleted(ValueError):
    """The server sent something else than an answer."""


class NotUnderstood(ModelUnavailable):
    """The server refuses a request as it was put: it may not know a field of it."""


def _explained(error: Exception, address: str, section: str) -> Exception:
    import openai

    at = f"The model server at {address}"
    if isinstance(error, openai.APITimeoutError):
        return ModelUnavailable(f"{at} did not answer in time. Raise {section}.server_timeout, or look whether it is overloaded.")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ModelUnavailable(f"{at} refused the key. Set {section}.server_api_key.")
    if isinstance(error, openai.NotFoundError):
        return ModelUnavailable(f"{at} knows no such address or model ({error}). Check {section}.server_url and {section}.server_model.")
    if isinstance(error, openai.RateLimitError) or (isinstance(error, openai.APIStatusError) and error.status_code == 503):
        return ModelBusy(f"{at} is busy ({error}). Try again in a moment.")
    too_long = (*_TOO_LONG, *(("context",) if isinstance(error, openai.BadRequestError) else ()))
    if isinstance(error, openai.APIStatusError) and any(words in str(error).lower() for words in too_long):
        return QuestionTooLong(f"{at} cannot read so much at once ({error}). Shorten the question.")
    if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError) or "logprobs" in str(error):
        return NotUnderstood(f"{at} does not understand what it was asked ({error}). Look at its log.")
    if isinstance(error, openai.APIStatusError):
        return ModelUnavailable(f"{at} answered with an error ({error}). Look at its log.")
    return ModelUnavailable(
        f"{at} cannot be reached, or broke off ({error}). Start it, or correct {section}.server_url, or leave that empty to use the local model."
    )


def transport_error() -> type[Exception]:
    """What the HTTP client under openai raises when a connection breaks: httpx2's since openai 3, httpx's before."""
    try:
        import httpx2 as http
    except ModuleNotFoundError:
        import httpx as http  # type: ignore[no-redef]
    return http.TransportError
