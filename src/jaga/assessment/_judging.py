"""The judgement of one moment: which level a relationship's features give, and the few moments that are kept to judge anew.

A level is the highest of any moment. To say what it would be with another tuning, or without one sign, the moments that could decide it
are kept as their features; the score and the level as shipped never depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import msgspec

from jaga.assessment._model import Model
from jaga.assessment._tuning import FACTORS, MOST_SHIFT, TUNABLE, Sense
from jaga.assessment._types import LEVELS, Level
from jaga.signals.learned import GROUP as LEARNED
from jaga.signals.pictures import KNOWN, SENSITIVE

__all__ = [
    "CONTACT",
    "CORE",
    "PLAIN",
    "SOFT",
    "Groups",
    "Moment",
    "Standing",
    "chance",
    "diversity",
    "higher",
    "keep",
    "level_of",
    "moment_of",
    "parts_of",
    "pictured",
    "reachable",
    "standing",
    "tuned",
]

# Evidence of a tactic below which it counts as not heard when tactics are counted.
_HEARD = 0.25
# Evidence from which a tactic is plain.
PLAIN = 0.55
# Evidence from which a tactic counts in full when tactics are counted.
_CLEAR = 0.7

# Tactics of the contact that are grave enough to carry a relationship past `watch` together with others. Compliments,
# age questions, gifts or another app alone are what friends and aunts do.
CORE = frozenset(
    (
        "risk_assessment",
        "secrecy",
        "isolation",
        "image_request",
        "escalation",
        "threat",
        "meeting",
        "recruiting",
        "false_identity",
    )
)
SOFT = frozenset(("flattery", "age_probing", "inducement", "moving_platform"))
CONTACT = CORE | SOFT

# Tactic to the groups in which it was heard.
Groups = Mapping[str, Collection[str]]

# Moments that are kept. Few relationships have more than three that another tuning could choose between.
_KEPT = 6


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What the rules say of a moment, whatever its score."""

    # Told at once, whatever the rest of the talk sounds like.
    grave: bool
    # May be more than `watch`.
    enough: bool
    # May be `urgent`.
    pressing: bool
    # What pictures give by themselves, whatever the words: never less.
    pictured: Level = "none"


class Moment(msgspec.Struct, frozen=True, gc=False):
    """A relationship after one of its messages. Features are rounded to ten-thousandths, so that saved ones are the same."""

    index: int
    enough: bool
    features: dict[str, float]
    # What follows from them by the model: what each adds to the log-odds, and the log-odds.
    parts: dict[str, float]
    odds: float


def diversity(features: Mapping[str, float]) -> float:
    """How many tactics of the contact were heard, beyond the first."""
    heard = sum(min(1.0, value / _CLEAR) for name, value in features.items() if name in CONTACT)
    return max(0.0, heard - 1.0)


def pictured(features: Mapping[str, float], heard: Collection[str], stranger: bool) -> Level:
    """What pictures give by themselves. `heard`: every tactic so far, so that it never fades.

    A known abuse picture, whoever sent it, must not wait. One that likely shows nudity may be a beach: from a contact it is worth an eye, and a look
    if the contact is a stranger or does something grave as well. From the child it is worth a look, for whoever got a child to send it.
    """
    if any(name in heard for name in KNOWN.values()):
        return "urgent"
    if SENSITIVE["child"] in heard:
        return "concern"
    if SENSITIVE["contact"] in heard:
        grave = stranger or any(features.get(name, 0.0) >= _HEARD for name in CORE)
        return "concern" if grave else "watch"
    return "none"


def standing(features: Mapping[str, float], groups: Groups, threatened: bool, stranger: bool) -> Standing:
    """`groups`: those in which each tactic was heard so far. `threatened`: a direct threat was heard. `stranger`: it came as a request."""
    threatened = threatened and features.get("threat", 0.0) >= 0.5
    grave = threatened
    # Three of the grave tactics, each in plain words that a pattern names, weigh as much as a threat.
    plain = [
        name for name in CORE if features.get(name, 0.0) >= PLAIN and any(group != LEARNED for group in groups[name])
    ]
    # Unless the talk warns of them: a safety lesson names them all.
    grave = grave or (len(plain) >= 3 and features.get("protective", 0.0) < _HEARD)
    core = [name for name in CORE if features.get(name, 0.0) >= _HEARD]
    soft = [name for name in SOFT if features.get(name, 0.0) >= _HEARD]
    selling = features.get("offering_images", 0.0) >= 0.6
    together = (len(core) >= 2 or (core and soft)) and len(core) + len(soft) >= 2
    enough = (
        grave or bool(together) or (selling and len(groups["offering_images"]) >= 2) or (selling and bool(core or soft))
    )
    meeting = groups.get("meeting", ())
    secret_meeting = features.get("meeting", 0.0) >= 0.4 and (
        features.get("secrecy", 0.0) >= 0.4 or "alone" in meeting or "private_place" in meeting
    )
    compliance = groups.get("compliance", ())
    sent = "agrees_send" in compliance or "agrees_meet" in compliance
    danger = "self_harm" in groups.get("distress", ())
    pressing = threatened or secret_meeting or danger or (sent and len(core) >= 2)
    return Standing(grave, enough, pressing, pictured(features, groups, stranger))


