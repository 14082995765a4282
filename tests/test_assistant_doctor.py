"""The doctor says of each thing that it is ok, or what to do."""

import os
import sqlite3
import sys
from contextlib import closing

import pytest

from assistant import doctor, machine
from assistant.doctor import Check, checks
from assistant.errors import ModelUnavailable
from assistant.machine import Memory, Processor
from assistant.models import advice, calibrating
from assistant.models.build import built_for, rebuild
from assistant.models.calibration import FILE, Calibration, Key, Speed, remember
from assistant.models.graphics import Gpu
from assistant.settings import Settings


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    return path


def check(name: str, **settings: object) -> Check:
    """The one line of that name."""
    return next(line for line in checks(Settings(**settings)) if line.name == name)


def test_every_line_that_is_not_ok_says_what_to_do(home):
    lines = list(checks(Settings(home=home, sample=False)))
    names = ["processor", "memory", "GPU", "threads", "drafting", "context", "disk", "model", "embedding model", "database", "index", "network"]
    assert [line.name for line in lines] == names
    assert all(line.todo for line in lines if not line.ok)
    assert all(line.detail for line in lines)


def test_a_model_that_is_not_here_is_to_be_pulled(home):
    line = check("model", home=home)
    assert not line.ok
    assert line.todo == "Run `assistant models pull qwen2.5-coder-1.5b`."
    assert check("embedding model", home=home).todo == "Run `assistant models pull all-minilm-l6-v2`."


def test_a_cut_model_is_named(home):
    (home / "models").mkdir()
    (home / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF")
    line = check("model", home=home, model={"name": "smollm2-135m"})
    assert (line.ok, "is damaged" in line.detail, "pull smollm2-135m" in line.todo) == (False, True, True)


def test_an_own_model_file_and_an_unknown_name(home, tmp_path):
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF...")
    assert "your own file" in check("model", home=home, model={"name": str(own)}).detail
    own.write_bytes(b"<html>")
    assert "Put a model at" in check("model", home=home, model={"name": str(own)}).todo
    unknown = check("model", home=home, model={"name": "qwen2.5-coder-1.5"})
    assert "Did you mean qwen2.5-coder-1.5b?" in unknown.detail


WITH_AVX512 = Processor("A server's", 8, frozenset("avx avx2 fma f16c bmi2 avx512f avx512_vnni".split()))


def test_unused_instruction_sets_come_with_the_line_to_type(home, monkeypatch):
    monkeypatch.setattr(machine, "processor", lambda: WITH_AVX512)
    monkeypatch.setattr(doctor, "built_for", lambda: ["AVX", "AVX2"])
    line = check("processor", home=home)
    assert line.ok
    assert "8 cores" in line.detail
    assert "-DGGML_NATIVE=OFF -DGGML_AVX512=ON -DGGML_AVX512_VNNI=ON'" in line.detail
    assert "VBMI" not in line.detail, "only what this processor has"


def test_a_build_that_will_crash_is_told_before_it_does(home, monkeypatch):
    old = Processor("An old one", 1, frozenset({"avx"}))
    monkeypatch.setattr(machine, "processor", lambda: old)
    monkeypatch.setattr(doctor, "built_for", lambda: ["AVX", "AVX2"])
    line = check("processor", home=home)
    assert not line.ok
    assert "AVX2, which this processor lacks" in line.detail
    assert "-DGGML_AVX2=OFF" in line.todo


def test_an_unknown_processor_is_not_blamed(home, monkeypatch):
    monkeypatch.setattr(machine, "processor", lambda: Processor("ARM64", 4, frozenset()))
    monkeypatch.setattr(doctor, "built_for", lambda: ["AVX", "AVX2"])
    assert check("processor", home=home).ok


def test_the_real_build_runs_on_this_processor(home):
    assert check("processor", home=home).ok
    assert "llama-cpp-python==" in rebuild(())
    if machine.processor().flags & {"avx2"}:
        assert "AVX2" in built_for()


def test_little_memory_names_a_smaller_model(home, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: Memory(8_000_000_000, 1_000_000_000))
    line = check("memory", home=home)
    assert not line.ok
    assert "2.30 GB" in line.todo
    assert "assistant models use qwen2.5-coder-0.5b" in line.todo
    server = {"server_url": "http://127.0.0.1:8080/v1"}
    assert check("memory", home=home, model=server).ok, "the model is in the server's memory"


def test_a_disk_without_room_for_the_models(home, monkeypatch):
    usage = doctor.shutil.disk_usage(home)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000_000))
    line = check("disk", home=home)
    assert not line.ok
    assert "1.64 GB needed" in line.detail


