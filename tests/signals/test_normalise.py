"""What is undone of hiding, and what of ordinary text is left alone."""

from __future__ import annotations

import time

import pytest

from jaga.signals.lexicon import load_lexicon
from jaga.signals.normalise import MAX_CHARS, TRADITIONAL, Normaliser


def fold(text: str) -> str:
    return load_lexicon().normalise(text)


@pytest.mark.parametrize(
    ("hidden", "plain"),
    [
        ("k e e p this s e c r e t", "keep this secret"),
        ("k e e p t h i s s e c r e t", "keep this secret"),
        ("k e e p   t h i s   s e c r e t", "keep this secret"),
        ("d.e.l.e.t.e t.h.i.s", "delete this"),
        ("d e l e t e", "delete"),
        ("m u m", "mum"),
        ("sес\u0433еt", "secret"),  # Cyrillic inside
        ("ѕесгеt", "secret"),
        ("рһоtо", "photo"),
        ("ⓟⓗⓞⓣⓞ 🅟🅗🅞🅣🅞 𝐩𝐡𝐨𝐭𝐨 ｐｈｏｔｏ", "photo photo photo photo"),
        ("ꜱᴇᴄʀᴇᴛ", "secret"),
        ("s̶e̶c̶r̶e̶t̶ sécrèt", "secret secret"),
        ("se\u200bcr\u2060et ph\u00adoto sec\u034fret se\u3164cret", "secret photo secret secret"),
        ("5ecret ph0t0 a1one s3cr3t", "secret photo alone secret"),
        ("sec7ret pho5to", "secret photo"),
        ("sec.ret ph-oto se*cret ph|oto", "secret photo secret photo"),
        ("@lone", "alone"),
        ("seeecret goood", "secret good"),
        ("gamb4r rahs1a", "gambar rahsia"),
        ("不.要.告.诉.妈.妈", "不要告诉妈妈"),
        ("不 要 告 訴 媽 媽", "不要告诉妈妈"),
        ("秘*密", "秘密"),
        ("சொ.ல்.லா.தே", "சொல்லாதே"),
        ("சொ ல் லா தே", "சொல்லாதே"),
        ("சொல்லா5தே", "சொல்லாதே"),
        ("சொல்லாாாதே", "சொல்லாதே"),
    ],
)
def test_hiding_is_undone(hidden: str, plain: str) -> None:
    assert fold(hidden) == fold(plain)


@pytest.mark.parametrize(
    "text",
    [
        "ok.then see u at 5pm",
        "form5 level5 kelas4 5am 80th 10k mp3",
        "b/c he said so",
        "kawan-kawan jalan-jalan",
        "well-known half-time",
        "p.m. u.s.a.",
        "lily_xo and @maya_99",
        "vitamin b c d",
        "u r ok",
        "Привет, как дела",
        "καλημέρα σας",
        "நீ வா போ",
        "வா வா வா",
        "我3点到",
        "good night 🌙",
    ],
)
def test_ordinary_text_is_left_as_it_was(text: str) -> None:
    """Nothing is undone in it: it reads as if nothing hidden could ever be known."""
    assert fold(text) == Normaliser({**_short_forms()})(text)
    # And no letters were run together: every word of it is still there, or its usual spelling.
    assert len(fold(text).replace(";", " ").replace("?", " ").split()) >= len(text.replace("-", " ").split()) - 1


def _short_forms() -> dict[str, str]:
    from jaga.signals.catalogue import load_catalogue

    return load_catalogue().short_forms


def test_three_letters_apart_are_one_word_only_if_it_is_known() -> None:
    only = Normaliser({}, ("mum",))
    assert only("m u m") == "mum"
    assert only("r u k") == "r u k"


def test_every_traditional_character_has_a_simplified_one_that_stays() -> None:
    assert len(TRADITIONAL) > 2_500
    # Folding once is folding for good, but for the few whose simplified form is itself folded further.
    again = [old for old, new in TRADITIONAL.items() if new in TRADITIONAL]
    assert len(again) <= 5, "".join(map(chr, again))


@pytest.mark.parametrize(
    "piece",
    ["a", "a ", "a.", "a  b ", "ab.", "1a", "a1", "а", "aа", "é", "\u200b", "喜.", "சொ ", "ா", "க.", "$", "a@", "aaa", "a|b", "@a", "s-"],
)  # fmt: skip
def test_the_longest_message_of_any_piece_is_folded_at_once(piece: str) -> None:
    text = piece * (MAX_CHARS // len(piece))
    folding = Normaliser(_short_forms(), ("secret", "photo", "aaaa")).__call__
    start = time.perf_counter()
    folding(text)
    # Linear work takes some milliseconds; a step that is quadratic takes seconds on 8,000 characters.
    assert time.perf_counter() - start < 0.6
