"""Exit codes, as documented in docs/check.md."""

from __future__ import annotations

import enum

__all__ = ["Exit"]


class Exit(enum.IntEnum):
    """What the shell is told. The graver of what was found comes before what could not be read."""

    OK = 0
    USAGE = 2
    NOTHING_READ = 3
    PARTLY_READ = 4
    CONCERN = 10
    URGENT = 11
