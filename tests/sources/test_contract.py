"""What every source promises: a file cut anywhere is read as far as it goes, twice gives the same, and overlap counts once."""

from __future__ import annotations

import shutil
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from jaga.records import Message
from jaga.sources import Context, all_sources, gather, read_path

SAMPLES = Path(__file__).parents[2] / "samples" / "whatsapp"
FILES = sorted(path for path in SAMPLES.rglob("*") if path.is_file())
CONTEXT = Context(zone=timezone(timedelta(hours=8)), zone_name="+08:00")

NEUTRAL = (
    '{"conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","text":"one"}\n'
    '{"conversation":"c","author":"b","time":"2026-01-01T00:01:00Z","text":"two"}\n'
)
TELEGRAM = (
    '{"name":"Ray","type":"personal_chat","id":7,"messages":[{"id":1,"type":"message","date":"2026-01-01T10:00:00",'
    '"date_unixtime":"1767232800","from":"Ray","from_id":"user7","text":"one"},{"id":2,"type":"message",'
    '"date":"2026-01-01T10:01:00","date_unixtime":"1767232860","from":"Kid","from_id":"user8","text":"two"}]}'
)
SMS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<smses count="2">\n<sms address="+60115550123" date="1767232800000" type="1" '
    'body="one" contact_name="Ray"/>\n<sms address="+60115550123" date="1767232860000" type="2" body="two" '
    'contact_name="Ray"/>\n</smses>\n'
)
SMALL = {"a.jsonl": NEUTRAL, "result.json": TELEGRAM, "sms.xml": SMS}


def read(*paths: Path) -> list[Message]:
    gathered = gather(paths, CONTEXT, isolated=False)
    try:
        return list(gathered.messages())
    finally:
        gathered.close()


@pytest.mark.parametrize("name", SMALL)
def test_a_file_cut_at_any_byte_gives_a_beginning_of_the_whole(name: str, tmp_path: Path) -> None:
    whole = tmp_path / name
    whole.write_text(SMALL[name], encoding="utf-8")
    every = [message.text for message in read(whole)]
    assert every == ["one", "two"]
    cut = tmp_path / "cut" / name
    cut.parent.mkdir()
    raw = SMALL[name].encode()
    for length in range(len(raw)):
        cut.write_bytes(raw[:length])
        found = [message.text for message in read(cut)]
        assert found == every[: len(found)], length


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_whatsapp_chat_cut_in_its_lines_keeps_its_times(path: Path, tmp_path: Path) -> None:
    every = {(message.sent_at, message.author) for message in read(path)}
    raw = path.read_bytes()
    for length in range(len(raw) // 2, len(raw), max(1, len(raw) // 40)):
        cut = tmp_path / path.name
        cut.write_bytes(raw[:length])
        # A line cut inside its author's name looks like one that the app wrote.
        assert {(message.sent_at, message.author) for message in read(cut) if message.author} <= every


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_twice_and_overlapping_is_once(path: Path, tmp_path: Path) -> None:
    once = read(path)
    assert once == read(path)
    shutil.copy(path, tmp_path / path.name)
    again = tmp_path / "again"
    again.mkdir()
    shutil.copy(path, again / path.name)
    assert [message.id for message in read(tmp_path)] == [message.id for message in once]


def test_a_long_json_cut_in_the_middle_gives_the_messages_before_it(tmp_path: Path) -> None:
    one = '{"id":%d,"type":"message","date":"2024-02-13T21:05:33","date_unixtime":"1707829533","from":"Ray","from_id":"user7","text":"hi"}'
    whole = (
        '{"name":"Ray","type":"personal_chat","id":7,"messages":['
        + ",".join(one % number for number in range(50))
        + "]}"
    )
    path = tmp_path / "result.json"
    path.write_text(whole[:-1500], encoding="utf-8")
    records = list(read_path(path, CONTEXT))
    assert 30 < sum(isinstance(record, Message) for record in records) < 50
    assert any("cut short" in getattr(record, "what", "") for record in records)


def test_every_source_keeps_the_guide() -> None:
    names = [source.name for source in all_sources()]
    assert len(names) == len(set(names))
    for source in all_sources():
        assert source.title
        assert source.reference
        assert type(source).__doc__
