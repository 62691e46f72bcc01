"""Fit how the encoder enters the judgement, out of fold, and write src/jaga/signals/encoder.npz.

    python -m tools.stage --ears build/ears --encoders build/encoder      (`make model`)

`--ears`: the folder of tools/train.py; `--encoders`: fold0.npz to fold4.npz and final.npz by tools/encoder.py. Every conversation of train
and dev is read by an ear and an encoder that learned from none of its brief, and judged by weights fitted without it; the
thresholds are set on those answers by the rule of tools/train.py. The test split is never opened.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from jaga.assessment import Model, load_model
from jaga.assessment._relationship import LINEAR
from jaga.evaluate import Scenario, auc, load_scenarios
from jaga.signals.encoder import Encoder, Stage
from jaga.signals.learned import Table, load_table
from tools.train import (
    CONCERN,
    EVERYDAY_MESSAGES,
    EVERYDAY_WEIGHT,
    HARD,
    PATIENCE,
    ROOT,
    URGENT,
    WATCH,
    Floats,
    end_to_end,
    fit_judge,
    folds_of,
    moments,
    platt,
    vector,
    with_ear,
)

ENCODER = ROOT / "src/jaga/signals/encoder.npz"
# From which log-odds of the ears the encoder reads, and how often: chosen out of fold (docs/decisions/0010-full-encoder.md).
GATE, EVERY = -3.0, 3
# While it is fitted, no level stops the reading.
OPEN = Stage(gate=GATE, every=EVERY, odds=1.0, worst=0.0, mean=0.0, bias=0.0, watch=2.0, concern=2.0, urgent=2.0)
RIDGE = 1.0

Seen = tuple[Scenario, list[tuple[int, dict[str, float]]], float]


class Row(msgspec.Struct):
    """A conversation: its moments that the encoder had read before (moments, 3), and the ears' log-odds at the others."""

    scenario: Scenario
    weight: float
    points: Floats
    others: Floats


def read(work: tuple[list[tuple[Scenario, float]], Table, Path, Model]) -> list[Seen]:
    """Moments of conversations, with what an encoder that learned from none of them read."""
    scenarios, ear, path, model = work
    encoder = Encoder.load(path.read_bytes(), str(path))
    encoder.stage = OPEN
    encoder.start(str(path))
    detectors = with_ear(ear)
    return [(one, moments(one, detectors, model, encoder), weight) for one, weight in scenarios]


def rows_of(parts: Sequence[list[Seen]], names: Sequence[str], ridge: float) -> list[list[Row]]:
    """Per fold: the ears' log-odds by a judgement that did not see the fold."""
    found = []
    for number, part in enumerate(parts):
        others = [one for other, rest in enumerate(parts) if other != number for one in rest]
        weights, bias = fit_judge(others, names, ridge)
        rows = []
        for scenario, seen, weight in part:
            read, unread = [], [bias]
            for _, one in seen:
                odds = float(vector(one, names) @ weights) + bias - PATIENCE * one["history"]
                if "read_worst" in one:
                    read.append((odds, one["read_worst"], one["read_mean"]))
                else:
                    unread.append(odds)
            rows.append(Row(scenario, weight, np.array(read, float).reshape(-1, 3), np.array(unread)))
        found.append(rows)
    return found


