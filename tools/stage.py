"""Fit how the encoder enters the judgement, out of fold, and write src/jaga/signals/encoder.npz.

    python -m tools.stage      (`make model`)

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
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from jaga.assessment import Model, load_model
from jaga.assessment._relationship import LINEAR
from jaga.evaluate import Scenario, Verdict, auc, figures, judge, load_scenarios
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
GATE, EVERY = -2.0, 3
# While it is fitted, no score stops the reading.
OPEN = Stage(gate=GATE, every=EVERY, heard=1.0, read=0.0, bias=0.0, watch=0.5, concern=0.999999, urgent=0.999999)
RIDGE = 1.0
LANGUAGES = ("en", "ms", "ta", "zh")

Seen = tuple[Scenario, list[tuple[int, dict[str, float]]], float]
Moments = list[list[tuple[int, dict[str, float]]]]


class Row(msgspec.Struct):
    """A conversation: its moments that the encoder had read before (moments, 2), and the ears' log-odds at the others."""

    scenario: Scenario
    weight: float
    points: Floats
    others: Floats


class Data:
    """Train, dev and everyday talk by fold, with the ears and encoders that learned from none of a fold's briefs."""

    def __init__(self, data: Path, everyday: Path, ears: Path, encoders: Path) -> None:
        self.train = list(load_scenarios([data / "train", data / "dev"]))
        self.talks = list(load_scenarios([everyday]))
        short = [msgspec.structs.replace(one, messages=one.messages[:EVERYDAY_MESSAGES]) for one in self.talks]
        self.encoders = encoders
        self.model = load_model()
        self.folds = folds_of([*self.train, *short])
        # The ears' judgement is fitted on all of them; the stage on those that an encoder read.
        self.read = [number for number, name in enumerate(self.folds) if self.encoder(name).exists()]
        print(f"folds read by an encoder: {self.read} of {len(self.folds)}")
        self.ears: list[Table] = []
        self.scenarios: list[list[tuple[Scenario, float]]] = []
        tone = load_table().tone
        for name, held in self.folds.items():
            path = ears / f"{name}.npz"
            ear = Table.load(path.read_bytes(), str(path))
            ear.tone = tone
            self.ears.append(ear)
            self.scenarios.append(
                [(one, 1.0) for one in self.train if one.label.scenario in held]
                + [(one, EVERYDAY_WEIGHT) for one in short if one.label.scenario in held]
            )

    def encoder(self, name: str) -> Path:
        """The file of a fold's encoder."""
        return self.encoders / f"{name}.npz"

    def parts(self, only: Sequence[str] | None = None) -> list[list[Seen]]:
        """The moments of every conversation, per fold; `only`: names of the detectors that hear, without the encoder.

        What the encoders read takes long, so it is kept beside them under a name that changes with whatever it depends on.
        """
        work = [
            (scenarios, ear, self.encoder(name) if only is None and number in self.read else None, self.model, only)
            for number, (name, ear, scenarios) in enumerate(zip(self.folds, self.ears, self.scenarios, strict=True))
        ]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            return list(pool.map(read, work))


def read(work: tuple[list[tuple[Scenario, float]], Table, Path | None, Model, Sequence[str] | None]) -> list[Seen]:
    """Moments of conversations, with what an encoder that learned from none of them read."""
    scenarios, ear, path, model, only = work
    detectors = [one for one in with_ear(ear) if only is None or one.name in only]
    if path is None:
        return [(one, moments(one, detectors, model), weight) for one, weight in scenarios]
    seal = crc32(ear.save(), crc32(path.read_bytes(), crc32(msgspec.json.encode((model, OPEN)))))
    kept = path.with_name(f"{path.stem}-moments-{seal:08x}.json")
    if kept.exists():
        stored = msgspec.json.decode(kept.read_bytes(), type=Moments)
    else:
        encoder = Encoder.load(path.read_bytes(), str(path))
        encoder.stage = OPEN
        encoder.start(str(path))
        stored = [moments(one, detectors, model, encoder) for one, _ in scenarios]
        kept.write_bytes(msgspec.json.encode(stored))
    return [(one, found, weight) for (one, weight), found in zip(scenarios, stored, strict=True)]


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
                if "read" in one:
                    read.append((odds, one["read"]))
                else:
                    unread.append(odds)
            rows.append(Row(scenario, weight, np.array(read, float).reshape(-1, 2), np.array(unread)))
        found.append(rows)
    return found


