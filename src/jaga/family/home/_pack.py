"""An evidence pack out of the store: the content that jaga.family.pack tells, and the key the household signs with."""

from __future__ import annotations

from datetime import date

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.family.home._disclosure import Shown
from jaga.family.home._present import age_of, shown_name
from jaga.family.pack import (
    AttachmentRef,
    AuditEntry,
    OriginalFile,
    PackContent,
    Quote,
    SourceRef,
    new_signing_key,
    signing_key_from,
    signing_key_to,
)
from jaga.family.pack._key import Ed25519PrivateKey
from jaga.records import Account as AccountRecord
from jaga.records import Conversation as ConversationRecord
from jaga.store import AlertMessage, alert_messages, load_assessment
from jaga.store import _tables as t
from jaga.store._ages import band_of
from jaga.words import LANGUAGES

__all__ = ["content_of_alert", "signing_key"]

# In Family.settings. Whoever opens the store has the key; nobody else does, for the store is encrypted.
_KEY = "signing_key"
_LINES = 200


def signing_key(session: orm.Session, family_id: int) -> Ed25519PrivateKey:
    """The household's; made when it is asked for the first time. Raises: StoreError, if it is damaged."""
    family = session.get_one(t.Family, family_id)
    kept = family.settings.get(_KEY)
    if isinstance(kept, bytes):
        return signing_key_from(kept)
    key = new_signing_key()
    family.settings = {**family.settings, _KEY: signing_key_to(key)}
    return key


def content_of_alert(
    session: orm.Session, alert: t.Alert, child: t.Child, family: t.Family, limits: Shown, *, language: str, today: date
) -> PackContent:
    """What the pack of one alert tells; no more of the chat than its page shows a grown-up at this age."""
    relationship = session.get_one(t.Relationship, alert.relationship)
    assessment = load_assessment(alert.assessment)
    kept = alert_messages(session, alert.id, context=limits.context) if limits.lines else []
    # A line of context whose message is not kept any more stands beside nothing.
    talks = {one.message.conversation for one in kept if one.shows}
    kept = [one for one in kept if one.shows or one.message.conversation in talks]
    originals = {
        row.id: row
        for row in session.scalars(
            sa.select(t.Original).where(t.Original.id.in_({one.original for one in kept if one.original is not None}))
        )
    }
    conversations = session.scalars(
        sa.select(t.Conversation).where(
            t.Conversation.child == child.id,
            t.Conversation.digest.in_({one.message.conversation for one in kept}),
        )
    )
    accounts = session.scalars(
        sa.select(t.Account).where(t.Account.child == child.id, t.Account.author == relationship.contact)
    )
    head = session.scalar(sa.select(t.AuditLine.hash).order_by(t.AuditLine.id.desc()).limit(1))
    return PackContent(
        child_name=shown_name(child.name),
        child_ids=tuple(
            session.scalars(
                sa.select(t.ChildAccount.author)
                .where(t.ChildAccount.child == child.id)
                .order_by(t.ChildAccount.id)
                .distinct()
            )
        )
        or (assessment.child,),
        child_age_band=band_of(child, today).band,
        child_age=age_of(child, today),
        contact_accounts=tuple(
            AccountRecord(
                id=row.author,
                platform=row.platform,
                name=row.name,
                relation=row.relation,  # type: ignore[arg-type]
                since=row.since,
            )
            for row in accounts
        )
        or (AccountRecord(id=relationship.contact, platform=next(iter(assessment.platforms), "unknown")),),
        assessment=assessment,
        quotes=tuple(_quote(one, originals) for one in kept),
        conversations=tuple(
            msgspec.convert(row.record, type=ConversationRecord) for row in conversations if row.record
        ),
        originals=tuple(
            OriginalFile(
                name=row.name,
                sha256=row.sha256.hex(),
                size_bytes=row.size_bytes,
                kept_where=row.kept_where,
                imported_at=row.at,
            )
            for row in originals.values()
        ),
        attachments=tuple(
            AttachmentRef(kind=item.kind, name=item.name, size_bytes=item.size_bytes, message=one.id)
            for one in kept
            for item in one.message.attachments
        ),
        audit=_audit(session, alert, family),
        audit_head=None if head is None else head.hex(),
        country=family.country.lower(),
        language=language if language in LANGUAGES else "en",
        zone=family.zone,
    )


def _quote(one: AlertMessage, originals: dict[int, t.Original]) -> Quote:
    original = originals.get(one.original) if one.original is not None else None
    source = None
    if original is not None:
        source = SourceRef(
            name=original.name,
            sha256=original.sha256.hex(),
            size_bytes=original.size_bytes,
            where=one.message.where,
        )
    return Quote(message=one.message, source=source, context=not one.shows)


def _audit(session: orm.Session, alert: t.Alert, family: t.Family) -> tuple[AuditEntry, ...]:
    """Who looked at this alert and what was done with it, the newest lines where there are many."""
    names = {
        person.id: shown_name(person.name)
        for person in session.scalars(sa.select(t.Person).where(t.Person.family == family.id))
    }
    lines = session.scalars(
        sa.select(t.AuditLine)
        .where(
            t.AuditLine.family == family.id,
            t.AuditLine.subject.in_((f"alert:{alert.id}", f"relationship:{alert.relationship}")),
        )
        .order_by(t.AuditLine.id.desc())
        .limit(_LINES)
    ).all()
    return tuple(
        AuditEntry(
            at=line.at,
            who="Jaga" if line.person is None else names.get(line.person, f"person {line.person}"),
            what=line.what,
            hash=line.hash.hex(),
        )
        for line in reversed(lines)
    )
