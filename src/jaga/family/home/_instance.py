"""One server for each household: the second one is told where the first one is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from filelock import FileLock, Timeout

from jaga.errors import StoreError, UsageError

__all__ = ["Running", "only_one", "running"]


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A server that holds the household."""

    process: int
    # Where its pages are; empty while it starts, or for a command that holds the household for a moment.
    address: str


@contextlib.contextmanager
def only_one(folder: Path, address: str = "") -> Iterator[None]:
    """Hold the household. The system lets go of it when the process ends, however it ends.

    Raises: UsageError, if another process holds it; StoreError, if the folder cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(folder / "jaga.lock", mode=0o600)
        lock.acquire(timeout=0)
    except Timeout:
        found = _read(folder)
        where = found.address if found is not None and found.address else str(folder)
        raise UsageError(
            "Jaga is running already", where=where, remedy="open that address in the browser, or stop it first"
        ) from None
    except OSError as error:
        raise StoreError(f"the folder cannot be written: {error.strerror}", where=str(folder)) from error
    told = folder / "running.json"
    try:
        # Only to be helpful to the second one: a full disk is no reason not to show what there is.
        with contextlib.suppress(OSError):
            new = folder / "running.json.new"
            new.write_bytes(msgspec.json.encode(Running(process=os.getpid(), address=address)))
            new.replace(told)
        yield
    finally:
        with contextlib.suppress(OSError):
            told.unlink(missing_ok=True)
        lock.release()


def running(folder: Path) -> Running | None:
    """Who holds the household just now; None if nobody does."""
    if not (folder / "jaga.lock").exists():
        return None
    lock = FileLock(folder / "jaga.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _read(folder) or Running(process=0, address="")
    except OSError:
        return None
    lock.release()
    return None


def _read(folder: Path) -> Running | None:
    try:
        return msgspec.json.decode((folder / "running.json").read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
