"""Learn the ear's table and fit the judgement's numbers, from data written for this project alone.

    python tools/train.py      (`make model`)

The ear (src/jaga/signals/learned.npz) learns from the catalogue's prototypes and counter-examples and from evaluation/train and
dev: the safe conversations as further examples of nothing, the risky ones by the tactics marked in them. The judgement
(src/jaga/assessment/model.json) is fitted on the same conversations with ears that did not hear the scenario they judge
(five folds), and its thresholds are set on those out-of-fold scores: `concern` where at most 4 % of the safe reach it. How the
learning is done was chosen on dev while only train was learned from. The test split is never opened.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.optimize import minimize

from jaga.assessment import Assessor, Model, load_model
from jaga.assessment._relationship import LINEAR
from jaga.evaluate import Scenario, auc, load_scenarios
from jaga.evaluate._data import ZONE
from jaga.signals import Detector, all_detectors
from jaga.signals.catalogue import load_catalogue
from jaga.signals.learned import HIGHEST, LOWEST, TONES, Learned, Table
from jaga.signals.lexicon import load_lexicon
from jaga.signals.pieces import BUCKETS, PAIR, chunks, pairs, parts, words

ROOT = Path(__file__).parents[1]
EAR = ROOT / "src/jaga/signals/learned.npz"
MODEL = ROOT / "src/jaga/assessment/model.json"
MARKS = "tactics.ndjson"
# Share of safe conversations that may reach each level.
WATCH, CONCERN, URGENT = 0.15, 0.04, 0.02
FOLDS = 5
# Ridge of the ear, in units of one example; and weights of its kinds of example. Chosen on dev.
RIDGE = 0.3
POSITIVE, COUNTER, OTHER, ORDINARY, ANNOTATED = 6.0, 4.0, 0.5, 1.0, 6.0
TONE, TONE_RIDGE = 5.0, 300.0

Floats = NDArray[np.float64]


# ------------------------------------------------------------------------------------------------ the ear


def matrix(texts: Sequence[str]) -> sparse.csr_matrix:
    """Hashed pieces of each text, (texts, BUCKETS), as the ear counts them; a long text as its first stretch."""
    normalise = load_lexicon().normalise
    starts, columns, values = [0], [], []
    for text in texts:
        stretch = next(chunks(words(normalise(text))))
        scale = 1.0 / math.sqrt(len(stretch) or 1)
        for word in stretch:
            for bucket, weight in parts(word):
                columns.append(bucket)
                values.append(weight * scale)
        for bucket in pairs(stretch):
            columns.append(bucket)
            values.append(PAIR * scale)
        starts.append(len(columns))
    return sparse.csr_matrix((values, columns, starts), shape=(len(texts), BUCKETS), dtype=np.float32)


def learn_ear(scenarios: Sequence[Scenario], tactics_said: dict[tuple[str, int], set[str]]) -> Table:
    """One logistic model per tactic and per side's tone, all at once, with a ridge; then the weights of the tone."""
    catalogue = load_catalogue()
    tactics = tuple(catalogue.tactics)
    columns = (*tactics, *TONES)
    by = np.array([catalogue.tactics[tactic].by for tactic in tactics])
    texts: list[str] = []
    labels: list[list[float]] = []
    weights: list[list[float]] = []
    for (name, _), said in catalogue.phrases.items():
        for phrases, true in ((said.prototypes, True), (said.counter_examples, False)):
            for text in phrases:
                texts.append(text)
                labels.append([float(true and tactic == name) for tactic in tactics] + [0.0, 0.0])
                weights.append(
                    [(POSITIVE if true else COUNTER) if tactic == name else OTHER for tactic in tactics] + [0.0, 0.0]
                )
    for scenario in scenarios:
        risky = scenario.label.risky
        annotated = any((scenario.conversation.id, number) in tactics_said for number in range(len(scenario.messages)))
        share = TONE / math.sqrt(len(scenario.messages))
        for number, message in enumerate(scenario.messages):
            child = message.author == scenario.label.child
            done = tactics_said.get((scenario.conversation.id, number), set())
            texts.append(message.text)
            tone = share if not risky or number >= (scenario.label.onset or 0) else 0.0
            labels.append([float(tactic in done) for tactic in tactics] + [float(risky), float(risky)])
            if risky and not annotated:
                own = [0.0] * len(tactics)
            else:
                own = [
                    # Safe talk may well protect, refuse or complain: it only says what nobody did to the child.
                    ANNOTATED if tactic in done else ORDINARY if who == "contact" else ORDINARY / 3
                    for tactic, who in zip(tactics, by, strict=True)
                ]
            weights.append([*own, 0.0 if child else tone, tone if child else 0.0])
    pieces = matrix(texts)
    solved = _logistic(pieces, np.array(labels, np.float32), np.array(weights, np.float32))
    return Table.of(columns, solved[:-1], solved[-1])


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


