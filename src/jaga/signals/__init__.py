"""Signals: detectors turn messages into findings that cite the messages they rest on."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points

from jaga.errors import CatalogueError
from jaga.signals._base import Actor, Detector, Signal

__all__ = ["Actor", "Detector", "Signal", "all_detectors"]


@functools.cache
def all_detectors() -> tuple[Detector, ...]:
    """Every installed detector, by name.

    Raises: CatalogueError, if two have one name or one lacks a part of the interface.
    """
    found: dict[str, Detector] = {}
    for point in entry_points(group="jaga.signals"):
        detector = point.load()()
        if not isinstance(detector, Detector):
            raise CatalogueError("is not a jaga detector", where=point.value, remedy="see docs/add-a-tactic.md")
        if detector.name in found:
            raise CatalogueError(f"a second detector named {detector.name!r}", where=point.value)
        found[detector.name] = detector
    return tuple(found[name] for name in sorted(found))
