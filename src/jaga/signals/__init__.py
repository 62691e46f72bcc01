"""Signals: detectors turn messages into findings that cite the messages they rest on."""

from __future__ import annotations

import functools

from jaga.plugins import load_plugins
from jaga.signals._base import ALONE, Actor, Before, Contextual, Detector, Looking, Signal

__all__ = ["ALONE", "Actor", "Before", "Contextual", "Detector", "Looking", "Signal", "all_detectors"]


@functools.cache
def all_detectors() -> tuple[Detector, ...]:
    """Every installed detector, by name.

    Raises: CatalogueError, if two have one name or one lacks a part of the interface.
    """
    found: dict[str, Detector] = load_plugins("jaga.signals", Detector, "docs/add-a-tactic.md")
    return tuple(found[name] for name in sorted(found))
