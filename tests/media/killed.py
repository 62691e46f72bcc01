"""A process that fills a store of banks until it is killed, saying after each step what must be there from then on.

    python -m tests.media.killed FOLDER add|sync|snapshot SEED

Prints one line for each step that was finished: its number.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from jaga.media import PdqIndex
from jaga.media.banks import Bank, BankStore, Change, Item

__all__ = ["EACH", "changes", "rows"]

# Hashes in a step.
EACH = 40


def rows(step: int) -> list[bytes]:
    """The hashes of a step, the same in every run."""
    return [row.tobytes() for row in np.random.default_rng(step).integers(0, 256, (EACH, 32), dtype=np.uint8)]


def changes(step: int) -> list[Change]:
    """A step of a sync: new entries, and the half of the step before withdrawn."""
    new = [Change(key=f"{step}-{at}", items=(Item(hashes=(("pdq", row),)),)) for at, row in enumerate(rows(step))]
    gone = [Change(key=f"{step - 1}-{at}", items=()) for at in range(0, EACH, 2)] if step else []
    return new + gone


def main(folder: Path, what: str) -> None:
    """Work until killed."""
    with BankStore(folder) as store:
        if not store.banks(counted=False):
            if what == "sync":
                store.follow("SEEN", "local_file", {"filename": "x"})
            else:
                store.create(Bank(name="SEEN"))
        done = store.count("pdq") // EACH
        index = PdqIndex()
        if what == "snapshot" and (folder / "pdq.index").exists():
            index = PdqIndex.open(folder / "pdq.index", verify=True)
        print("ready", flush=True)
        for step in range(done, 100_000):
            if what == "add":
                store.add("SEEN", [Item(hashes=(("pdq", row),)) for row in rows(step)])
            elif what == "sync":
                store.exchange_changes("SEEN", changes(step), {"step": step})
            else:
                at = len(index) // EACH
                index.add(np.frombuffer(b"".join(rows(at)), np.uint8).reshape(-1, 32), np.arange(EACH) + at * EACH)
                index.save(folder / "pdq.index")
                step = at
            print(step, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
