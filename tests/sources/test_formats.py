"""Every other format, in a small invented export of its real layout: authors, times, texts."""

from __future__ import annotations

import contextlib
import json
import sqlite3
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


S = MS // 1000
CASES += [
    ("sms_xml", "sms.xml",
     f"<?xml version='1.0' encoding='UTF-8'?><smses count='1'><sms address='+60' date='{MS}' type='1' body='caf&#233; ❤' contact_name='Ray'/></smses>", "+60"),
    ("signal_export", "main.jsonl",
     "\n".join(json.dumps(line) for line in (
         {"version": "1", "backupTimeMs": str(MS)},
         {"recipient": {"id": "1", "self": {}}},
         {"recipient": {"id": "2", "contact": {"profileGivenName": "Ray"}}},
         {"chat": {"id": "9", "recipientId": "2"}},
         {"chatItem": {"chatId": "9", "authorId": "2", "dateSent": str(MS), "incoming": {}, "standardMessage": {"text": {"body": "café ❤"}}}},
     )), "2"),
    ("google_chat", "messages.json",
     json.dumps({"messages": [{"creator": {"name": "Ray", "email": "ray@example.org"}, "created_date": "Tuesday, February 13, 2024 at 1:05:33\u202fPM UTC",
                               "text": "café ❤", "topic_id": "t", "message_id": "m"}]}), "ray@example.org"),
    ("line_txt", "line.txt", "[LINE] Chat history with Ray\nSaved on: 2024/02/14 10:00\n\n2024/02/13(Tue)\n21:05\tRay\tcafé ❤\n", "Ray"),
    ("kakaotalk_txt", "kakao.txt", "Talk with Ray\n\nFebruary 13, 2024, 9:05 PM, Ray : café ❤\n", "Ray"),
    ("youtube_comments", "comments.csv", 'Comment ID,Channel ID,Comment Create Timestamp,Comment Text\n1,2,2024-02-13T13:05:33+00:00,"{""text"":""café ❤""}"\n', "me"),
    ("wechat_json", "w.json", json.dumps({"session": {"wxid": "ray"}, "messages": [{"createTime": S, "localType": 1, "content": "café ❤", "isSend": 0, "senderUsername": "ray"}]}), "ray"),
    ("csv", "n.csv", "time;author;text;conversation\n2024-02-13T21:05:33+08:00;ray;café ❤;c\n", "ray"),
    ("mbox", "mail.mbox", "From x@y Tue Feb 13 13:05:33 2024\nFrom: Ray <ray@example.org>\nTo: a@example.org\nDate: Tue, 13 Feb 2024 21:05:33 +0800\n"
     "Message-ID: <1@x>\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\ncafé ❤\n", "ray@example.org"),
]  # fmt: skip


def test_apple_messages_with_text_only_in_the_typed_stream(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE handle(id TEXT); CREATE TABLE chat(chat_identifier TEXT, display_name TEXT, style INT);"
            "CREATE TABLE chat_message_join(chat_id INT, message_id INT);"
            "CREATE TABLE message(guid TEXT, text TEXT, attributedBody BLOB, handle_id INT, date INT, is_from_me INT);"
            "INSERT INTO handle VALUES('+60'); INSERT INTO chat VALUES('+60', NULL, 45); INSERT INTO chat_message_join VALUES(1, 1);"
        )
        said = "café ❤".encode()
        body = b"streamtyped NSString\x01\x94\x84\x01+" + bytes([len(said)]) + said + b"\x86"
        db.execute("INSERT INTO message VALUES('G', NULL, ?, 1, ?, 0)", (body, (S - 978_307_200) * 10**9))
        db.commit()
    before = path.read_bytes()
    (message,) = [record for record in read_path(path, CONTEXT) if isinstance(record, Message)]
    assert (message.author, message.text, message.sent_at, message.source_id) == ("+60", "café ❤", AT, "G")
    assert path.read_bytes() == before


def test_whatsapp_android_database(tmp_path: Path) -> None:
    path = tmp_path / "renamed.bin"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE jid(_id INTEGER PRIMARY KEY, raw_string TEXT); CREATE TABLE chat(_id INTEGER PRIMARY KEY, jid_row_id INT, subject TEXT);"
            "CREATE TABLE message(_id INTEGER PRIMARY KEY, chat_row_id INT, from_me INT, key_id TEXT, sender_jid_row_id INT, timestamp INT, text_data TEXT,"
            " message_type INT); INSERT INTO jid VALUES(1, '6011@s.whatsapp.net'); INSERT INTO chat VALUES(1, 1, NULL);"
        )
        db.execute("INSERT INTO message VALUES(1, 1, 0, 'K', 0, ?, 'café ❤', 0)", (MS,))
        db.commit()
    (message,) = [record for record in read_path(path, CONTEXT) if isinstance(record, Message)]
    assert (message.author, message.text, message.sent_at) == ("6011@s.whatsapp.net", "café ❤", AT)


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sms.xml"
    path.write_text('<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaa">]><smses count="1"><sms body="&a;"/></smses>')
    records = list(read_path(path, CONTEXT))
    assert any("entities" in getattr(record, "what", "") for record in records)


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
