"""Hash lists as others keep them: read as a stream into items, and written. One file per format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jaga.errors import NotThisFormat, UnreadableInput, UsageError
from jaga.media.banks import Item
from jaga.media.lists._base import ListFormat
from jaga.media.lists.hash_csv import HashCsv
from jaga.media.lists.misp import Misp
from jaga.media.lists.nsrl import NsrlSqlite
from jaga.media.lists.vics import Vics
from jaga.records import Problem

__all__ = ["FORMATS", "ListFormat", "read_list"]

# CSV last: almost any text could be one.
FORMATS: dict[str, ListFormat] = {one.name: one for one in (Vics(), Misp(), NsrlSqlite(), HashCsv())}


def read_list(path: Path, name: str | None = None, *, kind: str | None = None) -> Iterator[Item | Problem]:
    """Stream a list: an Item for each entry, a Problem with its place for each that is broken.

    `name` says which format, else the content does; `kind` says what bare hashes of an ambiguous length are.
    Raises: UnreadableInput, NotThisFormat (no format knows it), UsageError (there is no such format), OSError.
    """
    if name is not None and name not in FORMATS:
        raise UsageError(f"no list format is named {name!r}", remedy=f"one of {', '.join(FORMATS)}")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    for one in FORMATS.values():
        if one.name == name or (name is None and one.recognises(head)):
            return one.read(path, kind=kind)
    raise NotThisFormat("not a hash list that Jaga reads", where=str(path), remedy=f"formats: {', '.join(FORMATS)}")
