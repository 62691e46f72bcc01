"""What goes wrong below the store, as the errors of jaga.errors: each says what to do, and that nothing was changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from jaga.errors import StoreError, WrongPassphrase

__all__ = ["translated"]


def _meanings(where: str) -> tuple[tuple[str, StoreError], ...]:
    """Part of the driver's message to what it means and what helps. SQLite's texts are part of its interface (sqlite3_errstr)."""
    full = StoreError("the disk is full; nothing was changed", where=where, remedy="free some space and do it again")
    return (
        (
            "not a database",
            WrongPassphrase("the key does not fit the store, or its first page is damaged", where=where),
        ),
        ("file is encrypted", WrongPassphrase("the key does not fit the store", where=where)),
        ("disk is full", full),
        ("no space left", full),
        (
            "disk i/o error",
            StoreError(
                "the disk cannot be written or read; nothing was changed",
                where=where,
                remedy="free some space, look at the disk, and do it again",
            ),
        ),
        (
            "malformed",
            StoreError("the store is damaged", where=where, remedy="restore the last backup: jaga home restore"),
        ),
        (
            "locked",
            StoreError(
                "another program holds the store; nothing was changed",
                where=where,
                remedy="wait until it is done, then do it again",
            ),
        ),
        (
            "readonly",
            StoreError(
                "the store may only be read; nothing was changed",
                where=where,
                remedy="give yourself the right to write to the folder",
            ),
        ),
        (
            "unable to open",
            StoreError("the store cannot be opened", where=where, remedy="look whether the folder is there and yours"),
        ),
    )


@contextmanager
def translated(where: Path) -> Iterator[None]:
    """Raise a StoreError for what the database raises on its own account; faults of a program pass as they are."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.DBAPIError as error:
        text = str(error.orig)
        found = _meaning(text, where)
        if found is None and isinstance(error, sa.exc.OperationalError):
            found = StoreError(f"the database failed: {text}; nothing was changed", where=str(where))
        if found is None:
            raise
        raise found from error
    except Exception as error:
        # Past SQLAlchemy (a raw connection) the driver's errors come as they are.
        found = _meaning(str(error), where) if type(error).__module__.startswith("sqlcipher3") else None
        if found is None:
            raise
        raise found from error


def _meaning(text: str, where: Path) -> StoreError | None:
    text = text.lower()
    return next((error for part, error in _meanings(str(where)) if part in text), None)
