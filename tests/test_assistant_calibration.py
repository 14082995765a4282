"""What is chosen from what was measured, how it is remembered, and that measuring gives way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assistant import Assistant, machine
from assistant.machine import Processor
from assistant.models import calibrating, graphics
from assistant.models.calibrating import calibrate, thread_counts
from assistant.models.calibration import FILE, Calibration, Key, Speed, recall, remember
from assistant.models.chat import LlamaChat
from assistant.models.load import engine_settings, load_chat
from assistant.models.queue import FairQueue
from assistant.models.room import LEAST, affordable
from assistant.models.weights import Weights
from assistant.settings import ModelSettings, Settings

KEY = Key("f1", "A laptop's", 8, "0.3", "CPU : AVX = 1", None)
EVEN = {1: 0.06, 2: 0.1, 4: 0.13, 8: 0.26}


def measured(
    *speeds: Speed, batches: dict[int, float] | None = None, without_gpu: Speed | None = None, key: Key = KEY, others: float = 0.1
) -> Calibration:
    return Calibration(key, "2026-11-22T10:00:00+00:00", speeds or (Speed(4, 40, 10),), batches or EVEN, without_gpu, 1000, others)


# --- the rules


def test_the_default_stays_unless_another_is_better_by_more_than_noise() -> None:
    choice = measured(Speed(4, 40, 10), Speed(8, 43, 10.5), Speed(3, 38, 10.9)).choice()
    assert (choice.threads, choice.read_threads, choice.drafting, choice.gpu_layers) == (4, 4, True, None)


def test_reading_and_writing_choose_apart() -> None:
    choice = measured(Speed(4, 40, 10), Speed(8, 60, 7), Speed(3, 35, 13)).choice()
    assert (choice.read_threads, choice.threads) == (8, 3)


@pytest.mark.parametrize(("four", "pays"), [(0.06, True), (0.15, True), (0.17, False), (0.24, False)])
def test_guessing_stays_on_while_a_guess_costs_less_than_it_brings(four: float, pays: bool) -> None:
    assert measured(batches={1: 0.06, 4: four}).choice().drafting is pays


def test_what_other_programs_disturbed_changes_nothing() -> None:
    choice = measured(Speed(4, 40, 10), Speed(8, 80, 20), batches={1: 0.06, 4: 0.24}, others=0.5).choice()
    assert (choice.threads, choice.read_threads, choice.drafting) == (4, 4, True)


def test_a_gpu_is_used_only_where_it_was_measured_to_be_faster() -> None:
    fast, slow = Speed(4, 900, 80), Speed(4, 40, 10)
    assert measured(fast, without_gpu=slow).choice().gpu_layers is None
    assert measured(slow, without_gpu=fast).choice().gpu_layers == 0
    assert measured(slow, without_gpu=Speed(4, 41, 10)).choice().gpu_layers == 0, "a flag that says offload is no figure"
    assert measured(slow).choice().gpu_layers is None, "not compared"


def test_what_the_user_set_wins() -> None:
    choice = measured(Speed(4, 40, 10), Speed(8, 60, 13), batches={1: 0.06, 4: 0.24}, without_gpu=Speed(4, 900, 80)).choice()
    ours = engine_settings(ModelSettings(), choice)
    assert (ours.threads, ours.read_threads, ours.drafting, ours.gpu_layers, ours.lower_context) == (8, 8, False, 0, True)
    theirs = engine_settings(ModelSettings(threads=2, drafting=True, gpu_layers=-1, context=16384), choice)
    assert (theirs.threads, theirs.read_threads, theirs.drafting, theirs.gpu_layers, theirs.lower_context) == (2, None, True, -1, False)
    assert theirs.context == 16384
    default = engine_settings(ModelSettings(), None)
    assert (default.threads, default.read_threads, default.drafting, default.gpu_layers) == (None, None, True, None)


def test_a_setting_counts_as_given_wherever_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_MODEL__DRAFTING", "true")
    assert "drafting" in Settings(home=tmp_path).model.model_fields_set
    (tmp_path / "assistant.toml").write_text("[model]\ncontext = 8192\n")
    assert Settings(home=tmp_path).model.model_fields_set == {"drafting", "context"}


def test_the_context_is_lowered_only_where_memory_is_short() -> None:
    assert affordable(8192, 30_000, 8_000_000_000) == 8192
    assert affordable(8192, 30_000, 1_200_000_000) == LEAST
    assert affordable(32768, 100_000, 3_000_000_000) == 16384
    assert affordable(8192, 30_000, 0) == LEAST, "never less than a schema needs"
    assert affordable(2048, 30_000, 0) == 2048, "and never raised"


def test_the_numbers_of_threads_that_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    def tried(cores: int, hardware: int, granted: int | None = None) -> list[int]:
        monkeypatch.setattr(calibrating, "physical_cores", lambda: cores)
        monkeypatch.setattr(machine, "usable_threads", lambda: hardware)
        monkeypatch.setattr(calibrating, "granted_cores", lambda: granted)
        return thread_counts()

    assert tried(8, 16) == [8, 7, 16]
    assert tried(2, 2) == [2]
    assert tried(2, 4) == [2, 4]
    assert tried(16, 16, granted=4) == [16, 4, 15]


# --- remembered


def test_what_was_measured_is_remembered_by_its_key(tmp_path: Path) -> None:
    file, found = tmp_path / "home" / "calibration.json", measured(without_gpu=Speed(4, 1, 1))
    remember(file, found)
    assert recall(file, KEY) == found
    for changed in ({"model": "f2"}, {"processor": "Another"}, {"threads": 4}, {"llama_cpp": "0.4"}, {"build": "CUDA"}, {"gpu_layers": 0}):
        assert recall(file, replace(KEY, **changed)) is None
    other, again = measured(key=replace(KEY, model="f2")), measured(key=replace(KEY, threads=4))
    remember(file, other)
    remember(file, again)
    assert recall(file, other.key) == other, "each model has its own"
    assert (recall(file, again.key), recall(file, KEY)) == (again, None), "and only the latest"
    assert [path.name for path in file.parent.iterdir()] == ["calibration.json"]


@pytest.mark.parametrize(
    "broken", ["", "{", "[]", '{"a": 1}', '[{"key": {}}]', "\x00\xff", "no threads", "a million threads", "no seconds"]
)
def test_a_broken_or_foreign_file_is_ignored_and_made_anew(broken: str, tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    remember(file, measured())
    whole = file.read_text()
    wrong = {
        "no threads": whole.replace('"threads": 4', '"threads": 0'),
        "a million threads": whole.replace('"threads": 4', '"threads": 1000000'),
        "no seconds": whole.replace("0.06", "0"),
    }
    file.write_text(wrong.get(broken, broken), encoding="utf-8")
    assert recall(file, KEY) is None
    remember(file, measured())
    assert recall(file, KEY) == measured()


def test_a_folder_that_cannot_be_written_loses_only_the_calibration(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "home").write_text("not a folder")
    remember(tmp_path / "home" / "calibration.json", measured())
    assert "could not be kept" in caplog.text


# --- the GPUs that the machine's own tools name

SAID = {
    "nvidia-smi": "NVIDIA GeForce RTX 4070\nNVIDIA T400\n",
    "rocminfo": (
        "*******\nAgent 1\n*******\n  Name: AMD Ryzen 9\n  Marketing Name:  AMD Ryzen 9\n  Device Type:  CPU\n"
        "*******\nAgent 2\n*******\n  Name: gfx1032\n  Marketing Name:  AMD Radeon PRO W6600   \n  Device Type:   GPU\n"
    ),
    "vulkaninfo": (
        "GPU0:\n\tdeviceType         = PHYSICAL_DEVICE_TYPE_CPU\n\tdeviceName         = llvmpipe\n"
        "GPU1:\n\tdeviceType         = PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU\n\tdeviceName         = Intel(R) Iris(R) Xe\n"
    ),
}


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("nvidia-smi", ("NVIDIA GeForce RTX 4070", "CUDA")),
        ("rocminfo", ("AMD Radeon PRO W6600", "HIP")),
        ("vulkaninfo", ("Intel(R) Iris(R) Xe", "VULKAN")),
    ],
)
def test_a_tool_names_the_gpu_and_never_the_processor(tool: str, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics.sys, "platform", "linux")
    monkeypatch.setattr(graphics, "_said", lambda command: SAID[tool] if command[0] == tool else "")
    found = graphics.gpu()
    assert found is not None
    assert (found.name, found.interface) == expected


def test_a_machine_without_tools_or_with_broken_ones_has_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics.sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert graphics.gpu() is None
    monkeypatch.setattr(graphics, "_said", lambda command: "No devices were found\n" if command[0] == "nvidia-smi" else "")
    assert graphics.gpu() is None
    monkeypatch.undo()
    monkeypatch.setattr(graphics.sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in SAID:
        (tmp_path / name).write_bytes(b"not a program")
        (tmp_path / name).chmod(0o755)
    assert graphics.gpu() is None


# --- measuring


def test_the_queue_tells_how_long_nobody_has_asked() -> None:
    queue = FairQueue(4)
    time.sleep(0.02)
    assert queue.idle_seconds >= 0.02
    with queue.turn():
        assert queue.idle_seconds == 0
    assert queue.idle_seconds < 0.02


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round, and gaps that begin at once."""
    monkeypatch.setattr(calibrating, "_ROUNDS", 1)
    monkeypatch.setattr(calibrating, "_QUIET_SECONDS", 0.05)
    monkeypatch.setattr(calibrating, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def open_chat(fetched: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[], LlamaChat]]:
    """Opens the smallest model, each time as a new start does."""
    opened: list[LlamaChat] = []

    def load() -> LlamaChat:
        settings = Settings(model={"prefix_cache_mb": 16}, sampling={"max_tokens": 16})
        chat = load_chat(settings, fetched("smollm2-135m"), calibrations=tmp_path / "calibration.json")
        assert isinstance(chat, LlamaChat)
        opened.append(chat)
        return chat

    yield load
    for chat in opened:
        chat.close()


