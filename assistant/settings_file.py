"""Writing one setting into the settings file, with everything else in it left as it is, comments too."""

from __future__ import annotations

import os
from pathlib import Path

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError

from assistant.errors import SettingsError
from assistant.sections import Section
from assistant.settings import CONFIG_NAME, Settings


def write_setting(settings: Settings, section: str, name: str, value: object) -> Path:
    """Set `section.name` in the file that these settings are read from, or take it out (None); returns that file.

    Raises `SettingsError` where the file cannot be read or written.
    """
    path = settings.config or settings.home / CONFIG_NAME
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        table = document.setdefault(section, tomlkit.table())
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written beside and then put in place: killed in between, the old file is still whole.
        beside = path.with_name(f"{path.name}.new")
        beside.write_text(tomlkit.dumps(document), encoding="utf-8")
        os.replace(beside, path)
    except (OSError, UnicodeDecodeError, TOMLKitError, TypeError) as error:
        raise SettingsError(f"The settings file {path} cannot be changed: {error}. Mend it, or name another with --config.") from error
    return path


def changed(settings: Settings, name: str, text: str) -> Settings:
    """These settings with one of them, "section.name", as a user typed it: as TOML has it, or plain words; empty is the default.

    It is written into the settings file. Raises `SettingsError` for what is no setting, or not of its kind or range.
    """
    section, _, field = name.partition(".")
    old = getattr(settings, section, None)
    if not isinstance(old, Section) or field not in type(old).model_fields:
        raise SettingsError(f"There is no setting {name} that could be changed here.")
    value = _read(text)
    given = {key: getattr(old, key) for key in old.model_fields_set if key != field} | ({} if value is None else {field: value})
    try:
        new = type(old)(**given)
    except ValidationError as error:
        raise SettingsError(f"{name} cannot be {text!r}: {error.errors()[0]['msg']}.") from error
    write_setting(settings, section, field, value)
    return settings.model_copy(update={section: new})


def typed(value: object) -> str:
    """A setting's value as a user would type it: what `changed` reads back."""
    if value is None or value == () or value == {}:
        return ""
    if isinstance(value, dict):
        inner = tomlkit.inline_table()
        inner.update(value)
        return inner.as_string()
    if isinstance(value, tuple | bool):
        return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
    return str(value)


def _read(text: str) -> object:
    if not text.strip():
        return None
    try:
        found = tomlkit.parse(f"value = {text}").unwrap()
        return found["value"] if len(found) == 1 else text.strip()
    except (TOMLKitError, KeyError):
        return text.strip()
