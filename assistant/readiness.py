"""Whether what the assistant stands on can be used just now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stores.errors import AssistantError

if TYPE_CHECKING:
    from assistant.models.shared import Models
    from assistant.wiring import Parts

_NOBODY = "-"
"""A user that owns nothing: what is asked for is that an answer comes."""


def readiness(parts: Parts, models: Models) -> dict[str, bool]:
    """Whether the model, the state and the index answer, each by its name."""

    def model() -> bool:
        return not models.missing() and models.loaded and models.any_server_up()

    def state() -> bool:
        return not parts.kept.history.holds(_NOBODY, user=_NOBODY)

    def index() -> bool:
        return not parts.memories.all(user=_NOBODY) and parts.documents.count(_NOBODY) >= 0

    found = {}
    for check in (model, state, index):
        try:
            found[check.__name__] = bool(check())
        except AssistantError:
            found[check.__name__] = False
    return found
