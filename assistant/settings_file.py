"""Writing one setting into the settings file, with everything else in it left as it is, comments too."""

from __future__ import annotations

import os
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from assistant.errors import SettingsError
from assistant.settings import CONFIG_NAME, Settings


def write_setting(settings: Settings, section: str, name: str, value: str) -> Path:
    """Set `section.name` in the file that these settings are read from; returns that file.

    Raises `SettingsError` where the file cannot be read or written.
    """
    path = settings.config or settings.home / CONFIG_NAME
    try:
        document = tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()
        table = document.setdefault(section, tomlkit.table())
        table[name] = value
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Written beside and then put in place: killed in between, the old file is still whole.
        beside = path.with_name(f"{path.name}.new")
        beside.write_text(tomlkit.dumps(document), encoding="utf-8")
        os.replace(beside, path)
    except (OSError, UnicodeDecodeError, TOMLKitError, TypeError) as error:
        raise SettingsError(f"The settings file {path} cannot be changed: {error}. Mend it, or name another with --config.") from error
    return path
