"""Shared prefixes on disk, so that a new process need not read them again."""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

_MAGIC = b"AKVP0001"
_HEADER = struct.Struct("<8s32sQ")  # magic, SHA-256 of what follows the header, its length


class PrefixFiles:
    """Files of keys and values in `directory`, each named by SHA-256 of the model, the software and the tokens.

    At most `max_bytes` are kept, the least recently used going first. A file that is not whole is removed.
    """

    def __init__(self, directory: Path, *, identity: str, max_bytes: int = 1 << 30) -> None:
        self._directory = directory
        self._identity = identity
        self._max_bytes = max_bytes

    def path(self, tokens: Sequence[int]) -> Path:
        """Where the state of `tokens` lies, whether or not it is there."""
        digest = hashlib.sha256(self._identity.encode())
        digest.update(struct.pack(f"<{len(tokens)}i", *tokens))
        return self._directory / f"{digest.hexdigest()}.kv"

    def load(self, tokens: Sequence[int]) -> bytearray | None:
        """The state kept for `tokens`, or None."""
        path = self.path(tokens)
        try:
            with path.open("rb") as file:
                header = file.read(_HEADER.size)
                data = bytearray(file.read())
        except OSError:
            return None
        if not _whole(header, data):
            self.remove(tokens)
            return None
        self._touch(path)
        return data

    def save(self, tokens: Sequence[int], data: bytearray) -> bool:
        """Keep the state of `tokens`; False when the disk does not take it (the prefix then lives in memory alone)."""
        if len(data) > self._max_bytes:
            return False
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._write(self.path(tokens), data)
            self._trim()
        except OSError:
            return False
        return True

    def remove(self, tokens: Sequence[int]) -> None:
        """Remove the state of `tokens`, if it is there."""
        _unlink(self.path(tokens))

    def _write(self, path: Path, data: bytearray) -> None:
        handle, name = tempfile.mkstemp(dir=self._directory, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_HEADER.pack(_MAGIC, hashlib.sha256(data).digest(), len(data)))
                file.write(data)
            # No fsync: after a crash a file with holes fails its hash and is read anew.
            os.replace(name, path)
        except BaseException:
            _unlink(Path(name))
            raise

    def _trim(self) -> None:
        found = []
        for path in self._directory.glob("*.kv"):
            try:
                found.append((path.stat().st_mtime_ns, path.stat().st_size, path))
            except OSError:  # another process removed it
                continue
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._max_bytes:
                return
            _unlink(path)
            total -= size

    @staticmethod
    def _touch(path: Path) -> None:
        try:
            os.utime(path)
        except OSError:  # a read-only folder still serves
            return


def _whole(header: bytes, data: bytearray) -> bool:
    if len(header) != _HEADER.size:
        return False
    magic, digest, length = _HEADER.unpack(header)
    return bool(magic == _MAGIC and length == len(data) and digest == hashlib.sha256(data).digest())


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # in use by another process (Windows): it stays for a later try
        return
