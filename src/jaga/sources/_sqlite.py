"""SQLite databases from hostile places: a private copy, opened for reading only, never trusted to be whole."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from jaga.errors import UnreadableInput
from jaga.sources._tree import Entry

__all__ = ["columns", "has_tables", "is_sqlite", "open_database", "rows"]

_MAGIC = b"SQLite format 3\0"


def is_sqlite(entry: Entry) -> bool:
    return entry.head.startswith(_MAGIC)


@contextlib.contextmanager
def open_database(entry: Entry, *, tell_cut: bool = True) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of the database and of its write-ahead log.

    Raises: UnreadableInput; also at the end, after all that could be read, when the file is shorter than it says (`tell_cut`): SQLite
    reads zeros where pages are missing, so texts may end in the middle.
    """
    with entry.local("-wal", "-shm") as path:
        missing = _missing_bytes(path)
        connection = sqlite3.connect(path)
        try:
            # Text that is not UTF-8 must not stop a table.
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            yield connection
            if missing and tell_cut:
                raise UnreadableInput(
                    f"the database is cut short: {missing:,} bytes are missing, what could be read may be incomplete",
                    where=entry.display,
                    remedy="copy it from the phone or backup again",
                )
        except sqlite3.DatabaseError as error:
            raise UnreadableInput(
                f"the database is damaged: {error}",
                where=entry.display,
                remedy="copy it from the phone or backup again",
            ) from error
        finally:
            connection.close()


def _missing_bytes(path: Path) -> int:
    """How much shorter the file is than its header says (https://www.sqlite.org/fileformat2.html#the_database_header)."""
    with open(path, "rb") as file:
        head = file.read(100)
    if len(head) < 100:
        return 0
    page = int.from_bytes(head[16:18], "big")
    # The size is to be trusted only when the two change counters agree.
    if head[24:28] != head[92:96]:
        return 0
    stated = int.from_bytes(head[28:32], "big") * (65_536 if page == 1 else page)
    return max(0, stated - path.stat().st_size)


def has_tables(entry: Entry, **wanted: set[str]) -> bool:
    """True if the entry is a SQLite database with these tables and, in each, these columns. Never raises."""
    if not is_sqlite(entry):
        return False
    if entry.tables is None:
        try:
            with open_database(entry, tell_cut=False) as connection:
                found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
                entry.tables = {}
                for (name,) in found:
                    # A table of an extension that is not here (a search index of the app's own) hides no other.
                    with contextlib.suppress(sqlite3.DatabaseError):
                        entry.tables[name] = frozenset(columns(connection, name))
        except (UnreadableInput, OSError):
            entry.tables = {}
    return all(names <= entry.tables.get(table, frozenset()) for table, names in wanted.items())


def columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The table's column names; empty if there is no such table."""
    return {row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))}


def rows(connection: sqlite3.Connection, query: str) -> Iterator[sqlite3.Row]:
    """Rows by name, streamed. A database that breaks in the middle raises sqlite3.DatabaseError after what was read."""
    connection.row_factory = sqlite3.Row
    yield from connection.execute(query)
