"""How long the pages of a large household take: five children, 2,000 contacts, many messages.

    .venv/bin/python -m benchmarks.home_pages                     # 200,000 messages kept, a million seen
    .venv/bin/python -m benchmarks.home_pages --messages 1000000  # a million kept, five million seen

A server in a thread of this process answers over HTTP on 127.0.0.1, so what the client does counts too. CPU is the
processor time of the same requests: what they cost on a machine that is busy with something else. Budget: 150 ms p95 for any page.
"""

from __future__ import annotations

import argparse
import http.client
import platform
import random
import resource
import secrets
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec
import sqlalchemy as sa
import uvicorn

from jaga.assessment import PUBLIC, Assessment, Day, Evidence, Level, TacticFinding
from jaga.family.home import House, create_app
from jaga.family.home._security import COOKIE, start_session
from jaga.records import Clock, Conversation, Message
from jaga.sources import InputSummary
from jaga.store import Store, add_child, add_family, tell_child
from jaga.store import _tables as t

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
CHILDREN, CONTACTS = 5, 2_000
BUDGET_MS = 150
_PART = 5_000
# Contacts of one hundred that are worth watching, or more.
_NOTED = 10
_FACTS = 24


def _days(chance: random.Random) -> tuple[Day, ...]:
    start = NOW.toordinal() - 256
    return tuple(
        Day(
            ordinal=start + 4 * number,
            contact_messages=chance.randrange(40),
            child_messages=chance.randrange(40),
            evidence=round(chance.random(), 2),
            span=4,
        )
        for number in range(64)
    )


def _tactics(chance: random.Random, cited: list[Message]) -> tuple[TacticFinding, ...]:
    groups = {
        "secrecy": "not_tell",
        "image_request": "private_photo",
        "inducement": "gift",
        "age_probing": "asks_age",
        "false_identity": "same_age",
        "distress": "sad",
        "personal_data": "phone",
    }
    return tuple(
        TacticFinding(
            tactic=tactic,
            by="child" if tactic in ("distress", "personal_data") else "contact",
            count=9,
            first_at=NOW - timedelta(days=60),
            contribution=round(chance.random(), 3),
            evidence=tuple(
                Evidence(
                    message=message.id,
                    conversation=message.conversation,
                    sent_at=message.sent_at,
                    author=message.author,
                    text=message.text,
                    group=group,
                    strength=0.7,
                    added=0.5,
                    language="ms",
                    because="pattern",
                )
                for message in chance.sample(cited, 5)
            ),
        )
        for tactic, group in groups.items()
    )


def build(folder: Path, messages: int) -> tuple[House, int, dict[str, list[int]]]:
    """A household; its parent; ids by kind of row."""
    chance = random.Random(4)
    store = Store.create(folder, "correct horse battery staple", slot="siti")
    made: dict[str, list[int]] = {"children": [], "friends": [], "alerts": [], "imports": []}
    with store.session() as session:
        family = add_family(session, "Rahman", zone="Asia/Kuala_Lumpur", country="my", now=NOW)
        parent = t.Person(
            family=family.id, role="parent", name="Siti", language="en", child=None, passphrase=None, slot=None,
            totp_secret=None, totp_step=None, locked_until=None, created_at=NOW, removed_at=None,
        )  # fmt: skip
        session.add(parent)
        for number in range(CHILDREN):
            child = add_child(session, family.id, f"Child {number}", birth="2016-05", by=None, now=NOW)
            tell_child(session, child.id, by=None, now=NOW)
            made["children"].append(child.id)
    each = messages // CONTACTS
    for number in range(CONTACTS):
        # Half of them write with the eldest: a page of one child has to bear that too.
        child_id = made["children"][number if number < CHILDREN else 0 if number % 2 else number % CHILDREN]
        _contact(store, chance, made, number, child_id, each)
    with store.session() as session:
        for child_id in made["children"]:
            for number in range(100):
                row = t.Import(
                    child=child_id, by=None, path="/nowhere", name=f"export {number}.zip", uploaded=True, state="done",
                    asked_at=NOW - timedelta(days=number), done_at=NOW - timedelta(days=number), read=each, new=each,
                    inputs=msgspec.to_builtins([InputSummary(path="e.zip", source="whatsapp_txt", messages=each)] * 5),
                    error=None, people=[], found={},
                )  # fmt: skip
                session.add(row)
                session.flush()
                made["imports"].append(row.id)
    seen = 5 * messages
    for start in range(0, seen, 50_000):
        with store.session() as session:
            session.execute(
                sa.insert(t.Seen),
                [
                    {"child": made["children"][at % CHILDREN], "digest": secrets.token_bytes(16)}
                    for at in range(start, min(start + 50_000, seen))
                ],
            )
    with store.session() as session:
        session.execute(sa.text("ANALYZE"))
    return House(folder, store=store, now=lambda: NOW), parent.id, made


