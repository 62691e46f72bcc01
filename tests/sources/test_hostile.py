"""Archives and files that mean harm or are broken: one clear error, the rest is read."""

from __future__ import annotations

import zipfile
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from jaga.sources import Context, Gathered, gather

CONTEXT = Context(zone=timezone(timedelta(hours=8)), zone_name="+08:00")
CHAT = "".join(f"{day:02}/02/2024, 21:05 - Ali: message number {day}\n" for day in range(1, 21))


def problems(gathered: Gathered) -> list[str]:
    return [problem.what for item in gathered.inputs for problem in item.problems if not problem.note]


def count(gathered: Gathered) -> int:
    return sum(1 for _ in gathered.messages())


def test_zip_bomb_and_path_escape_are_refused_and_the_chat_is_read(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", CHAT)
        archive.writestr("../../evil.txt", CHAT)
        with archive.open("bomb.txt", "w") as bomb:
            for _ in range(80):
                bomb.write(bytes(1 << 20))
    gathered = gather([path], CONTEXT)
    found = " ".join(problems(gathered))
    assert "zip bomb" in found
    assert "leads out of the archive" in found
    assert count(gathered) == 20


def test_truncated_zip_gives_what_stands_before_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("_chat.txt", CHAT)
        archive.writestr("photo.bin", bytes(range(256)) * 400)
    path.write_bytes(path.read_bytes()[:-300])
    gathered = gather([path], CONTEXT)
    assert any("cut short" in what for what in problems(gathered))
    assert count(gathered) == 20


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "only pictures"),
        (b"just some words\n", "not a chat export"),
        (b'{"messages": [', "not a chat export"),
    ],
    ids=["empty", "picture", "no chat", "cut JSON"],
)
def test_what_is_no_chat_is_said_to_be_none(tmp_path: Path, raw: bytes, said: str) -> None:
    path = tmp_path / "chat.txt"
    path.write_bytes(raw)
    gathered = gather([path], CONTEXT)
    assert any(said in what for what in problems(gathered))
    assert count(gathered) == 0


def test_a_missing_file_does_not_stop_the_others(tmp_path: Path) -> None:
    there = tmp_path / "_chat.txt"
    there.write_text(CHAT, encoding="utf-8")
    gathered = gather([tmp_path / "absent.zip", there], CONTEXT)
    assert any("no such file" in what for what in problems(gathered))
    assert count(gathered) == 20


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(CHAT, encoding="utf-8")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "chat.txt").symlink_to(outside)
    gathered = gather([folder], CONTEXT)
    assert any("leads out" in what for what in problems(gathered))
    assert count(gathered) == 0
