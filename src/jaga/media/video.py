"""vPDQ: a video as the PDQ hashes of one frame a second.

Source: Meta, vpdq (github.com/facebook/ThreatExchange, vpdq/), whose values these are: every n-th decoded frame, n being the whole part of the
frame rate. Two videos are the same when enough of the frames of one are near a frame of the other; frames with too little to see (quality
below 50) are left aside. It misses what PDQ misses (crops, mirrored video), and clips shorter than a second have one frame.

Decoding is nine tenths of the work and cannot be cut short without taking other frames: a frame is drawn from those before it. `keyframes`
takes the frames that stand for themselves, some twenty times as fast; their times differ from the reference's, so fewer frames agree.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from jaga.errors import NotThisFormat, UnreadableInput, UsageError
from jaga.media._hash_types import parse_hex
from jaga.media.pdq import pdq

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Feature", "Vpdq", "compared", "container_of", "features", "packed", "telling", "text_of", "unpacked"]

# As the reference's extension for `tx` has them.
LEAST_QUALITY = 50
MOST_BITS = 31
ENOUGH_PERCENT = 80.0

_ENTRY = struct.Struct("<32sBI")
_LONGEST_S = 24 * 3600
# Of one video, so that no file keeps a worker for itself.
BUDGET_S = 900.0
# For the few key frames that are judged.
_STILLS_S = 120.0
_MOST_PIXELS = 7680 * 4320

# What FFmpeg may take a file for, by its first bytes. It never guesses: playlists and the like would open other files, or the network.
_CONTAINERS = (
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"OggS", "ogg"),
    (0, b"FLV\x01", "flv"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (4, b"wide", "mov"),
)


class Feature(NamedTuple):
    """One frame: its PDQ hash (32 bytes), its quality (0 to 100), and when it is shown, in milliseconds."""

    value: bytes
    quality: int
    at_ms: int


class Vpdq:
    """vPDQ for the registry. Its value is all of a video's features, packed; see `packed`."""

    name = "vpdq"
    bits = 256
    threshold_bits = MOST_BITS

    def parse(self, text: str) -> bytes:
        """As `tx` writes it (a JSON list of "hash,quality,seconds"), or the packed features as hex digits. Raises: UsageError."""
        text = text.strip()
        if not text.startswith("["):
            size = max(1, len(text) // (2 * _ENTRY.size)) * 8 * _ENTRY.size
            value = parse_hex(self.name, text, size)
            if any(one.quality > 100 for one in unpacked(value)):
                raise UsageError("not a vpdq hash: a quality is at most 100")
            return value
        try:
            return packed(map(_feature, json.loads(text)))
        except (ValueError, TypeError, RecursionError) as error:
            raise UsageError(f"not a vpdq hash: {text[:80]!r}") from error


def _feature(text: Any) -> Feature:
    digits, quality, seconds = str(text).split(",")
    if len(digits) != 64:
        raise ValueError(text)
    at_s = float(seconds)
    if not 0 <= int(quality) <= 100 or not 0 <= at_s <= _LONGEST_S * 100:
        raise ValueError(text)
    return Feature(bytes.fromhex(digits), int(quality), round(at_s * 1000))


def packed(every: Iterable[Feature]) -> bytes:
    """Features one after the other: the hash, a byte of quality, four bytes of milliseconds (little-endian). Raises: ValueError for none."""
    value = b"".join(_ENTRY.pack(one.value, one.quality, one.at_ms) for one in every)
    if not value:
        raise ValueError("no frame")
    return value


def unpacked(value: bytes) -> list[Feature]:
    """What `packed` packed."""
    return [Feature(*entry) for entry in _ENTRY.iter_unpack(value)]


def text_of(value: bytes) -> str:
    """As `tx` writes it."""
    return json.dumps([f"{one.value.hex()},{one.quality},{one.at_ms / 1000:.3f}" for one in unpacked(value)])


def telling(value: bytes) -> npt.NDArray[np.uint8]:
    """The distinct hashes of frames with enough to see: uint8[n, 32]."""
    seen = dict.fromkeys(one.value for one in unpacked(value) if one.quality >= LEAST_QUALITY)
    return np.frombuffer(b"".join(seen), np.uint8).reshape(-1, 32)


def compared(one: bytes, other: bytes, most_bits: int = MOST_BITS) -> tuple[float, float]:
    """Of the telling frames of each, how many percent are near a frame of the other; 0 where there are none."""
    a, b = telling(one), telling(other)
    if not len(a) or not len(b):
        return 0.0, 0.0
    near = np.bitwise_count(a[:, None, :] ^ b[None, :, :]).sum(axis=2, dtype=np.int64) <= most_bits
    return 100.0 * float(near.any(axis=1).mean()), 100.0 * float(near.any(axis=0).mean())


def container_of(head: bytes) -> str | None:
    """FFmpeg's name for the container whose first bytes these are; None if it is none that is read."""
    for at, mark, name in _CONTAINERS:
        if head[at : at + len(mark)] == mark:
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if len(head) > 376 and head[0] == head[188] == head[376] == 0x47:
        return "mpegts"
    return None


def features(source: Path | bytes, *, every_s: float = 1.0, keyframes: bool = False) -> Iterator[Feature]:
    """Hash a video's frames, in the order in which they are shown. Only to be called in a worker process.

    Raises: NotThisFormat, if it is no video; UnreadableInput, if it is damaged, or takes too long (frames before that have come already).
    """
    until = time.monotonic() + BUDGET_S
    with _decoding(source, keyframes=keyframes) as (container, stream):
        if stream is None:
            raise NotThisFormat("holds no moving picture")
        rate = float(stream.average_rate or stream.base_rate or 1)
        step = 1 if keyframes else max(1, int(every_s * rate))
        found = False
        for number, frame in enumerate(container.decode(stream)):
            # Not every decoder leaves the others out.
            if keyframes and not frame.key_frame:
                continue
            _in_time(until, BUDGET_S)
            if number % step:
                continue
            # By way of colours as the reference goes: from the plane of brightness alone up to 22 bits differ, where colours are
            # so strong that they are cut.
            value, quality = pdq(_pixels(frame))
            shown_s = frame.time if keyframes and frame.time is not None else number / rate
            if shown_s > _LONGEST_S:
                raise UnreadableInput("longer than a day; the rest is left out")
            found = True
            yield Feature(value, quality, max(0, round(shown_s * 1000)))
        if not found:
            raise UnreadableInput("no frame of it can be decoded")


def stills(source: Path | bytes, most: int) -> Iterator[npt.NDArray[np.uint8]]:
    """At most `most` key frames, spread over the video as far as its length is known: uint8[height, width, 3]. Only in a worker process.

    Raises: NotThisFormat, if it is no video; UnreadableInput, if it is damaged, or takes too long (frames before that have come already).
    """
    until = time.monotonic() + _STILLS_S
    with _decoding(source, keyframes=True) as (container, stream):
        if stream is None:
            return
        # In microseconds; unknown is zero, and then the first key frames are taken.
        step_s = (container.duration or 0) / 1e6 / most
        given, due_s = 0, 0.0
        for frame in container.decode(stream):
            if not frame.key_frame or (frame.time is not None and frame.time < due_s):
                continue
            _in_time(until, _STILLS_S)
            yield _pixels(frame)
            given += 1
            if given == most:
                return
            due_s = (frame.time or 0.0) + step_s


@contextmanager
def _decoding(source: Path | bytes, *, keyframes: bool) -> Iterator[tuple[Any, Any]]:
    """The container and its moving picture, None if it has none. Raises: NotThisFormat; UnreadableInput, also for what goes wrong inside."""
    import av
    from av.error import FFmpegError

    opened, kind = _opened(source)
    with opened:
        try:
            with av.open(opened, format=kind, metadata_errors="replace") as container:
                stream = next(iter(container.streams.video), None)
                if stream is not None:
                    stream.thread_type = "NONE"
                    if keyframes:
                        stream.codec_context.skip_frame = "NONKEY"
                yield container, stream
        except FFmpegError as error:
            raise UnreadableInput(f"cannot be decoded: {type(error).__name__}") from error


def _in_time(until: float, budget_s: float) -> None:
    if time.monotonic() > until:
        raise UnreadableInput(f"takes longer than {budget_s:.0f} s; the rest is left out")


def _pixels(frame: Any) -> npt.NDArray[np.uint8]:
    """uint8[height, width, 3]. Raises: UnreadableInput, for one that is too large."""
    if frame.width * frame.height > _MOST_PIXELS:
        raise UnreadableInput(f"{frame.width:,} x {frame.height:,} pixels are more than a video may have")
    return np.asarray(frame.to_ndarray(format="rgb24"))


def _opened(source: Path | bytes) -> tuple[Any, str]:
    """A stream and FFmpeg's name for its container. Raises: NotThisFormat, OSError."""
    if isinstance(source, bytes):
        head = source[:4096]
    else:
        with source.open("rb") as file:
            head = file.read(4096)
    kind = container_of(head)
    if kind is None:
        raise NotThisFormat("not a video that Jaga reads")
    # No name for FFmpeg to follow: it reads what is handed to it.
    return (BytesIO(source) if isinstance(source, bytes) else source.open("rb")), kind
