"""One importer at a time, over programs: a lock that goes away with the program that holds it, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

__all__ = ["one_at_a_time"]

_NUMBER = 7460002


@contextmanager
def one_at_a_time(folder: Path, engine: sa.Engine) -> Iterator[None]:
    """Wait until nobody else holds it, then hold it."""
    if engine.dialect.name == "postgresql":
        # Held by the connection, so by nothing that outlives the program.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("SELECT pg_advisory_lock(:number)"), {"number": _NUMBER})
            try:
                yield
            finally:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:number)"), {"number": _NUMBER})
        return
    descriptor = os.open(folder / "importing.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt
    import time

    def _lock(descriptor: int) -> None:
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError:
                time.sleep(0.1)
            else:
                return

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
