"""The process that decodes: `python -m jaga.media._worker`. It may die; _workers.py starts another.

Requests on stdin and answers on stdout, each four bytes of length (little-endian) and a msgpack message.
"""

from __future__ import annotations

import hashlib
import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from jaga.errors import JagaError, NotThisFormat

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from jaga.media._decode import Frame
    from jaga.media._hash_types import PictureHash

__all__ = ["LENGTH", "Answer", "Look", "PreviewMade", "PreviewWanted", "Request", "Value"]

LENGTH = struct.Struct("<I")


class PreviewWanted(msgspec.Struct, frozen=True):
    """A small picture to recognise by (jaga.media.review)."""

    side: int
    grey: bool
    blur_radius: float


class PreviewMade(msgspec.Struct, frozen=True):
    """It, as a JPEG."""

    jpeg: bytes
    width: int
    height: int


class Request(msgspec.Struct):
    """Hash the pictures in a file, or in bytes that were never one."""

    path: str | None
    # Names of picture hashes.
    kinds: tuple[str, ...]
    # Also turned and mirrored, where the kind can.
    variants: bool = False
    raw: bytes = b""
    # Of a video only the frames that stand for themselves: quick, but other frames than vPDQ's reference takes.
    keyframes: bool = False
    # Name of the judge that says how likely it shows nudity (jaga.media.judging); None asks for no such thing.
    judge: str | None = None
    # Also the pictures inside it, if it is a PDF, an Office file, another zip, or a camera's RAW file.
    inside: bool = False
    # A preview of the first frame.
    preview: PreviewWanted | None = None


class Value(msgspec.Struct, frozen=True):
    """One hash of one frame."""

    kind: str
    value: bytes
    quality: int | None
    # A name of jaga.media.pdq.VARIANTS.
    variant: str = "original"


class Look(msgspec.Struct, frozen=True):
    """One frame; sizes are in pixels."""

    frame: int
    width: int
    height: int
    values: tuple[Value, ...]
    # Which picture inside the file ("image 3", "word/media/image1.png"); None for the file itself.
    inside: str | None = None


class Answer(msgspec.Struct):
    """`format` is None if the file is no picture. `problem` tells what was left out."""

    format: str | None
    looks: list[Look]
    problem: str | None = None
    # vPDQ (jaga.media.video.packed), if it is a video and was asked for.
    video: bytes | None = None
    # The highest likelihood of any frame that was looked at, 0 to 1, if it was asked for.
    sensitive: float | None = None
    preview: PreviewMade | None = None


# Frames of one file that are judged, evenly over a video or from the first on: each costs as much as decoding a picture.
MOST_JUDGED = 12
MOST_JUDGED_INSIDE = 100
_EXACT = ("md5", "sha1", "sha256")


def answer(request: Request) -> Answer:
    """Look at one file. Never raises: whatever a decoder does to itself is the file's problem."""
    from jaga.media._decode import contents, frames
    from jaga.media._hash_types import PictureHash, hash_type

    kinds = [kind for kind in map(hash_type, request.kinds) if isinstance(kind, PictureHash)]
    result = Answer(None, [])
    try:
        if request.preview is not None:
            _preview(request, result)
            return result
        if ("vpdq" in request.kinds or request.judge is not None) and _is_video(request):
            result.format = "video"
            try:
                if request.judge is not None:
                    _judge_video(request, result)
            finally:
                # A video that is damaged for one is so for the other; each takes what it can.
                if "vpdq" in request.kinds:
                    _watch(request, result)
            return result
        if not kinds and request.judge is None:
            return result
        raw = request.raw if request.path is None else contents(Path(request.path))
        try:
            for frame in frames(raw):
                result.format = frame.format
                _take(frame, None, kinds, request, result)
        finally:
            # Behind a picture that is none, or is damaged, there may be others.
            if request.inside:
                _look_inside(raw, kinds, request, result)
    except NotThisFormat:
        pass
    except MemoryError:
        result.problem = "needs more memory than a picture may"
    except JagaError as error:
        result.problem = error.what
    except OSError as error:
        result.problem = f"cannot be decoded: {error.strerror or error}"
    except Exception as error:  # noqa: BLE001 - decoders fail in ways that nobody has listed
        result.problem = f"cannot be decoded: {type(error).__name__}: {error}"[:300]
    if result.problem is not None and result.format is None:
        result.format = "damaged"
    return result


