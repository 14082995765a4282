"""With the network taken away everything is imported and nothing tries to leave, whatever the environment asks for."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import textwrap

import pytest

from assistant.silence import silence
from tests.network_guard import Guard, is_local
from tests.offline import namespace, run_offline
from tests.test_stores_broken_files import READ
from tests.test_stores_formats import picture, picture_bytes

needs_namespace = pytest.mark.skipif(namespace() is None, reason="this machine permits no network namespace (unshare)")
MODULES = "assistant.api, assistant.doctor, assistant.wiring, graphs.graph, stores.database, stores.documents, ui.cli, ui.doors.app, ui.page, ui.server"
ASKED_FOR = {
    "ANONYMIZED_TELEMETRY": "True",
    "CHROMA_OTEL_COLLECTION_ENDPOINT": "http://192.0.2.1:4317",
    "GRADIO_ANALYTICS_ENABLED": "True",
    "GRADIO_SHARE": "True",
    "HF_HUB_DISABLE_TELEMETRY": "0",
    "ORT_DISABLE_TELEMETRY": "0",
    "LANGCHAIN_TRACING_V2": "true",
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_API_KEY": "lsv2_not_a_key",
    "LANGSMITH_ENDPOINT": "http://192.0.2.1:1984",
}
"""What would make the libraries talk; 192.0.2.0/24 is reserved for documentation, so nobody is there."""


def test_importing_everything_tries_to_reach_nothing(tmp_path):
    run = run_offline(["-c", f"import {MODULES}"], env={"ASSISTANT_HOME": str(tmp_path), **ASKED_FOR})
    assert run.returncode == 0, run.stderr
    assert run.attempts == ()


def test_a_chroma_collection_a_traced_chain_and_a_page_reach_nothing(tmp_path):
    code = """
        import time
        import assistant, ui
        import gradio
        from langchain_core.runnables import RunnableLambda
        from langsmith.utils import tracing_is_enabled
        from stores.chroma_folder import open_client

        client = open_client(__import__("pathlib").Path("index"))
        collection = client.get_or_create_collection("words", embedding_function=None)
        collection.add(ids=["1"], embeddings=[[1.0, 0.0]], documents=["x"])
        assert collection.query(query_embeddings=[[1.0, 0.0]], n_results=1)["ids"] == [["1"]]
        assert not tracing_is_enabled()
        assert RunnableLambda(lambda x: x + 1).invoke(1) == 2
        with gradio.Blocks():
            gradio.Textbox()
        time.sleep(1)  # what sends, sends from a thread
    """
    run = run_offline(["-c", textwrap.dedent(code)], env=ASKED_FOR, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.attempts == ()


def test_the_command_line_without_a_network_says_what_is_missing(tmp_path):
    """No model, no network: one clear line and code 1, not a stack trace."""
    code = "from ui.cli import main; main()"
    run = run_offline(["-c", code, "ask", "Hello?"], env={"ASSISTANT_HOME": str(tmp_path / "home"), "ASSISTANT_SAMPLE": "false"})
    assert run.returncode == 1, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    assert "models pull" in run.stderr or "model" in run.stderr.lower()


@needs_namespace  # onnxruntime is compiled: only the kernel sees what it tries
@pytest.mark.model
def test_the_embedding_model_reports_to_nobody(fetched, tmp_path):
    code = """
        import pathlib, sys, time
        import assistant
        from assistant.models.embeddings import OnnxEmbedder

        assert OnnxEmbedder(pathlib.Path(sys.argv[1]))(["hello"]).shape == (1, 384)
        time.sleep(8)  # unsilenced, it tries within seconds
    """
    run = run_offline(["-c", textwrap.dedent(code), str(fetched("all-minilm-l6-v2"))], env={**ASKED_FOR, "XDG_CACHE_HOME": str(tmp_path)})
    assert run.returncode == 0, run.stderr
    assert run.attempts == ()
    assert list(tmp_path.iterdir()) == [], "it keeps an identity of this machine on disk"


@needs_namespace
@pytest.mark.model
def test_with_the_models_present_everything_works_without_a_network(fetched, tmp_path):
    """Documents in, a question to them, a question to the database, a memory, the page: with real models."""
    code = """
        import pathlib, sqlite3, sys, time, urllib.request
        from assistant import Assistant, Settings

        models, here = map(pathlib.Path, sys.argv[1:])
        (here / "terms.md").write_text("# Repairs\\n\\nEvery repair carries a warranty of 24 months.\\n")
        with sqlite3.connect(here / "shop.db") as shop:
            shop.executescript("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL); INSERT INTO orders VALUES (1, 10.5), (2, 20)")
        settings = Settings(
            home=here / "home", sample=False, model={"name": "qwen2.5-coder-0.5b", "directory": models, "context": 4096},
            database={"url": f"sqlite:///{(here / 'shop.db').as_posix()}"},
        )
        with Assistant(settings) as assistant:
            assistant.prepare()
            assert assistant.documents.add(here / "terms.md").new
            assert assistant.documents.search("How long is the warranty?")[0].document == "terms.md"
            assistant.memories.add("I ride a blue bicycle.", user="local")
            assert assistant.ask("How many orders are there?").text
            assert assistant.ask("How long is the warranty on a repair?").text

            from ui.server import serve

            page = serve(assistant, port=0, open_browser=False, block=False)
            assert urllib.request.urlopen(page.url).status == 200
            page.close()
        time.sleep(5)
    """
    models = fetched("qwen2.5-coder-0.5b").parent
    fetched("all-minilm-l6-v2")
    run = run_offline(["-c", textwrap.dedent(code), str(models), str(tmp_path)], env=ASKED_FOR, timeout=800)
    assert run.returncode == 0, run.stderr
    assert run.attempts == ()


@needs_namespace
def test_documents_that_name_what_lies_elsewhere_are_read_without_asking_for_it(tmp_path):
    """In the process that reads them: a picture to recognise, and files with links that other programs follow."""
    for name in ("linked.docx", "many links.html", "old page.epub", "scripted.pdf"):
        (tmp_path / name).write_bytes(READ[name][0]())
    (tmp_path / "a.png").write_bytes(picture_bytes(picture("Bring the invoice"), "PNG"))
    code = """
        import pathlib, sys, time
        from stores.reading import Reader

        with Reader() as reader:
            for path in pathlib.Path(sys.argv[1]).iterdir():
                assert reader.parse(path.read_bytes(), path.name), path
            time.sleep(3)
    """
    run = run_offline(["-c", textwrap.dedent(code), str(tmp_path)], env=ASKED_FOR, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.attempts == ()


@needs_namespace
@pytest.mark.parametrize(
    "code",
    [
        "import ctypes; ctypes.CDLL(None).connect",  # compiled code: libc's own connect, past the patched module
        "import _socket; _socket.socket().connect(('192.0.2.1', 80))",
    ],
    ids=["nothing", "past the patch"],
)
def test_the_kernel_counts_what_the_patch_does_not_see(code):
    run = run_offline(["-c", code])
    tried = "192.0.2.1" in code
    assert bool(run.attempts) == tried
    assert (run.returncode != 0) == tried


@needs_namespace
def test_loopback_works_without_a_network():
    code = """
        import socket
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5):
            pass
    """
    run = run_offline(["-c", textwrap.dedent(code)])
    assert (run.returncode, run.attempts) == (0, ()), run.stderr


@pytest.mark.parametrize(
    ("code", "attempt"),
    [
        ("import socket; socket.create_connection(('192.0.2.1', 80), 1)", "connect 192.0.2.1:80"),
        ("import urllib.request; urllib.request.urlopen('http://example.com', timeout=1)", "look-up example.com"),
        ("import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))", "sendto 192.0.2.1:53"),
    ],
)
def test_what_python_tries_is_refused_and_named(code, attempt):
    run = run_offline(["-c", code])
    assert run.returncode != 0
    assert run.attempts[0].startswith(attempt)


def test_a_child_process_is_watched_too():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket; socket.create_connection((\"192.0.2.1\", 80))'])"
    assert run_offline(["-c", code]).attempts[0].startswith("connect 192.0.2.1:80")


def test_the_guard_of_these_tests_holds(no_network: Guard):
    with pytest.raises(OSError, match="may not reach") as refused:
        socket.create_connection(("192.0.2.1", 80), 1)
    assert refused.value.errno == errno.ENETUNREACH
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.com", 443)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("unreachable.invalid", 443)
    assert no_network.attempts[-2:] == ["connect 192.0.2.1:80", "look-up example.com"]
    del no_network.attempts[-2:]  # meant here, so no reason for this test to fail


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), (None, True), ("10.0.0.1", False), ("fe80::1%eth0", False), ("example.com", False)],
)
def test_what_counts_as_this_machine(host, local):
    assert is_local(host) == local


def test_silence_wins_over_what_the_environment_says(monkeypatch):
    for name, value in ASKED_FOR.items():
        monkeypatch.setenv(name, value)
    before = set(os.environ)
    for _ in range(2):
        silence()
        assert os.environ["LANGSMITH_TRACING"] == os.environ["LANGCHAIN_TRACING_V2"] == "false"
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == os.environ["GRADIO_SHARE"] == os.environ["ANONYMIZED_TELEMETRY"] == "False"
        assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == os.environ["DO_NOT_TRACK"] == "1"
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
        assert os.environ["CHROMA_OTEL_COLLECTION_ENDPOINT"] == ""
    for name in set(os.environ) - before:
        monkeypatch.setenv(name, os.environ[name])  # so that monkeypatch removes it again


def test_the_libraries_see_the_silence():
    """Each library is asked in its own words: a switch that it renames would otherwise be missed."""
    code = """
        import assistant
        from chromadb.config import Settings
        from gradio.analytics import analytics_enabled
        from huggingface_hub import constants
        from langsmith.utils import tracing_is_enabled

        assert not Settings().anonymized_telemetry and not Settings().chroma_otel_collection_endpoint
        assert not analytics_enabled()
        assert constants.HF_HUB_DISABLE_TELEMETRY and constants.HF_HUB_DISABLE_UPDATE_CHECK
        assert not tracing_is_enabled()
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, **ASKED_FOR}, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
