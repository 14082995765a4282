"""What the engine is set to on this machine and why, in plain lines for `assistant doctor`."""

from __future__ import annotations

from assistant import machine
from assistant.models.build import built_for, rebuild, unused
from assistant.models.calibration import NOISE, Calibration, Choice, Speed
from assistant.models.drafting import BREAK_EVEN
from assistant.models.graphics import gpu as this_gpu
from assistant.models.library import llama, physical_cores
from assistant.models.load import engine_settings
from assistant.models.room import LEAST, RESERVE
from assistant.models.sources import readable
from assistant.settings import ModelSettings

_MEASURE = "`assistant doctor --calibrate` measures it now, the page once when nobody asks"
_PERCENT = round((NOISE - 1) * 100)


def threads(model: ModelSettings, found: Calibration | None) -> str:
    """How many threads read and write, and what each number gave."""
    if model.threads:
        return f"{model.threads}, as the setting model.threads says{_figures(found)}"
    if found is None:
        return f"{physical_cores()}, the physical cores; not measured yet: {_MEASURE}"
    choice, default = found.choice(), found.speeds[0].threads
    if choice.threads == choice.read_threads == default:
        why = f"no other number is more than {_PERCENT} % faster" if len(found.speeds) > 1 else "there is no other number to try"
        return f"{default}, the physical cores: {why}{_figures(found)}"
    return (
        f"{choice.read_threads} to read and {choice.threads} to write: other than the {default} physical cores "
        f"where that is more than {_PERCENT} % faster{_figures(found)}"
    )


def drafting(model: ModelSettings, found: Calibration | None) -> str:
    """Whether coming tokens are guessed, and what a guess costs."""
    on = engine_settings(model, _choice(found)).drafting
    said = ", as the setting model.drafting says" if "drafting" in model.model_fields_set else ""
    if found is None or (cost := found.draft_cost) is None:
        return f"{'on' if on else 'off'}{said}; what a guess costs is not measured yet: {_MEASURE}"
    sizes = ", ".join(f"{size} in {seconds * 1000:.0f} ms" for size, seconds in sorted(found.batches.items()))
    return (
        f"{'on' if on else 'off'}{said}: a token with three guesses, or four drafts side by side, take {cost:.1f} times as long as one "
        f"token; guessing pays below {BREAK_EVEN:.1f} times, drafts side by side below 4 "
        f"(tokens in one step: {sizes}{_disturbed(found)})"
    )


def context(model: ModelSettings, found: Calibration | None) -> str:
    """How much one call may hold, and what is fixed, with the reasons."""
    if "context" in model.model_fields_set:
        size = f"{model.context} tokens, as the setting model.context says"
    else:
        need = model.context * found.cell_bytes if found else None
        size = f"{model.context} tokens" + (f" ({readable(need)})" if need else "")
        size += f"; down to {LEAST} where that would leave less than {readable(RESERVE)} free"
    said = ", as the setting model.batch says" if "batch" in model.model_fields_set else ""
    return (
        f"{size}. Fixed: steps of {model.batch}{said}, since kept prefixes end where a step does and the same prompt must give the same "
        "answer; flash attention, since without it a step's scores against all tokens are held at once; keys and values of 16 bits, "
        "since those of 8 bits take up to 1.4 times as long to read with (1.5B model, two cores) and save half of little"
    )


def gpu(model: ModelSettings, found: Calibration | None) -> tuple[str, str]:
    """Whether a GPU is used, by what was measured; and what to do, empty where that is nothing. Raises `ModelUnavailable`."""
    if not llama().llama_supports_gpu_offload():
        return _built_without(model)
    if model.gpu_layers == 0:
        return "could be used; model.gpu_layers is 0", ""
    if found is None or found.without_gpu is None:
        return f"tried, as this build can; whether it is any faster is not measured yet: {_MEASURE}", ""
    figures = f"{_said(found.speeds[0])} with layers on it, {_said(found.without_gpu)} without"
    if found.offload_pays:
        return f"used, which measuring confirms: {figures}", ""
    if model.gpu_layers is None:
        return f"not used, since it is not more than {_PERCENT} % faster: {figures}", ""
    return f"model.gpu_layers is {model.gpu_layers}, and nothing is won by it: {figures}", "Set model.gpu_layers to 0, or take it out."


def _built_without(model: ModelSettings) -> tuple[str, str]:
    there = this_gpu()
    line = f"(it needs {there.needs}): {rebuild(unused(machine.processor().flags, built_for()), gpu=there.interface)}" if there else ""
    if model.gpu_layers:
        todo = "Set model.gpu_layers to 0" + (f", or build llama.cpp for {there.name} {line}" if there else ".")
        return f"model.gpu_layers is {model.gpu_layers}, and llama.cpp was built for the processor alone", todo
    if there:
        return f"not used: llama.cpp was built for the processor alone; {there.name} could be used, if built by {line}", ""
    return "not used: llama.cpp was built for the processor alone, and no tool here (nvidia-smi, rocminfo, vulkaninfo) names a GPU", ""


def _choice(found: Calibration | None) -> Choice | None:
    return found.choice() if found else None


def _figures(found: Calibration | None) -> str:
    if found is None:
        return ""
    figures = "; ".join(f"with {speed.threads} {_said(speed)}" for speed in found.speeds)
    return f" (measured {found.at[:10]}: {figures}{_disturbed(found)})"


def _disturbed(found: Calibration) -> str:
    if not found.disturbed:
        return ""
    return f"; other programs took {found.others:.0%} of the processor, so the defaults stay: measure again when it is calm"


def _said(speed: Speed) -> str:
    return f"{speed.read:.0f} tokens a second read and {speed.write:.1f} written"
