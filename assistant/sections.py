"""Settings of the servers that a team runs; a laptop leaves them empty."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A group of settings; an unknown name in it is an error, not silence."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IndexSettings(Section):
    """Where passages, memories and examples are kept."""

    url: str | None = Field(
        None, pattern=r"^https?://[^/@?#]+/?$", description="Chroma's server (http://host:8000, https://…); files in the home when empty."
    )
    token: str | None = Field(
        None, description="Sent to that server as a bearer token (to the proxy before it).", json_schema_extra={"secret": True}
    )
    certificates: Path | None = Field(None, description="A file of authorities to trust for https; the system's when empty.")
    timeout: float = Field(10.0, gt=0, description="Seconds to wait for that server.")
