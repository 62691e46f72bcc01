"""The suite itself: its changes do what they say, its figures are right, and an engine that is not robust fails it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jaga.cli._app import app
from jaga.evaluate import ATTACKS, FAIRNESS, INVARIANCES, Label, Perturbation, Scenario, load_scenarios, robustness
from jaga.records import Clock, Conversation, Message
from jaga.signals import Actor, Signal
from jaga.signals.lexicon import load_lexicon

ROOT = Path(__file__).parents[2]
EVERY = {change.name: change for change in (*INVARIANCES, *FAIRNESS, *ATTACKS)}


def scenario(*lines: tuple[str, str], language: str = "en", risk: str = "grooming") -> Scenario:
    start = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
    return Scenario(
        label=Label(conversation="c", child="kid", language=language, risk=risk, onset=1 if risk != "none" else None),
        conversation=Conversation(
            id="c", platform="discord", kind="direct", participants=("ray", "kid"), clock=Clock(zone="UTC", zone_known=True)
        ),
        messages=tuple(
            Message(
                conversation="c", author=author, sent_at=start + timedelta(minutes=at), text=text, platform="discord"
            )
            for at, (author, text) in enumerate(lines)
        ),
    )  # fmt: skip


TALK = {
    "en": scenario(
        ("ray", "hey Aina, send a photo to me okay? your secret is safe with me..."),
        ("kid", "don't know, mum said no"),
        ("ray", "please keep this between ourselves, she goes to church anyway 😊"),
    ),
    "ms": scenario(
        ("ray", "hai Aina, hantar gambar kat surau td 😊. jangan bagitau kakak..."),
        ("kid", "tak nak, nanti mak marah"),
        ("ray", "rahsia kita berdua je, aku janji, kau comel"),
        language="ms",
    ),
    "zh": scenario(
        ("ray", "思颖，发张照片给我吧😊，不要告诉妈妈..."),
        ("kid", "不要啦 她会骂"),
        ("ray", "這是我們的秘密 姐姐在教会"),
        language="zh",
    ),
    "ta": scenario(
        ("ray", "பிரியா, ஒரு போட்டோ அனுப்பு 😊... அக்காகிட்ட சொல்லாதே"),
        ("kid", "வேண்டாம் அம்மா திட்டுவாங்க"),
        ("ray", "இது நம்ம ரகசியம் டா, கோவில் போறேன்"),
        language="ta",
    ),
}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("language", TALK)
def test_a_change_repeats_itself_and_keeps_order_and_authors(name: str, language: str) -> None:
    change, talk = EVERY[name], TALK[language]
    changed = change(talk, 3)
    assert changed == change(talk, 3)
    if changed is None:
        return
    assert len(changed.origins) == len(changed.scenario.messages)
    assert list(changed.origins) == sorted(changed.origins)
    for origin, message in zip(changed.origins, changed.scenario.messages, strict=True):
        assert message.author == talk.messages[origin].author
        assert message.text
    times = [message.sent_at for message in changed.scenario.messages]
    assert times == sorted(times)


@pytest.mark.parametrize("name", EVERY)
def test_every_change_changes_one_of_the_talks(name: str) -> None:
    assert any(EVERY[name](talk, seed) for talk in TALK.values() for seed in range(5))


@pytest.mark.parametrize("change", ATTACKS, ids=lambda change: change.name)
def test_an_attack_is_the_contacts(change: Perturbation) -> None:
    changed = change(TALK["en"], 1)
    assert changed is not None
    assert [m.text for m in changed.scenario.messages if m.author == "kid"] == ["don't know, mum said no"]


def changed_texts(name: str, talk: Scenario) -> list[str]:
    changed = EVERY[name](talk, 0)
    assert changed is not None
    return [message.text for message in changed.scenario.messages]


def test_a_name_is_swapped_whole_and_the_child_is_called() -> None:
    first = changed_texts("names: western, female", scenario(("ray", "Aina and Ainaa, hi"), ("kid", "its aina")))
    assert "Ainaa" in first[0]
    assert "Aina " not in first[0]
    assert "aina" not in first[1].split()


def test_faith_and_speech_and_gender_are_swapped() -> None:
    talk = scenario(("ray", "i saw her girlfriend at church"), ("kid", "yes mum"))
    assert changed_texts("religion: muslim", talk)[0] == "i saw her girlfriend at mosque"
    assert changed_texts("girls and boys swapped", talk)[0] == "i saw her boyfriend at church"
    assert changed_texts("way of speaking 3", talk)[1] == "yes mom"


def test_hiding_looks_as_it_says() -> None:
    talk = scenario(("ray", "secret photo"), ("kid", "no"))
    assert changed_texts("letters spaced out, all words", talk)[0] == "s e c r e t p h o t o"
    assert changed_texts("whole lines spaced out", talk)[0] == "s e c r e t   p h o t o"
    assert "".join(changed_texts("words over two messages", talk)[:2]) == "secret photo"
    assert " ".join(changed_texts("sentences over two messages", talk)[:2]) == "secret photo"
    assert not changed_texts("look-alike letters, all words", talk)[0].isascii()


class Literal:
    """An ear that hears one word, as it is spelt or after folding."""

    name = "literal"

    def __init__(self, word: str, *, folds: bool, tactic: str = "secrecy") -> None:
        self._word, self._folds, self._tactic = word, folds, tactic

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        text = load_lexicon().normalise(message.text) if self._folds else message.text
        if by == "contact" and self._word in text:
            yield Signal(
                tactic=self._tactic, group="g", by=by, strength=0.9, messages=(message.id,), detector=self.name
            )


SECRET = scenario(*(("ray", "our secret ok") if at % 2 else ("kid", "yes") for at in range(12)))


def test_an_engine_that_takes_letters_as_they_come_fails_the_attacks() -> None:
    """Were the suite blind, both ears would look alike to it."""
    naive = robustness([SECRET], detectors=[Literal("secret", folds=False)])
    folding = robustness([SECRET], detectors=[Literal("secret", folds=True)])
    lost = {row.name for row in naive.attacks if row.language == "all" and row.signs_kept == 0.0}
    assert {"letters spaced out, all words", "look-alike letters, all words"} <= lost
    for row in folding.attacks:
        if row.language == "all" and row.name in lost and "over two" not in row.name and "emoji" not in row.name:
            assert row.signs_kept == 1.0, row.name


def test_an_engine_that_fears_mothers_fails_the_directions() -> None:
    talk = scenario(("ray", "our secret ok"), ("kid", "yes"), ("ray", "nice"), ("kid", "ya"), risk="none")
    fears = [
        Literal(word, folds=True, tactic=one)
        for word in ("parents", "mum")
        for one in ("threat", "meeting", "image_request", "secrecy")
    ]
    answer = robustness([talk], detectors=fears)
    found = {row.name: row for row in answer.directional if row.language == "all"}
    wrong = found["contact is open with the parents"]
    assert wrong.right is not None
    assert wrong.right < 1.0
    assert wrong.worst is not None
    assert wrong.worst > 0.01


def test_on_some_of_the_development_conversations() -> None:
    """Two risky and two safe ones per language; the whole set is in docs/robustness.md."""
    chosen: dict[tuple[str, bool], list[Scenario]] = {}
    for one in load_scenarios([ROOT / "evaluation" / "dev"]):
        some = chosen.setdefault((one.label.language, one.label.risky), [])
        if len(some) < 2:
            some.append(one)
    sample = [one for some in chosen.values() for one in some]
    answer = robustness(sample)
    assert answer.conversations == 16
    together = [row for row in answer.invariance if row.language == "all"]
    asked = sum(row.changed for row in together)
    assert asked > 100
    assert sum((row.level_kept or 0.0) * row.changed for row in together) / asked >= 0.98
    # What the engine does not read cannot matter at all.
    for name in ("another zone", "another platform", "whole days later", "upper case"):
        (row,) = [row for row in together if row.name == name]
        assert row.level_kept == 1.0, name
    for attack in answer.attacks:
        if attack.language == "all" and "some words" in attack.name:
            assert attack.recall_before is not None
            assert attack.recall_after is not None
            assert attack.recall_before - attack.recall_after <= 0.05, attack.name
            assert attack.signs_kept is not None
            assert attack.signs_kept >= 0.9, attack.name


def test_the_command_prints_tables_and_json(tmp_path: Path) -> None:
    lines = [
        {"conversation": "c", "author": "x", "time": f"2026-01-01T10:0{at}:00+08:00", "text": text}
        for at, text in enumerate(["hi there", "dont tell your mum about this photo", "our secret"])
    ]
    (tmp_path / "en.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    label = {"conversation": "c", "child": "kid", "language": "en", "risk": "grooming", "onset": 1}
    (tmp_path / "labels.jsonl").write_text(json.dumps(label) + "\n", encoding="utf-8")
    shown = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--robustness"])
    assert shown.exit_code == 0
    assert "| look-alike letters, all words" in shown.stdout
    as_json = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--robustness", "--json"])
    document = json.loads(as_json.stdout)["robustness"]
    assert {row["name"] for row in document["attacks"]} == {change.name for change in ATTACKS}
    assert {row["language"] for row in document["fairness"]} == {"all", "en"}
