"""One relationship, message by message: constant work per message, the same answer live and in batch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from jaga.assessment._judging import (
    CONTACT,
    CORE,
    PLAIN,
    Moment,
    chance,
    diversity,
    higher,
    keep,
    level_of,
    moment_of,
    parts_of,
    reachable,
    standing,
    tuned,
)
from jaga.assessment._keep import EVERYTHING, Keep
from jaga.assessment._model import Model
from jaga.assessment._thread import Threads
from jaga.assessment._tuning import Sense
from jaga.assessment._types import LEVELS, Assessment, Day, Evidence, Level, Onset, RiskType, TacticFinding
from jaga.records import Message
from jaga.signals import Actor, Signal
from jaga.signals.encoder import Reader
from jaga.signals.learned import GROUP as LEARNED
from jaga.signals.pictures import KNOWN, PICTURES, SENSITIVE

__all__ = ["Relationship"]

_KEPT = 5
# Evidence that leaves little doubt.
_CERTAIN = 0.9
# Evidence from which a tactic is told at all.
TOLD = 0.4
_NIGHT_FROM, _NIGHT_TO = 23, 5
# Acceleration compares the contact's messages a day, averaged over days and over weeks (time constants, in days).
_DAYS, _WEEKS = 2.0, 14.0
# A history shorter than this (days) has no pace to change.
_SETTLED = 5
# Tone is averaged over the last messages, near and far: half-life in messages, and how many messages of the usual safe tone it
# starts from, so that a few words at the start tell little.
_NEAR, _NEAR_PRIOR = 8.0, 10.0
_FAR, _FAR_PRIOR = 24.0, 20.0
_NEAR_KEEP, _FAR_KEEP = 0.5 ** (1 / _NEAR), 0.5 ** (1 / _FAR)
# Strength of a group of `protective` from which it is taken at its word: safety lessons, and parents who may know.
_OPEN = 0.8
# Messages after a refusal in which a new push counts as going on.
_AFTER_REFUSAL = 8
# Messages from which a history counts as long.
_LONG = 100.0
# A rise of the near tone that is worth judging anew.
_TONE_STEP = 0.02
# Windows whose reading counts, the last ones; and from how many of a usual safe answer their mean starts, so that one tells little.
_READ, _READ_PRIOR, _READ_SAFE = 8, 2, -4.0
# People of a group whom a contact turned to with a tactic; counted no further.
_MANY = 8

# Every feature with a weight of its own, for fitting (tools/train.py).
LINEAR = (
    *sorted(CONTACT),
    "offering_images",
    "personal_data",
    "distress",
    "asking_help",
    "refusal",
    "compliance",
    "protective",
    "night",
    "one_sided",
    "request",
    "streak",
    "persistence",
    "acceleration",
    "many_addressed",
    "tone_near",
    "tone_far",
)
GRAVE_THREATS = frozenset(("share", "pay_or_else", "holds_material"))


def telling(group: str, strength: float, groups: dict[str, int], strongest: dict[str, float]) -> float:
    """How much one more message of a group tells, and that it was heard.

    The second time the same thing is said it tells a half as much, the third a quarter; said more clearly than ever before, it tells
    what was missing.
    """
    times = groups.get(group, 0)
    groups[group] = times + 1
    before = strongest.get(group, 0.0)
    told = strength * (0.5 ** min(times, 6))
    if strength > before:
        strongest[group] = strength
        told = max(told, (strength - before) / (1.0 - before) if before < 1.0 else 0.0)
    return told


class _Tactic:
    __slots__ = ("by", "count", "evidence", "first_at", "groups", "level", "peak", "seen_at", "strongest")

    def __init__(self, by: Actor, at: datetime) -> None:
        self.by: Actor = by
        self.count = 0
        self.first_at = at
        # Evidence 0..1 as of message `seen_at`; halves over the model's half-life.
        self.level = 0.0
        self.seen_at = 0
        self.peak = 0.0
        # How often each group was heard, and its strongest: repetition must not buy strength.
        self.groups: dict[str, int] = {}
        self.strongest: dict[str, float] = {}
        self.evidence: list[Evidence] = []


class Relationship:
    """The running state of one child with one contact."""

    def __init__(
        self,
        child: str,
        contact: str,
        contact_name: str | None,
        model: Model,
        keep: Keep = EVERYTHING,
        sense: Sense | None = None,
        encoder: Reader | None = None,
    ) -> None:
        self.child = child
        self.contact = contact
        self.contact_name = contact_name
        self.messages = 0
        self.contact_messages = 0
        self.child_messages = 0
        self.night_messages = 0
        self.started = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        self.platforms: dict[str, None] = {}
        self.conversations: dict[str, None] = {}
        self.score = 0.0
        # As told, and as it would be without a tuning.
        self.level: Level = "none"
        self._shipped: Level = "none"
        # Where the level as shipped reached `concern`, and where the most sensitive tuning could have.
        self._onset: Onset | None = None
        self._earliest: Onset | None = None
        # Below this no tuning goes.
        self._floor: Level = "none"
        self._moments: list[Moment] = []
        self._sense = sense
        # How often the contact went on after the child refused, and where the last refusal stands.
        self.persisted = 0
        self._refused_at: int | None = None
        # A direct threat was heard.
        self._threatened = False
        # Messages after which it was judged anew.
        self.judged = 0
        self.is_request = False
        # The contact's messages in a row without an answer: now, and at most.
        self.run = 0
        self.longest_run = 0
        # Whom in a group the contact turned to with a tactic.
        self.addressed: set[str] = set()
        # Sums of tone and their weights.
        self._near = self._near_weight = 0.0
        self._far = self._far_weight = 0.0
        self._judged_tone = 0.0
        # Messages a day, averaged over days and weeks, as of the local day `_pace_day`.
        self._fast = 0.0
        self._slow = 0.0
        self._pace_day = 0
        self._first_day = 0
        self._model = model
        self._encoder = encoder
        # The ears' log-odds as of the last judgement; the encoder's last answers, and the message after which it last read.
        self._odds = -math.inf
        self._read: list[float] = []
        self._read_at: int | None = None
        self._tactics: dict[str, _Tactic] = {}
        self._days: dict[int, list[float]] = {}
        # How many days an entry of `_days` stands for, and the day they are counted from.
        self._day_step = 1
        self._day_zero = 0
        self._keep = keep
        self._unjudged: dict[str, int] = {}
        self._contributions: dict[str, float] = {}

    # ------------------------------------------------------------ taking in

    def observe(
        self,
        message: Message,
        by: Actor,
        signals: Iterable[Signal],
        local_ordinal: int,
        local_hour: int,
        addressed: str | None = None,
        tone: float | None = None,
        joined: str | None = None,
        threads: Threads | None = None,
    ) -> bool:
        """Take in the next message in time order. True if the level rose.

        `addressed`: whom it turns to in a group. `tone`: log-likelihood ratio of the message in risky against safe talk.
        `joined`: what a signal that rests on several messages heard: their texts together. `threads`: where the encoder finds what it
        reads.
        """
        index = self.messages
        self.messages = index + 1
        day = self._days.get(local_ordinal) if self._day_step == 1 else None
        if day is None:
            day = self._day(local_ordinal)
        if by == "contact":
            self.contact_messages += 1
            day[0] += 1
            self.run += 1
            self.longest_run = max(self.longest_run, self.run)
            self._pace(local_ordinal)
            if local_hour >= _NIGHT_FROM or local_hour < _NIGHT_TO:
                self.night_messages += 1
        else:
            self.child_messages += 1
            self.run = 0
            day[1] += 1
        if self.first_at is None:
            self.first_at = message.sent_at
        last = self.last_at
        if by == "contact" and (last is None or (message.sent_at - last).total_seconds() > 6 * 3600):
            self.started += 1
        self.last_at = message.sent_at
        if message.conversation not in self.conversations:
            self.conversations[message.conversation] = None
            self.platforms[message.platform] = None
            if self._keep.conversations is not None and len(self.conversations) > self._keep.conversations:
                del self.conversations[next(iter(self.conversations))]
        if message.attachments:
            for attachment in message.attachments:
                if attachment.sha256 is not None:
                    # Looked at; what that told is a signal.
                    continue
                self._unjudged[attachment.kind] = self._unjudged.get(attachment.kind, 0) + 1
        heard = False
        named = learned = False
        signals = list(signals)
        # "Dont tell mum" and "tell mum" share most of their words: where a pattern names the grave one, the learned ear's
        # "protective" is wrong.
        plain = by == "contact" and any(one.tactic in CORE and one.group != LEARNED for one in signals)
        # And the other way round: where a pattern names the openness ("ask your mum first"), the grave tactics that the learned ear alone
        # makes of it are wrong, and it sounds no worse than safe talk does. The learned ear's own "protective" is not enough for
        # that: cover stories speak of parents, too.
        opens = not plain and any(
            one.tactic == "protective" and one.strength >= _OPEN and one.group != LEARNED for one in signals
        )
        if opens:
            signals = [one for one in signals if one.group != LEARNED or one.tactic not in CORE]
            tone = None if tone is None else min(tone, self._model.safe_tone)
        for signal in signals:
            if plain and signal.tactic == "protective" and signal.group == LEARNED:
                continue
            heard = True
            if signal.tactic == "threat":
                named = named or signal.group in GRAVE_THREATS
                learned = learned or (signal.group == LEARNED and signal.strength >= 0.5)
            if signal.tactic == "refusal":
                self._refused_at = index
            elif self._refused_at is not None and signal.tactic in CORE:
                # Going on after a no (a message or so later counts as well as at once) is pressure, however it is worded.
                if index - self._refused_at <= _AFTER_REFUSAL:
                    self.persisted += 1
                self._refused_at = None
            if addressed is not None and signal.tactic in CONTACT and len(self.addressed) < _MANY:
                self.addressed.add(addressed)
            day[2] += self._hear(signal, message, index, tone, joined)
        # Both ears must hear it in one message: a pattern names its kind, the learned one knows "or else" from a queue at the
        # clinic.
        self._threatened = self._threatened or (named and learned)
        if tone is not None:
            self._near = self._near * _NEAR_KEEP + tone
            self._near_weight = self._near_weight * _NEAR_KEEP + 1.0
            self._far = self._far * _FAR_KEEP + tone
            self._far_weight = self._far_weight * _FAR_KEEP + 1.0
        # Tone alone judges nobody: it counts once something was heard, and when it sounds worse than at the last judgement.
        if (
            not heard
            and (self._tactics.keys() <= PICTURES or self._near_tone() <= self._judged_tone + _TONE_STEP)
            and not self._due(index)
        ):
            return False
        return self._judge(message, index, threads)

    def _hear(self, signal: Signal, message: Message, index: int, tone: float | None, joined: str | None) -> float:
        key = signal.tactic
        tactic = self._tactics.get(key)
        if tactic is None:
            tactic = self._tactics[key] = _Tactic(signal.by, message.sent_at)
        strength = telling(signal.group, signal.strength, tactic.groups, tactic.strongest)
        faded = self._faded(tactic, index)
        level = 1.0 - (1.0 - faded) * (1.0 - strength)
        added = (level - faded) * abs(self._model.weights.get(key, 0.0))
        tactic.level, tactic.seen_at = level, index
        tactic.peak = max(tactic.peak, level)
        last = tactic.evidence[-1] if tactic.evidence else None
        if last is None or last.message != signal.messages[-1]:
            tactic.count += 1
        evidence = Evidence(
            message=signal.messages[-1],
            conversation=message.conversation,
            sent_at=message.sent_at,
            author=message.author,
            text=(message.text if joined is None or len(signal.messages) == 1 else joined)[: self._keep.text],
            group=signal.group,
            strength=signal.strength,
            added=round(added, 4),
            language=signal.language,
            because=signal.because,
            index=index,
            # Rounded, so that a saved one is the same.
            tone=None if tone is None else round(tone, 2),
        )
        tactic.evidence.append(evidence)
        if len(tactic.evidence) > _KEPT:
            # Keep the most telling; of equals the earliest. The newest is compared too, so order does not matter.
            weakest = min(range(len(tactic.evidence)), key=lambda i: (tactic.evidence[i].added, -i))
            del tactic.evidence[weakest]
        return strength

    def _day(self, ordinal: int) -> list[float]:
        """The entry of the timeline for a day. Which days share one depends on the messages so far, so live and restored agree."""
        days, most = self._days, self._keep.days
        if not days:
            self._day_zero = ordinal
        while True:
            start = ordinal - (ordinal - self._day_zero) % self._day_step
            day = days.get(start)
            if day is not None:
                return day
            if most is None or len(days) < most:
                day = days[start] = [0, 0, 0.0]
                return day
            self._day_step *= 2
            folded: dict[int, list[float]] = {}
            for old, (contact, child, evidence) in days.items():
                into = folded.setdefault(old - (old - self._day_zero) % self._day_step, [0, 0, 0.0])
                into[0] += contact
                into[1] += child
                into[2] += evidence
            self._days = days = folded

    def _pace(self, day: int) -> None:
        if self._pace_day == 0:
            self._first_day = self._pace_day = day
        elif day > self._pace_day:
            passed = day - self._pace_day
            self._fast *= math.exp(-passed / _DAYS)
            self._slow *= math.exp(-passed / _WEEKS)
            self._pace_day = day
        self._fast += 1.0 - math.exp(-1.0 / _DAYS)
        self._slow += 1.0 - math.exp(-1.0 / _WEEKS)

    def _acceleration(self) -> float:
        """0 for a steady pace, 1 when the last days run at four times the pace of the weeks."""
        known = self._pace_day - self._first_day
        if known < _SETTLED:
            return 0.0
        # An average over less than its window is too low by what the window has not seen.
        slow = self._slow / (1.0 - math.exp(-(known + 1) / _WEEKS))
        fast = self._fast / (1.0 - math.exp(-(known + 1) / _DAYS))
        return min(1.0, max(0.0, (fast / slow - 1.0) / 3.0))

    def _near_tone(self) -> float:
        safe = self._model.safe_tone
        return (self._near + _NEAR_PRIOR * safe) / (self._near_weight + _NEAR_PRIOR) - safe

    def tone_without(self, name: str, value: float, tone: float, index: int, left: int) -> float:
        """What `tone_near` or `tone_far` was after message `index`, had message `left` not been said in this tone."""
        kept, prior = (_NEAR_KEEP, _NEAR_PRIOR) if name == "tone_near" else (_FAR_KEEP, _FAR_PRIOR)
        safe = self._model.safe_tone
        # As if every message so far had words.
        weight = (1.0 - math.pow(kept, index + 1)) / (1.0 - kept)
        gone = math.pow(kept, index - left)
        total = (value + safe) * (weight + prior) - tone * gone
        return float(total / (weight + prior - gone) - safe)

    def _faded(self, tactic: _Tactic, index: int) -> float:
        return tactic.level * math.pow(0.5, (index - tactic.seen_at) / self._model.half_life)

    # ------------------------------------------------------------ judging

    def features(self) -> dict[str, float]:
        """Named features as of the last message, each 0..1 except `diversity` (a count above one), the tones and `history`."""
        index = self.messages - 1
        # Pictures have a rule of their own: a likelihood of nudity must not make the tone of a talk count.
        found = {name: self._faded(tactic, index) for name, tactic in self._tactics.items() if name not in PICTURES}
        wrote = self.contact_messages
        any_risk = any(name in CONTACT for name in found)
        if any_risk:
            # Context never accuses by itself: it only weighs when a tactic was heard.
            if wrote >= 5:
                found["night"] = min(1.0, 2 * self.night_messages / wrote)
            if self.messages >= 10:
                share = wrote / self.messages
                found["one_sided"] = min(1.0, max(0.0, (share - 0.55) / 0.35))
            if self.is_request:
                found["request"] = 1.0
            if self.longest_run > 3:
                found["streak"] = min(1.0, (self.longest_run - 3) / 7)
            if self.persisted:
                found["persistence"] = 1.0 - 0.6**self.persisted
            found["acceleration"] = self._acceleration()
            if len(self.addressed) > 2:
                found["many_addressed"] = min(1.0, (len(self.addressed) - 2) / 3)
        if found:
            safe = self._model.safe_tone
            found["tone_near"] = self._near_tone()
            found["tone_far"] = (self._far + _FAR_PRIOR * safe) / (self._far_weight + _FAR_PRIOR) - safe
        found["diversity"] = diversity(found)
        found["history"] = math.log1p(self.messages / _LONG)
        if self._read:
            found["read"] = self._reading()
        return found

    def _due(self, index: int) -> bool:
        """Whether the encoder reads now: what was heard leaves the answer open, and it did not read just before."""
        # By the level as shipped: a tuning that comes later must find the same readings.
        return (
            self._encoder is not None
            and self._odds >= self._encoder.stage.gate
            and self._shipped in ("none", "watch")
            and (self._read_at is None or index - self._read_at >= self._encoder.stage.every)
        )

    def _reading(self) -> float:
        """Mean of what was read last, log-odds."""
        return (math.fsum(self._read) + _READ_PRIOR * _READ_SAFE) / (len(self._read) + _READ_PRIOR)

    def _read_along(self, reader: Reader, message: Message, index: int, threads: Threads) -> None:
        self._read = [*self._read[1 - _READ :], reader.odds(threads.window(message.conversation))]
        self._read_at = index

    def _judge(self, message: Message, index: int, threads: Threads | None) -> bool:
        model = self._model
        self.judged += 1
        if not self._tactics.keys() <= PICTURES:
            self._judged_tone = max(self._judged_tone, self._near_tone())
        features = self.features()
        if self._encoder is not None:
            heard = {name: value for name, value in features.items() if name != "read"}
            self._odds = model.bias + sum(parts_of(model, heard).values())
            if threads is not None and message.text and self._due(index):
                self._read_along(self._encoder, message, index, threads)
                features["read"] = self._reading()
        parts = parts_of(model, features)
        score = chance(model, model.bias + sum(parts.values()))
        groups = {name: tactic.groups for name, tactic in self._tactics.items()}
        stand = standing(features, groups, self._threatened, self.is_request)
        level = level_of(model, score, stand)
        if stand.grave:
            self._floor = higher(self._floor, "concern")
        # Nor does a tuning take away what pictures give.
        self._floor = higher(self._floor, stand.pictured)
        if stand.grave or stand.pictured != "none" or reachable(model, parts, "watch"):
            self._moments = keep(model, self._moments, moment_of(model, index, features, stand.enough))
            if self._earliest is None and stand.enough and reachable(model, parts, "concern"):
                self._earliest = _here(message, index)
        if score > self.score:
            self.score = score
            self._contributions = parts
        if LEVELS.index(level) > LEVELS.index(self._shipped):
            if self._onset is None and level in ("concern", "urgent"):
                self._onset = _here(message, index)
            self._shipped = level
            # A level that a rule gives by itself carries at least its score.
            least = {"none": 0.0, "watch": model.watch, "concern": model.concern, "urgent": model.urgent}[level]
            self.score = max(self.score, score, least)
            self._contributions = parts
        before, self.level = self.level, self._told()
        return self.level != before

    def _told(self) -> Level:
        """The level under the tuning. It depends on nothing but what is kept, so it is the same whenever the tuning came."""
        # What must not wait is never a matter of taste.
        if self._sense is None or self._shipped == "urgent":
            return self._shipped
        return higher(tuned(self._model, self._moments, self._sense), self._floor)

    def tune(self, sense: Sense | None) -> bool:
        """Judge anew with another tuning, None for none. True if the level is another one now."""
        self._sense = sense
        before, self.level = self.level, self._told()
        return self.level != before

    @property
    def onset(self) -> Onset | None:
        """Where it reached `concern`. If only the tuning says that it did: where the most sensitive one would."""
        return (self._onset or self._earliest) if self.level in ("concern", "urgent") else None

    # ------------------------------------------------------------ giving out

    def assessment(self) -> Assessment:
        """The state as a record."""
        parts = self._contributions
        findings = [
            TacticFinding(
                tactic=name,
                by=tactic.by,
                count=tactic.count,
                first_at=tactic.first_at,
                contribution=round(parts.get(name, 0.0), 4),
                evidence=tuple(
                    sorted(
                        (
                            piece
                            for piece in tactic.evidence
                            if piece.strength >= TOLD or piece.strength == _strongest(tactic)
                        ),
                        key=lambda piece: piece.sent_at,
                    )
                ),
            )
            for name, tactic in self._tactics.items()
            # Faint hints move the score a little; told to a parent they would look like findings.
            if tactic.peak >= TOLD
        ]
        # Pictures contribute to no score, and come before what does.
        findings.sort(
            key=lambda finding: (
                finding.tactic not in PICTURES,
                -finding.contribution,
                finding.first_at,
                finding.tactic,
            )
        )
        return Assessment(
            child=self.child,
            contact=self.contact,
            contact_name=self.contact_name,
            platforms=tuple(self.platforms),
            conversations=tuple(self.conversations),
            messages=self.messages,
            contact_messages=self.contact_messages,
            child_messages=self.child_messages,
            first_at=self.first_at,
            last_at=self.last_at,
            score=round(self.score, 4),
            level=self.level,
            risk_type=self._risk(),
            stage=self._stage(),
            onset=self.onset,
            tactics=tuple(findings),
            days=tuple(
                Day(
                    ordinal=ordinal,
                    contact_messages=int(day[0]),
                    child_messages=int(day[1]),
                    evidence=round(day[2], 3),
                    span=self._day_step,
                )
                for ordinal, day in sorted(self._days.items())
            ),
            unjudged=dict(self._unjudged),
        )

    def _risk(self) -> RiskType | None:
        if self.level == "none":
            return None
        peak = {name: tactic.peak for name, tactic in self._tactics.items()}
        # What must be done about a picture is told beside this, whatever else it is (guidance.next_steps).
        if self._blackmailed():
            return "sextortion"
        if any(name in peak for name in KNOWN.values()):
            return "known_image"
        if peak.get("offering_images", 0.0) >= 0.6 or peak.get("recruiting", 0.0) >= 0.6:
            return "image_selling"
        contact = {name: value for name, value in peak.items() if name in CONTACT}
        if not contact:
            if any(name in peak for name in SENSITIVE.values()):
                return "sensitive_image"
            if "personal_data" in peak:
                return "exposure"
            return "distress" if "distress" in peak else None
        meeting = peak.get("meeting", 0.0)
        if meeting >= 0.7 and meeting >= peak.get("image_request", 0.0):
            return "meeting"
        return "grooming"

    def _blackmailed(self) -> bool:
        """Whether it is called blackmail: a direct threat, or threats heard clearly and more than once.

        One line that only sounds like a threat ("do it if you love me, everybody does") is pressure, and the advice is another.
        """
        threat = self._tactics.get("threat")
        return threat is not None and (self._threatened or (threat.count >= 2 and threat.peak >= _CERTAIN))

    def _stage(self) -> str | None:
        heard = [
            name
            for name, tactic in self._tactics.items()
            if (name in CONTACT or name == "offering_images") and tactic.peak >= PLAIN
            if name != "threat" or self._blackmailed()
        ]
        order = STAGES
        best = max((order.index(STAGE_OF[name]) for name in heard if name in STAGE_OF), default=None)
        return None if best is None else order[best]


def _here(message: Message, index: int) -> Onset:
    return Onset(message=message.id, conversation=message.conversation, sent_at=message.sent_at, index=index)


def _strongest(tactic: _Tactic) -> float:
    """Strength of the clearest piece of evidence kept."""
    return max(piece.strength for piece in tactic.evidence)


# The order of stages is for display: real grooming jumps and returns (Aitken et al. 2018).
STAGES = (
    "rapport",
    "probing",
    "inducement",
    "isolation",
    "moving",
    "risk_assessment",
    "secrecy",
    "escalation",
    "request",
    "recruiting",
    "selling",
    "meeting",
    "extortion",
)
STAGE_OF = {
    "flattery": "rapport",
    "false_identity": "rapport",
    "age_probing": "probing",
    "inducement": "inducement",
    "isolation": "isolation",
    "moving_platform": "moving",
    "risk_assessment": "risk_assessment",
    "secrecy": "secrecy",
    "escalation": "escalation",
    "image_request": "request",
    "recruiting": "recruiting",
    "offering_images": "selling",
    "meeting": "meeting",
    "threat": "extortion",
}