def _logistic(
    pieces: sparse.csr_matrix, labels: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    shape = (BUCKETS + 1, labels.shape[1])
    # Only columns that occur can differ from zero.
    used = np.unique(pieces.indices)
    small = pieces[:, used].tocsr()
    turned = small.T.tocsr()

    def loss(flat: Floats) -> tuple[float, Floats]:
        solution = flat.reshape(len(used) + 1, shape[1])
        odds = small @ solution[:-1] + solution[-1]
        chance = 1.0 / (1.0 + np.exp(-np.clip(odds, -30, 30)))
        total = (weights * (np.logaddexp(0, odds) - labels * odds)).sum() + RIDGE / 2 * (solution[:-1] ** 2).sum()
        pull = weights * (chance - labels)
        gradient = np.vstack([turned @ pull + RIDGE * solution[:-1], pull.sum(axis=0)[None]])
        return float(total), gradient.ravel()

    start = np.zeros((len(used) + 1, shape[1]))
    start[-1] = -3.0
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200, "maxcor": 8})
    solution = found.x.reshape(len(used) + 1, shape[1])
    full = np.zeros(shape, np.float32)
    full[used] = solution[:-1]
    full[-1] = solution[-1]
    return full


# ------------------------------------------------------------------------------------------------ the judgement


def with_ear(table: Table) -> tuple[Detector, ...]:
    """All detectors, the learned one with another table."""
    return tuple(Learned(table) if detector.name == Learned.name else detector for detector in all_detectors())


