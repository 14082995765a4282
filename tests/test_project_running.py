"""What docs/running.md and deploy/ say: the backup is followed word by word, the files are whole and name what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from assistant import Assistant, Settings
from assistant.metrics import Metrics
from assistant.models.shared import Models
from assistant.watching import TurnSeen
from graphs.values import Answer, Usage
from tests.conftest import EMBEDDING
from tests.scripted_models import RuleChat, RuleModels

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows only: these commands are a Unix shell's")


def block(name: str) -> str:
    """The commands of docs/running.md under `<!-- name -->`."""
    found = re.search(rf"<!-- {name} -->\n```sh\n(.*?)```", (ROOT / "docs/running.md").read_text(encoding="utf-8"), re.S)
    assert found, f"docs/running.md has no commands to {name}"
    return found[1]


def follow(name: str, folder: Path, **environment: str) -> str:
    """Run the commands in a folder; `assistant` is this checkout's."""
    commands = folder / "bin"
    if not commands.exists():
        commands.mkdir()
        (commands / "assistant").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -c "from ui.cli import main; main()" "$@"\n')
        (commands / "assistant").chmod(0o700)
    path = os.pathsep.join((str(commands), os.environ["PATH"]))
    run = subprocess.run(["sh", "-euc", block(name)], cwd=folder, env={**os.environ, "PATH": path, **environment}, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


class OwnVectors(Models):
    """A scripted model to speak with, and the real vectors, so that the command line opens the same home."""

    def chat(self) -> RuleChat:
        return RuleChat()


@pytest.mark.model
def test_a_home_is_backed_up_and_restored(tmp_path: Path, fetched: Callable[[str], Path]) -> None:
    home, models = tmp_path / "home", fetched(EMBEDDING).parent

    def opened() -> Assistant:
        settings = Settings(home=home, sample=False, model={"directory": models})
        return Assistant(settings, models=OwnVectors(settings, None))

    (tmp_path / "terms.md").write_text("# Terms\n\nA rental may be cancelled within fourteen days.\n", encoding="utf-8")
    with opened() as assistant:
        assistant.ask("Hello there", conversation="c")
        assistant.memories.add("My bicycle is green.", user="local")
        assistant.documents.add(tmp_path / "terms.md")
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / "large.gguf").write_text("large")
    follow("backup home", tmp_path, ASSISTANT_HOME=str(home))
    shutil.rmtree(home)
    said = follow("restore home", tmp_path, ASSISTANT_HOME=str(home), ASSISTANT_SAMPLE="false", ASSISTANT_MODEL__DIRECTORY=str(models))
    assert said.splitlines()[-1].startswith("c "), said
    assert home.stat().st_mode & 0o777 == 0o700
    assert not (home / "models").exists()
    with opened() as assistant:
        assert [message.text for message in assistant.conversations.messages("c", user="local")] == ["Hello there", "I heard: Hello there"]
        assert [memory.text for memory in assistant.memories.all(user="local")] == ["My bicycle is green."]
        assert "fourteen days" in assistant.documents.search("cancelled rental")[0].text


@pytest.mark.postgres
def test_a_state_is_backed_up_and_restored(tmp_path: Path, server: str) -> None:
    if not shutil.which("pg_dump"):
        pytest.skip("no PostgreSQL client is installed (pg_dump is not on the path)")
    import psycopg

    url = f"{server}/backed_up"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as outer:
        outer.execute("CREATE DATABASE backed_up")
        with psycopg.connect(url) as state:
            state.execute("CREATE TABLE messages (id serial PRIMARY KEY, text text NOT NULL)")
            state.execute("INSERT INTO messages (text) SELECT 'message ' || n FROM generate_series(1, 1000) n")
        follow("backup state", tmp_path, STATE_URL=url)
        outer.execute("DROP DATABASE backed_up")
        outer.execute("CREATE DATABASE backed_up")
        follow("restore state", tmp_path, STATE_URL=url)
        with psycopg.connect(url) as state:
            assert state.execute("SELECT count(*), max(id) FROM messages").fetchone() == (1000, 1000)
            state.execute("INSERT INTO messages (text) VALUES ('and on')")  # the sequence came along
        outer.execute("DROP DATABASE backed_up")


