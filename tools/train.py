"""Learn the ear's table and fit the judgement's numbers: conversations written for this project, and everyday talk.

    python -m tools.train      (`make model`)

The ear (src/jaga/signals/learned.npz) learns from the catalogue's prototypes and counter-examples, from evaluation/train and
dev (the safe conversations as further examples of nothing, the risky ones by the tactics marked in them), and from everyday talk
of real people as more of nothing (tools/everyday.py). The judgement (src/jaga/assessment/model.json) is fitted on the same
conversations with ears that did not hear the scenario they judge (five folds), and its thresholds are set on those out-of-fold
scores: `concern` where so few of the hard safe reach it that 95 % of samples like it would stay below 5 %. How the learning is done
was chosen out of fold too. The test split is never opened, nor the everyday talk kept for measuring.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from jaga.assessment import Assessor, Model, load_model
from jaga.assessment._relationship import LINEAR
from jaga.evaluate import Scenario, auc, load_scenarios
from jaga.evaluate._data import ZONE
from jaga.signals import Detector, all_detectors
from jaga.signals.catalogue import load_catalogue
from jaga.signals.encoder import Reader
from jaga.signals.learned import HIGHEST, LOWEST, Learned, Table
from tools.ear import Marks, Meanings, befores, learn_ear

ROOT = Path(__file__).parents[1]
EAR = ROOT / "src/jaga/signals/learned.npz"
MODEL = ROOT / "src/jaga/assessment/model.json"
MARKS = "tactics.ndjson"
# Share of the hard safe conversations that may reach each level: the plain ones would let the threshold sink. For `concern` it is as
# many as leave the upper end of the 95 % interval below 5 % (5 of 232; Wilson), since a share that is met on a sample is exceeded
# on half of all others.
WATCH, CONCERN, URGENT = 0.12, 0.0216, 0.015
# The briefs, hard as life can be; the seeds of the `h` series are harder, the others softer (evaluation/README.md).
HARD = re.compile(r"^[rs]\d+$")
FOLDS = 5
# Chosen so that everyday talk laid end to end as one contact stays below `concern` (printed at the end).
PATIENCE = 0.7
# Messages of each everyday talk that are learned from, and its weight beside a labelled safe conversation in the judgement.
EVERYDAY_MESSAGES, EVERYDAY_WEIGHT = 30, 0.5
TONE_RIDGE = 300.0

Floats = NDArray[np.float64]


# ------------------------------------------------------------------------------------------------ the ear


def learn_tone(heard: Sequence[tuple[Scenario, list[NDArray[np.float32] | None]]]) -> tuple[NDArray[np.float32], float]:
    """Weights that turn log-odds into tone (2, columns + 1), and the mean tone of safe messages.

    `heard`: the log-odds per message of ears that did not learn from that conversation.
    """
    catalogue = load_catalogue()
    tactics = tuple(catalogue.tactics)
    rows = np.zeros((2, len(tactics) + 3), np.float32)
    safe: list[float] = []
    for side, actor in enumerate(("contact", "child")):
        mine = np.array([catalogue.tactics[tactic].by in (actor, "anyone") for tactic in tactics])
        use = np.r_[mine, [side == 0, side == 1]]
        vectors, risky = [], []
        for scenario, odds in heard:
            for number, one in enumerate(odds):
                if one is None or (scenario.messages[number].author == scenario.label.child) != (side == 1):
                    continue
                if scenario.label.risky and number < (scenario.label.onset or 0):
                    continue
                bounded = np.r_[np.clip(one[: len(tactics)], LOWEST, HIGHEST), one[len(tactics) :]]
                vectors.append(bounded[use])
                risky.append(float(scenario.label.risky))
        x, y = np.array(vectors, float), np.array(risky)
        protective = np.array([tactic == "protective" for tactic in tactics] + [False, False])[use]

        def loss(flat: Floats, x: Floats = x, y: Floats = y) -> tuple[float, Floats]:
            odds = x @ flat[:-1] + flat[-1]
            chance = 1.0 / (1.0 + np.exp(-odds))
            total = (np.logaddexp(0, odds) - y * odds).sum() + TONE_RIDGE / 2 * (flat[:-1] ** 2).sum()
            return float(total), np.r_[x.T @ (chance - y) + TONE_RIDGE * flat[:-1], (chance - y).sum()]

        # More of a tactic never makes a message sound safer.
        bounds: list[Any] = [(None, 0.0) if one else (0.0, None) for one in protective] + [(None, None)]
        found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
        rows[side, :-1][use] = found.x[:-1]
        rows[side, -1] = found.x[-1] - math.log(y.mean() / (1 - y.mean()))
        safe += list(x[y == 0] @ found.x[:-1] + rows[side, -1])
    return rows, float(np.mean(safe))


# ------------------------------------------------------------------------------------------------ the judgement


def with_ear(table: Table) -> tuple[Detector, ...]:
    """All detectors, the learned one with another table."""
    return tuple(Learned(table) if detector.name == Learned.name else detector for detector in all_detectors())


def moments(
    scenario: Scenario, detectors: Sequence[Detector], model: Model, encoder: Reader | None = None
) -> list[tuple[int, dict[str, float]]]:
    """(position, features) after every message that was heard as something, of the relationship it belongs to."""
    assessor = Assessor(
        (scenario.label.child,),
        ZONE,
        conversations={scenario.conversation.id: scenario.conversation},
        detectors=detectors,
        model=model,
        encoder=encoder,
    )
    found: list[tuple[int, dict[str, float]]] = []
    for position, message in enumerate(scenario.messages):
        before = {name: one.judged for name, one in assessor.relationships.items()}
        assessor.observe(message)
        for name, one in assessor.relationships.items():
            if one.judged != before.get(name, 0):
                found.append((position, one.features()))
    return found


def fit_judge(
    seen: Sequence[tuple[Scenario, list[tuple[int, dict[str, float]]], float]], names: Sequence[str], ridge: float
) -> tuple[Floats, float]:
    """Non-negative logistic weights over `names` (protective: non-positive), and the bias.

    A conversation is as risky as its worst moment: that moment is looked for with the weights so far, then they are
    fitted again (multiple-instance learning).
    """
    signs = np.array([-1.0 if name == "protective" else 1.0 for name in names])
    prior = np.array([PRIOR.get(name, 0.0) for name in names])
    weights = prior.copy()
    bias = -4.0
    labels = np.array([float(scenario.label.risky) for scenario, _, _ in seen])
    balance = np.array([weight for _, _, weight in seen])
    share = float((balance * labels).sum() / balance.sum())
    # Both kinds together weigh the same.
    balance *= np.where(labels == 1, 0.5 / share, 0.5 / (1 - share))
    every = [
        (np.array([vector(features, names) for _, features in found]), patience([features for _, features in found]))
        for _, found, _ in seen
    ]
    for _ in range(6):
        worst = np.zeros((len(seen), len(names)))
        offset = np.zeros(len(seen))
        for row, (vectors, offsets) in enumerate(every):
            if len(vectors):
                at = int(np.argmax(vectors @ weights + offsets))
                worst[row], offset[row] = vectors[at], offsets[at]

        def loss(flat: Floats, worst: Floats = worst, offset: Floats = offset) -> tuple[float, Floats]:
            odds = worst @ flat[:-1] + flat[-1] + offset
            chance = 1.0 / (1.0 + np.exp(-odds))
            total = (balance * (np.logaddexp(0, odds) - labels * odds)).sum() + ridge / 2 * (
                (flat[:-1] - prior) ** 2
            ).sum()
            pull = balance * (chance - labels)
            return float(total), np.r_[worst.T @ pull + ridge * (flat[:-1] - prior), pull.sum()]

        # Hours and pace of invented conversations are their writers' choice: they may lean, not decide.
        most = [MOST_CONTEXT if name in CONTEXT else None for name in names]
        bounds: list[Any] = [(0.0, top) if sign > 0 else (None, 0.0) for sign, top in zip(signs, most, strict=True)]
        bounds += [(None, None)]
        found_at = minimize(loss, np.r_[weights, bias], jac=True, method="L-BFGS-B", bounds=bounds)
        weights, bias = found_at.x[:-1], float(found_at.x[-1])
    return weights, bias


# What the literature says weighs most, before any data: the ridge pulls towards it.
PRIOR = {
    "threat": 4.0, "secrecy": 2.0, "recruiting": 2.0, "offering_images": 2.0, "image_request": 1.7, "risk_assessment": 1.8,
    "isolation": 1.4, "meeting": 1.3, "escalation": 1.4, "moving_platform": 1.0, "inducement": 1.0, "false_identity": 0.8,
    "flattery": 0.5, "age_probing": 0.6, "refusal": 0.8, "distress": 0.6, "compliance": 0.8, "protective": -1.5,
    "tone_near": 2.5, "tone_far": 2.5, "diversity": 0.3,
    "secrecy+meeting": 1.2, "secrecy+image_request": 1.2, "secrecy+inducement": 0.6, "inducement+image_request": 0.6,
    "risk_assessment+meeting": 0.6, "risk_assessment+image_request": 0.6, "threat+image_request": 0.5,
    "refusal+escalation": 0.8, "persistence": 1.0, "distress+threat": 0.8,
}  # fmt: skip
CONTEXT = frozenset(("night", "one_sided", "request", "streak", "acceleration", "many_addressed"))
MOST_CONTEXT = 0.4


def vector(features: dict[str, float], names: Sequence[str]) -> Floats:
    """The features by name; "a+b" is the smaller of the two."""
    return np.array(
        [
            min(features.get(one, 0.0), features.get(other, 0.0)) if other else features.get(one, 0.0)
            for one, _, other in (name.partition("+") for name in names)
        ]
    )


def patience(moments: Sequence[dict[str, float]]) -> Floats:
    """What a long history takes off the log-odds at each moment."""
    return np.array([-PATIENCE * features["history"] for features in moments])


def main() -> int:
    """Learn, fit, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=ROOT / "evaluation")
    arguments.add_argument(
        "--ears", type=Path, help="folder of ears learned before from the same data, or to keep them in"
    )
    arguments.add_argument("--vocabulary", type=Path, default=ROOT / "build" / "vocabulary.npz")
    arguments.add_argument("--everyday", type=Path, default=ROOT / "build" / "everyday" / "train")
    arguments.add_argument("--ridge", type=float, default=3.0)
    chosen = arguments.parse_args()
    train = list(load_scenarios([chosen.data / "train", chosen.data / "dev"]))
    said = {**tactics_of(chosen.data / "train" / MARKS), **tactics_of(chosen.data / "dev" / MARKS)}
    talks = list(load_scenarios([chosen.everyday]))
    everyday = [msgspec.structs.replace(one, messages=one.messages[:EVERYDAY_MESSAGES]) for one in talks]
    folds = folds_of([*train, *everyday])
    work = [(train, everyday, said, chosen.vocabulary, chosen.ears, name, held) for name, held in folds.items()]
    # One more without anything held back: the ear that ships.
    work.append((train, everyday, said, chosen.vocabulary, chosen.ears, "final", set()))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        *ears, final = pool.map(kept, work)
    heard: list[tuple[Scenario, list[NDArray[np.float32] | None]]] = []
    for held, ear in zip(folds.values(), ears, strict=True):
        listening = Learned(ear)
        heard += [
            (
                one,
                [
                    listening.odds(message.text, before)
                    for message, before in zip(one.messages, befores(one), strict=True)
                ],
            )
            for one in train
            if one.label.scenario in held
        ]
    tone, safe_tone = learn_tone(heard)
    for ear in (*ears, final):
        ear.tone = tone
    EAR.write_bytes(final.save())
    print(f"ear: {EAR.stat().st_size} bytes, safe tone {safe_tone:.3f}")
    model = judge(train, everyday, list(folds.values()), ears, safe_tone, chosen.ridge)
    for held, ear in zip(folds.values(), ears, strict=True):
        count, level, score = end_to_end([one for one in talks if one.label.scenario in held], ear, model)
        print(
            f"everyday talk end to end as one contact, {count} messages the ear had not heard: {level}, score {score:.3f}"
        )
    return 0


