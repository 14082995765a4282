"""Folders of documents as they lie on a real disk, made of English sentences that come with Python: the same every time, nothing fetched."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

KINDS = ("md", "txt", "html")


@cache
def _sentences() -> tuple[str, ...]:
    text = re.sub(r"\s+", " ", " ".join(topics[name] for name in sorted(topics)))
    return tuple(sorted(set(re.findall(r"(?<=\. )[A-Z][\w ,;'-]{30,240}\.", text))))


def paragraphs(rng: random.Random, count: int) -> list[str]:
    """Paragraphs of three to eight sentences."""
    return [" ".join(rng.choices(_sentences(), k=rng.randint(3, 8))) for _ in range(count)]


def document(kind: str, rng: random.Random) -> str:
    """One file's text: a title, one to six headings with one to four paragraphs below each."""
    title, *headings = [rng.choice(_sentences())[:40].rsplit(" ", 1)[0] for _ in range(rng.randint(2, 7))]
    sections = [(heading, paragraphs(rng, rng.randint(1, 4))) for heading in headings]
    if kind == "md":
        return f"# {title}\n\n" + "\n\n".join(f"## {heading}\n\n" + "\n\n".join(below) for heading, below in sections) + "\n"
    if kind == "html":
        body = "".join(f"<h2>{heading}</h2>" + "".join(f"<p>{text}</p>" for text in below) for heading, below in sections)
        return f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"
    return f"{title}\n\n" + "\n\n".join("\n\n".join([heading, *below]) for heading, below in sections) + "\n"


def write(folder: Path, count: int, *, seed: int = 7) -> Path:
    """A folder of `count` documents in folders of a hundred, a third each of Markdown, text and HTML."""
    for name, text in documents(count, seed=seed):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def documents(count: int, *, seed: int = 7) -> Iterator[tuple[str, str]]:
    """(name, text) of each document."""
    rng = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield f"{number // 100:02}/note {number:05}.{kind}", document(kind, rng)
