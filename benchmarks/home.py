"""A big household's store: how fast exports come into the encrypted file, and what that takes.

    .venv/bin/python -m benchmarks.home [--messages N] [--children 5] [--contacts 2000] [--days-kept D] [--folder FOLDER] [--url URL]

Invented chat with a fixed seed (benchmarks/engine.py), in direct talks and groups, as one export per child and part. For each part: messages/s
from the file on the disk to the committed store, by the clock; then the rate again with everything known already, peak memory, the store's size,
and the times of retention, backup and of opening. With `--folder` the store stays, for other benchmarks: `build` gives it to them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks.engine import ENGLISH, MALAY, _line
from jaga.store import Store, add_child, add_family, backup, drop_expired, import_paths, tell_child
from jaga.store import _tables as t

PASSPHRASE = "a passphrase of the benchmark"
START = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.timezone.utc)
# Messages of one export.
PART = 200_000
GROUPS = 5
_T = "%Y-%m-%dT%H:%M:%S+00:00"


def lines(child: int, contacts: int, count: int, seed: int, start: dt.datetime) -> Iterator[str]:
    """One child's messages in time order: most contacts write seldom, few often, as people do."""
    chance = random.Random(seed)
    english, malay = ([1 / (rank + 2) for rank in range(len(words))] for words in (ENGLISH, MALAY))
    people = [f"friend{child}-{number}" for number in range(contacts)]
    often = [1 / (rank + 1) for rank in range(contacts)]
    at = start
    left = count
    while left > 0:
        person = chance.choices(people, often)[0]
        number = int(person.rsplit("-", 1)[1])
        group = chance.random() < 0.2
        conversation = f"group{child}-{number % GROUPS}" if group else f"direct{child}-{number}"
        for _ in range(min(left, chance.randint(1, 20))):
            at += dt.timedelta(seconds=chance.randint(2, 200))
            words = (MALAY, malay) if chance.random() < 0.5 else (ENGLISH, english)
            author = f"child{child}" if chance.random() < 0.5 else person
            yield json.dumps(
                {
                    "conversation": conversation,
                    "author": author,
                    "time": at.strftime(_T),
                    "text": _line(chance, *words),
                    "platform": "invented",
                    **({"kind": "group"} if group else {}),
                },
                ensure_ascii=False,
            )
            left -= 1


def build(
    folder: Path, messages: int, *, children: int = 5, contacts: int = 2_000, url: str | None = None, say: bool = True
) -> Store:
    """A store with that many messages taken in."""
    store = Store.create(folder, PASSPHRASE, slot="parent", url=url)
    with store.session() as session:
        family = add_family(session, "Benchmark", zone="Asia/Kuala_Lumpur", country="my", now=NOW)
        ids = []
        for number in range(children):
            child = add_child(
                session,
                family.id,
                f"Child {number}",
                band="13-15",
                accounts=[(None, f"child{number}")],
                by=None,
                now=NOW,
            )
            tell_child(session, child.id, by=None, now=NOW)
            ids.append(child.id)
    with tempfile.TemporaryDirectory() as exports:
        total, spent = 0, 0.0
        each = messages // children
        for number, child_id in enumerate(ids):
            for part, first in enumerate(range(0, each, PART)):
                path = Path(exports) / "export.jsonl"
                count = min(PART, each - first)
                with path.open("w", encoding="utf-8") as file:
                    start = START + dt.timedelta(seconds=101 * first)
                    for line in lines(number, contacts // children, count, number * 1_000 + part, start):
                        file.write(line + "\n")
                began, cpu = time.perf_counter(), time.process_time()
                result = import_paths(store, child_id, [path], now=NOW, by=None)
                took, worked = time.perf_counter() - began, time.process_time() - cpu
                total, spent = total + result.new, spent + took
                if say:
                    print(
                        f"child {number} part {part}: {result.new:,} messages, {result.new / took:,.0f}/s by the clock, "
                        f"{result.new / worked:,.0f}/s of this process's time, {len(result.alerts)} alerts",
                        flush=True,
                    )
        if say:
            print(f"all: {total:,} messages, {total / spent:,.0f}/s by the clock")
            began = time.perf_counter()
            again = import_paths(store, ids[-1], [path], now=NOW, by=None)
            assert again.new == 0
            print(f"the last part again: {again.read / (time.perf_counter() - began):,.0f}/s, nothing new")
    return store


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--children", type=int, default=5)
    parser.add_argument("--contacts", type=int, default=2_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary) / "home"
        store = build(folder, asked.messages, children=asked.children, contacts=asked.contacts, url=asked.url)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        worker = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"peak memory: {own:,.0f} MiB, of the reading process {worker:,.0f} MiB")
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        print(f"store: {size / 1e6:,.0f} MB, {size / asked.messages:,.0f} bytes a message")
        with store.session(read_only=True) as session:
            relationships = session.scalar(sa.select(sa.func.count()).select_from(t.Relationship))
            alerts = session.scalar(sa.select(sa.func.count()).select_from(t.Alert))
        print(f"relationships: {relationships:,}; alerts: {alerts:,}")
        began = time.perf_counter()
        saved = backup(store, Path(temporary) / "backup", by=None, now=NOW)
        print(f"backup: {time.perf_counter() - began:,.1f} s, {saved.size_bytes / 1e6:,.0f} MB")
        if asked.folder is None:
            began = time.perf_counter()
            dropped = drop_expired(store, NOW + dt.timedelta(days=31))
            took = time.perf_counter() - began
            print(f"retention: {dropped:,} messages dropped in {took:,.1f} s, {dropped / took:,.0f}/s")
            size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
            print(f"store after it: {size / 1e6:,.0f} MB")
        store.close()
        began = time.perf_counter()
        Store.open(folder, PASSPHRASE, url=asked.url).close()
        print(f"opening: {time.perf_counter() - began:,.2f} s, most of it the passphrase")
        print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
