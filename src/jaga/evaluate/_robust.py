"""The robustness suite: how far judgements move when a conversation is changed in ways that should not matter, or to hide it.

Three kinds of question (docs/robustness.md): invariance and fairness (does the level stay?), direction (does the score move the way
it may?), attack (how much is still told?). Only differences to the unchanged conversations are reported: a model that has learned
from a set flatters itself on it, changed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Literal

import msgspec

from jaga.assessment import Assessor, Model, Threads
from jaga.evaluate._data import ZONE, Scenario
from jaga.evaluate._metrics import Verdict
from jaga.evaluate._perturb import ATTACKS, FAIRNESS, INVARIANCES, Changed, Line, Perturbation, load_swaps
from jaga.evaluate._run import judge_one
from jaga.records import Message
from jaga.signals import Actor, Detector, all_detectors
from jaga.signals.catalogue import load_catalogue

__all__ = ["Attack", "Direction", "Kept", "Robustness", "directions", "robustness"]

# A score may creep by this much against its direction: the last digits of a logistic function are not a judgement.
TOLERANCE = 0.01


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One change that should not matter, in one language ("all": together)."""

    name: str
    language: str
    # Conversations that it changed; the others say nothing about it.
    changed: int
    # Share of those whose level is the same, and of those that are told (or not) as before. None: nothing changed.
    level_kept: float | None
    told_kept: float | None
    # Mean change of the score of the safe and of the risky ones, with its sign.
    safe_shift: float | None
    risky_shift: float | None


class Direction(msgspec.Struct, frozen=True, kw_only=True):
    """One line put in or taken out, in one language ("all": together)."""

    name: str
    language: str
    way: Literal["up", "down"]
    cases: int
    # Share of cases that moved as they may: not down ("up"), not up ("down"), within the tolerance.
    right: float | None
    mean_change: float | None
    # The worst move against the direction, 0 if there was none.
    worst: float | None


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """One way of hiding, in one language ("all": together), over the conversations it changed."""

    name: str
    language: str
    risky: int
    # Of the risky: told before and after.
    recall_before: float | None
    recall_after: float | None
    # Of the safe: told before and after. Odd spelling must not make a friend look like a danger either.
    false_before: float | None
    false_after: float | None
    # Of the tactics heard in the contact's messages of risky conversations, the share that is still heard in the same message:
    # it shows what is lost while the judgement still has enough.
    signs_kept: float | None
    risky_shift: float | None


class Robustness(msgspec.Struct, frozen=True, kw_only=True):
    """The suite's answer. Every table holds one row per change for "all" and one per language."""

    seed: int
    conversations: int
    invariance: tuple[Kept, ...]
    fairness: tuple[Kept, ...]
    directional: tuple[Direction, ...]
    attacks: tuple[Attack, ...]


