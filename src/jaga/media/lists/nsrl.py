"""NIST's NSRL Reference Data Set, version 3: a SQLite database of known software, whose hashes are known-good.

Reference: nist.gov, "RDSv3 format". The table or view FILE has sha256, sha1, md5, file_name, file_size, package_id.
Deltas come as SQL scripts, which are programs: Jaga does not run them; apply them with sqlite3 first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from jaga.errors import UnreadableInput
from jaga.media.banks import Item
from jaga.media.lists._base import parse_all
from jaga.records import Problem

__all__ = ["NsrlSqlite"]

_KINDS = ("sha256", "sha1", "md5")


class NsrlSqlite:
    """RDS 3, full or modern, as SQLite."""

    name = "nsrl"

    def recognises(self, head: bytes) -> bool:
        """Any SQLite database; whether it is RDS is seen when it is read."""
        return head.startswith(b"SQLite format 3\0")

    def read(self, path: Path, *, kind: str | None = None) -> Iterator[Item | Problem]:
        """Yield one item a file, in the table's order."""
        # Nothing is written beside it, not even a lock: it may lie on a medium that must not change.
        connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
        number = 0
        try:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            columns = {row[1].lower() for row in connection.execute("PRAGMA table_info(FILE)")}
            kinds = [one for one in _KINDS if one in columns]
            if not kinds:
                raise UnreadableInput("has no table FILE with hashes", where=str(path), remedy="is it NSRL RDS 3?")
            named = "file_name" in columns
            query = f"SELECT {', '.join(kinds)}{', file_name' if named else ''} FROM FILE"  # noqa: S608 - our own names
            for number, row in enumerate(connection.execute(query), 1):
                where = f"{path}, row {number}"
                texts = [(one, str(text)) for one, text in zip(kinds, row, strict=False) if text]
                values, problems = parse_all(texts, where)
                if not values:
                    yield Problem(where=where, what="; ".join(one.what for one in problems) or "has no hash")
                    continue
                yield from problems
                yield Item(hashes=values, name=str(row[-1])[:200] if named and row[-1] else None, source=where)
        except sqlite3.DatabaseError as error:
            if number == 0:
                raise UnreadableInput(f"the database is damaged: {error}", where=str(path)) from error
            what = f"the database is damaged from here on: {error}; the rest is left out"
            yield Problem(where=f"{path}, after row {number}", what=what, fatal=True, skipped=0)
        finally:
            connection.close()