def _contact(
    store: Store, chance: random.Random, made: dict[str, list[int]], number: int, child: int, messages: int
) -> None:
    contact = PUBLIC if number < CHILDREN else f"contact-{number:05}"
    noted = number % 100 < _NOTED
    level: Level = chance.choice(("watch", "concern", "urgent")) if noted else "none"
    digest = secrets.token_hex(16)
    kind = "public" if contact == PUBLIC else "direct"
    clock = Clock(zone="Asia/Kuala_Lumpur", zone_known=True)
    record = Conversation(id=digest, platform="whatsapp", kind=kind, title=f"Chat {number}", clock=clock)  # type: ignore[arg-type]
    said = [
        Message(
            conversation=digest,
            author=contact if at % 2 else "child",
            sent_at=NOW - timedelta(minutes=13 * (messages - at)),
            text=f"esok nak main pukul berapa? aku ada latihan bola lepas sekolah nanti kita jumpa {at}",
            platform="whatsapp",
        )
        for at in range(messages)
    ]
    packed = [msgspec.msgpack.encode(one) for one in said]
    first = said[0].sent_at
    with store.session() as session:
        conversation = t.Conversation(
            child=child, digest=digest, platform="whatsapp", kind=kind, title=record.title,
            record=msgspec.to_builtins(record), last_at=NOW, state=None, base=None,
        )  # fmt: skip
        session.add(conversation)
        session.add(
            t.Account(
                child=child, platform="whatsapp", author=contact, name=f"Friend {number}", relation="contact",
                since=None, record={},
            )
        )  # fmt: skip
        session.flush()
        for start in range(0, messages, _PART):
            session.execute(
                sa.insert(t.Message),
                [
                    {
                        "child": child, "digest": bytes.fromhex(one.id), "conversation": conversation.id,
                        "author": one.author, "sent_at": one.sent_at, "record": raw, "original": None, "at": NOW,
                        "sealed": None, "folded": False,
                    }
                    for one, raw in zip(said[start : start + _PART], packed[start : start + _PART], strict=True)
                ],
            )  # fmt: skip
        assessment = Assessment(
            child="child", contact=contact, contact_name=f"Friend {number}", platforms=("whatsapp",),
            conversations=(digest,), messages=messages, contact_messages=messages // 2, child_messages=messages // 2,
            first_at=first, last_at=NOW, score=round(chance.random(), 3) if noted else 0.0, level=level,
            risk_type="grooming" if noted else None, stage="request" if noted else None, onset=None,
            tactics=_tactics(chance, said) if noted else (), days=_days(chance), unjudged={"image": 3},
        )  # fmt: skip
        relationship = t.Relationship(
            child=child, contact=contact, name=f"Friend {number}", state=secrets.token_bytes(3000),
            assessment=msgspec.msgpack.encode(assessment), level=level, score=assessment.score, messages=messages,
            first_at=first, last_at=NOW - timedelta(minutes=chance.randrange(500_000)),
            facts={
                "hours": [chance.randrange(50) for _ in range(_FACTS)],
                "child_hours": [chance.randrange(50) for _ in range(_FACTS)],
                "platforms": ["whatsapp"], "days": 60, "starts": {"contact": 40, "child": 20}, "groups": [digest],
            },
            base=None,
        )  # fmt: skip
        session.add(relationship)
        session.flush()
        if contact != PUBLIC:
            made["friends"].append(relationship.id)
        if noted:
            cited = sorted({bytes.fromhex(e.message) for one in assessment.tactics for e in one.evidence})
            alert = t.Alert(
                child=child, relationship=relationship.id, level=level, at=NOW - timedelta(days=number % 60),
                assessment=relationship.assessment, evidence=list(cited), context=[bytes.fromhex(one.id) for one in said[:4]],
                state="new", state_at=NOW, state_by=None, reason=None, settled=True,
            )  # fmt: skip
            session.add(alert)
            session.flush()
            made["alerts"].append(alert.id)


