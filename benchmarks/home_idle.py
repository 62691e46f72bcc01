"""What `jaga home` takes while nothing happens: memory and processor time of the server, on a machine that stays on all day.

    .venv/bin/python -m benchmarks.home_idle [--seconds 120] [--folder JAGA_HOME]

A household with a child, a channel and a watched folder is made, or the one in `--folder` is taken (see benchmarks/home.py; its passphrase is
that of the benchmark). After the start every page that a parent reads is asked for once, so that what they load counts; then the time
runs. PSS counts what processes share once. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

from jaga.store import Store, add_child, add_family, tell_child
from jaga.store._tables import Channel, Person, Watched

PASSPHRASE = "a passphrase of the benchmark"


def household(folder: Path) -> None:
    now = datetime.now(timezone.utc)
    store = Store.create(folder, PASSPHRASE, slot="parent")
    exports = folder.with_name("exports")
    exports.mkdir(exist_ok=True)
    for number in range(50):
        (exports / f"{number}.part").write_text("not whole")
    with store.session() as session:
        family = add_family(session, "Benchmark", zone="Asia/Kuala_Lumpur", country="my", now=now)
        person = Person(family=family.id, name="Parent", role="parent", language="en", created_at=now)
        session.add(person)
        session.flush()
        child = add_child(
            session, family.id, "Child", birth="2013-05", accounts=[(None, "child")], by=person.id, now=now
        )
        tell_child(session, child.id, by=person.id, now=now)
        session.add(Watched(child=child.id, path=str(exports), every_s=60, known={}))
        session.add(
            Channel(
                person=person.id,
                name="Phone",
                url="ntfy://127.0.0.1:9/benchmark",
                says="free",
                least="concern",
                enabled=True,
                created_at=now,
            )
        )
    store.close()


def memory_mb(process: int) -> dict[str, float]:
    kept: dict[str, float] = {}
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss", "Private_Dirty", "Swap"):
            kept[name.lower()] = round(int(rest.split()[0]) / 1024, 1)
    return kept


def processor_s(process: int) -> float:
    """Of the process and of the children it waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[at]) for at in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jaga-idle-") as place:
        folder = given.folder or Path(place, "home")
        if given.folder is None:
            household(folder)
        server = subprocess.Popen(
            [Path(sys.executable).with_name("jaga"), "home", "--no-browser", "--port", "0"],
            env={**os.environ, "JAGA_HOME": str(folder), "JAGA_PASSPHRASE": PASSPHRASE},
            stdout=subprocess.PIPE,
            text=True,
        )
        began = time.monotonic()
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        result: dict[str, object] = {"starts_s": round(time.monotonic() - began, 2)}
        for page in ("health", "login", "", "friends", "sources", "settings"):
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(address + page).close()
        time.sleep(5)
        before, since = processor_s(server.pid), time.monotonic()
        time.sleep(given.seconds)
        share = (processor_s(server.pid) - before) / (time.monotonic() - since)
        result |= {
            "memory_mb": memory_mb(server.pid),
            "percent_of_a_core": round(100 * share, 3),
            "seconds": given.seconds,
        }
        server.send_signal(signal.SIGTERM)
        server.wait()
        server.stdout.close()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
