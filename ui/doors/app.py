"""The doors as one application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from assistant import AssistantError
from ui.doors import completions, rest, tools
from ui.doors.access import problem, refusal, told

if TYPE_CHECKING:
    from assistant import Assistant
    from ui.guard import App


class Problem(BaseModel):
    """What went wrong: a sentence, its kind, the field it is about, a code."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failure(BaseModel):
    """An error."""

    error: Problem


FAILURES: dict[int | str, dict[str, Any]] = {status: {"model": Failure} for status in (400, 401, 403, 404, 408, 413, 422, 429, 503)}


def application(assistant: Assistant) -> App:
    """Everything under /v1, /api/v1 and /mcp."""
    app = FastAPI(
        title="Offline assistant", version="1", summary="Ask a database, documents and memories; every call acts for the key's user.",
        docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json", responses=FAILURES, redirect_slashes=False,
        dependencies=[Security(HTTPBearer(auto_error=False, description="A key from `assistant keys add`."))],
    )  # fmt: skip
    app.include_router(completions.routes(assistant), prefix="/v1", include_in_schema=False)
    app.include_router(rest.routes(assistant), prefix="/api/v1")
    tool_calls = tools.endpoint(assistant)
    app.router.routes.extend(Route(path, tool_calls, methods=["POST"]) for path in ("/mcp", "/mcp/"))
    app.exception_handler(AssistantError)(_told)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(UnicodeEncodeError)(_unwritable)
    app.exception_handler(Exception)(_unexpected)
    return app


async def _told(_: Request, error: AssistantError) -> JSONResponse:
    return told(error)


async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """OpenAI's API says 400 to what FastAPI says 422 to."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    status = 400 if request.url.path.startswith("/v1/") else 422
    return JSONResponse(problem(status, f"{where or 'The request'}: {first['msg']}", "invalid_request", where or None), status)


async def _refused(_: Request, error: HTTPException) -> JSONResponse:
    return refusal(error.status_code, str(error.detail), "invalid_request", dict(error.headers or {}))


async def _unwritable(_: Request, error: UnicodeEncodeError) -> JSONResponse:
    """JSON can spell half a character; nothing could be kept of it, and nothing was."""
    return refusal(400, f"The text holds half a character ({error.reason}). Send whole ones.", "invalid_request")


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    return refusal(500, "Something went wrong that nobody foresaw; the log of the assistant says what.", "internal_error")
