"""Text recognition (OCR) on this machine: RapidOCR with the models that lie in its package. Nothing is fetched."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_SIDE = 2000
"""Pixels; a larger picture is made smaller first. A page of A4 is then read at 170 dots an inch."""

_SMALLEST_SIDE = 12  # pixels; no letters fit into less


@cache
def _engine() -> Any:
    # Imported here: it takes a second, and only who reads pictures waits for it.
    import onnxruntime  # type: ignore[import-untyped]
    import rapidocr

    onnxruntime.disable_telemetry_events()
    models = Path(rapidocr.__file__).parent / "models"
    # A model that is named is opened; one that is not would be fetched where it is missing.
    paths = {f"{part}.model_path": str(next(models.glob(f"*_{part.lower()}_*.onnx"))) for part in ("Det", "Cls", "Rec")}
    # Lines are recognised one by one: beside a longer one in its batch, a line is padded, and lost most of its letters.
    return rapidocr.RapidOCR(params={**paths, "Global.log_level": "critical", "Rec.rec_batch_num": 1})


def recognise(picture: Image) -> str:
    """The text in a picture, line by line, an empty line between paragraphs; empty where there is none."""
    picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    if min(picture.size) < _SMALLEST_SIDE or picture.getcolors(1):  # one colour all over
        return ""
    found = _engine()(picture)
    if found.txts is None or found.boxes is None:
        return ""
    return _joined([(box[:, 1].min(), box[:, 1].max(), text) for box, text in zip(found.boxes, found.txts, strict=True)])


def _joined(pieces: list[tuple[float, float, str]]) -> str:
    """Pieces, each (top, bottom, text) in reading order: those at one height make a line, a gap makes a paragraph."""
    text = ""
    above: tuple[float, float] | None = None
    for top, bottom, piece in pieces:
        if above:
            middle, height = (top + bottom) / 2, above[1] - above[0]
            text += " " if above[0] < middle < above[1] else "\n\n" if top - above[1] > 0.7 * height else "\n"
        text += piece
        above = (top, bottom)
    return text