def robustness(
    scenarios: Iterable[Scenario],
    *,
    seed: int = 0,
    model: Model | None = None,
    detectors: Sequence[Detector] | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> Robustness:
    """Run the whole suite. The same `seed` and conversations give the same answer.

    `progress` is told the name of each change before it is tried.
    """
    every = list(scenarios)
    bench = _Bench(every, seed, model, detectors, progress)
    return Robustness(
        seed=seed,
        conversations=len(every),
        invariance=tuple(row for change in INVARIANCES for row in bench.kept(change)),
        fairness=tuple(row for change in FAIRNESS for row in bench.kept(change)),
        directional=tuple(row for line in directions() for row in bench.direction(line)),
        attacks=tuple(row for change in ATTACKS for row in bench.attack(change)),
    )


class _Edit(msgspec.Struct, frozen=True, kw_only=True):
    """A line put in or taken out: `apply` yields the variants to try."""

    name: str
    way: Literal["up", "down"]
    apply: Callable[[Scenario, Sequence[frozenset[str]], Random], Iterator[Scenario]]


def directions() -> tuple[_Edit, ...]:
    """Every directional test."""
    added = tuple(_Edit(name=line.name, way=line.way, apply=_putting(line)) for line in load_swaps().lines)
    return (
        *added,
        _Edit(name="child's refusals taken out", way="down", apply=_taking("child", frozenset(("refusal",)))),
        _Edit(name="contact's requests for secrecy taken out", way="down", apply=_taking("contact", frozenset(("secrecy",)))),
        _Edit(
            name="contact's requests for photos taken out",
            way="down",
            apply=_taking("contact", frozenset(("image_request",))),
        ),
        _Edit(name="contact's threats taken out", way="down", apply=_taking("contact", frozenset(("threat",)))),
    )  # fmt: skip


def _putting(line: Line) -> Callable[[Scenario, Sequence[frozenset[str]], Random], Iterator[Scenario]]:
    def apply(scenario: Scenario, heard: Sequence[frozenset[str]], rng: Random) -> Iterator[Scenario]:
        said = line.said(scenario.label.language)
        child = scenario.label.child
        author = (
            child
            if line.by == "child"
            else next((message.author for message in scenario.messages if message.author != child), None)
        )
        if author is None:
            return
        # In the first half, so that what follows is judged with it; and as the last word.
        for place in (rng.randrange(1, max(2, len(scenario.messages) // 2)), len(scenario.messages)):
            before = scenario.messages[place - 1]
            new = msgspec.structs.replace(
                before,
                author=author,
                text=rng.choice(said),
                sent_at=before.sent_at + timedelta(milliseconds=1),
                source_id=None,
                attachments=(),
                kind="text",
            )
            yield msgspec.structs.replace(
                scenario, messages=(*scenario.messages[:place], new, *scenario.messages[place:])
            )

    return apply


def _taking(by: Actor, tactics: frozenset[str]) -> Callable[..., Iterator[Scenario]]:
    def apply(scenario: Scenario, heard: Sequence[frozenset[str]], rng: Random) -> Iterator[Scenario]:
        kept = tuple(
            message
            for message, found in zip(scenario.messages, heard, strict=True)
            if not (_actor(scenario, message) == by and found & tactics)
        )
        if kept and len(kept) < len(scenario.messages):
            yield msgspec.structs.replace(scenario, messages=kept)

    return apply


def _actor(scenario: Scenario, message: Message) -> Actor:
    return "child" if message.author == scenario.label.child else "contact"


class _Bench:
    """Holds what the unchanged conversations got, for every change to be compared with."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        seed: int,
        model: Model | None,
        detectors: Sequence[Detector] | None,
        progress: Callable[[str], None],
    ) -> None:
        self._scenarios = scenarios
        self._seed = seed
        self._model = model
        self._detectors = tuple(detectors) if detectors is not None else all_detectors()
        self._progress = progress
        self._before = [self._judge(Changed(scenario=one, origins=())) for one in scenarios]
        self._heard = [self._listen(one) for one in scenarios]
        self._languages = sorted({one.label.language for one in scenarios})
        tactics = load_catalogue().tactics
        self._by_contact = frozenset(name for name, tactic in tactics.items() if tactic.by == "contact")

    def _judge(self, changed: Changed) -> Verdict:
        return judge_one(changed.scenario, model=self._model, detectors=self._detectors, zone=changed.zone)

    def _listen(self, scenario: Scenario) -> list[frozenset[str]]:
        """The tactics heard in each message, in its place."""
        threads = Threads()
        assessor = Assessor((scenario.label.child,), ZONE, detectors=self._detectors)
        heard = []
        for message in scenario.messages:
            by = _actor(scenario, message)
            signals, _, _ = assessor.hear(message, by, threads.before(message, by))
            heard.append(frozenset(signal.tactic for signal in signals))
        return heard

    def _tables(self, languages: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
        """Each table's name and the positions of its cases."""
        yield "all", list(range(len(languages)))
        for language in self._languages:
            yield language, [at for at, one in enumerate(languages) if one == language]

    def kept(self, change: Perturbation) -> Iterator[Kept]:
        self._progress(change.name)
        pairs: list[tuple[Verdict, Verdict]] = []
        for scenario, before in zip(self._scenarios, self._before, strict=True):
            changed = change(scenario, self._seed)
            if changed is not None:
                pairs.append((before, self._judge(changed)))
        for language, chosen in self._tables([before.language for before, _ in pairs]):
            some = [pairs[at] for at in chosen]
            yield Kept(
                name=change.name,
                language=language,
                changed=len(some),
                level_kept=_mean([before.level == after.level for before, after in some]),
                told_kept=_mean([_told(before) == _told(after) for before, after in some]),
                safe_shift=_mean([after.score - before.score for before, after in some if not before.risky]),
                risky_shift=_mean([after.score - before.score for before, after in some if before.risky]),
            )

    def direction(self, edit: _Edit) -> Iterator[Direction]:
        self._progress(edit.name)
        moves: list[tuple[str, float]] = []
        for scenario, before, heard in zip(self._scenarios, self._before, self._heard, strict=True):
            rng = Random(f"{self._seed}:{edit.name}:{scenario.conversation.id}")  # noqa: S311 - a suite must repeat itself
            for edited in edit.apply(scenario, heard, rng):
                after = self._judge(Changed(scenario=edited, origins=()))
                moves.append((before.language, after.score - before.score))
        sign = 1.0 if edit.way == "up" else -1.0
        for language, chosen in self._tables([language for language, _ in moves]):
            some = [moves[at][1] for at in chosen]
            yield Direction(
                name=edit.name,
                language=language,
                way=edit.way,
                cases=len(some),
                right=_mean([sign * move >= -TOLERANCE for move in some]),
                mean_change=_mean(some),
                worst=max((max(0.0, -sign * move) for move in some), default=None),
            )

    def attack(self, change: Perturbation) -> Iterator[Attack]:
        self._progress(change.name)
        pairs: list[tuple[Verdict, Verdict]] = []
        signs: list[tuple[int, int]] = []
        for scenario, before, heard in zip(self._scenarios, self._before, self._heard, strict=True):
            changed = change(scenario, self._seed)
            if changed is None:
                continue
            pairs.append((before, self._judge(changed)))
            signs.append(self._signs(scenario, heard, changed) if before.risky else (0, 0))
        for language, chosen in self._tables([before.language for before, _ in pairs]):
            risky = [pairs[at] for at in chosen if pairs[at][0].risky]
            safe = [pairs[at] for at in chosen if not pairs[at][0].risky]
            total = sum(signs[at][1] for at in chosen)
            yield Attack(
                name=change.name,
                language=language,
                risky=len(risky),
                recall_before=_mean([_told(before) for before, _ in risky]),
                recall_after=_mean([_told(after) for _, after in risky]),
                false_before=_mean([_told(before) for before, _ in safe]),
                false_after=_mean([_told(after) for _, after in safe]),
                signs_kept=sum(signs[at][0] for at in chosen) / total if total else None,
                risky_shift=_mean([after.score - before.score for before, after in risky]),
            )

    def _signs(self, scenario: Scenario, heard: Sequence[frozenset[str]], changed: Changed) -> tuple[int, int]:
        """How many of the contact's tactics are still heard where they were, and how many there were."""
        after: list[set[str]] = [set() for _ in heard]
        for origin, found in zip(changed.origins, self._listen(changed.scenario), strict=True):
            after[origin] |= found
        kept = total = 0
        for message, before, now in zip(scenario.messages, heard, after, strict=True):
            if _actor(scenario, message) == "contact":
                tactics = before & self._by_contact
                total += len(tactics)
                kept += len(tactics & now)
        return kept, total


def _told(verdict: Verdict) -> bool:
    return verdict.alert is not None


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
