"""Two households in one store, with something in every field that the reading pages show; ordinary words, or hostile ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from typing import Any

import msgspec

from jaga.assessment import PUBLIC, Assessment, Day, Evidence, Level, Onset, RiskType, TacticFinding
from jaga.engine import Engine
from jaga.records import Attachment, Clock, Problem
from jaga.records import Conversation as ConversationRecord
from jaga.records import Message as MessageRecord
from jaga.signals import Actor
from jaga.sources import InputSummary
from jaga.store import Store
from jaga.store._tables import (
    Account,
    Alert,
    Child,
    ChildAccount,
    Conversation,
    Family,
    Import,
    Message,
    Original,
    Person,
    Relationship,
    Trusted,
    Watched,
)

__all__ = ["HOSTILE", "NOW", "Household", "fill"]

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)

# What an export may hold where a name, a title, a text or a file's name stands.
HOSTILE = (
    "<script>window.taken=1</script>",
    '"><img src=x onerror=window.taken=1>',
    '" onmouseover="window.taken=1',
    "javascript:window.taken=1",
    "{{7*7}}{% raw %}${7*7}",
    "\u202emoc.elpmaxe\u202c \u2066x",
    "ze\u200bro\u200dwi\ufeffdth",
    "</title></textarea></style><svg/onload=window.taken=1>",
    "A" * 100_000,
)


@dataclass
class Household:
    """Ids of what was put in."""

    family: int = 0
    parent: int = 0
    guardian: int = 0
    childs_login: int = 0
    children: list[int] = field(default_factory=list)
    relationships: list[int] = field(default_factory=list)
    alerts: list[int] = field(default_factory=list)
    imports: list[int] = field(default_factory=list)
    watched: list[int] = field(default_factory=list)


def _message(conversation: str, author: str, minutes: int, text: str, *attachments: Attachment) -> MessageRecord:
    return MessageRecord(
        conversation=conversation,
        author=author,
        sent_at=NOW - timedelta(days=2) + timedelta(minutes=minutes),
        text=text,
        platform="whatsapp",
        attachments=attachments,
    )


def _finding(tactic: str, by: Actor, group: str, message: MessageRecord, added: float) -> TacticFinding:
    return TacticFinding(
        tactic=tactic,
        by=by,
        count=2,
        first_at=message.sent_at,
        contribution=added,
        evidence=(
            Evidence(
                message=message.id,
                conversation=message.conversation,
                sent_at=message.sent_at,
                author=message.author,
                text=message.text,
                group=group,
                strength=0.8,
                added=added,
                language="en",
                because="pattern",
            ),
        ),
    )


def _assessment(
    contact: str,
    name: str | None,
    findings: tuple[TacticFinding, ...],
    *,
    score: float,
    level: Level,
    risk: RiskType | None,
    conversation: str,
) -> Assessment:
    first = (NOW - timedelta(days=30)).toordinal()
    return Assessment(
        child="aina",
        contact=contact,
        contact_name=name,
        platforms=("whatsapp",),
        conversations=(conversation,),
        messages=240,
        contact_messages=140,
        child_messages=100,
        first_at=NOW - timedelta(days=30),
        last_at=NOW - timedelta(days=2),
        score=score,
        level=level,
        risk_type=risk,
        stage="request" if level == "urgent" else None,
        onset=Onset(message="0" * 32, conversation=conversation, sent_at=NOW, index=3) if level == "urgent" else None,
        tactics=findings,
        days=tuple(
            Day(
                ordinal=first + day, contact_messages=day % 7, child_messages=day % 5, evidence=0.5 if day > 24 else 0.0
            )
            for day in range(29)
        ),
        unjudged={"image": 3, "voice": 1},
    )


def fill(store: Store, *, hostile: bool = False) -> tuple[Household, Household]:
    """(ours, somebody else's)."""
    return _household(store, "ours", hostile=hostile), _household(store, "theirs", hostile=False)


def _household(store: Store, salt: str, *, hostile: bool) -> Household:
    made = Household()
    turn = 0

    def words(ordinary: str) -> str:
        nonlocal turn
        if not hostile:
            return ordinary
        turn += 1
        return f"{HOSTILE[turn % len(HOSTILE)]} {ordinary}"

    with store.session() as session:

        def put(row: Any) -> int:
            session.add(row)
            session.flush()
            identity: int = row.id
            return identity

        made.family = put(
            Family(name=words("Rumah Siti"), zone="Asia/Kuala_Lumpur", country="MY", created_at=NOW, settings={})
        )
        aina = Child(
            family=made.family,
            name=words("Aina"),
            birth="2013-05",
            band=None,
            created_at=NOW,
            told_at=NOW - timedelta(days=40),
            told_by=None,
            settings={},
        )
        danish = Child(
            family=made.family,
            name=words("Danish"),
            birth=None,
            band="16-17",
            created_at=NOW,
            told_at=None,
            told_by=None,
            settings={},
        )
        made.children = [put(aina), put(danish)]

        def person(role: str, name: str, child: int | None = None) -> int:
            return put(
                Person(
                    family=made.family,
                    role=role,
                    name=words(name),
                    language="en",
                    child=child,
                    passphrase=None,
                    slot=None,
                    totp_secret=None,
                    totp_step=None,
                    created_at=NOW,
                    locked_until=None,
                    removed_at=None,
                )
            )

        made.parent, made.guardian = person("parent", "Siti"), person("guardian", "Ravi")
        made.childs_login = person("child", "Aina", aina.id)
        put(ChildAccount(child=aina.id, platform=None, author="aina"))

        clock = Clock(zone="Asia/Kuala_Lumpur", zone_known=True)

        def conversation(kind: str, title: str | None, platform: str = "whatsapp") -> Conversation:
            digest = sha256(f"{salt}{kind}{title}".encode()).hexdigest()[:32]
            record = ConversationRecord(id=digest, platform=platform, kind=kind, title=title, clock=clock)  # type: ignore[arg-type]
            row = Conversation(
                child=aina.id,
                digest=digest,
                platform=platform,
                kind=kind,
                title=title,
                record=msgspec.to_builtins(record),
                last_at=NOW - timedelta(days=2),
            )
            put(row)
            return row

        direct = conversation("direct", words("KingRay chat"))
        group = conversation("group", words("5 Cempaka"))
        public = conversation("public", words("my posts"), "instagram")

        brought = Import(
            child=aina.id,
            by=made.parent,
            path="/nowhere",
            name=words("WhatsApp Chat with KingRay.zip"),
            uploaded=True,
            state="done",
            asked_at=NOW - timedelta(days=2),
            done_at=NOW - timedelta(days=2),
            read=240,
            new=240,
            inputs=msgspec.to_builtins(
                [
                    InputSummary(
                        path=words("WhatsApp Chat with KingRay.zip"),
                        source="whatsapp_txt",
                        conversations=1,
                        messages=240,
                        skipped=2,
                        problems=[
                            Problem(where=words("_chat.txt") + ": line 12", what="the line has no time"),
                            Problem(where=words("_chat.txt"), what=words("unheard of"), note=True),
                        ],
                    ),
                    InputSummary(path=words("holiday.bin"), source=None),
                ]
            ),
            error=None,
            people=[],
            found={},
        )
        old = Import(
            child=aina.id,
            by=None,
            path="/nowhere",
            name=words("instagram.zip"),
            uploaded=False,
            state="done",
            asked_at=NOW - timedelta(days=50),
            done_at=NOW - timedelta(days=50),
            read=10,
            new=10,
            inputs=msgspec.to_builtins([InputSummary(path=words("instagram.zip"), source="meta_posts", messages=10)]),
            error=None,
            people=[],
            found={},
        )
        failed = Import(
            child=aina.id,
            by=made.parent,
            path="/nowhere",
            name=words("broken.zip"),
            uploaded=True,
            state="failed",
            asked_at=NOW - timedelta(hours=3),
            done_at=None,
            read=0,
            new=0,
            inputs=[],
            error=words("the archive is damaged"),
            people=[],
            found={},
        )
        reading = Import(
            child=aina.id,
            by=made.parent,
            path="/nowhere",
            name=words("telegram.json"),
            uploaded=True,
            state="reading",
            asked_at=NOW - timedelta(minutes=3),
            done_at=None,
            read=4000,
            new=0,
            inputs=[],
            error=None,
            people=[],
            found={},
        )
        asks = Import(
            child=aina.id,
            by=made.parent,
            path="/nowhere",
            name=words("two people.txt"),
            uploaded=True,
            state="failed",
            asked_at=NOW - timedelta(hours=1),
            done_at=NOW,
            read=0,
            new=0,
            inputs=[],
            error="cannot tell which of them is Aina",
            people=[words("Aina"), words("KingRay")],
            found={},
        )
        made.imports = [put(one) for one in (old, brought, failed, reading, asks)]
        made.watched = [
            put(
                Watched(
                    child=aina.id,
                    path=words("/srv/exports"),
                    every_s=900,
                    looked_at=NOW - timedelta(minutes=5),
                    problem=words("Permission denied"),
                    known={},
                )
            )
        ]

        original = put(
            Original(
                child=aina.id,
                imported=made.imports[1],
                name=words("chat.zip"),
                kept_where="/home/siti/chat.zip",
                sha256=bytes(32),
                size_bytes=4711,
                at=NOW,
            )
        )
        said = [
            _message(direct.digest, "kingray", 0, words("hi, how old are you?")),
            _message(direct.digest, "aina", 1, words("13")),
            _message(
                direct.digest,
                "kingray",
                2,
                words("do not tell your parents about us"),
                Attachment(kind="image", name=words("IMG-2026.jpg")),
            ),
            _message(direct.digest, "aina", 3, words("ok")),
            _message(group.digest, "kingray", 4, words("I give you 50 robux")),
            _message(direct.digest, "kingray", 5, words("send me a photo only for me")),
            _message(direct.digest, "aina", 6, words("why?")),
            _message(direct.digest, "kingray", 7, words("because I like you")),
        ]
        rows = []
        for message in said:
            record = msgspec.msgpack.encode(message)
            row = Message(
                child=aina.id,
                digest=bytes.fromhex(message.id),
                conversation=group.id if message.conversation == group.digest else direct.id,
                author=message.author,
                sent_at=message.sent_at,
                record=record,
                original=original,
                at=NOW,
                sealed=sha256(record).digest(),
            )
            put(row)
            rows.append(row)
        post = MessageRecord(
            conversation=public.digest,
            author="aina",
            sent_at=NOW - timedelta(days=5),
            text=words("my number is 012-0000000, I go to SMK Contoh"),
            platform="instagram",
        )

        grave = _assessment(
            "kingray",
            words("KingRay"),
            (
                _finding("secrecy", "contact", "not_tell", said[2], 1.8),
                _finding("image_request", "contact", "private_photo", said[5], 1.5),
                _finding("inducement", "contact", "game_currency", said[4], 0.9),
                _finding("false_identity", "contact", "same_age", said[0], 0.4),
                _finding("age_probing", "contact", "asks_age", said[0], 0.3),
                _finding("personal_data", "child", "phone", said[1], 0.2),
                _finding("distress", "child", "scared", said[3], 0.2),
            ),
            score=0.93,
            level="urgent",
            risk="grooming",
            conversation=direct.digest,
        )
        aunt = _assessment("maksu", words("Mak Su"), (), score=0.0, level="none", risk=None, conversation=direct.digest)
        everyone = _assessment(
            PUBLIC,
            None,
            (_finding("personal_data", "child", "phone", post, 0.4),),
            score=0.3,
            level="watch",
            risk="exposure",
            conversation=public.digest,
        )
        facts = {
            "hours": [0] * 19 + [5, 9, 30, 42, 25],
            "child_hours": [8] * 2 + [0] * 17 + [5, 9, 30, 12, 25],
            "platforms": ["whatsapp"],
            "days": 21,
            "starts": {"contact": 18, "child": 3},
            "groups": [group.digest],
        }

        # States as an engine saves them; no ears, so that making a household is quick.
        engine = Engine(child="aina", zone="Asia/Kuala_Lumpur", detectors=())
        engine.know(ConversationRecord(id=public.digest, platform="instagram", kind="public", clock=clock))
        aunts = MessageRecord(
            conversation=f"{salt} aunt", author="maksu", sent_at=NOW - timedelta(days=3), text="hi", platform="whatsapp"
        )
        engine.observe_all([post, aunts, *said])

        def relationship(child: int, assessment: Assessment, some: dict[str, Any]) -> Relationship:
            row = Relationship(
                child=child,
                contact=assessment.contact,
                name=assessment.contact_name,
                state=engine.save_relationship(assessment.contact),
                assessment=msgspec.msgpack.encode(assessment),
                level=assessment.level,
                score=assessment.score,
                messages=assessment.messages,
                first_at=assessment.first_at,
                last_at=assessment.last_at,
                facts=some,
            )
            made.relationships.append(put(row))
            return row

        king = relationship(aina.id, grave, facts)
        relationship(aina.id, aunt, facts)
        own_posts = relationship(aina.id, everyone, {"child_hours": facts["child_hours"], "days": 4})
        # The same stranger writes to the other child too.
        relationship(danish.id, grave, {})

        for author, name, relation, platform in (
            ("kingray", words("KingRay"), "request_received", "whatsapp"),
            ("kingray", words("Ray the King"), "contact", "telegram"),
            ("maksu", words("Mak Su"), "contact", "whatsapp"),
            ("fan1", words("a follower"), "follower", "instagram"),
            (words("asker"), None, "request_received", "instagram"),
        ):
            put(
                Account(
                    child=aina.id,
                    platform=platform,
                    author=author,
                    name=name,
                    relation=relation,
                    since=NOW - timedelta(days=100),
                    record={},
                )
            )
        put(Trusted(child=aina.id, contact="maksu", kind="known", who=words("her aunt"), by=made.parent, at=NOW))

        def alert(row: Relationship, assessment: Assessment, level: str, days: int, *, evidence: bool) -> None:
            made.alerts.append(
                put(
                    Alert(
                        child=aina.id,
                        relationship=row.id,
                        level=level,
                        at=NOW - timedelta(days=days),
                        assessment=msgspec.msgpack.encode(msgspec.structs.replace(assessment, level=level)),
                        evidence=[row.digest for row in rows[:6]] if evidence else [],
                        context=[row.digest for row in rows[6:]] if evidence else [],
                        state="new",
                        state_at=NOW - timedelta(days=days),
                        state_by=None,
                        reason=None,
                    )
                )
            )

        alert(king, grave, "urgent", 1, evidence=True)
        alert(king, grave, "concern", 3, evidence=True)
        alert(own_posts, everyone, "watch", 4, evidence=False)
    return made
