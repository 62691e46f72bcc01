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


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ('he wrote "this is our little secret" so i blocked him', "he wrote quotedwords so i blocked him"),
        ("老师说「不要告诉你妈妈」就是骗子", "老师说 quotedwords 就是骗子"),
        ("dia tulis “jangan bagitau mak kamu” kat aku", "dia tulis quotedwords kat aku"),
    ],
)
def test_a_quotation_is_another_persons_words(text: str, folded: str) -> None:
    assert load_lexicon().normalise(text) == load_lexicon().normalise(folded)


@pytest.mark.parametrize("text", ['"dont tell your mum about us"', "「不要告诉你妈妈」", '"dont tell your mum" ok'])
def test_marks_around_everything_silence_nothing(text: str) -> None:
    assert "quotedwords" not in load_lexicon().normalise(text)
    assert "secrecy" in {hit.tactic for hit in load_lexicon().hear(text)}


def test_one_stray_mark_swallows_no_page() -> None:
    page = 'she said "hi ' + "and so on " * 60 + 'and that was it" ok then dont tell your mum'
    assert "secrecy" in {hit.tactic for hit in load_lexicon().hear(page)}
