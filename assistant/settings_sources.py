"""Where the value of each setting comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic_settings import EnvSettingsSource, InitSettingsSource, TomlConfigSettingsSource

from assistant.sections import Section
from assistant.settings import CONFIG_NAME, Settings


def secrets(settings: Settings) -> Iterator[str]:
    """The values that nobody is to read: keys whole, of an address with a password the password."""
    for name in Settings.model_fields:
        section = getattr(settings, name)
        for inner, field in type(section).model_fields.items() if isinstance(section, Section) else ():
            value, extra = getattr(section, inner), field.json_schema_extra
            if value and isinstance(extra, dict) and extra.get("secret"):
                found = str(value).rpartition("@")[0].rpartition(":")[2] if "://" in str(value) else str(value)
                if found:
                    yield found


def sources(settings: Settings, given: dict[str, Any] | None = None) -> Iterator[tuple[str, str, Any, str]]:
    """(dotted name, description, value, where it comes from) of every setting, secrets masked.

    `given` is what the caller passed to `Settings`; the source is one of "given", "environment", the file's path, "default".
    """
    layers = [
        ("given", InitSettingsSource(Settings, given or {})()),
        ("environment", EnvSettingsSource(Settings)()),
    ]
    path = settings.config or settings.home / CONFIG_NAME
    if path.is_file():
        layers.append((str(path), TomlConfigSettingsSource(Settings, path)()))
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if not isinstance(value, Section):
            yield name, field.description or "", value, _source(layers, (name,), given=value != field.get_default(call_default_factory=True))
            continue
        for inner, inner_field in type(value).model_fields.items():
            shown = getattr(value, inner)
            extra = inner_field.json_schema_extra
            if shown is not None and isinstance(extra, dict) and extra.get("secret"):
                shown = _masked(str(shown))
            set_here = getattr(value, inner) != inner_field.get_default(call_default_factory=True)
            yield f"{name}.{inner}", inner_field.description or "", shown, _source(layers, (name, inner), given=set_here)


def _source(layers: list[tuple[str, dict[str, Any]]], path: tuple[str, ...], *, given: bool) -> str:
    """The first layer that names a setting; what none names is given by the program, or the default."""
    for label, values in layers:
        found: Any = values
        for part in path:
            found = found.get(part) if isinstance(found, dict) else getattr(found, part, None)
            if found is None:
                break
        if found is not None:
            return label
    return "given" if given else "default"


def _masked(secret: str) -> str:
    """A URL without its password; any other secret as asterisks."""
    if "://" not in secret:
        return "***"
    scheme, rest = secret.split("://", 1)
    if "@" not in rest:
        return secret
    return f"{scheme}://***@{rest.rsplit('@', 1)[1]}"
