"""The HMA-compatible server under load: look-ups over HTTP, one by one and in batches, on this machine.

    .venv/bin/python benchmarks/media_server.py [HASHES] [--workers N]

Makes a bank of random PDQ hashes, starts `jaga media serve`, and asks it from other processes that share the machine's cores with it. One in a
hundred of the single look-ups is of a known hash. Prints answers per second and the 50th and 99th percentile of the time to an answer.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaga.media.banks import Bank, BankStore, Item

_SEED = 20261125


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("hashes", type=int, nargs="?", default=1_000_000)
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--seconds", type=float, default=8.0)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        known = fill(folder, chosen.hashes)
        port = free_port()
        command = [str(Path(sys.executable).with_name("jaga")), "media", "serve", "--port", str(port), "--store", name]
        if chosen.workers > 1:
            command += ["--workers", str(chosen.workers)]
        began = time.perf_counter()
        server = subprocess.Popen(command)
        try:
            wait(port)
            print(
                f"{chosen.hashes:,} hashes, {chosen.workers} worker(s); answering after {time.perf_counter() - began:.1f} s"
            )
            for clients in (1, 2, 8):
                show(
                    f"/m/lookup, {clients} client(s)",
                    single(port, known, clients, chosen.seconds, "/m/lookup"),
                    chosen.seconds,
                )
            show("/m/raw_lookup, 8 client(s)", single(port, known, 8, chosen.seconds, "/m/raw_lookup"), chosen.seconds)
            batch(port, known, chosen.seconds)
        finally:
            server.terminate()
            server.wait()
    return 0


def fill(folder: Path, count: int) -> list[str]:
    """A store with so many random hashes; a thousand of them as text."""
    random = np.random.default_rng(_SEED)
    with BankStore(folder) as store:
        store.create(Bank(name="SEEN"))

        def items() -> Iterator[Item]:
            for _ in range(0, count, 10_000):
                for row in random.integers(0, 256, (10_000, 32), dtype=np.uint8):
                    yield Item(hashes=(("pdq", row.tobytes()),))

        store.add("SEEN", items())
    first = np.random.default_rng(_SEED).integers(0, 256, (10_000, 32), dtype=np.uint8)[:1000]
    return [row.tobytes().hex() for row in first]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def wait(port: int) -> None:
    for _ in range(1200):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server does not answer")


def single(port: int, known: list[str], clients: int, seconds: float, path: str) -> list[float]:
    """Times to an answer, in seconds, of all clients together; the last entry is how long it took."""
    with multiprocessing.get_context("fork").Pool(clients) as pool:
        parts = pool.starmap(_ask, [(port, known, seed, seconds, path) for seed in range(clients)])
    return [one for part in parts for one in part]


def _ask(port: int, known: list[str], seed: int, seconds: float, path: str) -> list[float]:
    random = np.random.default_rng(seed)
    signals = [row.tobytes().hex() for row in random.integers(0, 256, (2000, 32), dtype=np.uint8)]
    signals[::100] = known[: len(signals[::100])]
    requests = [
        f"GET {path}?signal={one}&signal_type=pdq HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() for one in signals
    ]
    times = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        until = time.perf_counter() + seconds
        at = 0
        while (began := time.perf_counter()) < until:
            connection.sendall(requests[at % 2000])
            raw = connection.recv(65536)
            assert raw.startswith(b"HTTP/1.1 200"), raw
            head, _, body = raw.partition(b"\r\n\r\n")
            length = int(
                next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")).split(b":")[1]
            )
            while len(body) < length:
                body += connection.recv(65536)
            times.append(time.perf_counter() - began)
            assert (at % 100 == 0) == (b"SEEN" in body or (b"matches" in body and body != b'{"matches":[]}'))
            at += 1
    return times


def show(name: str, times: list[float], seconds: float) -> None:
    every = np.array(times)
    print(
        f"{name}: {len(every) / seconds:,.0f}/s, p50 {np.percentile(every, 50) * 1e3:.2f} ms, p99 {np.percentile(every, 99) * 1e3:.2f} ms"
    )


def batch(port: int, known: list[str], seconds: float) -> None:
    """Hashes a second through `/v1/lookup`, a thousand in each."""
    random = np.random.default_rng(99)
    rows = [row.tobytes().hex() for row in random.integers(0, 256, (990, 32), dtype=np.uint8)] + known[:10]
    body = json.dumps({"signal_type": "pdq", "signals": rows}).encode()
    done = 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/v1/lookup", body, {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            found: Any = json.load(answer)
        assert sum(bool(one) for one in found["matches"]) == 10
        done += len(rows)
    print(f"/v1/lookup, 1,000 at once: {done / (time.perf_counter() - began):,.0f} hashes/s")


if __name__ == "__main__":
    raise SystemExit(main())
