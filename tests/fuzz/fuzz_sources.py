"""Fuzz target: any bytes under any name are read without an exception, or named as a problem.

    python tests/fuzz/fuzz_sources.py -max_total_time=20      (`make fuzz`; part of `make test`)

The first byte picks a file name, the rest is the file. What must hold: reading never raises, and what it yields is well formed.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timezone
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["jaga"]):
    from jaga.signals.lexicon import load_lexicon
    from jaga.sources import Context, all_sources, gather

    all_sources()

NAMES = (
    "_chat.txt",
    "result.json",
    "message_1.json",
    "messages.html",
    "sms.xml",
    "a.csv",
    "a.jsonl",
    "a.mbox",
    "a.zip",
    "a.db",
    "qq.txt",
    "viber.csv",
    "dm.txt",
    "chat.md",
    "room.json",
    "outbox.json",
    "your_posts_1.json",
)
CONTEXT = Context(zone=timezone.utc, zone_name="UTC")


def one_input(data: bytes) -> None:
    """Read one made-up file."""
    if not data:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAMES[data[0] % len(NAMES)]
        path.write_bytes(data[1:])
        gathered = gather([path], CONTEXT, isolated=False)
        try:
            for message in gathered.messages():
                assert message.sent_at.tzinfo is not None
                assert message.id
                folded = load_lexicon().normalise(message.text)
                assert "  " not in folded
            for item in gathered.inputs:
                for problem in item.problems:
                    assert problem.where
                    assert problem.what
        finally:
            gathered.close()


def main() -> None:
    """Run libFuzzer over it, starting from one small file of each kind."""
    seeds = Path(tempfile.mkdtemp())
    chat = "12/03/2026, 21:05 - Aina: hi\n12/03/2026, 21:06 - Ray: hello\nmore\n"
    start = (
        chat,
        '{"name":"x","type":"personal_chat","id":1,"messages":[{"id":1,"type":"message","date":"2026-01-01T10:00:00","from":"a","from_id":"user1","text":"hi"}]}',
        '{"participants":[{"name":"a"},{"name":"b"}],"messages":[{"sender_name":"a","timestamp_ms":1,"content":"hi"}],"title":"b","thread_path":"inbox/b_1"}',
        '<html><body><div class="history"><div class="message default clearfix" id="message1"></div></div></body></html>',
        '<?xml version="1.0"?><smses count="1"><sms address="1" date="1" type="1" body="hi"/></smses>',
        "conversation,author,time,text\nc,a,2026-01-01T00:00:00Z,hi\n",
        '{"conversation":"c","author":"a","time":"2026-01-01T00:00:00Z","text":"hi"}\n',
        "From a@b Thu Jan  1 00:00:00 2026\nFrom: a@b\nTo: c@d\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\nhi\n",
        "",
        "",
        "消息记录\n消息分组:群\n消息对象:x\n\n2026-01-01 10:00:00 a(10001)\nhi\n",
        '13/02/2026,21:05:33,Ray,+60,"hi"\n14/02/2026,21:06:00,Me,+61,x\n',
        ">>> Chat History with ray::\n2026-01-01 10:00:00 UTC ray: hi\n",
        "[2026-01-01, 10:00] Ray: hi\n> quoted\n",
        '{"room_name":"r","exported_by":"a","messages":[{"type":"m.room.message","sender":"@a:b","origin_server_ts":1767232800000,"content":{"msgtype":"m.text","body":"hi"}}]}',
        '{"@context":"x","type":"OrderedCollection","orderedItems":[{"type":"Create","actor":"a","published":"2026-01-01T00:00:00Z","to":["b"],"object":{"content":"<p>hi</p>"}}]}',
        '[{"timestamp":1767232800,"data":[{"post":"hi"}],"attachments":[{"data":[{"media":{"uri":"a.jpg"}}]}]}]',
    )
    for number, text in enumerate(start):
        if text:
            (seeds / str(number)).write_bytes(bytes([number]) + text.encode())
    atheris.Setup([*sys.argv, str(seeds)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
