"""What strangers wrote is shown so that nothing hides in it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaga.family.pack._typeset import named
from jaga.family.pack._visible import in_block, in_line, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain கொ 你好 مرحبا 👨‍👩‍👧", "plain கொ 你好 مرحبا 👨‍👩‍👧"),
        ("left\u202etfel", "left[U+202E]tfel"),
        ("a\x00b\x1b[31mc\x07", "a[U+0000]b[U+001B][31mc[U+0007]"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("tab\there", "tab    here"),
        ("\ud800\ue000\U000e0041\ufeff", "[U+D800][U+E000][U+E0041][U+FEFF]"),
        ("Z" + "\u0301" * 50 + "algo", "Z" + "\u0301" * 8 + "[+42]algo"),
        ("end" + "\u0301" * 9, "end" + "\u0301" * 8 + "[+1]"),
    ],
)
def test_what_misleads_is_named(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_long_text_is_cut_and_it_is_said_how_much() -> None:
    shown, left = in_block("x" * 100_000, 2_000, 40)
    assert (len(shown), left) == (2_000, 98_000)
    shown, left = in_block("\n" * 100_000, 2_000, 40)
    assert (shown, left) == ("\n" * 39, 99_961)
    assert in_block("short", 2_000, 40) == ("short", 0)
    name = in_line("first\nlast " + "y" * 1_000 + "END")
    assert name.startswith("first last yyy")
    assert name.endswith("yEND")
    assert len(name) < 250


def test_a_letter_without_a_glyph_is_named() -> None:
    known = frozenset(map(ord, "abc "))
    assert named("ab\nc", known) == "ab\nc"
    assert named("a𐌀b", known) == "a[U+10300 OLD ITALIC LETTER A]b"


@given(st.text())
def test_nothing_invisible_or_turning_is_left(text: str) -> None:
    for letter in visible(text):
        assert letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cs", "Co", "Cn")
        assert letter not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
