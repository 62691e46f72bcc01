"""Pictures to pixels, with limits. Only ever called in a worker process (see _workers.py)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image, UnidentifiedImageError

from jaga.errors import HostileInput, NotThisFormat, UnreadableInput

__all__ = ["Frame", "contents", "frames"]

try:
    import pillow_heif
except ImportError:
    pass
else:
    pillow_heif.register_heif_opener()

Image.init()
# Named, so that Pillow never hands a file to Ghostscript or to a decoder that few people have looked at.
_FORMATS = tuple(name for name in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "HEIF", "AVIF") if name in Image.OPEN)
# The largest sensors sold have 150 megapixels; at three bytes each that is what a worker's memory allows several times.
MOST_PIXELS = 160_000_000
LARGEST_FILE = 1 << 30
MOST_FRAMES = 1_000
# A second of animation decoded costs as much as a picture; all frames of one file together stay below this.
MOST_PIXELS_IN_ALL = 4_000_000_000


class Frame(NamedTuple):
    """One page or moment of a picture; pixels are uint8[height, width, 1 or 3]."""

    number: int
    format: str
    pixels: npt.NDArray[np.uint8]


def contents(path: Path) -> bytes:
    """A picture file's bytes. Raises: HostileInput, if there are too many; OSError."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise HostileInput(f"{size:,} bytes; a picture may have {LARGEST_FILE:,}")
    return path.read_bytes()


def frames(raw: bytes) -> Iterator[Frame]:
    """Every frame of a picture file, in order; transparency is dropped, and turning by EXIF is not done, as in `tx`.

    Raises: NotThisFormat, if it is no picture Jaga reads; HostileInput, at a limit; UnreadableInput, if it is damaged
    (frames before the damage have come already); OSError.
    """
    # A phone's JPEG may hold a second picture, which only Pillow finds.
    if raw[:3] == b"\xff\xd8\xff" and b"MPF\0" not in raw[:65536]:
        frame = _jpeg(raw)
        if frame is not None:
            yield frame
            return
    yield from _any(raw)


def _jpeg(raw: bytes) -> Frame | None:
    """The same pixels as Pillow's, three times as fast; None for what only Pillow reads, or explains better."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(raw)
        _bounded(width, height)
        if colours not in ("Gray", "YCbCr", "RGB"):
            return None
        pixels = simplejpeg.decode_jpeg(raw, "GRAY" if colours == "Gray" else "RGB")
    except ValueError:
        return None
    return Frame(0, "JPEG", pixels)


def _any(raw: bytes) -> Iterator[Frame]:
    # The limit here is ours, told as an error; Pillow's own is a warning at half of that.
    Image.MAX_IMAGE_PIXELS = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            picture = Image.open(BytesIO(raw), formats=_FORMATS)
        except UnidentifiedImageError as error:
            raise NotThisFormat("not a picture that Jaga reads") from error
        total = 0
        for number in range(MOST_FRAMES + 1):
            try:
                picture.seek(number)
            except EOFError:
                return
            if number == MOST_FRAMES:
                raise HostileInput(f"more than {MOST_FRAMES:,} frames; the rest is left out")
            _bounded(*picture.size)
            total += picture.width * picture.height
            if total > MOST_PIXELS_IN_ALL:
                raise HostileInput(f"its frames have more than {MOST_PIXELS_IN_ALL:,} pixels; the rest is left out")
            yield Frame(number, picture.format or "", _pixels(picture))


def _pixels(picture: Image.Image) -> npt.NDArray[np.uint8]:
    mode = picture.mode
    if mode in ("L", "LA", "La", "1"):
        return np.asarray(picture.convert("L"))[:, :, None]
    if mode.startswith("I"):
        # Sixteen bits a sample; Pillow's own conversion would cut all above 255 to white.
        deep = np.asarray(picture).astype(np.int64)
        if deep.size and (deep.min() < 0 or deep.max() > 0xFFFF):
            raise UnreadableInput("more than 16 bits a sample: not hashed, nobody agrees on how to show it")
        return (deep >> 8).astype(np.uint8)[:, :, None]
    if mode == "F":
        raise UnreadableInput("floating-point samples: not hashed, nobody agrees on how to show them")
    return np.asarray(picture if mode == "RGB" else picture.convert("RGB"))


def _bounded(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise HostileInput(f"{width:,} x {height:,} pixels; a picture may have {MOST_PIXELS:,}")
