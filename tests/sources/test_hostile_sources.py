"""What is done to exports on their way, for every source: re-saved, cut, emptied, wrapped, replaced. Nothing is read wrong, the rest goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest

import jaga.sources._tree
from jaga.records import Message
from jaga.sources import gather, read_path
from tests.sources.shape import CONTEXT, EXPECTED, FIXTURES, built, shape
from tests.sources.test_fixtures import NAME_MATTERS, expected

# One single-file fixture of each source; sources whose exports are folders are met through their own files below.
BASES: dict[str, Path] = {}
for _path in sorted(FIXTURES.glob("*/*")):
    if _path.is_file() and not _path.name.endswith(EXPECTED) and _path.name not in NAME_MATTERS:
        BASES.setdefault(_path.parent.name, _path)
for _source, _inside in (
    ("google_chat", "2024_takeout.zip/Takeout/Google Chat/Groups/DM abc/messages.json"),
    ("mastodon", "4.2_archive.zip/outbox.json"),
    ("signal_md", "3.2_contact.zip/Ray/chat.md"),
    ("telegram_html", "4.9_zone_and_joined/messages.html"),
    ("x_archive", "2023_archive.zip/data/direct-messages.js"),
):
    BASES[_source] = FIXTURES / _source / _inside
DATABASES = {source for source, path in BASES.items() if path.suffix == ".sql"}
TEXTS = sorted(BASES.keys() - DATABASES)
# A line of these is a line of text, so that lone carriage returns can end it.
LINES = [
    "kakaotalk_txt",
    "line_txt",
    "qq_txt",
    "signal_md",
    "tiktok_txt",
    "viber_csv",
    "whatsapp_txt",
    "csv",
    "youtube_comments",
]
# Said when a parser met what its author did not foresee: never for what is tried here.
UNFORESEEN = "please report this layout"

Said = tuple[str, str, str]


def said(path: Path) -> tuple[list[Said], list[str]]:
    """(time, author, text) of every message, and what was wrong."""
    gathered = gather([path], CONTEXT, isolated=False)
    try:
        messages = [(one.sent_at.isoformat(), one.author, one.text) for one in gathered.messages()]
    finally:
        gathered.close()
    problems = [problem for item in gathered.inputs for problem in item.problems]
    for problem in problems:
        assert problem.where
        assert UNFORESEEN not in problem.what, problem
    return messages, [f"{problem.where}: {problem.what}" for problem in problems if not problem.note]


def in_file_order(path: Path) -> list[Said]:
    records = list(read_path(path, CONTEXT))
    for record in records:
        assert UNFORESEEN not in getattr(record, "what", ""), record
    return [(one.sent_at.isoformat(), one.author, one.text) for one in records if isinstance(one, Message)]


def test_every_source_is_tried() -> None:
    assert BASES.keys() == {path.name for path in FIXTURES.iterdir() if path.is_dir()}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("source", TEXTS)
def test_saved_again_as_utf16_it_reads_the_same(source: str, encoding: str, tmp_path: Path) -> None:
    raw = BASES[source].read_bytes().decode("utf-8-sig")
    plain, wide = tmp_path / "plain", tmp_path / "wide"
    for folder, text, how in ((plain, raw, "utf-8"), (wide, f"\ufeff{raw}", encoding)):
        folder.mkdir()
        (folder / "chat.txt").write_bytes(text.encode(how))
    first = shape(plain / "chat.txt")
    assert shape(wide / "chat.txt") == first
    assert json.loads(first[0])["source"] == source


@pytest.mark.parametrize("source", TEXTS)
def test_mixed_line_ends_change_nothing(source: str, tmp_path: Path) -> None:
    lines = BASES[source].read_bytes().decode("utf-8-sig").split("\n")
    ends = ["\n", "\r\n", "\r"] if source in LINES else ["\n", "\r\n"]
    mixed = ""
    for number, line in enumerate(lines[:-1]):
        # A return before an empty line and its line feed would be one end, not two.
        mixed += line + (ends[number % len(ends)] if lines[number + 1] else "\n")
    mixed += lines[-1]
    plain, other = tmp_path / "plain", tmp_path / "other"
    for folder, text in ((plain, "\n".join(lines)), (other, mixed)):
        folder.mkdir()
        (folder / "chat.txt").write_bytes(text.encode())
    first = shape(plain / "chat.txt")
    assert shape(other / "chat.txt") == first
    assert json.loads(first[0])["source"] == source


@pytest.mark.parametrize("source", sorted(BASES))
def test_cut_anywhere_it_gives_what_stands_before_the_cut(source: str, tmp_path: Path) -> None:
    whole = built(BASES[source], tmp_path, "whole.bin")
    every = in_file_order(whole)
    raw = whole.read_bytes()
    cut = tmp_path / "cut.bin"
    found: list[Said] = []
    for length in range(0, len(raw), max(1, len(raw) // 20)):
        cut.write_bytes(raw[:length])
        found = in_file_order(cut)
        if source in DATABASES:
            # Pages are lost, not the end of a text: who wrote and the text may stand on one of them. So it is always said.
            assert {at for at, _, _ in found} <= {at for at, _, _ in every}, length
            assert not found or any("cut short" in what or "damaged" in what for what in said(cut)[1]), length
            continue
        # The last one may have lost words, or gained the cut head of the next.
        assert found[:-1] == every[: max(0, len(found) - 1)], length
    # Near its end at least half of it must stand.
    assert source in DATABASES or len(found) >= len(every) // 2


@pytest.mark.parametrize("source", sorted(BASES))
def test_emptied_it_is_said_to_be_empty(source: str, tmp_path: Path) -> None:
    path = tmp_path / BASES[source].name
    path.write_bytes(b"")
    messages, problems = said(path)
    assert messages == []
    assert len(problems) == 1
    assert "is empty: nothing to read" in problems[0]
    assert str(path) in problems[0]


@pytest.mark.parametrize("source", sorted(BASES))
def test_a_picture_under_its_name_is_no_chat(source: str, tmp_path: Path) -> None:
    path = tmp_path / BASES[source].name
    path.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + BASES[source].read_bytes())
    messages, problems = said(path)
    assert messages == []
    assert "only pictures, sound or video" in problems[0]


@pytest.mark.parametrize("source", sorted(BASES))
def test_a_zip_in_a_zip_is_opened(source: str, tmp_path: Path) -> None:
    alone = built(BASES[source], tmp_path, f"alone-{BASES[source].name}")
    inner, outer = tmp_path / "inner.zip", tmp_path / "outer.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.write(alone, alone.name)
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(inner, "backup/inner.zip")
    assert said(outer)[0] == said(alone)[0]


@pytest.mark.parametrize("source", sorted(BASES))
def test_a_link_out_of_the_folder_is_not_followed_and_its_neighbour_is_read(source: str, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    outside = built(BASES[source], tmp_path, "outside.bin")
    (folder / "link.bin").symlink_to(outside)
    (folder / "_chat.txt").write_text("13/02/2024, 21:05 - Ali: hi\n", encoding="utf-8")
    messages, problems = said(folder)
    assert [text for _, _, text in messages] == ["hi"]
    assert problems == [f"{folder}/link.bin: is a link that leads out of the folder: not followed"]


@pytest.mark.parametrize("source", sorted(BASES))
def test_one_that_may_not_be_read_is_named_and_the_rest_is_read(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    built(BASES[source], folder, "locked.bin")
    (folder / "_chat.txt").write_text("13/02/2024, 21:05 - Ali: hi\n", encoding="utf-8")
    opened = jaga.sources._tree._Folder._open

    # Permissions do not bind the administrator whom tests may run as, so the refusal is played.
    def refusing(self: Any, path: str) -> Any:
        if path == "locked.bin":
            raise PermissionError(13, "Permission denied")
        return opened(self, path)

    monkeypatch.setattr(jaga.sources._tree._Folder, "_open", refusing)
    messages, problems = said(folder)
    assert [text for _, _, text in messages] == ["hi"]
    assert problems == [f"{folder}/locked.bin: cannot be read: Permission denied"]


@pytest.mark.parametrize("source", sorted(DATABASES))
def test_a_database_with_a_broken_page_loses_no_other_file(source: str, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    path = built(BASES[source], folder, "broken.db")
    raw = bytearray(path.read_bytes())
    raw[4096:] = bytes(len(raw) - 4096)
    path.write_bytes(raw)
    (folder / "_chat.txt").write_text("13/02/2024, 21:05 - Ali: hi\n", encoding="utf-8")
    messages, problems = said(folder)
    assert "hi" in [text for _, _, text in messages]
    assert any("database is damaged" in what for what in problems), problems


@pytest.mark.parametrize("source", sorted(DATABASES))
def test_the_write_ahead_log_beside_a_database_is_read(source: str, tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    # Kept open, so that what it says stands in the log and not yet in the file.
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.executescript(BASES[source].read_text(encoding="utf-8"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("live.db", "live.db-wal"):
        shutil.copy(tmp_path / name, copy / name)
    database.close()
    wanted = [json.loads(line) for line in expected(BASES[source]) if line.startswith("[")]
    assert len(said(copy)[0]) == len(wanted)


# Lines that are whole messages can be put in any order: a phone's clock that was set back, parts joined the wrong way round.
@pytest.mark.parametrize("source", ["jsonl", "csv", "viber_csv", "whatsapp_txt"])
def test_a_clock_that_jumps_loses_nothing_and_the_order_is_of_time(source: str, tmp_path: Path) -> None:
    texts = {
        "jsonl": ("", '{{"conversation":"c","author":"a","time":"2024-02-13T{0}:00:00Z","text":"at {0}"}}\n'),
        "csv": ("conversation,author,time,text\n", "c,a,2024-02-13T{0}:00:00Z,at {0}\n"),
        "viber_csv": ("", "13/02/2024,{0}:00:00,Ray,+60115550123,at {0}\n"),
        "whatsapp_txt": ("", "13/02/2024, {0}:00 - Ray: at {0}\n"),
    }
    head, line = texts[source]
    path = tmp_path / "chat.txt"
    path.write_text(
        head + "".join(line.format(hour) for hour in ("20", "09", "10", "23", "11", "11")), encoding="utf-8"
    )
    messages, problems = said(path)
    assert [text for _, _, text in messages] == ["at 09", "at 10", "at 11", "at 11", "at 20", "at 23"]
    assert problems == []


def test_an_encrypted_signal_database_is_named_with_the_way_out(tmp_path: Path) -> None:
    import random

    path = tmp_path / "db.sqlite"
    path.write_bytes(random.Random(1).randbytes(16 * 4096))
    (problem,) = said(path)[1]
    assert problem.startswith(f"{path}: is an encrypted database (SQLCipher")
    assert "signal-export" in problem


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sms.xml"
    path.write_text('<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa">]><smses count="1"><sms body="&a;"/></smses>')
    (problem,) = said(path)[1]
    assert "declares entities" in problem


def test_a_quotation_mark_that_never_closes_costs_only_what_it_swallows(tmp_path: Path) -> None:
    rows = [
        f"c,a,2024-02-13T{number // 60:02}:{number % 60:02}:00Z,plain words number {number} and some more\n"
        for number in range(1_400)
    ]
    rows[10] = 'c,a,2024-02-13T00:10:00Z,"never closed\n'
    rows += [f"c,a,2024-02-14T{number // 60:02}:{number % 60:02}:00Z,{'x' * 200}\n" for number in range(1_400)]
    path = tmp_path / "table.csv"
    path.write_text("conversation,author,time,text\n" + "".join(rows), encoding="utf-8")
    messages, problems = said(path)
    assert len(problems) == 1
    assert "up to line" in problems[0]
    assert 1_000 < len(messages) < 2_790
    assert messages[-1][2] == "x" * 200


def test_shape_tells_when_a_record_changes(tmp_path: Path) -> None:
    """The comparison itself: one letter more in one message is seen."""
    path = built(BASES["whatsapp_txt"], tmp_path)
    raw = path.read_text(encoding="utf-8")
    path.write_text(raw.rstrip("\n") + "!\n", encoding="utf-8")
    assert shape(path) != expected(BASES["whatsapp_txt"])
