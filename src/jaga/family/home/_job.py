"""Heavy work in a process of its own: `python -m jaga.family.home._job`, started by the worker.

What the engine loads to listen goes away with the process, so the server stays small and its pages quick. The order comes by standard
input, which then stays open: when it ends, the server is gone, and so is this process, within seconds. The store is made for that: what was
not finished is taken up at the next start.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from jaga.errors import JagaError, StoreError
from jaga.store import Store, run_imports
from jaga.store._retention import drop_expired

__all__ = ["Job", "Order", "Result"]

Work = Literal["imports", "retention"]
_STOPPED = 3
_GRACE_S = 3.0


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


class Job:
    """One piece of work under way."""

    def __init__(self, order: Order) -> None:
        # The program's own output goes where ours goes; only its answer comes back here.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jaga.family.home._job"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()

    def wait(self, stopping: Callable[[], bool]) -> Result | None:
        """The result; None if it was ended before it was done, by us (`stopping`) or by the system."""
        answer = bytearray()
        assert self._process.stdout is not None
        reader = threading.Thread(target=lambda out: answer.extend(out.read()), args=(self._process.stdout,))
        reader.start()
        try:
            while reader.is_alive():
                reader.join(0.5)
                if stopping():
                    self._end()
        finally:
            self._end()
            reader.join()
            self._process.stdout.close()
        try:
            return msgspec.json.decode(bytes(answer), type=Result)
        except msgspec.DecodeError:
            return None

    def _end(self) -> None:
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            # It may be gone already.
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _die_with(server: BinaryIO) -> None:
    server.read()
    # As by Ctrl-C, so that temporary files are cleared away; then in any case.
    _thread.interrupt_main()
    time.sleep(_GRACE_S)
    os._exit(_STOPPED)


def _carry_out(order: Order) -> Result:
    store = Store.open_with_key(Path(order.folder), order.key, url=order.url)
    try:
        now = datetime.now(timezone.utc)
        if order.work == "retention":
            return Result(done=drop_expired(store, now))
        results = run_imports(store, now=now)
        failed = [one for one in results if isinstance(one, StoreError)]
        if failed:
            raise failed[-1]
        return Result(done=len(results))
    finally:
        store.close()


def _main() -> None:
    order = msgspec.json.decode(sys.stdin.buffer.readline(), type=Order)
    threading.Thread(target=_die_with, args=(sys.stdin.buffer,), daemon=True).start()
    if hasattr(os, "nice"):
        # Whoever looks at a page comes first.
        os.nice(10)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        result = _carry_out(order)
    except JagaError as error:
        result = Result(done=0, problem=str(error))
    except KeyboardInterrupt:
        os._exit(_STOPPED)
    answers.write(msgspec.json.encode(result))
    answers.close()
    # Without waiting for the thread that listens for the server's end.
    os._exit(0)


if __name__ == "__main__":
    _main()
