"""`jaga check --pack`: an evidence pack for a parent who has no store."""

from __future__ import annotations

import json
import shutil
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from jaga.family.pack import verify_pack
from tests.cli.conftest import SAMPLES, Run

KINGRAY = SAMPLES / "WhatsApp Chat with KingRay.txt"


def report(pack: Path) -> Any:
    with zipfile.ZipFile(pack) as box:
        return json.loads(box.read("report.json"))


def test_a_pack_is_made_about_the_contact_that_worries_most_and_verifies(jaga: Run, tmp_path: Path) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--age", "13", "--pack", tmp_path / "pack.zip")
    assert done.code in (10, 11)
    assert "Evidence pack about KingRay written to" in done.err
    mark = done.err.strip().rsplit(": ", 1)[1]
    checked = verify_pack(tmp_path / "pack.zip", expected=mark)
    assert checked.ok
    told = report(tmp_path / "pack.zip")
    assert told["contact"]["id"] == "KingRay"
    assert told["child"] == {"name": "Aina", "ids": ["Aina"], "age_band": "13"}
    assert [one["name"] for one in told["originals"]] == [KINGRAY.name]
    assert told["originals"][0]["sha256"] == sha256(KINGRAY.read_bytes()).hexdigest()
    lines = KINGRAY.read_text(encoding="utf-8").splitlines()
    for one in told["messages"]:
        # Where it says a message stands, it stands.
        number = int(one["source"]["where"].removeprefix("line "))
        assert lines[number - 1].endswith(one["text"])


def test_the_place_in_an_archive_is_told_and_its_hash_is_the_archives(jaga: Run, tmp_path: Path) -> None:
    export = tmp_path / "export!of!Aina (+1).zip"
    with zipfile.ZipFile(export, "w") as box:
        box.write(KINGRAY, "inner/_chat.txt")
    # The same chat twice: each message once, and each copy counts as read.
    shutil.copy(KINGRAY, tmp_path / "_chat.txt")
    jaga("check", export, tmp_path / "_chat.txt", "--child", "Aina", "--pack", tmp_path / "pack.zip")
    told = report(tmp_path / "pack.zip")
    assert {one["source"]["name"] for one in told["messages"]} == {export.name}
    assert told["messages"][0]["source"]["where"].startswith("inner/_chat.txt: line ")
    assert told["originals"][0]["sha256"] == sha256(export.read_bytes()).hexdigest()
    ids = [one["message"] for one in told["messages"]]
    assert len(ids) == len(set(ids))


def test_nobody_is_made_a_suspect(jaga: Run, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    calm = jaga("check", SAMPLES, "--child", "Aina", "--contact", "Cikgu Lim", "--pack", pack)
    assert calm.code == 2
    assert "Jaga heard nothing that stands out" in calm.err
    unknown = jaga("check", SAMPLES, "--child", "Aina", "--contact", "Nobody", "--pack", pack)
    assert "nobody of that name is in these chats" in unknown.err
    only = jaga("check", SAMPLES / "WhatsApp Chat with Cikgu Lim.txt", "--child", "Aina", "--pack", pack)
    assert only.code == 0
    assert "no evidence pack was written" in only.err
    assert not pack.exists()


def test_the_contact_may_be_named_in_any_case(jaga: Run, tmp_path: Path) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--contact", " kingray", "--pack", tmp_path / "pack.zip")
    assert "Evidence pack about KingRay" in done.err


def test_what_is_wrong_is_said_before_a_long_reading(
    jaga: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("read")

    monkeypatch.setattr("jaga.cli.check._run", read)
    (tmp_path / "pack.zip").write_bytes(b"an earlier one")
    for arguments, said in (
        (("--pack", tmp_path / "pack.zip"), "is there already"),
        (("--pack", tmp_path), "is a folder"),
        (("--pack", tmp_path / "none" / "pack.zip"), "there is no folder"),
        (("--contact", "KingRay"), "says nothing without --pack"),
    ):
        done = jaga("check", SAMPLES, *arguments)
        assert done.code == 2
        assert said in done.err
    assert (tmp_path / "pack.zip").read_bytes() == b"an earlier one"


def test_json_stays_one_document(jaga: Run, tmp_path: Path) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--json", "--pack", tmp_path / "pack.zip")
    assert json.loads(done.out)["schema"] == 1
    assert "Evidence pack about" in done.err