def threads_of(chat: LlamaChat) -> tuple[int, int]:
    """Threads to write and to read, as llama.cpp says."""
    context = chat.engine._context
    return context.library.llama_n_threads(context._context), context.library.llama_n_threads_batch(context._context)


@pytest.mark.model
@pytest.mark.usefixtures("quick")
def test_a_calibration_is_made_once_remembered_and_used_at_the_next_load(
    open_chat: Callable[[], LlamaChat], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating, "thread_counts", lambda: [1, 2])
    chat, file = open_chat(), tmp_path / "calibration.json"
    assert chat.calibrator is not None
    assert not file.exists(), "nothing is measured before it is asked for"
    chat.calibrate()
    key = Key.of(chat.engine.weights.path, None)
    found = recall(file, key)
    assert found is not None
    assert [speed.threads for speed in found.speeds] == [1, 2]
    assert all(speed.read > speed.write > 0 for speed in found.speeds)
    assert set(found.batches) == {1, 2, 4, 8}
    assert found.batches[8] > found.batches[1]
    assert 0 <= found.others < 1
    remember(file, replace(found, others=0.9))
    disturbed = open_chat()
    assert disturbed.calibrator is not None, "what was disturbed is measured again"
    before = file.read_bytes()
    chat.calibrate()
    assert file.read_bytes() == before, "once"

    remember(file, replace(found, speeds=(Speed(2, 50, 10), Speed(1, 40, 20)), others=0.1))
    again = open_chat()
    assert again.calibrator is None
    assert threads_of(again) == (1, 2)
    assert again.invoke("Name a colour.").content

    monkeypatch.setattr(machine, "processor", lambda: Processor("Another", 2, frozenset()))
    changed = open_chat()
    assert changed.calibrator is not None
    assert threads_of(changed)[0] == threads_of(changed)[1], "the defaults, until it has run"


