"""Errors that a turn makes; the tree stands in `stores.errors`."""

from stores.errors import AssistantError


class QuestionTooLong(AssistantError):
    """The question is longer than a turn can read."""


class TurnCancelled(AssistantError):
    """The reader went away, so the turn was stopped."""
