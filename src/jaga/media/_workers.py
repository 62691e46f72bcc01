"""A few decoding processes that stay; a picture that kills one, or stalls it, is one problem and the run goes on."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from types import TracebackType

import msgspec

from jaga.media._worker import LENGTH, Answer, Request

__all__ = ["Workers"]

# What 160 megapixels cost several times over, decoder's copies included.
MEMORY_BYTES = 4 << 30
# A 160-megapixel picture takes a few seconds; what takes a minute is stuck or wants to be.
TIME_LIMIT_S = 60.0
# Beyond jaga.media.video.BUDGET_S, which cannot be imported here without all that decodes.
VIDEO_LIMIT_S = 930.0
# No answer is this large: a thousand frames, each with eight hashes, are under a megabyte.
_LARGEST_ANSWER = 1 << 24


class _Died(Exception):
    pass


class _Process:
    def __init__(self, memory_bytes: int) -> None:
        # Its time ran out and it was killed.
        self.late = False
        errors = None if os.environ.get("JAGA_DEBUG") else subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - our own module, by this interpreter
            [sys.executable, "-X", "utf8", "-m", "jaga.media._worker", str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
            # One picture, one core; the pool is what makes use of the others.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"},
        )

    def ask(self, request: Request, limit_s: float) -> Answer:
        """Raises: _Died, when there will be no answer; TimeoutError."""
        raw = msgspec.msgpack.encode(request)
        # Killing it is what ends a read that waits, on every system alike.
        timer = threading.Timer(limit_s, self._give_up)
        timer.start()
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(LENGTH.pack(len(raw)) + raw)
            (length,) = LENGTH.unpack(self._read(LENGTH.size))
            if length > _LARGEST_ANSWER:
                raise _Died
            return msgspec.msgpack.decode(self._read(length), type=Answer)
        except (OSError, msgspec.DecodeError, _Died) as error:
            if self.late:
                raise TimeoutError from error
            raise _Died from error
        finally:
            timer.cancel()
            # From here on `late` is the last word: the next file must not be blamed for this one.
            timer.join()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _give_up(self) -> None:
        self.late = True
        self._process.kill()

    def _read(self, size: int) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        parts = b""
        while len(parts) < size:
            part = pipe.read(size - len(parts))
            if not part:
                raise _Died
            parts += part
        return parts


class Workers:
    """Decoding processes, started when first needed; any number of threads may ask at once.

    `count` processes at most (default: one a core); each picture has `time_limit_s` seconds and `memory_bytes`.
    """

    def __init__(
        self, count: int | None = None, *, time_limit_s: float = TIME_LIMIT_S, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        self.count = count or os.cpu_count() or 1
        self._time_limit_s = time_limit_s
        self._memory_bytes = memory_bytes
        self._free: queue.LifoQueue[_Process | None] = queue.LifoQueue()
        for _ in range(self.count):
            self._free.put(None)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def look(self, request: Request) -> Answer:
        """Have one file looked at. A worker that dies or stalls gives an answer with that as its problem."""
        process = self._free.get()
        try:
            if process is None:
                process = _Process(self._memory_bytes)
            limit_s = self._time_limit_s
            if "vpdq" in request.kinds or request.judge is not None:
                # A video ends by itself at its budget; only one that is stuck is killed.
                limit_s += VIDEO_LIMIT_S
            answer = process.ask(request, limit_s)
            if process.late:
                _close(process)
                process = None
            return answer
        except _Died:
            _close(process)
            process = None
            return Answer("damaged", [], "made its decoder fail (damaged or hostile file)")
        except TimeoutError:
            _close(process)
            process = None
            return Answer("damaged", [], f"took more than {self._time_limit_s:g} s to decode")
        except BaseException:
            # Half an answer may still be in the pipe: the next one to ask must not read it.
            _close(process)
            process = None
            raise
        finally:
            self._free.put(process)

    def close(self) -> None:
        """End every process that is free."""
        for _ in range(self.count):
            with contextlib.suppress(queue.Empty):
                _close(self._free.get_nowait())


def _close(process: _Process | None) -> None:
    if process is not None:
        process.close()