@pytest.mark.model
@pytest.mark.usefixtures("quick")
def test_a_question_is_never_kept_waiting(open_chat: Callable[[], LlamaChat], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[float] = []
    put = calibrating._Trials._put

    def counted(self: calibrating._Trials, tokens: list[int], at: int) -> None:
        reads.append(time.monotonic())
        put(self, tokens, at)

    monkeypatch.setattr(calibrating._Trials, "_put", counted)
    monkeypatch.setattr(calibrating, "_ROUNDS", 1000)
    chat = open_chat()
    measuring = threading.Thread(target=chat.calibrate)
    measuring.start()
    try:
        until(lambda: len(reads) > 3)
        started = time.monotonic()
        with chat.queue.turn("7"):
            assert time.monotonic() - started < 0.1, "the queue is never held"
            time.sleep(1)  # a read that has begun ends, or is stopped
            count = len(reads)
            time.sleep(0.5)
            assert len(reads) == count, "nothing is measured while a question is answered"
        until(lambda: len(reads) > count)
        assert chat.invoke("Name a colour.").content
    finally:
        started = time.monotonic()
        chat.close()
        measuring.join(10)
    assert not measuring.is_alive()
    assert time.monotonic() - started < 5
    assert not (tmp_path / "calibration.json").exists(), "half a calibration is none"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not happen within 30 seconds"
        time.sleep(0.005)


@pytest.mark.model
@pytest.mark.usefixtures("quick")
def test_a_build_that_can_offload_is_compared_with_the_same_model_without(
    fetched: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build for the processor that claims to offload: the figures, not the claim, are what is kept."""
    import llama_cpp

    monkeypatch.setattr(llama_cpp.llama_cpp, "llama_supports_gpu_offload", lambda: True)
    weights, told = Weights(fetched("smollm2-135m")), []
    try:
        assert weights.gpu_layers == -1
        found = calibrate(weights, KEY, progress=lambda done, total, doing: told.append((done, total)))
    finally:
        weights.close()
    assert found.without_gpu is not None
    assert found.without_gpu.threads == found.speeds[0].threads
    assert told[-1][0] == told[-1][1] == len(told), "progress ends where it said it would"


@pytest.mark.model
@pytest.mark.usefixtures("quick")
def test_what_the_page_opens_is_measured_behind_the_loading(fetched: Callable[[str], Path], tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", sample=False, model={"name": str(fetched("smollm2-135m")), "prefix_cache_mb": 16})
    with Assistant(settings) as assistant:
        assistant.load_soon()
        until(lambda: (tmp_path / "home" / FILE).exists())
