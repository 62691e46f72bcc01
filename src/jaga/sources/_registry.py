"""Finds every source by entry point (group `jaga.sources`); ours use the same door as anyone else's."""

from __future__ import annotations

import functools
from importlib.metadata import entry_points

from jaga.errors import CatalogueError
from jaga.sources._base import Source

__all__ = ["all_sources"]


@functools.cache
def all_sources() -> tuple[Source, ...]:
    """Every installed source, in the order in which they are asked.

    Raises: CatalogueError, if two have one name or one lacks a part of the interface.
    """
    found: dict[str, Source] = {}
    for point in entry_points(group="jaga.sources"):
        source = point.load()()
        if not isinstance(source, Source):
            raise CatalogueError("is not a jaga source", where=point.value, remedy="see docs/add-a-source.md")
        if source.name in found:
            raise CatalogueError(f"a second source named {source.name!r}", where=point.value)
        found[source.name] = source
    return tuple(sorted(found.values(), key=lambda source: (source.order, source.name)))
