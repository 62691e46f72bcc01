"""Benign pictures for tests: photographs that ship inside scikit-image and scikit-learn, and drawn ones."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

Pixels = npt.NDArray[np.uint8]

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "moon", "rocket", "china.jpg", "flower.jpg")


@cache
def photograph(name: str) -> Image.Image:
    """RGB, of some 300 to 600 pixels a side."""
    array: Any = load_sample_image(name) if name.endswith(".jpg") else getattr(data, name)()
    return Image.fromarray(np.ascontiguousarray(array)).convert("RGB")


def pixels(name: str, width: int | None = None, height: int | None = None) -> Pixels:
    """uint8[height, width, 3]."""
    picture = photograph(name)
    if width is not None and height is not None:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def drawn(kind: str, width: int, height: int, seed: int = 0) -> Pixels:
    """uint8[height, width, 3]: pictures with little to see, where rounding decides most."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    every: dict[str, Any] = {
        "flat": np.full((height, width), 130),
        "slope": rows * 255 // max(height - 1, 1),
        "corner": np.where((rows < height // 3) & (columns < width // 3), 200, 40),
        "stripes": np.where(columns // 7 % 2, 220, 30),
        "faint": 100 + (rows // 40 + columns // 40) % 5,
        "noise": random.integers(0, 256, (height, width)),
    }
    grey = every[kind]
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


DRAWN = ("flat", "slope", "corner", "stripes", "faint", "noise")
