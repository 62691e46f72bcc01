"""Taking deleted rows out of the files: `secure_delete` overwrites them with zeros, this gives the pages back and empties the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaga.store._database import Store

from jaga.errors import StoreError
from jaga.store._errors import translated

__all__ = ["sweep"]

_TRIES = 50
_WAIT_S = 0.1


def sweep(store: Store, *, wholly: bool = False) -> bool:
    """After deletions. `wholly`: write the whole file anew. True if that was done, and the write-ahead log is empty: a page that
    is being read holds it.

    In PostgreSQL deleted rows are overwritten when their room is used again; `wholly` writes the tables anew. Its own log and
    archives are its administrator's.
    """
    if store.engine.dialect.name == "postgresql":
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM FULL" if wholly else "VACUUM messages")
        return True
    try:
        with translated(store.folder):
            return _sweep(store, wholly)
    except StoreError:
        # The rows are gone all the same: a full disk only keeps the file from being written anew.
        return False


def _sweep(store: Store, wholly: bool) -> bool:
    raw = store.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM" if wholly else "PRAGMA incremental_vacuum")
        cursor.fetchall()
        for _ in range(_TRIES):
            (busy, _, _) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return True
            time.sleep(_WAIT_S)
        return False
    finally:
        raw.close()
