"""A pack's content for the tests: invented people, four languages, and messages as hostile as a stranger can write them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256

from jaga.assessment import Assessor
from jaga.family.pack import (
    AttachmentRef,
    AuditEntry,
    OriginalFile,
    PackContent,
    SourceRef,
    signing_key_from,
    with_context,
)
from jaga.records import Account, Attachment, Clock, Conversation, Message
from jaga.sources import zone_of

NOW = datetime(2026, 11, 25, 6, 30, tzinfo=timezone.utc)
# Fixed, so that packs are the same in every run; a key for nothing else.
KEY = signing_key_from(bytes(range(32)))
OTHER_KEY = signing_key_from(bytes(32))
EXPORT = b"not the chat itself, only something to hash"
EXPORT_SHA256 = sha256(EXPORT).hexdigest()
ZONE = "Asia/Kuala_Lumpur"
TALK = "3f" * 16

# (author, text): in four languages, benign words, tactics only.
LINES = (
    ("Aina", "hi siapa ni"),
    ("KingRay", "Hai! Saya kawan game awak. Umur berapa?"),
    ("Aina", "12"),
    ("KingRay", "This is our secret, don't tell your mum or dad about me ok"),
    ("Aina", "ok 😅"),
    ("KingRay", "我送你钻石，不要告诉爸爸妈妈"),
    ("KingRay", "அம்மாவிடம் சொல்லாதே, இது நம்ம ரகசியம். கொஞ்சம் க்ஷமி"),
    ("Aina", "nanti mak saya marah"),
    ("KingRay", "Add me on Telegram, lebih selamat. Delete chat ni lepas baca"),
    ("KingRay", "send me a pic of you now, just for me"),
    ("Aina", "tak nak"),
    ("KingRay", "kalau tak, saya beritahu semua kawan sekolah awak. Jumpa saya esok di mall, datang seorang"),
    ("Aina", "😢"),
)


def talk(lines: Sequence[tuple[str, str]] = LINES) -> list[Message]:
    start = datetime(2026, 11, 20, 13, 5, 7, tzinfo=timezone.utc)
    return [
        Message(
            conversation=TALK,
            author=author,
            sent_at=start + timedelta(minutes=7 * number),
            text=text,
            platform="whatsapp",
            where=f"line {number + 1}",
            attachments=(Attachment(kind="image", name="IMG-0007.jpg", size_bytes=48_213),) if number == 9 else (),
        )
        for number, (author, text) in enumerate(lines)
    ]


def content(
    language: str = "en", lines: Sequence[tuple[str, str]] = LINES, *, every: bool = False, name: str | None = None
) -> PackContent:
    """`every`: all messages are quoted, not only those that the assessment rests on."""
    messages = talk(lines)
    conversation = Conversation(
        id=TALK,
        platform="whatsapp",
        kind="direct",
        participants=("Aina", "KingRay"),
        clock=Clock(zone=ZONE, zone_known=False, precision_s=60),
    )
    assessor = Assessor(["Aina"], zone_of(ZONE), conversations={TALK: conversation})
    for message in messages:
        assessor.observe(message)
    one = max(assessor.assessments(), key=lambda one: one.score)
    source = SourceRef(name="WhatsApp Chat with KingRay.txt", sha256=EXPORT_SHA256, size_bytes=len(EXPORT))
    shown = {piece.message for finding in one.tactics for piece in finding.evidence}
    if every:
        shown = {message.id for message in messages}
    return PackContent(
        child_name="Aina",
        child_ids=("Aina",),
        child_age_band="10-12",
        child_age=12,
        contact_accounts=(Account(id="KingRay", platform="whatsapp", name=name or "KingRay"),),
        assessment=one,
        quotes=with_context(((message, source) for message in messages), shown),
        conversations=(conversation,),
        originals=(
            OriginalFile(
                name="WhatsApp Chat with KingRay.txt",
                sha256=EXPORT_SHA256,
                size_bytes=len(EXPORT),
                kept_where="Siti's laptop, Documents/Aina",
                imported_at=NOW - timedelta(hours=3),
            ),
        ),
        attachments=(AttachmentRef(kind="image", name="IMG-0007.jpg", kept_where="Aina's telephone"),),
        audit=(
            AuditEntry(at=NOW - timedelta(hours=2), who="Siti", what="alert.seen", hash="a1" * 32),
            AuditEntry(at=NOW, who="Siti", what="pack.made", hash="b2" * 32),
        ),
        audit_head="b2" * 32,
        language=language,
        zone=ZONE,
    )
