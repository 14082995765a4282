"""Errors of models and settings; the tree stands in `stores.errors`."""

from stores.errors import AssistantError


class ModelUnavailable(AssistantError):
    """There is no model to speak to: no file, one that cannot be loaded, or a server that is gone."""


class ModelBusy(ModelUnavailable):
    """So many wait for the model that a further one is turned away."""


class ModelFileCorrupt(AssistantError):
    """A model file's bytes are not those that its SHA-256 names."""


class SettingsError(AssistantError):
    """A setting is unknown, out of range or cannot be read."""
