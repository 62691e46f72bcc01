"""How the judge of nudity does on harmless photographs: how many it would tell, and how long one takes.

    .venv/bin/python benchmarks/pictures_judged.py

The photographs are those that ship inside scikit-image and scikit-learn. What share of true nudity it finds is not measured: no such material is
here, nor may be.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import skimage
import sklearn
from PIL import Image

from jaga.media.judging import OpenNsfw
from jaga.signals.pictures import SENSITIVE_FROM


def main() -> None:
    """Print the likelihoods from the highest down."""
    folders = (Path(skimage.__file__).parent / "data", Path(sklearn.__file__).parent / "datasets" / "images")
    paths = [path for folder in folders for path in sorted(folder.iterdir())]
    # Of the TIFFs one has pages that only scientific programs read.
    pictures = [path for path in paths if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif")]
    judge = OpenNsfw()
    found: list[tuple[float, str, float]] = []
    for path in pictures:
        with Image.open(path) as opened:
            pixels = np.asarray(opened.convert("RGB"))
        began = time.perf_counter()
        likelihood = judge.likelihood(pixels)
        found.append((likelihood, path.name, time.perf_counter() - began))
    for likelihood, name, _ in sorted(found, reverse=True):
        print(f"{likelihood:.4f}  {name}")
    told = sum(likelihood >= SENSITIVE_FROM for likelihood, _, _ in found)
    unsure = sum(0.2 <= likelihood < SENSITIVE_FROM for likelihood, _, _ in found)
    took_ms = 1000 * statistics.median(seconds for _, _, seconds in found)
    print(
        f"{len(found)} pictures: {told} at or above {SENSITIVE_FROM}, {unsure} between; {took_ms:.0f} ms each (median)"
    )


if __name__ == "__main__":
    main()