def moments(scenario: Scenario, detectors: Sequence[Detector], model: Model) -> list[tuple[int, dict[str, float]]]:
    """(position, features) after every message that was heard as something, of the relationship it belongs to."""
    assessor = Assessor(
        (scenario.label.child,),
        ZONE,
        conversations={scenario.conversation.id: scenario.conversation},
        detectors=detectors,
        model=model,
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
    seen: Sequence[tuple[Scenario, list[tuple[int, dict[str, float]]]]], names: Sequence[str], ridge: float
) -> tuple[Floats, float]:
    """Non-negative logistic weights over `names` (protective: non-positive), and the bias.

    A conversation is as risky as its worst moment: that moment is looked for with the weights so far, then they are
    fitted again (multiple-instance learning).
    """
    signs = np.array([-1.0 if name == "protective" else 1.0 for name in names])
    prior = np.array([PRIOR.get(name, 0.0) for name in names])
    weights = prior.copy()
    bias = -4.0
    labels = np.array([float(scenario.label.risky) for scenario, _ in seen])
    balance = np.where(labels == 1, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    for _ in range(6):
        worst = np.zeros((len(seen), len(names)))
        for row, (_, found) in enumerate(seen):
            vectors = [vector(features, names) for _, features in found]
            if vectors:
                worst[row] = max(vectors, key=lambda one: float(one @ weights))

        def loss(flat: Floats, worst: Floats = worst) -> tuple[float, Floats]:
            odds = worst @ flat[:-1] + flat[-1]
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


def main() -> int:
    """Learn, fit, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=ROOT / "evaluation")
    arguments.add_argument(
        "--ears", type=Path, help="folder of ears learned before from the same data, or to keep them in"
    )
    arguments.add_argument("--ridge", type=float, default=3.0)
    chosen = arguments.parse_args()
    train = list(load_scenarios([chosen.data / "train", chosen.data / "dev"]))
    said = {**tactics_of(chosen.data / "train" / MARKS), **tactics_of(chosen.data / "dev" / MARKS)}
    briefs = sorted({scenario.label.scenario for scenario in train})
    folds = [set(briefs[fold::FOLDS]) for fold in range(FOLDS)]
    ears = [
        kept(chosen.ears, f"fold{number}", [one for one in train if one.label.scenario not in held], said)
        for number, held in enumerate(folds)
    ]
    heard: list[tuple[Scenario, list[NDArray[np.float32] | None]]] = []
    for held, ear in zip(folds, ears, strict=True):
        listening = Learned(ear)
        heard += [
            (one, [listening.odds(message.text) for message in one.messages])
            for one in train
            if one.label.scenario in held
        ]
    tone, safe_tone = learn_tone(heard)
    final = kept(chosen.ears, "final", train, said)
    for ear in (*ears, final):
        ear.tone = tone
    EAR.write_bytes(final.save())
    print(f"ear: {EAR.stat().st_size} bytes, safe tone {safe_tone:.3f}")
    judge(train, folds, ears, safe_tone, chosen.ridge)
    return 0


def kept(folder: Path | None, name: str, scenarios: Sequence[Scenario], said: dict[tuple[str, int], set[str]]) -> Table:
    """An ear learned before, or a new one: fitting the judgement anew should not take learning to hear anew."""
    if folder is None:
        return learn_ear(scenarios, said)
    path = folder / f"{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(learn_ear(scenarios, said).save())
    return Table.load(path.read_bytes(), str(path))


def tactics_of(path: Path) -> dict[tuple[str, int], set[str]]:
    """Tactics by (conversation, message position), as marked in the risky conversations (evaluation/README.md)."""
    if not path.exists():
        return {}
    rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {(row["conversation"], row["message"]): set(row["tactics"]) for row in rows}


def judge(
    train: list[Scenario],
    folds: list[set[str]],
    ears: list[Table],
    safe_tone: float,
    ridge: float,
) -> None:
    """Fit and write model.json."""
    old = msgspec.structs.replace(load_model(), safe_tone=safe_tone)
    names = [*LINEAR, "diversity", *old.pairs]
    parts_seen = []
    for held, ear in zip(folds, ears, strict=True):
        detectors = with_ear(ear)
        parts_seen.append([(one, moments(one, detectors, old)) for one in train if one.label.scenario in held])
    # Scores for scale and thresholds come from a judgement that did not see the scenario either.
    scores: list[float] = []
    for number, part in enumerate(parts_seen):
        others = [one for other, rest in enumerate(parts_seen) if other != number for one in rest]
        weights, bias = fit_judge(others, names, ridge)
        scores += [
            max((float(vector(features, names) @ weights) + bias for _, features in found), default=bias)
            for _, found in part
        ]
    seen = [one for part in parts_seen for one in part]
    odds = np.array(scores)
    labels = np.array([float(scenario.label.risky) for scenario, _ in seen])
    slope, shift = platt(odds, labels)
    safe = sorted(float(x) for x in odds[labels == 0])
    risky = [float(x) for x in odds[labels == 1]]

    def chance(share: float) -> float:
        """The score that this share of the safe conversations exceeds."""
        return 1.0 / (1.0 + math.exp(-(slope * safe[-1 - int(share * len(safe))] + shift)))

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
        watch=round(chance(WATCH), 3),
        concern=round(chance(CONCERN), 3),
        urgent=round(chance(URGENT), 3),
        half_life=old.half_life,
    )
    MODEL.write_text(json.dumps(msgspec.to_builtins(model), indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: weight for name, weight in value.items() if weight}, indent=None))
    bar = safe[-1 - len(safe) // 20]
    print(
        f"out of fold: ROC-AUC {auc(risky, safe):.3f}, recall at 5 % false alarms "
        f"{sum(x > bar for x in risky) / len(risky):.2f}, over {len(risky)} risky, {len(safe)} safe"
    )
    for language in sorted({one.label.language for one, _ in seen}):
        mine = np.array([one.label.language == language for one, _ in seen])
        print(f"  {language}: {auc(list(odds[mine & (labels == 1)]), list(odds[mine & (labels == 0)])) or 0:.3f}")


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