def _pages(made: dict[str, list[int]], chance: random.Random) -> dict[str, Callable[[], str]]:
    """Page to an address of it, another one each time."""
    return {
        "today": lambda: "/",
        "alert": lambda: f"/alerts/{chance.choice(made['alerts'])}",
        "alert, lines around": lambda: f"/alerts/{chance.choice(made['alerts'])}/around",
        "friends": lambda: f"/friends?at={chance.randrange(1, 100)}",
        "friends, sorted": lambda: (
            f"/friends?order={chance.choice(('level', 'name', 'busiest', 'oldest'))}&show=strangers"
        ),
        "friends, found": lambda: f"/friends?find={chance.randrange(100, 1000)}&app=whatsapp",
        "friends, requests": lambda: "/friends?show=requests",
        "friend": lambda: f"/friends/{chance.choice(made['friends'])}",
        "children": lambda: "/children",
        "child, half of all contacts": lambda: f"/children/{made['children'][0]}",
        "sources": lambda: "/sources",
        "sources, being read": lambda: "/sources/imports",
        "import": lambda: f"/sources/imports/{chance.choice(made['imports'])}",
        "guide": lambda: "/guides/instagram",
    }


def measure(
    house: House, person: int, made: dict[str, list[int]], times: int
) -> Iterator[tuple[str, list[float], list[float], int]]:
    """(page, ms of each request in order of length, its processor time, bytes of the last answer)."""
    server = uvicorn.Server(uvicorn.Config(create_app(house), port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"cookie": f"{COOKIE}={start_session(house, person, None)}"}
    chance = random.Random(7)
    try:
        for name, address in _pages(made, chance).items():
            took, busy = [], []
            size = 0
            for _ in range(times + 1):
                begun, worked = time.perf_counter(), time.process_time()
                connection.request("GET", address(), headers=headers)
                answer = connection.getresponse()
                size = len(answer.read())
                took.append(1000 * (time.perf_counter() - begun))
                busy.append(1000 * (time.process_time() - worked))
                if answer.status != 200:
                    raise RuntimeError(f"{name}: {answer.status}")
            # The first one loads what is loaded once for all.
            yield name, sorted(took[1:]), sorted(busy[1:]), size
    finally:
        connection.close()
        server.should_exit = True
        thread.join()


def _high(ordered: list[float]) -> float:
    """The 95th percentile, nearest rank."""
    return ordered[int(0.95 * (len(ordered) - 1) + 0.5)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000, help="kept messages; five times as many were seen")
    parser.add_argument("--times", type=int, default=60, help="requests for each page")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jaga-bench-") as folder:
        begun = time.perf_counter()
        house, person, made = build(Path(folder) / "jaga", asked.messages)
        size = (Path(folder) / "jaga" / "jaga.db").stat().st_size
        print(
            f"{CHILDREN} children, {CONTACTS:,} contacts, {asked.messages:,} messages kept, {5 * asked.messages:,} seen, "
            f"{len(made['alerts'])} open alerts; store {size / 1e6:,.0f} MB, made in {time.perf_counter() - begun:.0f} s; "
            f"{platform.python_implementation()} {platform.python_version()}"
        )
        late = []
        print(f"{'page':30}{'p50 ms':>9}{'p95 ms':>9}{'CPU p50':>9}{'CPU p95':>9}{'KB':>7}")
        for name, took, busy, length in measure(house, person, made, asked.times):
            print(
                f"{name:30}{statistics.median(took):9.1f}{_high(took):9.1f}{statistics.median(busy):9.1f}{_high(busy):9.1f}"
                f"{length / 1000:7.1f}",
                flush=True,
            )
            if _high(took) > BUDGET_MS:
                late.append(name)
        print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")
        house.close()
    if late:
        print(f"over {BUDGET_MS} ms: {', '.join(late)}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
