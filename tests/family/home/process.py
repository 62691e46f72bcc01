"""`jaga home` as a process of its own, as a family runs it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

JAGA = Path(sys.executable).with_name("jaga")


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a machine on which nothing but JAGA_HOME is set."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("JAGA_")}
    return {**known, "JAGA_HOME": str(folder), "LANG": "en_GB.UTF-8", **more}


def jaga(folder: Path, *arguments: object, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [JAGA, *map(str, arguments)],
        env=environment(folder, **more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Serving:
    """A server under way."""

    def __init__(self, folder: Path, *arguments: str, **more: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [JAGA, "home", "--port", "0", "--no-browser", *arguments],
            env=environment(folder, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        if not first:
            _, said = self.process.communicate()
            raise AssertionError(f"it did not start: {said}")
        self.address = first.split()[-1]
        # What it says while it works is kept, and never fills the pipe.
        self.said: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(pipe,), daemon=True)
            for pipe in (self.process.stdout, self.process.stderr)
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Iterator[str]) -> None:
        with contextlib.suppress(ValueError):
            self.said.extend(pipe)

    def state(self) -> str:
        with urllib.request.urlopen(f"{self.address}health", timeout=10) as answer:
            return str(json.loads(answer.read())["state"])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(30)
        for reader in self._readers:
            reader.join(10)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, **more: str) -> Iterator[Serving]:
    server = Serving(folder, *arguments, **more)
    try:
        yield server
    finally:
        server.end(signal.SIGKILL)


def until(true: Callable[[], object], longest_s: float = 40) -> None:
    """Wait until something holds."""
    end = time.monotonic() + longest_s
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
