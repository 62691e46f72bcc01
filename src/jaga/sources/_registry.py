"""Finds every source by entry point (group `jaga.sources`); ours use the same door as anyone else's."""

from __future__ import annotations

import functools

from jaga.plugins import load_plugins
from jaga.sources._base import Source

__all__ = ["all_sources"]


@functools.cache
def all_sources() -> tuple[Source, ...]:
    """Every installed source, in the order in which they are asked.

    Raises: CatalogueError, if two have one name or one lacks a part of the interface.
    """
    found: dict[str, Source] = load_plugins("jaga.sources", Source, "docs/add-a-source.md")
    return tuple(sorted(found.values(), key=lambda source: (source.order, source.name)))
