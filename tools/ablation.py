"""What each part of the detection earns: conversations of train and dev, judged out of fold without it.

    python -m tools.ablation      (`make ablation`, after `make model`)

Every line is a judgement fitted anew on what is left (five folds by brief). The ear is one part: what its pieces, its meanings and its
context earn by themselves is in docs/decisions/0007-meaning-and-context.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from jaga.assessment._relationship import LINEAR
from jaga.signals import all_detectors
from jaga.signals.learned import Learned
from tools.stage import Data, Row, Seen, places, report, rows_of, unseen
from tools.train import CONTEXT, Floats

STRUCTURE = CONTEXT | {"persistence"}


def alone(rows: Sequence[list[Row]]) -> Floats:
    """Log-odds of every conversation without what was read."""
    return np.array([max([*one.others, *one.points[:, 0]]) for part in rows for one in part])


def main() -> int:
    """Fit and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    places(arguments)
    arguments.add_argument("--ridge", type=float, default=3.0)
    chosen = arguments.parse_args()
    data = Data(chosen.data, chosen.everyday, chosen.ears, chosen.encoders)
    everything = [*LINEAR, "diversity", *data.model.pairs]
    plain = [name for name in everything if name not in STRUCTURE]
    patterns = [one.name for one in all_detectors() if one.name != Learned.name]
    flat = [one for number in data.read for one in data.scenarios[number]]
    ours = np.array([weight == 1.0 for _, weight in flat])
    scenarios = [one for one, weight in flat if weight == 1.0]

    def show(name: str, odds: Floats) -> None:
        report(name, odds[ours], scenarios)

    def rows(parts: Sequence[list[Seen]], names: Sequence[str]) -> list[list[Row]]:
        every = rows_of(parts, names, chosen.ridge)
        return [every[number] for number in data.read]

    show("patterns only", alone(rows(data.parts(patterns), plain)))
    read = data.parts()
    some = rows(read, plain)
    show("and the learned ear (pieces, static meaning, tone)", alone(some))
    show("and the full encoder", unseen(some, data.model))
    all_of_it = rows(read, everything)
    show("and structure: everything", unseen(all_of_it, data.model))
    show("everything but the encoder", alone(all_of_it))
    show("the learned ear only", alone(rows(data.parts([Learned.name]), plain)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