def folds_of(scenarios: Sequence[Scenario]) -> dict[str, set[str]]:
    """Name to the briefs that this fold's ear does not learn from: a brief in every language is in one fold."""
    briefs = sorted({scenario.label.scenario for scenario in scenarios})
    return {f"fold{number}": set(briefs[number::FOLDS]) for number in range(FOLDS)}


Work = tuple[list[Scenario], list[Scenario], Marks, Path, Path | None, str, set[str]]


def kept(work: Work) -> Table:
    """An ear learned before, or a new one: fitting the judgement anew should not take learning to hear anew."""
    train, everyday, said, vocabulary, folder, name, held = work
    path = folder / f"{name}.npz" if folder is not None else None
    if path is not None and path.exists():
        return Table.load(path.read_bytes(), str(path))
    table = learn_ear(
        [one for one in train if one.label.scenario not in held],
        said,
        Meanings(vocabulary),
        [one for one in everyday if one.label.scenario not in held],
    )
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(table.save())
    return table


def tactics_of(path: Path) -> Marks:
    """Tactics by (conversation, message position), as marked in the risky conversations (evaluation/README.md)."""
    if not path.exists():
        return {}
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {(row["conversation"], row["message"]): set(row["tactics"]) for row in rows}


def judge(
    train: list[Scenario],
    everyday: list[Scenario],
    folds: list[set[str]],
    ears: list[Table],
    safe_tone: float,
    ridge: float,
) -> Model:
    """Fit and write model.json."""
    old = msgspec.structs.replace(load_model(), safe_tone=safe_tone)
    names = [*LINEAR, "diversity", *old.pairs]
    unseen = {id(one) for one in everyday}
    parts_seen = []
    for held, ear in zip(folds, ears, strict=True):
        detectors = with_ear(ear)
        parts_seen.append(
            [
                (one, moments(one, detectors, old), EVERYDAY_WEIGHT if id(one) in unseen else 1.0)
                for one in (*train, *everyday)
                if one.label.scenario in held
            ]
        )
    # Scores for scale and thresholds come from a judgement that did not see the scenario either.
    scores: list[float] = []
    for number, part in enumerate(parts_seen):
        others = [one for other, rest in enumerate(parts_seen) if other != number for one in rest]
        weights, bias = fit_judge(others, names, ridge)
        scores += [
            max(
                (float(vector(one, names) @ weights) + bias - PATIENCE * one["history"] for _, one in found),
                default=bias,
            )
            for _, found, _ in part
        ]
    seen = [one for part in parts_seen for one in part]
    labelled = np.array([id(scenario) not in unseen for scenario, _, _ in seen])
    every = np.array(scores)
    odds = every[labelled]
    labels = np.array([float(scenario.label.risky) for scenario, _, _ in seen])[labelled]
    slope, shift = platt(odds, labels)
    hard = np.array([bool(HARD.search(scenario.label.scenario)) for scenario, _, _ in seen])[labelled]
    safe = sorted(float(x) for x in odds[labels == 0])
    hardest = sorted(float(x) for x in odds[(labels == 0) & hard])
    risky = [float(x) for x in odds[labels == 1]]

    def bar(share: float) -> float:
        """The log-odds that this share of the hard safe conversations exceeds."""
        return hardest[-1 - int(share * len(hardest))]

    def chance(share: float) -> float:
        return round(1.0 / (1.0 + math.exp(-(slope * bar(share) + shift))), 3)

    weights, bias = fit_judge(seen, names, ridge)
    value = dict(zip(names, (round(float(weight), 3) for weight in weights), strict=True))
    model = Model(
        schema=1,
        bias=round(bias, 3),
        weights={name: value[name] for name in LINEAR},
        pairs={name: value[name] for name in old.pairs},
        diversity=value["diversity"],
        slope=round(slope, 3),
        shift=round(shift, 3),
        safe_tone=round(safe_tone, 4),
        patience=PATIENCE,
        watch=chance(WATCH),
        concern=chance(CONCERN),
        urgent=chance(URGENT),
        half_life=old.half_life,
    )
    MODEL.write_text(json.dumps(msgspec.to_builtins(model), indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: weight for name, weight in value.items() if weight}, indent=None))
    print(
        f"out of fold: ROC-AUC {auc(risky, safe):.3f} over {len(risky)} risky, {len(safe)} safe ({len(hardest)} hard)"
    )
    for share in (0.01, CONCERN, 0.05):
        told = sum(x > bar(share) for x in risky) / len(risky)
        chatted = float((every[~labelled] > bar(share)).mean())
        easy = sum(x > bar(share) for x in safe) / len(safe)
        print(
            f"  where {share:.0%} of the hard safe are told: {told:.3f} of the risky, {easy:.3f} of all safe, "
            f"{chatted:.4f} of everyday talk"
        )
    for language in sorted({one.label.language for one, _, _ in seen}):
        mine = np.array([one.label.language == language for one, _, _ in seen])[labelled]
        print(f"  {language}: {auc(list(odds[mine & (labels == 1)]), list(odds[mine & (labels == 0)])) or 0:.3f}")
    return model