def fit_stage(rows: Sequence[Row]) -> Floats:
    """Weights of the ears' log-odds, of the worst and the mean window, none below zero, and the bias.

    As in `fit_judge`, the worst moment of a conversation counts. Conversations the encoder never read say nothing here.
    """
    rows = [one for one in rows if len(one.points)]
    weights = np.array([0.7, 0.4, 0.4, 0.0])
    labels = np.array([float(one.scenario.label.risky) for one in rows])
    balance = np.array([one.weight for one in rows])
    for _ in range(8):
        worst = np.array([one.points[int(np.argmax(one.points @ weights[:3]))] for one in rows])

        def loss(flat: Floats, worst: Floats = worst) -> tuple[float, Floats]:
            odds = worst @ flat[:3] + flat[3]
            chance = 1.0 / (1.0 + np.exp(-odds))
            total = (balance * (np.logaddexp(0, odds) - labels * odds)).sum() + RIDGE / 2 * (flat[:3] ** 2).sum()
            pull = balance * (chance - labels)
            return float(total), np.r_[worst.T @ pull + RIDGE * flat[:3], pull.sum()]

        bounds: list[Any] = [(0.05, None), (0.0, None), (0.0, None), (None, None)]
        weights = minimize(loss, weights, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(weights)


def judged(row: Row, weights: Floats, model: Model) -> float:
    """Log-odds of a conversation at its worst moment."""
    unread = model.slope * float(row.others.max()) + model.shift
    return float(max([unread, *(row.points @ weights[:3] + weights[3])]))


def told(odds: Floats, risky: NDArray[np.bool_], hard: NDArray[np.bool_], share: float) -> tuple[float, float]:
    """The log-odds that this share of the hard safe exceeds, and the share of the risky that do."""
    hardest = np.sort(odds[hard & ~risky])
    bar = float(hardest[-1 - int(share * len(hardest))])
    return bar, float((odds[risky] > bar).mean())


def report(name: str, odds: Floats, scenarios: Sequence[Scenario]) -> None:
    """Print how well it separates: whole, by language, and at few false alarms."""
    risky = np.array([one.label.risky for one in scenarios])
    hard = np.array([bool(HARD.search(one.label.scenario)) for one in scenarios])
    safe = np.sort(odds[~risky])

    def area(which: NDArray[np.bool_]) -> float:
        return auc(list(odds[which & risky]), list(odds[which & ~risky])) or 0.0

    languages = np.array([one.label.language for one in scenarios])
    by_language = ", ".join(f"{one} {area(languages == one):.3f}" for one in sorted(set(languages)))
    print(f"{name}: ROC-AUC {area(risky | ~risky):.4f} (briefs {area(hard):.3f}; {by_language})")
    at = ", ".join(f"{share:.0%} {(odds[risky] > safe[-1 - int(share * len(safe))]).mean():.3f}" for share in (0.01, 0.05))
    of_hard = ", ".join(f"{share:.1%} {told(odds, risky, hard, share)[1]:.3f}" for share in (0.01, CONCERN, 0.05))
    print(f"  risky told where this share of all safe is: {at}; of the hard safe: {of_hard}")


def main() -> int:
    """Read, fit, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=ROOT / "evaluation")
    arguments.add_argument("--ears", type=Path, required=True)
    arguments.add_argument("--encoders", type=Path, required=True)
    arguments.add_argument("--everyday", type=Path, default=ROOT / "build" / "everyday" / "train")
    arguments.add_argument("--ridge", type=float, default=3.0)
    chosen = arguments.parse_args()
    train = list(load_scenarios([chosen.data / "train", chosen.data / "dev"]))
    talks = list(load_scenarios([chosen.everyday]))
    everyday = [msgspec.structs.replace(one, messages=one.messages[:EVERYDAY_MESSAGES]) for one in talks]
    folds = folds_of([*train, *everyday])
    model = load_model()
    tone = load_table().tone
    work = []
    for name, held in folds.items():
        path = chosen.ears / f"{name}.npz"
        ear = Table.load(path.read_bytes(), str(path))
        ear.tone = tone
        scenarios = [(one, 1.0) for one in train if one.label.scenario in held]
        scenarios += [(one, EVERYDAY_WEIGHT) for one in everyday if one.label.scenario in held]
        work.append((scenarios, ear, chosen.encoders / f"{name}.npz", model))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(read, work))
    rows = rows_of(parts, [*LINEAR, "diversity", *model.pairs], chosen.ridge)
    flat = [one for part in rows for one in part]
    odds = np.array(
        [
            judged(one, weights, model)
            for number, part in enumerate(rows)
            for weights in (fit_stage([one for other, rest in enumerate(rows) if other != number for one in rest]),)
            for one in part
        ]
    )
    ours = np.array([one.weight == 1.0 for one in flat])
    scenarios_ours = [one.scenario for one in flat if one.weight == 1.0]
    alone = np.array([max([*one.others, *one.points[:, 0]]) for one in flat])
    report("the ears alone", alone[ours], scenarios_ours)
    report("with the encoder", odds[ours], scenarios_ours)
    risky = np.array([one.label.risky for one in scenarios_ours])
    hard = np.array([bool(HARD.search(one.label.scenario)) for one in scenarios_ours])
    slope, shift = platt(odds[ours], risky.astype(float))
    weights = fit_stage(flat)

    def chance(share: float) -> float:
        bar, _ = told(odds[ours], risky, hard, share)
        return round(1.0 / (1.0 + math.exp(-(slope * bar + shift))), 3)

    fitted = Stage(
        gate=GATE,
        every=EVERY,
        odds=round(float(slope * weights[0]), 4),
        worst=round(float(slope * weights[1]), 4),
        mean=round(float(slope * weights[2]), 4),
        bias=round(float(slope * weights[3] + shift), 4),
        watch=chance(WATCH),
        concern=chance(CONCERN),
        urgent=chance(URGENT),
    )
    print(fitted)
    bar, _ = told(odds[ours], risky, hard, CONCERN)
    print(f"everyday talk told: {(odds[~ours] > bar).mean():.4f} of {(~ours).sum()}")
    final = Encoder.load((chosen.encoders / "final.npz").read_bytes(), "final.npz")
    final.stage = fitted
    ENCODER.write_bytes(final.save())
    print(f"encoder: {ENCODER.stat().st_size} bytes")
    for (name, held), (_, ear, path, _) in zip(folds.items(), work, strict=True):
        encoder = Encoder.load(path.read_bytes(), str(path))
        encoder.stage = fitted
        encoder.start(str(path))
        mine = [one for one in talks if one.label.scenario in held]
        count, level, score = end_to_end(mine, ear, model, encoder)
        print(f"{name}: everyday talk end to end as one contact, {count} messages: {level}, score {score:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
