"""Why a relationship was judged so: what weighed, which known examples its messages are like, what would change it, how sure that is.

Computed from what a relationship keeps, so it is the same live, in batch and after a restore. What would change it is found by judging anew: the kept
moments without a tactic, without a message, or with one tactic more. Without a message means without what was heard in it and its
tone; that the messages after it were heard with it before them is not undone, and of a tactic heard more than five times only the most
telling messages are kept. How often that agrees with judging the conversation without the message: docs/how-sure.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from jaga.assessment._judging import (
    CONTACT,
    Groups,
    Moment,
    chance,
    diversity,
    higher,
    level_of,
    moment_of,
    standing,
    tuned,
)
from jaga.assessment._relationship import GRAVE_THREATS, TOLD, Relationship, telling
from jaga.assessment._reliability import Band, load_reliability
from jaga.assessment._types import LEVELS, Evidence, Level
from jaga.signals.learned import GROUP as LEARNED
from jaga.signals.nearest import Near, load_prototypes
from jaga.signals.pictures import PICTURES

__all__ = ["Explanation", "Like", "Share", "WhatIf", "explain"]

# Messages for which it is looked for an example, and which are left out to see what changes.
_MESSAGES = 5
# Evidence a tactic is given to see whether it would raise the level: said once, in plain words.
_SUPPOSED = 0.9
# Fewer messages than this say little about anybody.
_FEW = 20
_TONE = frozenset(("tone_near", "tone_far"))


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what speaks for the level is one tactic; or the `tone` of the talk, or its `context` (hours, pace, who writes)."""

    name: str
    # 0 to 1; of what speaks for it, in log-odds. Together 1.
    share: float


