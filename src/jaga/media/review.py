"""For whoever must look at grave pictures: previews that harm less, and a counter of how long one has looked. Components for later rooms, no page of their own.

Research among those who do this work found that grey pictures in place of coloured ones, blurred until more is needed, help (Karunakaran and Ramakrishan, 2019; Das,
Dang and Lease, 2020). So a preview is grey, blurred and small unless each is asked for, of the first frame only (nothing plays by itself), and is
made in a decoding worker and never written to disk.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from jaga.errors import UnreadableInput, UsageError
from jaga.media._worker import PreviewWanted, Request
from jaga.media._workers import Workers

__all__ = ["LARGEST_SIDE", "Exposure", "ExposureCounter", "Preview", "preview"]

# Pixels: a preview is to recognise by, not to look at.
LARGEST_SIDE = 512


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A small JPEG in memory, without any of the metadata of what it was made from."""

    jpeg: bytes
    width: int
    height: int
    grey: bool
    # Of the Gaussian blur, in pixels of the preview.
    blur_radius: float


def preview(
    source: Path | bytes, workers: Workers, *, side: int = 256, grey: bool = True, blur_radius: float = 6.0
) -> Preview:
    """The first frame of a picture, or the first key frame of a video, at most `side` pixels wide and high; never larger than it was.

    Raises: UsageError, for a size or radius out of bounds; UnreadableInput, if it is no picture or cannot be decoded.
    """
    if not 16 <= side <= LARGEST_SIDE:
        raise UsageError(f"a preview of {side} pixels", remedy=f"give 16 to {LARGEST_SIDE}")
    if not 0 <= blur_radius <= 64:
        raise UsageError(f"a blur of {blur_radius:g} pixels", remedy="give 0 to 64")
    wanted = PreviewWanted(side, grey, blur_radius)
    where = None if isinstance(source, bytes) else str(source)
    raw = source if isinstance(source, bytes) else b""
    answer = workers.look(Request(where, (), raw=raw, preview=wanted))
    if answer.preview is None:
        raise UnreadableInput(answer.problem or "is no picture that Jaga reads", where=where)
    made = answer.preview
    return Preview(jpeg=made.jpeg, width=made.width, height=made.height, grey=grey, blur_radius=blur_radius)


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """How much somebody has looked at so far."""

    pictures: int
    seconds: float
    # Since the last rest.
    unbroken_s: float
    rest_due: bool


class ExposureCounter:
    """Counts pictures looked at and the time that took; says when a rest is due, and forbids nothing. Any number of threads may use it.

    `unbroken_s`: looking for so long asks for a rest. `rest_s`: a pause that counts as one. It keeps times, never what was seen.
    """

    def __init__(
        self,
        *,
        unbroken_s: float = 20 * 60,
        rest_s: float = 5 * 60,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if unbroken_s <= 0 or rest_s <= 0:
            raise UsageError("a time of nothing", remedy="give seconds above 0")
        self._limit_s, self._rest_s, self._clock = unbroken_s, rest_s, clock
        self._lock = threading.Lock()
        self._pictures = 0
        self._seconds = 0.0
        self._unbroken_s = 0.0
        self._ended: float | None = None
        # When the looks that go on now began: two windows at the same time are one exposure.
        self._open = 0
        self._began = 0.0

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Around the time in which one picture is shown."""
        with self._lock:
            now = self._clock()
            self._pictures += 1
            if self._open == 0:
                self._began = now
                if self._ended is not None and now - self._ended >= self._rest_s:
                    self._unbroken_s = 0.0
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                if self._open == 0:
                    self._ended = self._clock()
                    self._seconds += self._ended - self._began
                    self._unbroken_s += self._ended - self._began

    def so_far(self) -> Exposure:
        """The counts, with the looks that go on now."""
        with self._lock:
            now = self._clock()
            running = now - self._began if self._open else 0.0
            rested = not self._open and self._ended is not None and now - self._ended >= self._rest_s
            unbroken = 0.0 if rested else self._unbroken_s + running
            return Exposure(
                pictures=self._pictures,
                seconds=self._seconds + running,
                unbroken_s=unbroken,
                rest_due=unbroken >= self._limit_s,
            )
