"""Heavy work in a process of its own (`jaga.family._apart`), started by the worker.

What the engine loads to listen goes away with the process, so the server stays small and its pages quick. If the server is gone, so is
the process, within seconds. The store is made for that: what was not finished is taken up at the next start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import msgspec

from jaga.errors import JagaError, StoreError
from jaga.family._apart import answering, ask
from jaga.store import Store, drop_expired, run_imports
from jaga.store._waiting import clear_opened

__all__ = ["Order", "Result", "do_apart"]

Work = Literal["imports", "retention"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and in which store."""

    work: Work
    folder: str
    key: bytes
    url: str | None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `problem`: of the store itself; what is wrong with one import stands in its row."""

    done: int
    problem: str | None = None


def do_apart(order: Order, stopping: Callable[[], bool]) -> Result | None:
    """Do it; None if it was ended before it was done, by us (`stopping`) or by the system. Raises: StoreError, if it cannot be started."""
    try:
        answer = ask("jaga.family.home._job", msgspec.json.encode(order), stopping=stopping)
        return None if answer is None else msgspec.json.decode(answer, type=Result)
    except msgspec.DecodeError:
        return None
    except OSError as error:
        raise StoreError(f"no process can be started: {error.strerror}") from error


def _carry_out(order: Order) -> Result:
    store = Store.open_with_key(Path(order.folder), order.key, url=order.url)
    try:
        now = datetime.now(timezone.utc)
        if order.work == "retention":
            return Result(done=drop_expired(store, now))
        with store.importing():
            # Nothing is being read: what lies there in the clear was left by a crash.
            clear_opened(store)
        results = run_imports(store, now=now)
        failed = [one for one in results if isinstance(one, StoreError)]
        if failed:
            raise failed[-1]
        return Result(done=len(results))
    finally:
        store.close()


def _answer(order: bytes) -> bytes:
    if hasattr(os, "nice"):
        # Whoever looks at a page comes first.
        os.nice(10)
    try:
        result = _carry_out(msgspec.json.decode(order, type=Order))
    except JagaError as error:
        result = Result(done=0, problem=str(error))
    return msgspec.json.encode(result)


if __name__ == "__main__":
    answering(_answer)
