"""Texts of an evaluation set as files of a folder, and the way back from a citation to the text's id."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def write_documents(folder: Path, texts: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Write (id, heading, text) each as a Markdown file named by its id made safe; returns ids by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    ids: dict[str, str] = {}
    # Two names that differ in case alone are one file on Windows and macOS.
    taken: set[str] = set()
    for identifier, heading, text in texts:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", identifier)
        name = f"{stem}.md" if f"{stem}.md".lower() not in taken else f"{stem}-{len(ids)}.md"
        taken.add(name.lower())
        ids[name] = identifier
        title = " ".join(heading.split())
        (folder / name).write_text(f"# {title}\n\n{text}\n" if title else f"{text}\n", encoding="utf-8")
    return ids