class Like(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and the known example it is closest to."""

    message: str
    near: Near


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """What the level would be, had one thing been otherwise."""

    kind: Literal["without_tactic", "without_message", "with_tactic"]
    tactic: str | None = None
    message: str | None = None
    sent_at: datetime | None = None
    level: Level
    score: float


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why one relationship is judged as it is."""

    contact: str
    level: Level
    # The level is given by a rule (a direct threat, three grave tactics in plain words, a picture), which looks at no score.
    by_rule: bool
    # The greatest first.
    shares: tuple[Share, ...]
    # What spoke against it and weighed: `protective` talk, a long `history`, a calm `tone`.
    against: tuple[str, ...]
    like: tuple[Like, ...]
    # Each tactic that was told and each of the most telling messages left out; and the tactics that would raise it.
    without: tuple[WhatIf, ...]
    raised_by: tuple[WhatIf, ...]
    # What such scores meant on the evaluation data; None if that was not measured.
    band: Band | None
    # So few messages that all of it stands on little.
    few: bool
    # It is the rule of pictures: without them the level would be lower. Then no `band` says anything, none of those conversations had any.
    by_picture: bool = False


def explain(one: Relationship) -> Explanation:
    """Why it is judged as it is now."""
    shares, against = _shares(one)
    told = [name for name, tactic in one._tactics.items() if tactic.peak >= TOLD and name != "protective"]
    messages = _most_telling(one)
    unchanged, _ = _judged(one, lambda moment: moment.features, _groups(one), one._threatened)
    without = [
        *(_without_tactic(one, name, unchanged) for name in sorted(told, key=lambda name: -one._tactics[name].peak)),
        *(_without_message(one, piece, unchanged) for piece in messages),
    ]
    by_picture = _by_picture(one, unchanged)
    return Explanation(
        contact=one.contact,
        level=one.level,
        by_rule=by_picture
        or (one._floor == "concern" and one.level == "concern" and _by_score(one) in ("none", "watch")),
        shares=shares,
        against=against,
        like=tuple(_like(one, messages)),
        without=tuple(what for what in without if what is not None),
        raised_by=tuple(_raised_by(one)),
        band=load_reliability().band(one.score) if one.level != "none" and not by_picture else None,
        few=one.messages < _FEW,
        by_picture=by_picture,
    )


def _by_picture(one: Relationship, unchanged: Level) -> bool:
    """Whether the level would be lower without any picture."""
    if not one._tactics.keys() & PICTURES:
        return False
    groups = {name: found for name, found in _groups(one).items() if name not in PICTURES}
    level, _ = _judged(one, lambda moment: moment.features, groups, one._threatened)
    return _lower(one, level, unchanged) != one.level


# ------------------------------------------------------------ what weighed


def _deciding(one: Relationship) -> Moment | None:
    """The kept moment that speaks loudest for the level."""
    moments = one._moments
    if one.level in ("concern", "urgent"):
        moments = [moment for moment in moments if moment.enough] or moments
    return max(moments, key=lambda moment: moment.odds, default=None)


def _shares(one: Relationship) -> tuple[tuple[Share, ...], tuple[str, ...]]:
    moment = _deciding(one)
    if moment is None:
        return (), ()
    weighs: dict[str, float] = {}
    for name, part in moment.parts.items():
        first, _, second = name.partition("+")
        # What two tactics say together belongs to both.
        for owner in (first, second) if second else (first,):
            kept = (
                owner
                if owner in one._tactics or owner == "history"
                else "tone"
                if owner in (*_TONE, "read")
                else "context"
            )
            weighs[kept] = weighs.get(kept, 0.0) + (part / 2 if second else part)
    total = sum(part for part in weighs.values() if part > 0)
    shares = [Share(name=name, share=round(part / total, 4)) for name, part in weighs.items() if part > 0.0005 * total]
    shares.sort(key=lambda share: (-share.share, share.name))
    against = sorted((name for name, part in weighs.items() if part < -0.1), key=lambda name: weighs[name])
    return tuple(shares), tuple(against)


def _most_telling(one: Relationship) -> list[Evidence]:
    added: dict[str, float] = {}
    pieces: dict[str, Evidence] = {}
    for name, tactic in one._tactics.items():
        if name == "protective":
            continue
        for piece in tactic.evidence:
            added[piece.message] = added.get(piece.message, 0.0) + piece.added
            pieces.setdefault(piece.message, piece)
    # Pictures add nothing to a score, and decide by themselves.
    shown = {piece.message for name in PICTURES & one._tactics.keys() for piece in one._tactics[name].evidence}
    ranked = sorted(
        pieces, key=lambda message: (message not in shown, -added[message], pieces[message].sent_at, message)
    )
    return [pieces[message] for message in ranked[:_MESSAGES]]


def _like(one: Relationship, messages: Iterable[Evidence]) -> Iterable[Like]:
    examples = load_prototypes()
    for piece in messages:
        heard = [
            name
            for name, tactic in one._tactics.items()
            if name not in ("protective", *PICTURES)
            and any(other.message == piece.message for other in tactic.evidence)
        ]
        found = [near for name in heard if (near := examples.nearest(piece.text, name)) is not None]
        if found:
            yield Like(message=piece.message, near=max(found, key=lambda near: near.likeness))


# ------------------------------------------------------------ what would change it


# A moment's features, the groups heard and whether a direct threat was, as they would have been.
_Change = Callable[[Moment], Mapping[str, float]]


def _by_score(one: Relationship) -> Level:
    return tuned(one._model, one._moments, one._sense)


def _judged(one: Relationship, change: _Change, groups: Groups, threatened: bool) -> tuple[Level, float]:
    """The level and score of the kept moments, changed; never above what the groups of today would have given then."""
    model, sense = one._model, one._sense
    level: Level = "none"
    score = 0.0
    for moment in one._moments:
        features = {name: value for name, value in change(moment).items() if value or name in ("history", "read")}
        features["diversity"] = diversity(features)
        stand = standing(features, groups, threatened, one.is_request)
        anew = moment_of(model, moment.index, features, stand.enough)
        chanced = chance(model, anew.odds)
        shipped = level_of(model, chanced, stand)
        if sense is None or shipped == "urgent":
            level = higher(level, shipped)
        else:
            floor = higher(stand.pictured, "concern" if stand.grave else "none")
            level = higher(level, higher(tuned(model, (anew,), sense), floor))
        score = max(score, chanced)
    return level, round(score, 4)


def _groups(one: Relationship) -> dict[str, set[str]]:
    return {name: set(tactic.groups) for name, tactic in one._tactics.items()}


def _lower(one: Relationship, level: Level, unchanged: Level) -> Level:
    """The level with something taken away, of what judging anew gave with it and (`unchanged`) without."""
    # A level reached by a moment that is no longer kept is not said to hang on anything.
    if level == unchanged:
        return one.level
    # Taking something away raises nothing; the groups of today may be more than those of a moment long ago.
    return min(level, one.level, key=LEVELS.index)


def _without_tactic(one: Relationship, name: str, unchanged: Level) -> WhatIf:
    groups = _groups(one)
    del groups[name]

    def change(moment: Moment) -> Mapping[str, float]:
        return {other: value for other, value in moment.features.items() if other != name}

    level, score = _judged(one, change, groups, one._threatened and name != "threat")
    return WhatIf(
        kind="without_tactic", tactic=name, level=_lower(one, level, unchanged), score=min(score, round(one.score, 4))
    )


def _without_message(one: Relationship, piece: Evidence, unchanged: Level) -> WhatIf | None:
    if piece.index is None:
        return None
    left = piece.message
    at = piece.index
    groups = _groups(one)
    for name, tactic in one._tactics.items():
        of_it = [other.group for other in tactic.evidence if other.message == left]
        groups[name] -= {group for group in of_it if tactic.groups.get(group, 0) <= of_it.count(group)}
        if not groups[name]:
            del groups[name]

    def change(moment: Moment) -> Mapping[str, float]:
        features = dict(moment.features)
        if moment.index < at:
            return features
        for name, tactic in one._tactics.items():
            if name in features and any(other.message == left for other in tactic.evidence):
                heard = [other for other in tactic.evidence if other.index is not None and other.index <= moment.index]
                rest = [other for other in heard if other.message != left]
                gone = _replayed(one, heard, moment.index) - _replayed(one, rest, moment.index)
                features[name] = max(0.0, features[name] - gone) if name in groups else 0.0
        if piece.tone is not None:
            for name in _TONE & features.keys():
                features[name] = one.tone_without(name, features[name], piece.tone, moment.index, at)
        return features

    level, score = _judged(one, change, groups, one._threatened and _threatens(one, left))
    return WhatIf(
        kind="without_message",
        message=left,
        sent_at=piece.sent_at,
        level=_lower(one, level, unchanged),
        score=min(score, round(one.score, 4)),
    )


def _replayed(one: Relationship, pieces: Iterable[Evidence], index: int) -> float:
    """Evidence of a tactic at a message, from these pieces alone."""
    level, seen = 0.0, 0
    groups: dict[str, int] = {}
    strongest: dict[str, float] = {}
    half_life = one._model.half_life
    for piece in pieces:
        assert piece.index is not None
        strength = telling(piece.group, piece.strength, groups, strongest)
        level *= 0.5 ** ((piece.index - seen) / half_life)
        level = 1.0 - (1.0 - level) * (1.0 - strength)
        seen = piece.index
    return float(level * 0.5 ** ((index - seen) / half_life))


def _threatens(one: Relationship, left: str) -> bool:
    """Whether a direct threat was heard in another message than this one, as far as is known."""
    threat = one._tactics.get("threat")
    if threat is None:
        return False
    groups: dict[str, set[str]] = {}
    for piece in threat.evidence:
        if piece.group != LEARNED or piece.strength >= 0.5:
            groups.setdefault(piece.message, set()).add(piece.group)
    direct = {message for message, found in groups.items() if LEARNED in found and found & GRAVE_THREATS}
    # Of many threats not all are kept, so another one is not ruled out.
    return left not in direct or len(direct) > 1 or sum(threat.groups.values()) > len(threat.evidence)


def _raised_by(one: Relationship) -> Iterable[WhatIf]:
    """The contact's tactics each of which, heard once in plain words beside all that was heard, would give a higher level."""
    if one.level == "urgent":
        return
    moment = _deciding(one)
    if moment is None:
        return
    found = []
    for name in sorted(CONTACT):
        groups: dict[str, set[str]] = _groups(one)
        groups[name] = {*groups.get(name, ()), "(supposed)"}
        supposed = max(_SUPPOSED, moment.features.get(name, 0.0))

        def change(past: Moment, name: str = name, supposed: float = supposed) -> Mapping[str, float]:
            return {**past.features, name: supposed}

        level, score = _judged(one, change, groups, one._threatened or name == "threat")
        if LEVELS.index(level) > LEVELS.index(one.level):
            found.append(WhatIf(kind="with_tactic", tactic=name, level=level, score=score))
    yield from sorted(found, key=lambda what: (-LEVELS.index(what.level), -what.score, what.tactic))
