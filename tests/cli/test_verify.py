"""`jaga verify` as an officer uses it: on another machine, in their language, told by the exit code."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from jaga.family.pack import pack_bytes
from tests.cli.conftest import Run
from tests.family.pack.samples import EXPORT, KEY, NOW, OTHER_KEY, content

MARK = "5647 5aa7 5463 474c 0285 df5d bf2b cab7"


@cache
def raw() -> bytes:
    return pack_bytes(content("ms"), signing_key=KEY, now=NOW, isolated=False)[0]


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    path = tmp_path / "pack.zip"
    path.write_bytes(raw())
    return path


def test_a_whole_pack_is_said_to_be_whole_and_what_that_does_not_prove(jaga: Run, pack: Path) -> None:
    done = jaga("verify", pack)
    assert done.code == 0
    assert done.out.startswith("WHOLE:")
    said = " ".join(done.out.split())
    assert "Nobody has compared this key yet" in said
    assert MARK in said
    assert "Not proven is" in said
    assert "WhatsApp Chat with KingRay.txt, 43 bytes" in said
    assert done.err == ""


@pytest.mark.parametrize(("language", "begins"), [("ms", "UTUH"), ("zh", "完整"), ("ta", "முழுமையானது")])
def test_it_speaks_the_readers_language_not_the_packs(jaga: Run, pack: Path, language: str, begins: str) -> None:
    assert jaga("verify", pack, "--lang", language).out.startswith(begins)
    assert jaga("--lang", language, "verify", pack).out.startswith(begins)


def test_the_expected_key_is_compared(jaga: Run, pack: Path, tmp_path: Path) -> None:
    assert "It is the key you expected." in jaga("verify", pack, "--key", MARK.replace(" ", "")).out
    other = tmp_path / "other.zip"
    other.write_bytes(pack_bytes(content(), signing_key=OTHER_KEY, now=NOW, isolated=False)[0])
    done = jaga("verify", other, "--key", MARK)
    assert done.code == 11
    assert "It is NOT the key you expected." in done.out
    wrong = jaga("verify", pack, "--key", "12 34")
    assert wrong.code == 2
    assert "--key 12 34: is not a fingerprint" in wrong.err


def test_tampering_is_told_and_proves_nothing(jaga: Run, pack: Path, tmp_path: Path) -> None:
    changed = bytearray(raw())
    at = raw().index(b"our secret")
    changed[at : at + 3] = b"her"
    pack.write_bytes(changed)
    (tmp_path / "chat.txt").write_bytes(EXPORT)
    done = jaga("verify", pack, "--original", tmp_path / "chat.txt")
    assert done.code == 11
    assert done.out.startswith("CHANGED:")
    assert "not compared, for the pack itself is not right" in " ".join(done.out.split())
    assert "Proven is" not in done.out


def test_an_original_is_compared(jaga: Run, pack: Path, tmp_path: Path) -> None:
    (tmp_path / "same.txt").write_bytes(EXPORT)
    (tmp_path / "other.txt").write_bytes(b"x")
    same = jaga("verify", pack, "--original", tmp_path / "same.txt")
    assert same.code == 0
    assert "is the original WhatsApp Chat with KingRay.txt" in " ".join(same.out.split())
    both = jaga("verify", pack, "--original", tmp_path / "same.txt", "--original", tmp_path / "other.txt")
    assert both.code == 10
    assert "NOT one of the originals" in " ".join(both.out.split())


def test_what_is_no_pack_or_not_there(jaga: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear all")
    done = jaga("verify", tmp_path / "letter.txt")
    assert done.code == 3
    assert done.out.startswith("NOT A PACK:")
    gone = jaga("verify", tmp_path / "gone.zip")
    assert gone.code == 3
    assert "gone.zip: cannot be read: No such file" in gone.err
    assert jaga("verify", "").code == 2


def test_json_is_one_document(jaga: Run, pack: Path) -> None:
    done = jaga("verify", pack, "--json", "--key", MARK)
    told = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert told["schema"] == 1
    assert (told["verdict"], told["findings"], told["key_expected"]) == ("whole", [], True)
    assert told["fingerprint"] == MARK
    assert told["created_at"] == "2026-11-25T06:30:00Z"
    assert told["originals"][0]["name"] == "WhatsApp Chat with KingRay.txt"
    pack.write_bytes(raw()[:-1])
    broken = json.loads(jaga("verify", pack, "--json").out)
    assert broken["verdict"] != "whole"
    assert broken["findings"][0]["what"]


def test_a_hostile_name_cannot_write_to_the_terminal(jaga: Run, tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w") as box:
        box.writestr("\x1b]0;taken\x07.txt", "x")
    done = jaga("verify", path)
    assert done.code == 11
    assert "\x1b" not in done.out