def end_to_end(
    talks: Sequence[Scenario], ear: Table, model: Model, encoder: Reader | None = None
) -> tuple[int, str, float]:
    """Messages, level and score of many talks as if they were one friendship, a message every seven minutes."""
    assessor = Assessor(("child",), ZONE, detectors=with_ear(ear), model=model, encoder=encoder)
    at = datetime(2020, 1, 1, tzinfo=ZONE)
    for talk in talks:
        for message in talk.messages:
            at += timedelta(minutes=7)
            author = "child" if message.author == talk.label.child else "friend"
            assessor.observe(msgspec.structs.replace(message, conversation="c", author=author, sent_at=at))
    friend = assessor.relationships["friend"]
    return friend.messages, friend.level, friend.score


def platt(odds: Floats, labels: Floats) -> tuple[float, float]:
    """Slope and shift that make 1 / (1 + exp(-(slope x + shift))) a probability (Platt 1999, with his target smoothing)."""
    positive, negative = labels.sum(), (1 - labels).sum()
    target = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(pair: Floats) -> float:
        x = pair[0] * odds + pair[1]
        return float((np.logaddexp(0, x) - target * x).sum())

    found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead")
    return float(found.x[0]), float(found.x[1])


if __name__ == "__main__":
    raise SystemExit(main())
