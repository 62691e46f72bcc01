"""Killed in the middle of adding, of a sync, of writing a snapshot: nothing finished is lost, nothing unfinished is there.

Six kills in the normal run; `make kill` makes as many as KILLS says (200).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaga.media import PdqIndex
from jaga.media.banks import BankStore
from tests.media.killed import EACH, rows

KILLS = int(os.environ.get("KILLS", "6"))


def killed(folder: Path, what: str, chance: random.Random) -> int:
    """Start it, let it work for some time, kill it: the last step that it said was finished, -1 for none."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.media.killed", str(folder), what], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.expovariate(12.0))
        process.kill()
        said = process.stdout.read().split()
    return int(said[-1]) if said else -1


@pytest.mark.parametrize("what", ["add", "sync", "snapshot"])
def test_no_lost_and_no_phantom_entries(what: str, tmp_path: Path) -> None:
    chance = random.Random(what)
    finished = -1
    for _ in range((KILLS + 2) // 3):
        finished = max(finished, killed(tmp_path, what, chance))
        if what == "snapshot":
            path = tmp_path / "pdq.index"
            index = PdqIndex.open(path, verify=True) if path.exists() else PdqIndex()
            steps, rest = divmod(len(index), EACH)
            every = np.frombuffer(b"".join(row for step in range(steps) for row in rows(step)), np.uint8).reshape(
                -1, 32
            )
            offsets, ids, _ = index.search(every, 0)
            assert (np.diff(offsets) == 1).all()
            assert (ids == np.arange(len(every))).all()
        else:
            with BankStore(tmp_path) as store:
                count = store.count("pdq")
                steps, rest = divmod(count, EACH)
                kept = [value for part in store.values("pdq") for _, value in part]
                assert kept == [row for step in range(steps) for row in rows(step)]
                counting = {one.value for one in store.exact([("pdq", value) for value in kept])}
                if what == "sync":
                    gone = {row for step in range(steps - 1) for row in rows(step)[::2]}
                    assert counting == set(kept) - gone
                    reached = store.exchange("SEEN").checkpoint
                    assert (None if reached is None else reached["step"]) == (steps - 1 if steps else None)
                else:
                    assert counting == set(kept)
        assert rest == 0
        # At most one more than was said: killed between finishing a step and saying so.
        assert finished + 1 <= steps <= finished + 2
        finished = steps - 1
