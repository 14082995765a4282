"""Pictures (PNG, JPEG, TIFF, WEBP, BMP): the text in them, recognised."""

from __future__ import annotations

import io
import warnings

from stores.errors import DocumentUnreadable
from stores.parsers.archive import MALFORMED, damaged
from stores.parsers.lines import unwrapped
from stores.parsers.recognition import recognise
from stores.parsers.section import Section


def parse_picture(data: bytes, name: str, *, max_pages: int, max_megapixels: float = 100.0) -> list[Section]:
    """A section for each page of a TIFF; other pictures have one."""
    # Imported here: only who reads such files waits for it.
    from PIL import Image, ImageOps, ImageSequence

    sections = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tags that are not read, and of the size, which is looked at here
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "TIFF", "WEBP", "BMP")) as picture:
                pages = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
                if pages > max_pages:
                    raise DocumentUnreadable(f"{name} has {pages} pages, more than the {max_pages} allowed; split it, or raise documents.max_pages")
                for number, page in enumerate(ImageSequence.Iterator(picture), start=1):
                    if page.width * page.height > max_megapixels * 1e6:
                        raise DocumentUnreadable(f"{name} has {page.width} × {page.height} pixels, more than can be read; save it smaller")
                    if text := unwrapped(recognise(ImageOps.exif_transpose(page))):
                        sections.append(Section((), f"page {number}" if pages > 1 else "", text))
                    if number == pages:  # of a moving picture the first frame
                        break
    except Image.DecompressionBombError as error:
        raise DocumentUnreadable(f"{name} has more pixels than can be read; save it smaller") from error
    except MALFORMED as error:
        raise damaged(name, "picture that can be read", error) from error
    if not sections:
        raise DocumentUnreadable(f"{name} has no text that could be recognised: a picture without words, or too small or blurred")
    return sections
