"""Parsers run in a process of their own: a hostile file may kill it, and nothing that was read is lost.

The parent asks by one msgpack message on the worker's stdin; the worker answers with frames on its stdout:
four bytes of length (little-endian), then a msgpack list of units and records.
"""

from __future__ import annotations

import contextlib
import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from jaga.errors import JagaError
from jaga.records import Account, Conversation, Message, Problem, Record
from jaga.sources._base import Context, zone_of
from jaga.sources._reading import Unit, read_path

__all__ = ["read_isolated"]

BATCH = 1_000
# Far above what parsing one batch takes; a parser that is silent for so long is stuck.
SILENCE_S = 300.0
MEMORY_BYTES = 4 << 30
_LENGTH = struct.Struct("<I")

Item = Unit | Account | Conversation | Message | Problem


class _Request(msgspec.Struct):
    path: str
    zone: str
    skip: tuple[str, ...] = ()


def read_isolated(path: Path, context: Context) -> Iterator[Unit | Record]:
    """As `read_path`, in a worker. A unit that kills its worker becomes a Problem and the rest is read by a new one."""
    done: list[str] = []
    for _ in range(1_000):
        current: str | None = None
        finished = False
        for item in _run(_Request(path=str(path), zone=context.zone_name, skip=tuple(done))):
            if item is None:
                finished = True
                break
            if isinstance(item, Unit):
                if current is not None:
                    done.append(current)
                current = item.where
            yield item
        if finished:
            return
        yield Problem(
            where=current or str(path),
            what="made its reader fail (damaged or hostile file): what came before is kept, the rest of it is left out",
            fatal=True,
            skipped=0,
        )
        if current is None:
            return
        done.append(current)


def _run(request: _Request) -> Iterator[Item | None]:
    """Yield the worker's items; None at the end of an orderly run."""
    errors = None if os.environ.get("JAGA_DEBUG") else subprocess.DEVNULL
    worker = subprocess.Popen(
        [sys.executable, "-X", "utf8", "-m", "jaga.sources._worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )
    frames: queue.Queue[bytes | None] = queue.Queue(maxsize=16)
    reader = threading.Thread(target=_pump, args=(cast(BinaryIO, worker.stdout), frames), daemon=True)
    reader.start()
    decoder = msgspec.msgpack.Decoder(list[Item])
    try:
        assert worker.stdin is not None
        try:
            worker.stdin.write(msgspec.msgpack.encode(request))
            worker.stdin.close()
        except OSError:
            return
        while True:
            try:
                frame = frames.get(timeout=SILENCE_S)
            except queue.Empty:
                return
            if frame is None:
                return
            if not frame:
                yield None
                return
            yield from decoder.decode(frame)
    finally:
        worker.kill()
        worker.wait()
        # Let a reader that waits for room in the queue see the end of the pipe.
        while reader.is_alive():
            with contextlib.suppress(queue.Empty):
                frames.get(timeout=0.05)
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()


def _pump(pipe: BinaryIO, frames: queue.Queue[bytes | None]) -> None:
    while True:
        head = pipe.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            frames.put(None)
            return
        (length,) = _LENGTH.unpack(head)
        frame = pipe.read(length)
        if len(frame) < length:
            frames.put(None)
            return
        frames.put(frame)
        if not frame:
            return


def _limit() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever a library prints must not land in the frames.
    os.dup2(2, 1)
    _limit()
    request = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=_Request)
    context = Context(zone=zone_of(request.zone), zone_name=request.zone)
    encoder = msgspec.msgpack.Encoder()
    batch: list[Unit | Record] = []

    def flush() -> None:
        if batch:
            frame = encoder.encode(batch)
            out.write(_LENGTH.pack(len(frame)) + frame)
            batch.clear()

    try:
        for item in read_path(Path(request.path), context, skip=frozenset(request.skip)):
            batch.append(item)
            # The parent must know which unit is being read before that unit can do harm.
            if len(batch) >= BATCH or isinstance(item, Unit):
                flush()
    except JagaError as error:
        what = error.what if error.remedy is None else f"{error.what} ({error.remedy})"
        batch.append(Problem(where=error.where or request.path, what=what, fatal=True, skipped=0))
    flush()
    out.write(_LENGTH.pack(0))
    out.close()


if __name__ == "__main__":
    main()
