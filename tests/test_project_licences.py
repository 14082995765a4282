"""Every distribution that ships with this Apache-2.0 project has a licence that may."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    "0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU", "MPL-2.0", "PSF-2.0",
    "Python-2.0", "Unlicense", "Unicode-3.0", "Unicode-DFS-2016", "Zlib", "bzip2-1.0.6", "libpng-2.0", "Apache-2.0 WITH LLVM-exception",
}  # fmt: skip

# The LGPL lets a program of any licence use a library that its user can replace, which `pip install` of another one does.
# The wheels of opencv-python-headless and shapely carry such libraries too (FFmpeg, GEOS), as files of their own.
REPLACEABLE = {"psycopg": "LGPL-3.0-only", "psycopg-binary": "LGPL-3.0-only", "psycopg-pool": "LGPL-3.0-only"}

# What stands in the metadata of those that name no SPDX expression.
SPELLINGS = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "apache": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-3-clause, apache-2.0, dependency licenses": "BSD-3-Clause",  # pypdfium2; PDFium's own parts are all permissive
    "3-clause bsd license": "BSD-3-Clause",
    "isc license (iscl)": "ISC",
    "mit": "MIT",
    "mit license": "MIT",
    "mit license, apache license, version 2.0": "MIT",  # sqlite-vec: either of the two
    "the mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mpl-2.0": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
}


@cache
def shipped() -> dict[str, Distribution]:
    """Every distribution that installing this project brings, by name; what other platforms alone need is not here to read."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found: dict[str, Distribution] = {}
    todo = [(Requirement(line), "") for line in project["dependencies"]]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": name}) for name in {extra, ""}):
            continue
        name = canonicalize_name(requirement.name)
        try:
            new = name not in found
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        if new or requirement.extras:
            for asked in {"", *requirement.extras}:
                todo += [(Requirement(line), asked) for line in found[name].requires or [] if new or "extra" in line]
    return found


def licences(dist: Distribution) -> set[str]:
    """SPDX names (or the unknown words) of one way in which a distribution may be used; of "A OR B" the allowed one."""
    metadata = dist.metadata
    expression = metadata.get("License-Expression") or ""
    if not expression:
        words = [line.rsplit(" :: ", 1)[1] for line in metadata.get_all("Classifier") or [] if line.startswith("License :: OSI Approved ::")]
        if not words:
            words = (metadata.get("License") or "nothing").splitlines()[0].split(" AND ")
        return {SPELLINGS.get(word.strip().lower(), word.strip()) for word in words}
    choices = [
        {name.strip() for name in re.split(r"\s+AND\s+", choice)} for choice in re.split(r"\s+OR\s+", expression.replace("(", "").replace(")", ""))
    ]
    return next((choice for choice in choices if choice <= ALLOWED), choices[0])


def test_the_closure_is_whole():
    assert len(shipped()) > 80
    assert {"chromadb", "gradio", "llama-cpp-python", "psycopg-binary", "numpy", "starlette"} <= set(shipped())


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_licence_allows_shipping(name):
    allowed = ALLOWED | {REPLACEABLE[name]} if name in REPLACEABLE else ALLOWED
    found = licences(shipped()[name])
    assert found <= allowed, f"{name} {shipped()[name].version}: {', '.join(found - allowed)} is not on the list"


@pytest.mark.parametrize(
    ("expression", "fits"),
    [("MIT", True), ("GPL-3.0-only", False), ("AGPL-3.0-or-later", False), ("MIT OR GPL-2.0-only", True), ("MIT AND GPL-2.0-only", False), ("(Apache-2.0 OR BSD-3-Clause)", True)],
)
def test_expressions_are_read(expression, fits, tmp_path):
    info = tmp_path / "x-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: x\nVersion: 1\nLicense-Expression: {expression}\n", encoding="utf-8")
    assert (licences(Distribution.at(info)) <= ALLOWED) == fits
