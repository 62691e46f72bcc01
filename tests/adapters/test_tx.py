"""The real `tx` command, from PyPI, with Jaga's banks and index behind it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaga.adapters.tx import JagaBankConfig, JagaBankExchange, JagaPdqIndex, JagaPdqSignal
from jaga.errors import UsageError
from jaga.media.banks import Bank, BankStore, Item
from jaga.media.pdq import pdq
from tests.media.pictures import photograph, pixels


def tx(state: Path, *arguments: str | Path) -> str:
    command = [str(Path(sys.executable).with_name("tx")), *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TX_STATEDIR": str(state)}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tx_command_finds_what_a_bank_of_ours_knows(tmp_path: Path) -> None:
    state = tmp_path / "tx"
    known = pdq(pixels("astronaut"))[0]
    with BankStore(tmp_path / "banks") as store:
        store.create(Bank(name="SEEN"))
        store.add("SEEN", [Item(hashes=(("pdq", known),), category="A"), Item(hashes=(("pdq", bytes(32)),))])
        store.enable(2, False)
    photograph("astronaut").convert("RGB").resize((300, 300)).save(tmp_path / "smaller.jpg", quality=80)
    photograph("coffee").save(tmp_path / "other.png")
    tx(state, "config", "extensions", "add", "jaga.adapters.tx")
    tx(state, "config", "collab", "edit", "jaga_bank", "--create", "SEEN", "--folder", tmp_path / "banks")
    tx(state, "fetch")
    found = tx(state, "match", "photo", tmp_path / "smaller.jpg").split("\n")
    ours = [line for line in found if line.startswith("jaga_pdq ")]
    assert len(ours) == 1
    assert ours[0].endswith("(SEEN) POSITIVE_CLASS A")
    assert tx(state, "match", "photo", tmp_path / "other.png") == ""
    # Disabled: not handed on.
    assert tx(state, "match", "--only-signal", "jaga_pdq", "--hashes", "photo", "--", bytes(32).hex()) == ""
    hashed = pdq(pixels("coffee"))[0].hex()
    assert f"jaga_pdq {hashed}\n" in tx(state, "hash", "photo", tmp_path / "other.png")


def test_the_index_finds_every_planted_distance_after_being_stored() -> None:
    random = np.random.default_rng(7)
    hashes = random.integers(0, 256, (200, 32), dtype=np.uint8)
    index = JagaPdqIndex.build((row.tobytes().hex(), number) for number, row in enumerate(hashes))
    index.add(hashes[0].tobytes().hex(), "again")
    buffer = io.BytesIO()
    index.serialize(buffer)
    buffer.seek(0)
    again = JagaPdqIndex.deserialize(buffer)
    again.add(hashes[1].tobytes().hex(), "later")
    for bits in range(33):
        for number in (0, 1, 150):
            changed = int.from_bytes(hashes[number].tobytes(), "big") ^ ((1 << bits) - 1)
            found = {(one.metadata, one.similarity_info.distance) for one in again.query(f"{changed:064x}")}
            expected = {(number, bits)} | {0: {("again", bits)}, 1: {("later", bits)}}.get(number, set())
            assert found == (expected if bits <= 31 else set())


def test_a_picture_that_is_none_is_said_and_an_empty_one_has_no_hash() -> None:
    with pytest.raises(ValueError, match="picture"):
        JagaPdqSignal.hash_from_bytes(b"not a picture")
    buffer = io.BytesIO()
    photograph("astronaut").point(lambda _: 255).save(buffer, "PNG")
    assert JagaPdqSignal.hash_from_bytes(buffer.getvalue()) == ""


def test_a_bank_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with BankStore(tmp_path):
        pass
    exchange = JagaBankExchange.for_collab(JagaBankConfig(name="NONE", folder=str(tmp_path)))
    with pytest.raises(UsageError, match="NONE"):
        list(exchange.fetch_iter([], None))
