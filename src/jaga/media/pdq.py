"""PDQ: a 256-bit hash that stays near itself when a picture is resized, recompressed or slightly changed.

Source: Meta, "The TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm" (2019), and its reference
implementation, which the package `pdqhash` wraps. It misses crops, rotation, and heavy edits. Values here are those
of `pdqhash`: computed a shorter way where rounding cannot change the quality nor more than two bits of the hash, and
by `pdqhash` itself where it might.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pdqhash

from jaga.errors import UsageError
from jaga.media._hash_types import Looked, parse_hex
from jaga.media._pdq_fold import SIDE, folded

__all__ = ["VARIANTS", "Pdq", "pdq", "pdq_variants"]

Pixels: TypeAlias = npt.NDArray[np.uint8]

# As the reference orders them: what has to be done to the picture so that it hashes to this.
VARIANTS = (
    "original",
    "rotate_90",
    "rotate_180",
    "rotate_270",
    "flip_x",
    "flip_y",
    "flip_plus",
    "flip_minus",
)

_KEPT = 16
_BITS = 256
# The reference gives no hash below this.
_SMALLEST = 5
_TOP_QUALITY = 100
# How far rounding may move a step between neighbours, and a coefficient of the cosine transform, from the reference's,
# whose running sums drift with the picture's size. At most 5.3e-4 and 1.9e-3 were seen, over 8 photographs of up to 12
# and of up to 27 megapixels (against the reference restated, and against `pdqhash.compute_float`).
_STEP_SLACK = 1e-3
_COEFFICIENT_SLACK = 4e-3
_MOVED_BITS = 2
# Beyond it the reference's drift was not measured.
_LARGEST_SIDE = 16_384


class Pdq:
    """PDQ for the registry. `look` takes pixels, not files."""

    name = "pdq"
    bits = _BITS
    # Meta's advice for a confident match.
    threshold_bits = 31

    def parse(self, text: str) -> bytes:
        """64 hex digits to 32 bytes. Raises: UsageError."""
        return parse_hex(self.name, text, _BITS)

    def look(self, pixels: Pixels) -> Looked:
        """Hash a picture (see `pdq`)."""
        value, quality = pdq(pixels)
        return Looked(value, quality)


def pdq(pixels: Pixels) -> tuple[bytes, int]:
    """Hash (32 bytes) and quality (0 to 100) of a picture: uint8[height, width, 1 or 3], grey or red-green-blue.

    Meta advises not to match below quality 50: there is too little to see. A side under 5 pixels gives zeros and 0.
    Raises: UsageError.
    """
    _checked(pixels)
    coefficients, quality = _short_way(pixels)
    if coefficients is not None:
        bits = _bits(coefficients)
        if bits is not None:
            return np.packbits(bits).tobytes(), quality
    vector, quality = pdqhash.compute(_colours(pixels))
    return np.packbits(vector.astype(np.uint8)).tobytes(), int(quality)


def pdq_variants(pixels: Pixels) -> tuple[dict[str, bytes], int]:
    """Hashes of the picture turned and mirrored (VARIANTS), and its quality. Pixels as for `pdq`. Raises: UsageError."""
    _checked(pixels)
    coefficients, quality = _short_way(pixels)
    if coefficients is not None:
        every = [_bits(turned) for turned in _turned(coefficients)]
        sure = [bits for bits in every if bits is not None]
        if len(sure) == len(VARIANTS):
            return {name: np.packbits(bits).tobytes() for name, bits in zip(VARIANTS, sure, strict=True)}, quality
    vectors, quality = pdqhash.compute_dihedral(_colours(pixels))
    packed = (np.packbits(np.asarray(vector, np.uint8)).tobytes() for vector in vectors)
    return dict(zip(VARIANTS, packed, strict=True)), int(quality)


def _checked(pixels: Pixels) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        raise UsageError(f"pixels must be uint8[height, width, 1 or 3], not {pixels.dtype}{list(pixels.shape)}")


def _short_way(pixels: Pixels) -> tuple[npt.NDArray[np.float64] | None, int]:
    """The 16 x 16 lowest coefficients and the quality; None where the reference's rounding could decide otherwise."""
    if not _SMALLEST <= min(pixels.shape[:2]) <= max(pixels.shape[:2]) <= _LARGEST_SIDE:
        return None, 0
    buffer = folded(pixels)
    quality = _quality(buffer)
    if quality is None:
        return None, 0
    transform = _transform()
    return transform @ buffer @ transform.T, quality


def _quality(buffer: npt.NDArray[np.float64]) -> int | None:
    """The sum of whole steps between neighbours over 90, at most 100; None if rounding could make it another."""
    steps = np.concatenate((np.diff(buffer, axis=0).ravel(), np.diff(buffer, axis=1).ravel()))
    steps = np.abs(steps) * (100 / 255)
    least = int(np.floor(np.maximum(steps - _STEP_SLACK, 0)).sum()) // 90
    most = int(np.floor(steps + _STEP_SLACK).sum()) // 90
    least, most = min(least, _TOP_QUALITY), min(most, _TOP_QUALITY)
    return least if least == most else None


def _bits(coefficients: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_] | None:
    """The 256 bits, most significant first: which coefficients are above the lower median. None if not sure enough."""
    flat = coefficients.ravel()
    median = np.partition(flat, _BITS // 2 - 1)[_BITS // 2 - 1]
    # The median itself is one of them.
    if np.count_nonzero(np.abs(flat - median) <= 2 * _COEFFICIENT_SLACK) > 1 + _MOVED_BITS:
        return None
    bits: npt.NDArray[np.bool_] = flat > median
    return bits[::-1]


def _turned(coefficients: npt.NDArray[np.float64]) -> list[npt.NDArray[np.float64]]:
    """Mirroring an axis changes the sign of its odd waves; turning is mirroring and swapping the axes."""
    signs = np.where(np.arange(1, _KEPT + 1) % 2 == 0, 1.0, -1.0)
    mirrored_rows = coefficients * signs[:, None]
    mirrored_columns = coefficients * signs[None, :]
    both = mirrored_rows * signs[None, :]
    return [
        coefficients,
        mirrored_columns.T,
        both,
        mirrored_rows.T,
        mirrored_rows,
        mirrored_columns,
        coefficients.T,
        both.T,
    ]


@cache
def _transform() -> npt.NDArray[np.float64]:
    """float64[16, 64]: waves 1 to 16 of the cosine transform (II); the constant one is left out."""
    wave = np.arange(1, _KEPT + 1)[:, None]
    place = 2 * np.arange(SIDE)[None, :] + 1
    transform: npt.NDArray[np.float64] = np.sqrt(2 / SIDE) * np.cos(np.pi / (2 * SIDE) * wave * place)
    return transform


def _colours(pixels: Pixels) -> npt.NDArray[Any]:
    """uint8[height, width, 3], as pdqhash wants it."""
    return np.ascontiguousarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)
