"""A known picture is found though it was saved again; what is not known, off or too plain to tell is not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaga.media import _hash_types
from jaga.media._workers import Workers
from jaga.media.banks import Bank, BankStore, Item, parsed
from jaga.media.hashing import hash_files
from jaga.media.matching import Match, Matcher
from tests.media.pictures import drawn, photograph


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as pool:
        yield pool


@pytest.fixture
def store(tmp_path: Path) -> Iterator[BankStore]:
    with BankStore(tmp_path / "store") as one:
        one.create(Bank(name="seen", severity=3))
        yield one


def put(store: BankStore, bank: str, path: Path, workers: Workers, kinds: tuple[str, ...] = ("md5", "pdq")) -> None:
    (file,) = hash_files([path], kinds, workers=workers)
    near = [(value.kind, value.value) for look in file.looks for value in look.values]
    store.add(bank, [Item(hashes=(*file.digests.items(), *near), name=path.name)])


def matches(
    store: BankStore, path: Path, workers: Workers, variants: bool = False, **more: list[str]
) -> tuple[Match, ...]:
    (one,) = Matcher(store, **more).files([path], variants=variants, workers=workers)
    return one.matches


def test_the_same_file_a_copy_saved_again_and_another(store: BankStore, tmp_path: Path, workers: Workers) -> None:
    known, again, other = tmp_path / "known.png", tmp_path / "again.jpg", tmp_path / "other.png"
    photograph("astronaut").save(known)
    photograph("astronaut").resize((300, 290)).save(again, quality=40)
    photograph("coffee").save(other)
    put(store, "seen", known, workers)
    (exact,) = matches(store, known, workers)
    assert (exact.kind, exact.distance_bits, exact.frame, exact.name, exact.severity) == (
        "md5",
        0,
        None,
        "known.png",
        3,
    )
    (near,) = matches(store, again, workers)
    assert (near.kind, near.frame, near.variant, near.threshold_bits) == ("pdq", 0, "original", 31)
    assert 0 < near.distance_bits <= 31
    assert matches(store, other, workers) == ()


def test_turned_pictures_on_demand(store: BankStore, tmp_path: Path, workers: Workers) -> None:
    known, mirrored = tmp_path / "known.png", tmp_path / "mirrored.png"
    photograph("chelsea").save(known)
    photograph("chelsea").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(mirrored)
    put(store, "seen", known, workers)
    assert matches(store, mirrored, workers) == ()
    (found,) = matches(store, mirrored, workers, variants=True)
    assert found.variant == "flip_y"


def test_one_frame_of_an_animation(store: BankStore, tmp_path: Path, workers: Workers) -> None:
    known, animation = tmp_path / "known.png", tmp_path / "a.webp"
    photograph("rocket").save(known)
    frames = [photograph(name).resize((320, 240)) for name in ("coffee", "rocket")]
    frames[0].save(animation, save_all=True, append_images=frames[1:], lossless=True)
    put(store, "seen", known, workers)
    (found,) = matches(store, animation, workers)
    assert found.frame == 1


def test_plain_pictures_do_not_match_one_another(store: BankStore, tmp_path: Path, workers: Workers) -> None:
    """There is too little in them: a white page would be every white page."""
    for number, shade in enumerate((130, 131)):
        Image.fromarray(drawn("flat", 200, 200) // 130 * shade).save(tmp_path / f"{number}.png")
    put(store, "seen", tmp_path / "0.png", workers)
    assert matches(store, tmp_path / "1.png", workers) == ()
    assert [one.kind for one in matches(store, tmp_path / "0.png", workers)] == ["md5"]


def test_each_bank_has_its_own_threshold_and_can_be_left_out(
    store: BankStore, tmp_path: Path, workers: Workers
) -> None:
    known, again = tmp_path / "known.png", tmp_path / "again.jpg"
    photograph("coffee").save(known)
    photograph("coffee").resize((90, 60)).save(again, quality=12)
    store.create(Bank(name="strict", threshold_bits=0, severity=9))
    store.create(Bank(name="wide", threshold_bits=60))
    store.create(Bank(name="fine", meaning="good", threshold_bits=60, severity=10))
    for bank in ("seen", "strict", "wide", "fine"):
        put(store, bank, known, workers, ("pdq",))
    found = matches(store, again, workers)
    # Bad before good, then the graver.
    assert [one.bank for one in found] == ["seen", "wide", "fine"]
    assert [one.threshold_bits for one in found] == [31, 60, 60]
    assert [one.bank for one in matches(store, again, workers, banks=["wide"])] == ["wide"]
    assert matches(store, again, workers, banks=["strict"]) == ()
    store.change("seen", enabled=False)
    assert [one.bank for one in matches(store, again, workers)] == ["wide", "fine"]


def test_the_kept_index_follows_the_bank_and_can_be_lost(store: BankStore, tmp_path: Path, workers: Workers) -> None:
    for name in ("coffee", "rocket"):
        photograph(name).save(tmp_path / f"{name}.png")
    put(store, "seen", tmp_path / "coffee.png", workers, ("pdq",))
    assert len(matches(store, tmp_path / "coffee.png", workers)) == 1
    assert [path.name for path in store.folder.glob("*.index")] == ["pdq-1.index"]
    matcher = Matcher(store)
    put(store, "seen", tmp_path / "rocket.png", workers, ("pdq",))
    assert len(matches(store, tmp_path / "rocket.png", workers)) == 1
    assert [path.name for path in store.folder.glob("*.index")] == ["pdq-2.index"]
    # One that was opened before goes on with what it had, though its file is gone.
    (old,) = matcher.files([tmp_path / "coffee.png"], workers=workers)
    assert len(old.matches) == 1
    for damage in (b"", b"JAGASNAP" + bytes(100)):
        (store.folder / "pdq-2.index").write_bytes(damage)
        assert len(matches(store, tmp_path / "rocket.png", workers)) == 1
    (store.folder / "pdq-2.index").unlink()
    assert len(matches(store, tmp_path / "coffee.png", workers)) == 1


def test_thousands_of_hashes_through_store_and_index(store: BankStore, tmp_path: Path, workers: Workers) -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 256, (12_000, 32), dtype=np.uint8)
    store.add("seen", (Item(hashes=(("pdq", one.tobytes()),)) for one in hashes))
    photograph("moon").save(tmp_path / "moon.png")
    put(store, "seen", tmp_path / "moon.png", workers, ("pdq",))
    (found,) = matches(store, tmp_path / "moon.png", workers)
    assert found.item == 12_001


class Crc32:
    """A kind of hash that somebody else's package brings."""

    name = "crc32"
    bits = 32
    threshold_bits = 0

    def parse(self, text: str) -> bytes:
        return bytes.fromhex(text)

    def begin(self) -> Any:
        class Sum:
            value = 0

            def update(self, data: bytes) -> None:
                self.value = zlib.crc32(data, self.value)

            def digest(self) -> bytes:
                return self.value.to_bytes(4, "big")

        return Sum()


def test_a_kind_that_is_plugged_in_takes_part(
    store: BankStore, tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = dict(_hash_types.all_hash_types())
    monkeypatch.setattr(_hash_types, "load_plugins", lambda *_: every | {"crc32": Crc32()})
    _hash_types.all_hash_types.cache_clear()
    try:
        (tmp_path / "text").write_bytes(b"hello")
        assert store.kinds() == []
        store.add("seen", [Item(hashes=(parsed("crc32", "3610a686"), parsed("md5", "00" * 16)))])
        assert store.kinds() == ["crc32", "md5"]
        (found,) = matches(store, tmp_path / "text", workers)
        assert found.kind == "crc32"
    finally:
        _hash_types.all_hash_types.cache_clear()
