"""Finds plugins by entry point; our own use the same door as anyone else's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from jaga.errors import CatalogueError

__all__ = ["load_plugins"]


def load_plugins(group: str, interface: Any, guide: str) -> dict[str, Any]:
    """Every installed plugin of an entry-point group, by its name.

    Raises: CatalogueError, if two have one name or one lacks a part of the interface; `guide` is the page that helps.
    """
    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        plugin: Any = point.load()()
        if not isinstance(plugin, interface):
            raise CatalogueError(f"is not a {interface.__name__.lower()}", where=point.value, remedy=f"see {guide}")
        if plugin.name in found:
            raise CatalogueError(f"a second {interface.__name__.lower()} named {plugin.name!r}", where=point.value)
        found[plugin.name] = plugin
    return found