def test_gpu_layers_without_a_gpu_build(home, monkeypatch):
    offload(monkeypatch, False)
    monkeypatch.setattr(advice, "this_gpu", lambda: None)
    assert check("GPU", home=home).ok
    line = check("GPU", home=home, model={"gpu_layers": -1})
    assert not line.ok
    assert "model.gpu_layers to 0" in line.todo


def offload(monkeypatch: pytest.MonkeyPatch, able: bool) -> None:
    """Let the build be one that can, or cannot, offload."""
    import llama_cpp

    monkeypatch.setattr(llama_cpp.llama_cpp, "llama_supports_gpu_offload", lambda: able)


def test_a_gpu_that_the_build_cannot_use_comes_with_the_line_to_type(home, monkeypatch):
    offload(monkeypatch, False)
    monkeypatch.setattr(advice, "this_gpu", lambda: Gpu("A Radeon", "HIP", "AMD's ROCm"))
    monkeypatch.setattr(machine, "processor", lambda: WITH_AVX512)
    monkeypatch.setattr(advice, "built_for", lambda: ["AVX", "AVX2"])
    line = check("GPU", home=home)
    assert line.ok
    assert "A Radeon could be used, if built by (it needs AMD's ROCm)" in line.detail
    assert "-DGGML_NATIVE=OFF -DGGML_AVX512=ON -DGGML_AVX512_VNNI=ON -DGGML_HIP=ON'" in line.detail, "and keeps what else is faster"


@pytest.fixture
def remembered(home, tmp_path):
    """Keeps made-up figures for a model file of one's own, and gives the settings of that model."""
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF...")

    def keep(*speeds: Speed, without_gpu: Speed | None = None, batches: dict[int, float] | None = None, others: float = 0.1, **model: object):
        key = Key.of(own, model.get("gpu_layers"))
        found = Calibration(key, "2026-11-22T10:00:00+00:00", speeds, batches or {1: 0.06, 4: 0.13}, without_gpu, 28_672, others)
        remember(home / FILE, found)
        return {"home": home, "model": {"name": str(own), **model}}

    return keep


def test_what_was_chosen_is_said_with_its_figures(remembered):
    given = remembered(Speed(4, 40, 10), Speed(8, 60, 9))
    line = check("threads", **given).detail
    assert line.startswith("8 to read and 4 to write: other than the 4 physical cores where that is more than 10 % faster")
    assert "measured 2026-11-22: with 4 40 tokens a second read and 10.0 written; with 8 60 tokens" in line
    assert check("drafting", **given).detail.startswith("on: a token with three guesses, or four drafts side by side, take 2.2 times")
    assert "8192 tokens (235 MB); down to 4096" in check("context", **given).detail
    only = remembered(Speed(2, 40, 10), batches={1: 0.06, 4: 0.24})
    assert check("threads", **only).detail.startswith("2, the physical cores: there is no other number to try")
    assert check("drafting", **only).detail.startswith("off: ")
    assert "measure again when it is calm" not in check("threads", **only).detail
    disturbed = check("threads", **remembered(Speed(2, 40, 10), others=0.5)).detail
    assert "other programs took 50% of the processor, so the defaults stay: measure again when it is calm" in disturbed
    own = remembered(Speed(2, 40, 10), batches={1: 0.06, 4: 0.24}, threads=3, drafting=True, context=4096)
    assert check("threads", **own).detail.startswith("3, as the setting model.threads says (measured")
    assert check("drafting", **own).detail.startswith("on, as the setting model.drafting says")
    assert check("context", **own).detail.startswith("4096 tokens, as the setting model.context says. Fixed: steps of 128")


def test_before_it_has_run_the_doctor_says_how_to_run_it(home):
    for name in ("threads", "drafting"):
        assert "`assistant doctor --calibrate`" in check(name, home=home).detail


