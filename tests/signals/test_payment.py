"""Offers of payment through a channel; friends and families, who use the same channels, must leave a trace at most."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest

from jaga.records import Message
from jaga.signals import Actor, Detector, Signal, all_detectors
from jaga.signals.payment import OFFER, WEAK, Payment


def hear(text: str, by: Actor = "contact") -> list[Signal]:
    message = Message(
        conversation="c",
        author="ray",
        sent_at=datetime(2024, 2, 13, tzinfo=timezone.utc),
        text=text,
        platform="example",
    )
    return list(Payment().hear(message, by))


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("i tng u rm50 later", "money"),
        ("I'll transfer you RM100 by DuitNow tonight", "money"),
        ("let me top up 500 diamonds for u", "game_currency"),
        ("i can buy 1000 robux for you", "game_currency"),
        ("tng u 50 now", "money"),
        ("i send u RM 80 with Touch 'n Go", "money"),
        ("abg bank in rm100 kat awak", "money"),
        ("aku bagi ko rm30 guna shopeepay", "money"),
        ("nanti duitnow kat maybank, abang bagi awak rm200", "money"),
        ("我转你100块，支付宝可以吗", "money"),
        ("哥哥给你充500钻石", "game_currency"),
        ("naan unaku rm50 gpay la anupuren", "money"),
        ("நான் உனக்கு 50 ரூபாய் ஜிபே அனுப்புறேன்", "money"),
    ],
)
def test_an_offer_with_channel_and_amount_is_heard(text: str, group: str) -> None:
    (signal,) = hear(text)
    assert (signal.tactic, signal.group, signal.by, signal.strength) == ("inducement", group, "contact", OFFER)
    assert signal.detector == "payment"
    assert signal.because is not None
    assert any(char.isdigit() for char in signal.because)


@pytest.mark.parametrize(
    "text",
    [
        "i tng u rm12 for lunch ya",
        "i'll duitnow you rm7.50, my part of the pizza",
        "i transfer u rm20, paying you back for the bus",
        "mama bank in rm50 kat awak utk yuran sekolah",
        "aku tng ko rm5 hutang semalam",
        "我转你15块午餐钱，微信",
        "i'll bank in rm30 to you for the class shirt fees",
    ],
)
def test_a_friend_or_a_mother_leaves_a_trace_at_most(text: str) -> None:
    assert all(signal.strength <= WEAK for signal in hear(text))
    assert WEAK < OFFER / 2


@pytest.mark.parametrize(
    "text",
    [
        "u owe me rm5, tng me",
        "can you transfer me rm10?",
        "the shop takes tng and duitnow, rm5 each",
        "my maybank has only rm12 left",
        "diamonds cost rm10 now, so expensive",
        "how much is 100 robux?",
        "i got 500 diamonds from the event!",
        "account number 1642 5550 0123 for the club fund, rm15",
        "你先转我10块",
        "i will call you at 5, then boost the file",
        "i'll pay you a visit on 12 march",
        "top up kat kedai rm5 dapat 70 diamond",
        "i give you 10 minutes",
        "i'll send you the 20 photos from sports day",
    ],
)
def test_what_is_only_named_asked_for_or_something_else_says_nothing(text: str) -> None:
    assert hear(text) == []


def test_the_child_is_not_accused_of_offering() -> None:
    assert hear("i tng u rm50 later", by="child") == []


def test_one_message_gives_one_signal_and_the_same_each_time() -> None:
    text = "i tng u rm50 and i top up 500 diamonds for u and i bank in rm20 for you"
    assert len(hear(text)) == 1
    assert hear(text) == hear(text)


def test_it_is_installed_and_keeps_the_interface() -> None:
    assert isinstance(Payment(), Detector)
    assert "payment" in [detector.name for detector in all_detectors()]


@pytest.mark.parametrize(
    "text",
    [
        "i " * 990 + "tng rm5",
        "i send " * 280 + "tng rm5",
        "tng rm5 " + "我给" * 900,
        "rm1 tng " + "abang bagi " * 170,
        "9" * 1_990 + " tng",
    ],
    ids=["i", "i send", "han", "ms", "digits"],
)
def test_texts_made_to_be_slow_are_not(text: str) -> None:
    assert len(text) <= 2_000
    start = time.perf_counter()
    hear(text)
    # Some milliseconds; quadratic work on such texts takes seconds.
    assert time.perf_counter() - start < 0.5
