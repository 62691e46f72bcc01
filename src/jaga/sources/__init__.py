"""Sources: one file each, turning exports into records.

`gather(paths, context)` is the door: it recognises every format, reads in worker processes and gives each message once,
in time order. `read_path` reads one path in this process, as it stands in the file.
"""

from __future__ import annotations

from jaga.sources._base import Context, Source, local_zone_name, zone_of
from jaga.sources._files import Files
from jaga.sources._gather import Gathered, InputSummary, gather
from jaga.sources._reading import Unit, read_path
from jaga.sources._registry import all_sources
from jaga.sources._worker import read_isolated

__all__ = [
    "Context",
    "Files",
    "Gathered",
    "InputSummary",
    "Source",
    "Unit",
    "all_sources",
    "gather",
    "local_zone_name",
    "read_isolated",
    "read_path",
    "zone_of",
]