def test_offload_is_verified_by_figures_not_by_a_flag(remembered, monkeypatch):
    offload(monkeypatch, True)
    with_it, without = Speed(4, 900, 80), Speed(4, 40, 10)
    assert "not measured yet" in check("GPU", **remembered(with_it)).detail
    line = check("GPU", **remembered(with_it, without_gpu=without))
    assert line.detail.startswith("used, which measuring confirms: 900 tokens a second read and 80.0 written with layers on it, 40")
    assert check("GPU", **remembered(without, without_gpu=without)).detail.startswith("not used, since it is not more than 10 % faster")
    forced = check("GPU", **remembered(without, without_gpu=without, gpu_layers=-1))
    assert (forced.ok, forced.todo) == (False, "Set model.gpu_layers to 0, or take it out.")
    assert check("GPU", **remembered(with_it, gpu_layers=0)).detail == "could be used; model.gpu_layers is 0"


def test_measuring_needs_a_model_that_is_here(home):
    for settings, said in (({}, "models pull"), ({"server_url": "http://127.0.0.1:8080/v1"}, "A server runs the model")):
        with pytest.raises(ModelUnavailable, match=said):
            doctor.calibrate(Settings(home=home, model=settings), lambda done, total, doing: None)


@pytest.mark.model
def test_the_doctor_measures_this_machine(home, fetched, monkeypatch):
    monkeypatch.setattr(calibrating, "_ROUNDS", 1)
    settings = Settings(home=home, model={"name": str(fetched("smollm2-135m"))})
    doctor.calibrate(settings, lambda done, total, doing: None)
    lines = {line.name: line.detail for line in checks(settings)}
    assert "tokens a second read" in lines["threads"]
    assert "8 in " in lines["drafting"]
    assert "(189 MB)" in lines["context"]


def test_the_database_is_opened_and_counted(home, tmp_path):
    file = tmp_path / "shop.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY)")
    assert check("database", home=home, database={"url": f"sqlite:///{file.as_posix()}"}).detail == "opens: 2 tables"


def test_a_database_that_is_not_there(home, tmp_path):
    line = check("database", home=home, database={"url": f"sqlite:///{(tmp_path / 'none.sqlite').as_posix()}"})
    assert not line.ok
    assert "database.url" in line.todo
    assert not (tmp_path / "none.sqlite").exists(), "looking makes nothing"


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_home_that_others_can_open(home):
    assert check("index", home=home).ok
    home.chmod(0o755)
    line = check("index", home=home)
    assert not line.ok
    assert line.todo == f"Run: chmod 700 '{home}'"


def test_a_home_that_is_not_there_yet(tmp_path):
    line = check("index", home=tmp_path / "a" / "b")
    assert line.ok
    assert "first start" in line.detail
    assert not (tmp_path / "a").exists()


def test_what_leaves_the_machine_is_said(home):
    assert check("network", home=home).detail == "not used: nothing is sent anywhere"
    local = check("network", home=home, model={"server_url": "http://127.0.0.1:8080/v1"})
    assert "on this machine (127.0.0.1:8080)" in local.detail
    remote = {"server_url": "https://me:secret@models.example.com/v1?key=secret", "server_api_key": "secret"}
    lines = [check(name, home=home, model=remote) for name in ("network", "model")]
    assert "sent to models.example.com" in lines[0].detail
    more = {"embedding": {"server_url": "http://a/v1, http://b:81/v1"}, "watching": {"otlp_url": "https://c:4317"}}
    said = check("network", home=home, model={"server_url": "http://127.0.0.1:8080/v1"}, **more).detail
    assert said == (
        "questions, passages and memories are sent to a, b:81, as the setting embedding.server_url says; "
        "the steps of each turn are sent to c:4317, as the setting watching.otlp_url says"
    )
    assert check("embedding model", home=home, **more).detail == "default on the server a, b:81"
    assert not any("secret" in line.detail + line.todo for line in lines)


def test_memory_is_of_this_machine():
    found = machine.memory()
    assert found.total > 500_000_000
    assert 0 < found.available <= found.total


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
def test_threads_of_one_core_are_counted_once(tmp_path, monkeypatch):
    threads = [(0, 0), (0, 0), (0, 1), (0, 1)]
    text = "\n\n".join(
        f"processor\t: {n}\nmodel name\t: A laptop's\nphysical id\t: {chip}\ncore id\t\t: {core}\nflags\t\t: avx avx2"
        for n, (chip, core) in enumerate(threads)
    )
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "usable_threads", lambda: 4)
    machine.CPUINFO.write_text(text)
    assert machine.processor() == Processor("A laptop's", 2, frozenset({"avx", "avx2"}))
    machine.CPUINFO.write_text("processor\t: 0\nFeatures\t: neon\n")  # an ARM board names no cores
    assert machine.processor().cores == 4
