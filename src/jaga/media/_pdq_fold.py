"""From pixels to PDQ's 64 x 64 buffer in one pass.

PDQ blurs the luma twice with a box along each axis and then keeps 64 x 64 of the blurred values. Every kept value is
a weighted sum of pixels; the weights split into a factor for the row and one for the column. So the rows are summed
into 64 bands while the pixels are read once, and those 64 rows into 64 columns: the full-size blur is never made.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["SIDE", "folded", "operator"]

SIDE = 64
Floats: TypeAlias = npt.NDArray[np.float64]
Operator: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float32]]


def _compiled(function: Any) -> Any:
    """Compile on first use; keep the result on disk where that is possible. Sums may be reordered: see `folded`."""
    try:
        return njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})(function)
    except RuntimeError:
        return njit(nogil=True, fastmath={"contract", "reassoc"})(function)


@lru_cache(maxsize=256)
def operator(size: int) -> Operator:
    """How one axis of `size` pixels becomes 64 values: (first pixel int64[64], end int64[64], weights float32[64, w]).

    The box's width, its uneven reach and its shorter windows at the edges are those of the reference:
    github.com/facebook/ThreatExchange, pdq/cpp/downscaling/downscaling.cpp.
    """
    width = (size + 2 * SIDE - 1) // (2 * SIDE)
    after = (width + 2) // 2 - 1
    before = width - 1 - after
    centres = ((np.arange(SIDE) + 0.5) * size / SIDE).astype(np.int64)
    lows = np.maximum(centres - before, 0)
    highs = np.minimum(centres + after, size - 1)
    firsts = np.maximum(lows - before, 0)
    ends = np.minimum(highs + after, size - 1) + 1
    weights = np.zeros((SIDE, int((ends - firsts).max())))
    for row in range(SIDE):
        for middle in range(lows[row], highs[row] + 1):
            low, high = max(middle - before, 0), min(middle + after, size - 1)
            weights[row, low - firsts[row] : high + 1 - firsts[row]] += 1 / (
                (highs[row] - lows[row] + 1) * (high - low + 1)
            )
    return firsts, ends, weights.astype(np.float32)


@_compiled
def _fold(
    pixels: Any, row_first: Any, row_end: Any, row_weights: Any, first: Any, end: Any, weights: Any, out: Any
) -> None:
    """pixels uint8[height, width, 1 or 3] to out float64[64, 64]; the operators are of the rows and of the columns."""
    height, width, channels = pixels.shape
    flat = pixels.reshape(height, width * channels)
    band = np.empty(width * channels, np.float32)
    luma = np.empty(width, np.float64)
    for row in range(SIDE):
        band[:] = 0
        for line in range(row_first[row], row_end[row]):
            weight = row_weights[row, line - row_first[row]]
            source = flat[line]
            for index in range(width * channels):
                band[index] += weight * np.float32(source[index])
        for column in range(width):
            if channels == 3:
                luma[column] = 0.299 * band[3 * column] + 0.587 * band[3 * column + 1] + 0.114 * band[3 * column + 2]
            else:
                luma[column] = band[column]
        for column in range(SIDE):
            total = 0.0
            for index in range(first[column], end[column]):
                total += weights[column, index - first[column]] * luma[index]
            out[row, column] = total


def folded(pixels: npt.NDArray[np.uint8]) -> Floats:
    """PDQ's 64 x 64 buffer of a picture, uint8[height, width, 1 or 3] (grey, or red green blue).

    Differs from the reference by rounding alone, which both have; how far: `jaga.media.pdq` allows for it.
    """
    out = np.empty((SIDE, SIDE))
    _fold(np.ascontiguousarray(pixels), *operator(pixels.shape[0]), *operator(pixels.shape[1]), out)
    return out
