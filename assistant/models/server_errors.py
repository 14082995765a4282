"""What can go wrong with a model server, as this project's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from assistant.errors import ModelBusy, ModelUnavailable
from assistant.models.context import Cancelled
from graphs.errors import QuestionTooLong, TurnCancelled


@contextmanager
def server_errors(address: str, cancelled: Cancelled | None) -> Iterator[None]:
    """Raise what the server at `address` and the way to it raise as errors that say what to do."""
    import openai

    transport = _transport_error()
    try:
        yield
    except (openai.OpenAIError, transport) as error:
        stop_if(cancelled, error)
        raise _explained(error, address) from error


def stop_if(cancelled: Cancelled | None, cause: Exception | None = None) -> None:
    """Raise `TurnCancelled` once `cancelled` is set."""
    if cancelled is not None and cancelled.is_set():
        raise TurnCancelled("The reader went away, so the model server was told to stop.") from cause


def _explained(error: Exception, address: str) -> Exception:
    import openai

    at = f"The model server at {address}"
    if isinstance(error, openai.APITimeoutError):
        return ModelUnavailable(f"{at} did not answer in time. Raise model.server_timeout, or look whether it is overloaded.")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ModelUnavailable(f"{at} refused the key. Set model.server_api_key.")
    if isinstance(error, openai.NotFoundError):
        return ModelUnavailable(f"{at} knows no such address or model ({error}). Check model.server_url and model.server_model.")
    if isinstance(error, openai.RateLimitError) or (isinstance(error, openai.APIStatusError) and error.status_code == 503):
        return ModelBusy(f"{at} is busy ({error}). Try again in a moment.")
    if isinstance(error, openai.BadRequestError) and "context" in str(error).lower():
        return QuestionTooLong(f"{at} cannot read so much at once ({error}). Shorten the question.")
    if isinstance(error, openai.APIStatusError):
        return ModelUnavailable(f"{at} answered with an error ({error}). Look at its log.")
    return ModelUnavailable(
        f"{at} cannot be reached, or broke off ({error}). Start it, or correct model.server_url, or leave that empty to use the local model."
    )


def _transport_error() -> type[Exception]:
    """What the HTTP client under openai raises when a connection breaks: httpx2's since openai 3, httpx's before."""
    try:
        import httpx2 as http
    except ModuleNotFoundError:
        import httpx as http  # type: ignore[no-redef]
    return http.TransportError
