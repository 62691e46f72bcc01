"""The pattern ear: normalising, both engines, and what the catalogue promises."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaga.records import Message
from jaga.signals import Actor, all_detectors
from jaga.signals.catalogue import load_catalogue
from jaga.signals.lexicon import Lexicon, load_lexicon
from jaga.signals.normalise import Normaliser

CATALOGUE = load_catalogue()
AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jgn bagitau mak ko ek..", "jangan bagitau mak ko ek"),
        ("d e l e t e this", "delete this"),
        ("t3l3gr4m RM 50.00, ok?", "telegram rm50 ok ?"),
        ("s\u200be\u200bcret $ecret", "secret secret"),
        ("don’t tell, soooo cute", "dont tell so cute"),
        ("அம்மாகிட்ட சொல்லாதே!!!", "அம்மாகிட்ட சொல்லாதே ;"),
        ("不要 tell 你妈妈哦", "不要 tell 你妈妈哦"),
    ],
)
def test_spellings_are_folded(text: str, expected: str) -> None:
    assert Normaliser({"jgn": "jangan"})(text) == expected


@given(st.text())
def test_normalising_never_fails_and_leaves_single_spaces(text: str) -> None:
    folded = Normaliser({})(text)
    assert "  " not in folded


@pytest.mark.parametrize("key", CATALOGUE.phrases, ids="/".join)
def test_tactics_hear_their_prototypes_and_seldom_their_counter_examples(key: tuple[str, str]) -> None:
    phrases = CATALOGUE.phrases[key]
    by = CATALOGUE.tactics[key[0]].by
    heard = [text for text in phrases.prototypes if key[0] in tactics(text, by)]
    false = [text for text in phrases.counter_examples if key[0] in tactics(text, by)]
    assert len(heard) >= 0.8 * len(phrases.prototypes)
    assert len(false) <= 0.34 * len(phrases.counter_examples)


def tactics(text: str, by: str) -> set[str]:
    message = Message(conversation="c", author="x", sent_at=AT, text=text, platform="test")
    actor: Actor = "child" if by == "child" else "contact"
    return {signal.tactic for detector in all_detectors() for signal in detector.hear(message, actor)}


def test_both_engines_hear_the_same() -> None:
    other = Lexicon(CATALOGUE, engine="re2")
    for said in CATALOGUE.phrases.values():
        for text in (*said.prototypes, *said.counter_examples):
            assert {(hit.tactic, hit.group) for hit in other.hear(text)} == {
                (hit.tactic, hit.group) for hit in load_lexicon().hear(text)
            }