@contextmanager
def chroma(folder: Path) -> Iterator[Any]:
    """Chroma's own server over a folder, and a client of it."""
    import chromadb

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("chroma")), "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            with socket.socket() as tried:
                if not tried.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield chromadb.HttpClient(host="127.0.0.1", port=port)
    finally:
        process.terminate()
        process.wait()


def test_an_index_is_backed_up_and_restored(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    with chroma(folder) as client:
        client.create_collection("passages", embedding_function=None).add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=["one", "two"])
    follow("backup index", tmp_path, INDEX_FOLDER=str(folder))
    shutil.rmtree(folder)
    follow("restore index", tmp_path, INDEX_FOLDER=str(folder))
    with chroma(folder) as client:
        found = client.get_collection("passages", embedding_function=None).query(query_embeddings=[[0.0, 0.9]], n_results=1)
        assert found["documents"] == [["two"]]


# The files


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


def metric_names() -> set[str]:
    metrics = Metrics(lambda: 0, lambda: 0, RuleModels())  # type: ignore[arg-type]
    metrics.turn(TurnSeen("1", 0, 0, "failed", "X", (), "", Answer(id="1", text="", route="sql", conversation="c", usage=Usage())))
    own = set(re.findall(r"^# TYPE (\w+) ", metrics.text().decode(), re.M)) | {"process_resident_memory_bytes", "process_cpu_seconds_total"}
    return own | {name + suffix for name in own for suffix in ("_bucket", "_count", "_sum")}


def used(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:assistant|process)_\w+", expression))


def test_alerts_and_dashboard_name_what_is_counted() -> None:
    rules = [rule for group in read("prometheus/rules.yml")["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    dashboard = json.loads((DEPLOY / "grafana/assistant.json").read_text(encoding="utf-8"))
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(shown) > 20
    expressions = [rule["expr"] for rule in rules] + shown
    assert set().union(*map(used, expressions)) <= metric_names()
    assert set(re.findall(r"assistant:\w+:\w+", " ".join(expressions))) <= recorded
    places = [tuple(panel["gridPos"].values()) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places), "no two panels lie upon each other"


def test_the_compose_file_names_settings_files_and_services_that_there_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = read("compose.yaml")
    services = found["services"]
    example = dict(line.split("=", 1) for line in (DEPLOY / "env.example").read_text().splitlines() if "=" in line)
    for name, value in found["x-assistant"]["environment"].items():
        if not name.startswith("ASSISTANT_") or (name.split("_", 2)[1].lower() not in Settings.model_fields and "__" in name):
            continue
        value = re.sub(r"\$\{(\w+)[^}]*\}", lambda match: example[match[1]] or "a-secret-of-some-length", str(value))
        monkeypatch.setenv(name, "sqlite://" if name == "ASSISTANT_DATABASE__URL" else value)
    settings = Settings(home=tmp_path)
    assert settings.page.names == ("assistant.example.org",)
    text = (DEPLOY / "compose.yaml").read_text()
    hosts = set(re.findall(r"(?:http://|@)([\w-]+)[:/]", text)) - {"127"}
    assert hosts <= set(services) | {"127.0.0.1"}
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            made_by_hand = source in ("./models", "./tls", "./metrics.key")
            assert made_by_hand or ((DEPLOY / source).exists() if source.startswith(".") else source in found["volumes"]), volume
    for target in read("prometheus/prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]:
        assert target.split(":")[0] in services
    assert set(re.findall(r"server ([\w-]+):7860", (DEPLOY / "nginx.conf").read_text())) == {"assistant-1", "assistant-2"} <= set(services)


def test_the_image_takes_what_the_wheel_is_made_of() -> None:
    copied = set(re.findall(r"^COPY ([^-].*?) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M))
    assert " ".join(copied).split()
    names = {name for line in copied for name in line.split()}
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert names == kept == {"pyproject.toml", "README.md", "LICENSE", "assistant", "graphs", "stores", "ui"}
