"""WhatsApp's text export: layouts by observation and CLDR; all people invented."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jaga.records import Conversation, Message, Problem
from jaga.sources import Context, Unit, gather, read_path, zone_of

KL = timezone(timedelta(hours=8))
CONTEXT = Context(zone=KL, zone_name="+08:00")


def read(path: Path) -> list[Message]:
    return [record for record in read_path(path, CONTEXT) if isinstance(record, Message)]


def write(folder: Path, text: str, name: str = "_chat.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("head", "local"),
    [
        ("[13/02/2024, 21:05:33] ", "2024-02-13T21:05:33"),
        ("\u200e[13/02/2024, 9:05:33\u202fPM] ", "2024-02-13T21:05:33"),
        ("13/02/24, 9:05\u202fPTG - ", "2024-02-13T21:05:00"),
        ("13/02/24, 12:05\u202fPG - ", "2024-02-13T00:05:00"),
        ("2/13/24, 9:05 PM - ", "2024-02-13T21:05:00"),
        ("13/02/24 21.05 - ", "2024-02-13T21:05:00"),
        ("2024/2/13 下午9:05 - ", "2024-02-13T21:05:00"),
        ("2024-02-13, 9:05\u202fp.\u00a0m. - ", "2024-02-13T21:05:00"),
        ("13\u200f/2\u200f/2024، 9:05 م - ", "2024-02-13T21:05:00"),
        ("13.02.2024, 21:05 - ", "2024-02-13T21:05:00"),
    ],
    ids=["ios", "ios 12h", "ms evening", "ms midnight", "us", "id", "zh", "en_CA", "ar", "de"],
)
def test_head_gives_the_right_time(tmp_path: Path, head: str, local: str) -> None:
    (message,) = read(write(tmp_path, f"{head}Mei Ling: hi\n"))
    assert message.sent_at == datetime.fromisoformat(local).replace(tzinfo=KL)
    assert (message.author, message.text, message.kind) == ("Mei Ling", "hi", "text")


def test_words_of_system_lines_in_a_message_do_not_drop_it(tmp_path: Path) -> None:
    (message,) = read(write(tmp_path, "13/02/2024, 21:05 - Ali: I added you, she left and removed it\n"))
    assert message.text == "I added you, she left and removed it"


def test_lines_without_a_head_continue_the_message(tmp_path: Path) -> None:
    first, second = read(write(tmp_path, "13/02/2024, 21:05 - Ali: a\nb\n\nc\r\n13/02/2024, 21:06 - Bo: d"))
    assert (first.text, second.text) == ("a\nb\n\nc", "d")
    assert (first.where, second.where) == ("line 1", "line 5")


def test_media_edits_and_deletions_are_told_apart(tmp_path: Path) -> None:
    text = (
        "[13/02/2024, 21:05:01] Ali: \u200e<attached: 00000012-PHOTO-2024-03-25-10-00-05.jpg>\n"
        "[13/02/2024, 21:05:02] Ali: \u200eThis message was deleted.\n"
        "[13/02/2024, 21:05:03] Ali: ok la \u200e<This message was edited>\n"
        "[13/02/2024, 21:05:04] Ali: \u200eimage omitted\n"
    )
    photo, deleted, edited, omitted = read(write(tmp_path, text))
    assert photo.attachments[0].kind == "image"
    assert photo.attachments[0].path == "00000012-PHOTO-2024-03-25-10-00-05.jpg"
    assert deleted.kind == "deleted"
    assert edited.edited
    assert edited.text == "ok la"
    assert (omitted.kind, omitted.attachments[0].kind) == ("media", "image")


def test_ambiguous_order_is_decided_from_the_whole_file_and_said(tmp_path: Path) -> None:
    path = write(tmp_path, "".join(f"0{day}/02/2024, 21:05 - Ali: hi\n" for day in range(1, 6)))
    records = list(read_path(path, CONTEXT))
    days = [record.sent_at.astimezone(KL).day for record in records if isinstance(record, Message)]
    assert days == [1, 2, 3, 4, 5]
    assert any(isinstance(record, Problem) and record.note and "day/month" in record.what for record in records)


def test_the_file_name_tells_the_owner(tmp_path: Path) -> None:
    path = write(tmp_path, "13/02/2024, 21:05 - Ali: a\n13/02/2024, 21:06 - Bo: b\n", "WhatsApp Chat with Ali.txt")
    (conversation,) = [record for record in read_path(path, CONTEXT) if isinstance(record, Conversation)]
    assert (conversation.kind, conversation.title) == ("direct", "Ali")


def test_overlapping_exports_hold_each_message_once(tmp_path: Path) -> None:
    lines = [f"{day:02}/02/2024, 21:05 - {'Ali' if day % 2 else 'Bo'}: hi\n" for day in range(1, 21)]
    one = write(tmp_path, "".join(lines[:15]) + lines[14], "one.txt")
    two = write(tmp_path, "".join(lines[5:]), "two.txt")
    gathered = gather([one, two], CONTEXT)
    messages = list(gathered.messages())
    # Twenty lines, and one that was really said twice within a minute.
    assert len(messages) == 21
    assert len({message.id for message in messages}) == 21


def test_bad_bytes_and_a_giant_line_lose_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(
        b"13/02/2024, 21:05 - Ali: caf\xe9\n13/02/2024, 21:06 - Bo: "
        + b"a" * (6 << 20)
        + b"\n13/02/2024, 21:07 - Ali: end\n"
    )
    records = list(read_path(path, CONTEXT))
    messages = [record for record in records if isinstance(record, Message)]
    assert messages[0].text == "café"
    assert messages[-1].text == "end"
    assert any(isinstance(record, Problem) for record in records)
    assert isinstance(records[0], Unit)


def test_messages_across_the_blocks_it_reads_in_are_whole(tmp_path: Path) -> None:
    bodies: list[str] = []
    lines: list[str] = []
    for number in range(20_000):
        body = f"message {number} " + "word " * (number % 12)
        if number % 7 == 0:
            body += f"\nsecond line of {number}\n\nfourth"
        if number % 1_000 == 0:
            # Looks like a head, but there is no such day: pasted, and part of what was said.
            body += "\n31/02/2024, 21:05 - Bo: pasted"
        bodies.append(body)
        lines.append(
            f"{1 + number // 800:02}/03/2024, {number // 60 % 24:02}:{number % 60:02} - {'Ali' if number % 2 else 'Bo'}: {body}\n"
        )
    path = write(tmp_path, "".join(lines))
    assert path.stat().st_size > 1 << 20
    messages = read(path)
    assert [message.text for message in messages] == bodies
    assert [message.author for message in messages[:2]] == ["Bo", "Ali"]
    numbers = [int((message.where or "").removeprefix("line ")) for message in messages]
    text = path.read_text(encoding="utf-8").split("\n")
    assert all(bodies[index].split("\n")[0] in text[number - 1] for index, number in enumerate(numbers))


def test_on_the_day_the_clocks_change_each_hour_has_its_own_distance_from_utc(tmp_path: Path) -> None:
    berlin = Context(zone=zone_of("Europe/Berlin"), zone_name="Europe/Berlin")
    path = write(
        tmp_path,
        "".join(f"{day:02}.03.2024, {hour:02}:30 - Ali: hi\n" for day in (30, 31) for hour in (1, 3)),
    )
    times = [record.sent_at.isoformat() for record in read_path(path, berlin) if isinstance(record, Message)]
    assert times == [
        "2024-03-30T00:30:00+00:00",
        "2024-03-30T02:30:00+00:00",
        "2024-03-31T00:30:00+00:00",
        "2024-03-31T01:30:00+00:00",
    ]