def fit_stage(rows: Sequence[Row]) -> Floats:
    """Weights of the ears' log-odds and of what was read, none below zero, and the bias.

    As in `fit_judge`, the worst moment of a conversation counts. Conversations the encoder never read say nothing here.
    """
    rows = [one for one in rows if len(one.points)]
    weights = np.array([0.5, 0.5, 0.0])
    labels = np.array([float(one.scenario.label.risky) for one in rows])
    balance = np.array([one.weight for one in rows])
    for _ in range(8):
        worst = np.array([one.points[int(np.argmax(one.points @ weights[:2]))] for one in rows])

        def loss(flat: Floats, worst: Floats = worst) -> tuple[float, Floats]:
            odds = worst @ flat[:2] + flat[2]
            chance = 1.0 / (1.0 + np.exp(-odds))
            total = (balance * (np.logaddexp(0, odds) - labels * odds)).sum() + RIDGE / 2 * (flat[:2] ** 2).sum()
            pull = balance * (chance - labels)
            return float(total), np.r_[worst.T @ pull + RIDGE * flat[:2], pull.sum()]

        bounds: list[Any] = [(0.05, None), (0.0, None), (None, None)]
        weights = minimize(loss, weights, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(weights)


def judged(row: Row, weights: Floats, model: Model) -> float:
    """Log-odds of a conversation at its worst moment."""
    unread = model.slope * float(row.others.max()) + model.shift
    return float(max([unread, *(row.points @ weights[:2] + weights[2])]))


def unseen(rows: Sequence[list[Row]], model: Model) -> Floats:
    """Log-odds of every conversation, by a stage that was fitted on the other folds."""
    found: list[float] = []
    for number, part in enumerate(rows):
        weights = fit_stage([one for other, rest in enumerate(rows) if other != number for one in rest])
        found += [judged(one, weights, model) for one in part]
    return np.array(found)


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
    at = ", ".join(
        f"{share:.0%} {(odds[risky] > safe[-1 - int(share * len(safe))]).mean():.3f}" for share in (0.01, 0.05)
    )
    of_hard = ", ".join(f"{share:.1%} {told(odds, risky, hard, share)[1]:.3f}" for share in (0.01, CONCERN, 0.05))
    print(f"  risky told where this share of all safe is: {at}; of the hard safe: {of_hard}")


def told_of(name: str, verdicts: Sequence[Verdict]) -> None:
    """Print how conversations were told."""
    found = figures(verdicts)
    hard = [one for one in verdicts if not one.risky and HARD.search(one.conversation.partition("-")[2])]
    print(
        f"{name}: told {found.recall:.3f} of {found.risky} risky, {found.false_alarms:.4f} of {found.safe} safe, "
        f"{sum(one.alert is not None for one in hard)} of {len(hard)} hard safe; ROC-AUC {found.roc_auc:.4f}, "
        f"at 1 % {found.recall_at_1_percent:.3f}, delay {found.median_delay}, F-latency {found.f_latency:.3f}, "
        f"calibration error {found.calibration_error:.3f}"
    )


def places(arguments: argparse.ArgumentParser) -> None:
    """Where everything lies."""
    arguments.add_argument("--data", type=Path, default=ROOT / "evaluation")
    arguments.add_argument("--ears", type=Path, default=ROOT / "build" / "ears")
    arguments.add_argument("--encoders", type=Path, default=ROOT / "build" / "encoder")
    arguments.add_argument("--everyday", type=Path, default=ROOT / "build" / "everyday" / "train")


def main() -> int:
    """Read, fit, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    places(arguments)
    arguments.add_argument("--ridge", type=float, default=3.0)
    chosen = arguments.parse_args()
    data = Data(chosen.data, chosen.everyday, chosen.ears, chosen.encoders)
    model = data.model
    every = rows_of(data.parts(), [*LINEAR, "diversity", *model.pairs], chosen.ridge)
    rows = [every[number] for number in data.read]
    flat = [one for part in rows for one in part]
    odds = unseen(rows, model)
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
        heard=round(float(slope * weights[0]), 4),
        read=round(float(slope * weights[1]), 4),
        bias=round(float(slope * weights[2] + shift), 4),
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
    # As the product tells, levels and all.
    alone_told: list[Verdict] = []
    with_told: list[Verdict] = []
    for number, ((name, held), ear) in enumerate(zip(data.folds.items(), data.ears, strict=True)):
        if number not in data.read:
            continue
        encoder = Encoder.load(data.encoder(name).read_bytes(), name)
        encoder.stage = fitted
        encoder.start(name)
        detectors = with_ear(ear)
        known = [one for one in data.train if one.label.scenario in held]
        for verdicts, reader in ((alone_told, None), (with_told, encoder)):
            verdicts += judge(known, detectors=detectors, model=model, encoder=reader)
        mine = [one for one in data.talks if one.label.scenario in held]
        count, level, score = end_to_end(mine, ear, model, encoder)
        print(f"{name}: everyday talk end to end as one contact, {count} messages: {level}, score {score:.3f}")
    for name, verdicts in (("the ears alone", alone_told), ("with the encoder", with_told)):
        for language in (None, *LANGUAGES):
            told_of(
                name if language is None else f"  {language}", [v for v in verdicts if language in (None, v.language)]
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