def level_of(model: Model, score: float, stand: Standing) -> Level:
    """As shipped."""
    return higher(_by_words(model, score, stand), stand.pictured)


def _by_words(model: Model, score: float, stand: Standing) -> Level:
    if score < model.watch and not stand.grave:
        return "none"
    if (score < model.concern and not stand.grave) or not stand.enough:
        return "watch"
    return "urgent" if score >= model.urgent and stand.pressing else "concern"


def parts_of(model: Model, features: Mapping[str, float]) -> dict[str, float]:
    """What each feature and pair adds to the log-odds."""
    parts = {name: model.weights.get(name, 0.0) * value for name, value in features.items()}
    parts["diversity"] = model.diversity * features["diversity"]
    parts["history"] = -model.patience * features["history"]
    for pair, weight in model.pairs.items():
        one, other = pair.split("+")
        if one in features and other in features:
            parts[pair] = weight * min(features[one], features[other])
    if model.stage is not None and "read" in features:
        # So that `chance` of the sum is the score of the stage, and every part is what it adds to it.
        stage, slope = model.stage, model.slope
        parts = {name: part * stage.heard / slope for name, part in parts.items()}
        read = stage.bias + stage.heard * model.bias + stage.read * features["read"]
        parts["read"] = (read - model.shift) / slope - model.bias
    return parts


def chance(model: Model, odds: float) -> float:
    """The calibrated score of log-odds."""
    return 1.0 / (1.0 + math.exp(-(model.slope * odds + model.shift)))


def _threshold(model: Model, score: float) -> float:
    """The log-odds at which a score is reached."""
    return (math.log(score / (1.0 - score)) - model.shift) / model.slope


# ------------------------------------------------------------ judging anew


def tuned(model: Model, moments: Collection[Moment], sense: Sense | None) -> Level:
    """The level by the scores of these moments under a tuning: `none`, `watch` or `concern`. It never gives `urgent`."""
    best: Level = "none"
    for moment in moments:
        odds = moment.odds
        if sense is not None:
            odds += sense.shift
            odds += sum((factor - 1.0) * moment.parts.get(name, 0.0) for name, factor in sense.factors.items())
        if moment.enough and odds >= _threshold(model, model.concern):
            return "concern"
        if odds >= _threshold(model, model.watch):
            best = "watch"
    return best


def reachable(model: Model, parts: Mapping[str, float], level: Level) -> bool:
    """Whether some tuning reaches a level with these parts."""
    odds = model.bias + MOST_SHIFT + sum(parts.values())
    odds += (FACTORS[1] - 1.0) * sum(part for name, part in parts.items() if name in TUNABLE)
    return odds >= _threshold(model, model.watch if level == "watch" else model.concern)


def moment_of(model: Model, index: int, features: Mapping[str, float], enough: bool) -> Moment:
    """To be kept."""
    rounded = {name: round(value, 4) for name, value in features.items()}
    rounded = {name: value for name, value in rounded.items() if value or name in _ALWAYS}
    parts = parts_of(model, rounded)
    return Moment(index, enough, rounded, parts, round(model.bias + sum(parts.values()), 9))


_ALWAYS = ("diversity", "history", "read")


def keep(model: Model, moments: list[Moment], new: Moment) -> list[Moment]:
    """The moments and a new one, without those that no tuning could prefer; at most `_KEPT`.

    Where there would be more, the two most alike become one that has the more telling of every feature, so that no tuning tells less
    than it would have by either.
    """
    if any(_outdone(new, old) for old in moments):
        return moments
    kept = [old for old in moments if not _outdone(old, new)]
    kept.append(new)
    if len(kept) > _KEPT:
        at = min(range(len(kept) - 1), key=lambda i: _strayed(model, kept[i], kept[i + 1]))
        kept[at : at + 2] = [_together(model, kept[at], kept[at + 1])]
    return kept


def _outdone(one: Moment, by: Moment) -> bool:
    """Whether `by` is judged at least as high under every tuning, and with any tactic left out."""
    if by.odds < one.odds or (one.enough and not by.enough):
        return False
    mine, its = one.parts, by.parts
    least = 0.0
    # In one order, whatever the process: a sum in another order may differ in its last digit.
    for name in (*mine, *(name for name in its if name not in mine)):
        ahead = its.get(name, 0.0) - mine.get(name, 0.0)
        least += ahead * ((0.0 if ahead > 0 else FACTORS[1]) if name in TUNABLE else 1.0)
    return least >= 0.0


def _together(model: Model, one: Moment, other: Moment) -> Moment:
    features: dict[str, float] = {}
    for name in (*one.features, *(name for name in other.features if name not in one.features)):
        mine, its = one.features.get(name, 0.0), other.features.get(name, 0.0)
        lowers = name == "history" or model.weights.get(name, 0.0) < 0
        features[name] = min(mine, its) if lowers else max(mine, its)
    return moment_of(model, other.index, features, one.enough or other.enough)


def _strayed(model: Model, one: Moment, other: Moment) -> float:
    """How far the two together would be judged above the higher of them; far, if only one of them is enough."""
    apart = 0.0 if one.enough == other.enough else 100.0
    return apart + _together(model, one, other).odds - max(one.odds, other.odds)


def higher(one: Level, other: Level) -> Level:
    """The higher of two levels."""
    return max(one, other, key=LEVELS.index)
