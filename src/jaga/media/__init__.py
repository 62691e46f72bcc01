"""Known pictures and files, recognised by their hashes. Media is hashed and matched; it is never copied or shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaga.media.pdq_index import PdqIndex

__all__ = ["PdqIndex"]

# Each loads on first use: the index brings Numba with it, which a look at `jaga --help` should not wait for.
_HOMES = {"PdqIndex": "jaga.media.pdq_index"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
