"""Work in a process of its own that does not outlive the one that asked for it.

The order goes in by standard input, one line; the answer comes back on standard output. Standard input stays open all the while: when
it ends, whoever asked is gone (killed, perhaps), and the process goes too, rather than doing what nobody will write down.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import BinaryIO

__all__ = ["answering", "ask"]

# After its input ended, a process may clear away its temporary files for so long.
_GRACE_S = 3.0
_STOPPED = 3


def ask(
    module: str,
    order: bytes,
    *,
    longest_s: float | None = None,
    stopping: Callable[[], bool] = lambda: False,
    grace_s: float = 0.0,
    environment: Mapping[str, str] | None = None,
    silent: bool = False,
) -> bytes | None:
    """Run `python -m module`, give it the order (without a line end in it) and return its answer.

    None if it took longer than `longest_s`, ended without an answer, or was ended because `stopping` has been true for `grace_s`.
    `silent`: what it says on standard error goes nowhere. Raises: OSError, if it cannot be started.
    """
    # Our own modules alone, named in the code.
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if silent else None,
        env=None if environment is None else dict(environment),
        # Ctrl-C is for the one who asked, who then ends this one in its own time.
        start_new_session=os.name == "posix",
    )
    assert process.stdin is not None
    assert process.stdout is not None
    answer = bytearray()
    reader = threading.Thread(target=lambda pipe: answer.extend(pipe.read()), args=(process.stdout,), daemon=True)
    reader.start()
    began = time.monotonic()
    stop_at: float | None = None
    try:
        # It may have gone already.
        with contextlib.suppress(OSError):
            process.stdin.write(order + b"\n")
            process.stdin.flush()
        while reader.is_alive():
            reader.join(0.25)
            now = time.monotonic()
            if stop_at is None and stopping():
                stop_at = now + grace_s
            if (longest_s is not None and now - began > longest_s) or (stop_at is not None and now >= stop_at):
                return None
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(2 * _GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join()
        process.stdout.close()
    return bytes(answer) or None


def answering(work: Callable[[bytes], bytes]) -> None:
    """The other side: take the order, work, answer and end. What libraries print is not taken for the answer."""
    order = sys.stdin.buffer.readline()
    threading.Thread(target=_go_with, args=(sys.stdin.buffer,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        answers.write(work(order))
        answers.close()
    except KeyboardInterrupt:
        os._exit(_STOPPED)
    # Without waiting for the thread that listens for the end of the other one.
    os._exit(0)


def _go_with(asker: BinaryIO) -> None:
    asker.read()
    # As by Ctrl-C, so that temporary files are cleared away; then in any case.
    _thread.interrupt_main()
    time.sleep(_GRACE_S)
    os._exit(_STOPPED)