def _take(
    frame: Frame,
    inside: str | None,
    kinds: list[PictureHash],
    request: Request,
    result: Answer,
    raw: bytes = b"",
) -> None:
    from jaga.media.pdq import pdq_variants

    # A picture that was put in as a file is also known by its bytes.
    values = [Value(name, hashlib.new(name, raw, usedforsecurity=False).digest(), None) for name in _EXACT if raw]
    for kind in kinds:
        if request.variants and kind.name == "pdq":
            every, quality = pdq_variants(frame.pixels)
            values += [Value(kind.name, value, quality, name) for name, value in every.items()]
        else:
            value, one_quality = kind.look(frame.pixels)
            values.append(Value(kind.name, value, one_quality))
    # Of one picture the first frames; of those inside a file each counts.
    if request.judge is not None and (inside is not None or len(result.looks) < MOST_JUDGED):
        _judge(request.judge, frame.pixels, result)
    height, width = frame.pixels.shape[:2]
    result.looks.append(Look(frame.number, width, height, tuple(values), inside))


def _look_inside(raw: bytes, kinds: list[PictureHash], request: Request, result: Answer) -> None:
    """The pictures inside a file; one that is broken costs no other."""
    from jaga.media._decode import Frame, _pixels, frames
    from jaga.media._embedded import embedded

    judged = 0
    for one in embedded(raw):
        problem = one.problem
        try:
            if one.picture is not None:
                every = iter([Frame(0, one.picture.mode, _pixels(one.picture))])
            elif problem is None:
                every = frames(one.raw)
            else:
                every = iter([])
            asked = request if judged < MOST_JUDGED_INSIDE else msgspec.structs.replace(request, judge=None)
            for frame in every:
                _take(frame, one.name, kinds, asked, result, one.raw if frame.number == 0 else b"")
                judged += 1
                result.format = result.format or "container"
        except NotThisFormat:
            continue
        except MemoryError:
            problem = "needs more memory than a picture may"
        except JagaError as error:
            problem = error.what
        except Exception as error:  # noqa: BLE001 - as for the file itself
            problem = f"cannot be decoded: {type(error).__name__}: {error}"[:300]
        if problem is not None and result.problem is None:
            result.problem = f"{one.name}: {problem}"


# Pictures that come in a container of videos.
_STILL = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"))


def _is_video(request: Request) -> bool:
    from jaga.media.video import container_of

    if request.path is None:
        head = request.raw[:4096]
    else:
        with open(request.path, "rb") as file:
            head = file.read(4096)
    return container_of(head) is not None and not (head[4:8] == b"ftyp" and head[8:12] in _STILL)


def _preview(request: Request, result: Answer) -> None:
    from io import BytesIO

    from PIL import Image, ImageFilter

    from jaga.media._decode import contents, frames
    from jaga.media.video import stills

    assert request.preview is not None
    wanted = request.preview
    raw = request.raw if request.path is None else contents(Path(request.path))
    pixels = next(stills(raw, 1), None) if _is_video(request) else next(frames(raw)).pixels
    if pixels is None:
        return
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    # Small first: nothing larger than the preview is ever blurred, or kept.
    picture.thumbnail((wanted.side, wanted.side), Image.Resampling.BOX)
    picture = picture.convert("L" if wanted.grey else "RGB")
    if wanted.blur_radius:
        picture = picture.filter(ImageFilter.GaussianBlur(wanted.blur_radius))
    made = BytesIO()
    picture.save(made, "JPEG", quality=80)
    result.preview = PreviewMade(made.getvalue(), *picture.size)


def _judge(name: str, pixels: npt.NDArray[np.uint8], result: Answer) -> None:
    from jaga.media.judging import load_judge

    likelihood = min(1.0, max(0.0, load_judge(name).likelihood(pixels)))
    result.sensitive = max(result.sensitive or 0.0, likelihood)


def _judge_video(request: Request, result: Answer) -> None:
    from jaga.media.video import stills

    assert request.judge is not None
    source = request.raw if request.path is None else Path(request.path)
    for pixels in stills(source, MOST_JUDGED):
        _judge(request.judge, pixels, result)


def _watch(request: Request, result: Answer) -> None:
    from jaga.media.video import features, packed

    seen = []
    try:
        source = request.raw if request.path is None else Path(request.path)
        for one in features(source, keyframes=request.keyframes):
            seen.append(one)
    finally:
        if seen:
            result.video = packed(seen)


def _limit(memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: the time limit alone holds
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def main() -> None:
    """Answer until stdin ends. The argument is the memory limit in bytes."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever a library prints must not land among the answers.
    os.dup2(2, 1)
    _limit(int(sys.argv[1]))
    source = sys.stdin.buffer
    while len(head := source.read(LENGTH.size)) == LENGTH.size:
        request = msgspec.msgpack.decode(source.read(LENGTH.unpack(head)[0]), type=Request)
        raw = msgspec.msgpack.encode(answer(request))
        out.write(LENGTH.pack(len(raw)) + raw)


if __name__ == "__main__":
    main()
