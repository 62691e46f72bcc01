"""Every other format, in a small invented export of its real layout: authors, times, texts."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from jaga.records import Account, Conversation, Message
from jaga.sources import Context, Unit, all_sources, read_path

CONTEXT = Context(zone=timezone(timedelta(hours=8)), zone_name="+08:00")
AT = datetime(2024, 2, 13, 13, 5, 33, tzinfo=timezone.utc)
MS = int(AT.timestamp() * 1000)
BROKEN = "café ❤".encode().decode("latin-1")

_TELEGRAM = {
    "name": "Ray",
    "type": "personal_chat",
    "id": 77,
    "messages": [
        {"id": 1, "type": "message", "date": "2024-02-13T21:05:33", "date_unixtime": str(MS // 1000), "from": "Ray", "from_id": "user77",
         "text": ["see ", {"type": "text_link", "text": "this", "href": "https://t.me/x"}], "text_entities": []},
        {"id": 2, "type": "unsupported"},
    ],
}  # fmt: skip
_FULL = {
    "about": "Telegram data",
    "personal_information": {"user_id": 5, "first_name": "Aina"},
    "chats": {"about": "x", "list": [_TELEGRAM]},
}
_META = {
    "participants": [{"name": "Ray"}, {"name": "Aina"}],
    "messages": [{"sender_name": "Ray", "timestamp_ms": MS, "content": BROKEN}],
    "title": "Ray",
    "is_still_participant": True,
    "thread_path": "message_requests/ray_1",
}
_E2EE = {
    "participants": ["Ray", "Aina"],
    "threadName": "Ray_9",
    "messages": [
        {
            "senderName": "Ray",
            "text": "café ❤",
            "timestamp": MS,
            "isUnsent": False,
            "type": "text",
            "media": [],
            "reactions": [],
        }
    ],
}
_DISCORD = {
    "guild": {"id": "0", "name": "Direct Messages"},
    "channel": {"id": "9", "type": "DirectTextChat", "name": "ray"},
    "messages": [
        {
            "id": "1",
            "type": "Default",
            "timestamp": "2024-02-13T21:05:33+08:00",
            "content": "café ❤",
            "author": {"id": "42", "name": "ray"},
            "attachments": [],
        }
    ],
}
_SNAP = {
    "ray": [
        {"From": "ray", "Media Type": "TEXT", "Created": "2024-02-13 13:05:33 UTC", "Content": "caf&#233; ❤", "Conversation Title": None, "IsSender": False,
         "Created(microseconds)": MS}
    ]
}  # fmt: skip
_TIKTOK = {
    "Profile": {"Profile Information": {"ProfileMap": {"userName": "aina"}}},
    "Direct Message": {
        "Direct Messages": {
            "ChatHistory": {
                "Chat History with ray:": [{"Date": "2024-02-13 13:05:33", "From": "ray", "Content": "café ❤"}]
            }
        }
    },
}
_X = [
    {"dmConversation": {"conversationId": "1-2", "messages": [
        {"messageCreate": {"id": "5", "senderId": "2", "recipientId": "1", "text": "café ❤", "createdAt": "2024-02-13T13:05:33.000Z", "urls": [], "mediaUrls": []}}]}}
]  # fmt: skip

CASES: list[tuple[str, str, str, str]] = [
    ("telegram_json", "result.json", json.dumps(_TELEGRAM, indent=1), "user77"),
    ("telegram_json", "full.json", json.dumps(_FULL, indent=1), "user77"),
    ("meta_messages", "message_1.json", json.dumps(_META), "Ray"),
    ("messenger_e2ee", "Ray_9.json", "\ufeff" + json.dumps(_E2EE), "Ray"),
    ("discord_chat_exporter", "dce.json", json.dumps(_DISCORD), "42"),
    ("discord_package", "messages.json", json.dumps([{"ID": 1, "Timestamp": "2024-02-13 13:05:33", "Contents": "café ❤", "Attachments": ""}]), "me"),
    ("discord_package", "messages.csv", "ID,Timestamp,Contents,Attachments\n1,2024-02-13 13:05:33+00:00,café ❤,\n", "me"),
    ("snapchat", "chat_history.json", json.dumps(_SNAP), "ray"),
    ("tiktok", "user_data_tiktok.json", json.dumps(_TIKTOK), "ray"),
    ("x_archive", "direct-messages.js", "window.YTD.direct_messages.part0 = " + json.dumps(_X), "2"),
    ("jsonl", "c.jsonl", json.dumps({"conversation": "c", "author": "ray", "time": "2024-02-13T21:05:33+08:00", "text": "café ❤"}), "ray"),
    ("telegram_html", "messages.html",
     ('<!DOCTYPE html><html><body><div class="page_wrap"><div class="page_header"><div class="text bold">Ray</div></div><div class="history">'
     '<div class="message default clearfix" id="message1"><div class="body"><div class="pull_right date details" '
     'title="13.02.2024 21:05:33 UTC+08:00">21:05</div><div class="from_name">Ray</div><div class="text">café ❤</div></div></div>'
     "</div></div></body></html>"), "Ray"),
    ("meta_html", "message_1.html",
     ('<html><head><title>Ray</title></head><body><div class="pam _3-95 _2ph- _a6-g uiBoxWhite noborder"><h2 class="_3-95 _2pim _a6-h _a6-i">Ray</h2>'
     '<div class="_3-95 _a6-p"><div><div></div><div>café ❤</div></div></div><div class="_3-94 _a6-o">Feb 13, 2024 9:05 pm</div></div></body></html>'), "Ray"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "name", "text", "author"), CASES, ids=[f"{case[0]}:{case[1]}" for case in CASES])
def test_format_is_recognised_and_read(tmp_path: Path, source: str, name: str, text: str, author: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    records = list(read_path(path, CONTEXT))
    assert {record.source for record in records if isinstance(record, Unit)} == {source}
    (message,) = [record for record in records if isinstance(record, Message)]
    assert message.author == author
    assert message.sent_at.replace(second=0) == AT.replace(second=0)
    assert message.text == ("see this (https://t.me/x)" if source == "telegram_json" else "café ❤")
    assert any(isinstance(record, Conversation) and record.id == message.conversation for record in records)


def test_renamed_files_are_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_text(json.dumps(_META), encoding="utf-8")
    assert any(isinstance(record, Message) for record in read_path(path, CONTEXT))


def test_message_requests_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "message_1.json"
    path.write_text(json.dumps(_META), encoding="utf-8")
    (conversation,) = [record for record in read_path(path, CONTEXT) if isinstance(record, Conversation)]
    assert conversation.is_request


def test_followers_become_contacts(tmp_path: Path) -> None:
    people: list[dict[str, Any]] = [
        {
            "title": "",
            "media_list_data": [],
            "string_list_data": [{"href": "x", "value": "ray", "timestamp": MS // 1000}],
        }
    ]
    path = tmp_path / "followers_1.json"
    path.write_text(json.dumps(people), encoding="utf-8")
    (account,) = [record for record in read_path(path, CONTEXT) if isinstance(record, Account)]
    assert (account.id, account.relation, account.since) == ("ray", "follower", AT)


def test_a_cut_file_gives_what_stands_before_the_cut(tmp_path: Path) -> None:
    many = {**_TELEGRAM, "messages": [{**_TELEGRAM["messages"][0], "id": i} for i in range(50)]}  # type: ignore[index]
    path = tmp_path / "result.json"
    path.write_text(json.dumps(many)[:-1500], encoding="utf-8")
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
