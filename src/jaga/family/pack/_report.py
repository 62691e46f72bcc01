"""The report of a pack: for people as a Document, in their language, and for programs as JSON (docs/schema/pack-1.md)."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone
from hashlib import sha256
from typing import Any

import msgspec

from jaga import __version__
from jaga.assessment import PUBLIC, Assessment
from jaga.family.pack._blocks import Block, Document, Facts, Heading, Items, Para, Said, Table
from jaga.family.pack._content import PackContent, Quote
from jaga.family.pack._proof import proof_words
from jaga.family.pack._visible import in_block, in_line
from jaga.family.sentences import (
    APPS,
    attachment_words,
    joined,
    level_words,
    next_steps,
    platform_words,
    risk_words,
    stage_words,
    strongest,
    tactic_words,
    why,
)
from jaga.guidance import Guidance, load_guidance
from jaga.sources import zone_of
from jaga.words import LANGUAGES, Words, words

__all__ = ["as_document", "as_record", "bcp47", "exact", "originals_record", "sources_record"]

# Of one message, as much as anybody reads; report.json holds the whole of it.
_LETTERS = 2_000
_LINES = 40
# Hex digits of an audit line's hash that a table has room for.
_HASH = 16


def as_document(content: PackContent, *, signed_by: str, now: datetime) -> Document:
    """`signed_by`: the fingerprint of the key. Raises: KeyError or ValueError for an unknown zone."""
    say = words(content.language)
    guidance = load_guidance(content.country)
    blocks: list[Block] = []
    for part in (
        _opening(content, say, signed_by, now),
        _in_short(content, say),
        _heard(content.assessment, say),
        _messages(content, say),
        _people(content, say),
        _originals(content, say),
        _audit(content, say),
        _what_next(content, say, guidance),
        _proof(say),
    ):
        blocks += part
    return Document(
        title=say("Evidence pack: one contact of a child"),
        language=bcp47(content.language),
        blocks=tuple(blocks),
        foot=say("Made by Jaga {version} · key {key}", version=__version__, key=signed_by),
    )


def bcp47(language: str) -> str:
    return "zh-Hans" if language == "zh" else language


def _opening(content: PackContent, say: Words, signed_by: str, now: datetime) -> list[Block]:
    child = in_line(content.child_name)
    if content.child_age_band:
        child = say("{name}, aged {band}", name=child, band=in_line(content.child_age_band, 20))
    return [
        Facts(
            rows=(
                (say("Child"), child),
                (say("Contact"), _contact(content, say)),
                (say("Made"), _time(content, now, seconds=False)),
                (say("Made by"), f"Jaga {__version__}"),
                (say("Signed with key"), signed_by),
                (say("Times shown in"), content.zone),
            )
        ),
        Para(text=say("It points to what is worth a look and never proves guilt."), tone="strong"),
        Para(
            text=say(
                "A child who wrote, sent or sold something is a victim to be helped, whatever the words say. Nothing in this pack accuses a child."
            )
        ),
        Para(
            text=say(
                "There is no picture, video or sound in this pack, only names, hashes and where the original is kept. If you think that an original shows the abuse of a child: do not open, copy, print or forward it. Leave it on its device and hand over the device."
            ),
            tone="warn",
        ),
    ]


def _in_short(content: PackContent, say: Words) -> list[Block]:
    one = content.assessment
    rows = [
        (say("Level"), level_words(say, one.level)),
        (say("What it looks like"), risk_words(say, one.risk_type)),
        (say("Furthest stage"), stage_words(say, one.stage)),
        (say("Score"), f"{one.score:.2f}"),
        (say("Apps"), in_line(platform_words(one))),
        (
            say("Messages"),
            say(
                "{all}: {contact} by the contact, {child} by the child",
                all=f"{one.messages:,}",
                contact=f"{one.contact_messages:,}",
                child=f"{one.child_messages:,}",
            ),
        ),
        (say("First message"), _time(content, one.first_at)),
        (say("Last message"), _time(content, one.last_at)),
        (say("First worth a look at"), _time(content, one.onset.sent_at) if one.onset else ""),
    ]
    return [
        Heading(level=2, text=say("In short")),
        Facts(rows=tuple(row for row in rows if row[1])),
        Para(text=why(say, msgspec.structs.replace(one, contact_name=_contact(content, say)))),
        Para(
            text=say(
                "The score, 0 to 1, says how much this is like the risky conversations on which Jaga was measured, and those were invented. It is not the probability that somebody committed an offence."
            ),
            tone="small",
        ),
    ]


def _heard(one: Assessment, say: Words) -> list[Block]:
    findings = [finding for finding in one.tactics if finding.count]
    if not findings:
        return []
    return [
        Heading(level=2, text=say("What was heard")),
        Table(
            head=(say("What"), say("By"), say("Messages"), say("First")),
            rows=tuple(
                (
                    tactic_words(say, finding.tactic),
                    say("child") if finding.by == "child" else say("contact"),
                    f"{finding.count:,}",
                    finding.first_at.astimezone(timezone.utc).strftime("%Y-%m-%d"),
                )
                for finding in findings
            ),
            widths=(5, 2, 2, 2),
        ),
    ]


def _messages(content: PackContent, say: Words) -> list[Block]:
    blocks: list[Block] = [Heading(level=2, text=say("The messages that show it"))]
    if not content.quotes:
        return [*blocks, Para(text=say("No message is shown: none is kept any more."))]
    blocks.append(
        Para(
            text=say(
                "In time order, word for word. Grey lines without a number only stand beside a message that is shown. Control characters and the like are named in square brackets; report.json holds the exact text."
            ),
            tone="small",
        )
    )
    reasons = {piece.message: lines for piece, lines in strongest(say, content.assessment, 1_000_000)}
    languages = {piece.message: piece.language for finding in content.assessment.tactics for piece in finding.evidence}
    others = _others(content)
    files = _files(content)
    number = 0
    for quote in content.quotes:
        message = quote.message
        if not quote.context:
            number += 1
        text, left = in_block(message.text, _LETTERS, _LINES)
        notes: list[str] = []
        if left:
            notes.append(
                say.plural(
                    "{count} more character is in report.json.", "{count} more characters are in report.json.", left
                )
            )
        if message.attachments:
            kinds: dict[str, int] = {}
            for attachment in message.attachments:
                kinds[attachment.kind] = kinds.get(attachment.kind, 0) + 1
            things = say(", ").join(attachment_words(say, kind, count) for kind, count in sorted(kinds.items()))
            names = say(", ").join(in_line(one.name, 80) for one in message.attachments[:5] if one.name)
            notes.append(
                say("Sent with it, not in this pack: {things} ({names})", things=things, names=names)
                if names
                else say("Sent with it, not in this pack: {things}", things=things)
            )
        if not quote.context and (lines := reasons.get(message.id)):
            notes.append(say("Why it is shown: {reasons}", reasons=say("; ").join(dict.fromkeys(lines))))
        notes.append(_source(quote, files, say))
        language = languages.get(message.id)
        blocks.append(
            Said(
                number=None if quote.context else str(number),
                head=" · ".join(
                    (
                        _time(content, message.sent_at),
                        _author(message.author, content, others, say),
                        in_line(APPS.get(message.platform, message.platform), 40),
                    )
                ),
                text=text if text.strip() else say("(no text)"),
                language=bcp47(language) if language in LANGUAGES else None,
                rtl=_runs_rtl(text),
                notes=tuple(notes),
                context=quote.context,
            )
        )
    return blocks


def _people(content: PackContent, say: Words) -> list[Block]:
    blocks: list[Block] = [Heading(level=2, text=say("The accounts"))]
    accounts = content.contact_accounts
    if accounts:
        blocks.append(
            Table(
                head=(say("Contact's account"), say("App"), say("Name shown")),
                rows=tuple(
                    (
                        in_line(account.id),
                        in_line(APPS.get(account.platform, account.platform), 40),
                        in_line(account.name or ""),
                    )
                    for account in accounts
                ),
                widths=(4, 2, 3),
            )
        )
    blocks.append(
        Para(
            text=say(
                "The child writes as: {names}. A name in an app proves nothing about who used it.",
                names=say(", ").join(in_line(one) for one in content.child_ids) or "-",
            ),
            tone="small",
        )
    )
    return blocks


def _originals(content: PackContent, say: Words) -> list[Block]:
    blocks: list[Block] = [
        Heading(level=2, text=say("The original files")),
        Para(text=say("They were read and not changed. Keep them as they are: this pack only points to them.")),
    ]
    for number, original in enumerate(content.originals, 1):
        rows = [
            (say("File"), in_line(original.name)),
            ("SHA-256", original.sha256),
            ("BLAKE3", original.blake3 or ""),
            (say("Size"), say.plural("{count} byte", "{count} bytes", original.size_bytes)),
            (say("Kept at"), in_line(original.kept_where or say("not known"))),
            (say("Read at"), _time(content, original.imported_at)),
        ]
        blocks += [
            Heading(level=3, text=say("File F{number}", number=number)),
            Facts(rows=tuple(row for row in rows if row[1])),
        ]
    if content.attachments:
        blocks += [
            Heading(level=3, text=say("Pictures and other things that were sent")),
            Para(text=say("None of them is in this pack, and Jaga did not look at them for it.")),
        ]
        for thing in content.attachments:
            rows = [
                (say("Kind"), attachment_words(say, thing.kind, 1)),
                (say("File"), in_line(thing.name or "")),
                ("SHA-256", thing.sha256 or say("not known")),
                (say("Kept at"), in_line(thing.kept_where or say("not known"))),
            ]
            blocks.append(Facts(rows=tuple(row for row in rows if row[1])))
    clocks = [_clock(conversation, say) for conversation in content.conversations]
    if clocks:
        blocks += [
            Heading(level=3, text=say("How the times were known")),
            Items(items=tuple(dict.fromkeys(clocks))),
        ]
    return blocks


def _clock(conversation: Any, say: Words) -> str:
    clock = conversation.clock
    name = in_line(APPS.get(conversation.platform, conversation.platform), 40)
    told = (
        say("{app}: the file states its time zone ({zone}).", app=name, zone=clock.zone)
        if clock.zone_known
        else say("{app}: the file states no time zone; {zone} was taken.", app=name, zone=clock.zone)
    )
    parts = [told]
    if clock.precision_s >= 60:
        parts.append(say("It tells minutes, not seconds."))
    if clock.order_reason:
        parts.append(
            say("Dates read as {order}: {reason}.", order=clock.date_order or "-", reason=say.found(clock.order_reason))
        )
    return joined(say, parts)


def _audit(content: PackContent, say: Words) -> list[Block]:
    if not content.audit and content.audit_head is None:
        return []
    blocks: list[Block] = [Heading(level=2, text=say("Who saw, changed or exported it"))]
    if content.audit:
        blocks.append(
            Table(
                head=(say("When"), say("Who"), say("What"), say("Hash begins")),
                rows=tuple(
                    (
                        _time(content, line.at),
                        in_line(line.who, 60),
                        in_line(line.what, 80),
                        in_line(line.hash[:_HASH], _HASH),
                    )
                    for line in content.audit
                ),
                widths=(5, 3, 4, 4),
            )
        )
    if content.audit_head is not None:
        blocks.append(
            Para(
                text=say(
                    "An extract. The last line of the whole record had the hash {hash}; each line's hash covers the line before it.",
                    hash=in_line(content.audit_head, 64),
                ),
                tone="small",
            )
        )
    return blocks


def _what_next(content: PackContent, say: Words, guidance: Guidance) -> list[Block]:
    one = content.assessment
    talk = {say(text) for text in guidance.talk.values()}
    steps = [step for step in next_steps(say, guidance, one, content.child_age) if step not in talk]
    blocks: list[Block] = []
    law = guidance.laws.get(one.risk_type or "")
    if law:
        blocks += [
            Heading(level=2, text=say("Which law it may fall under")),
            Para(text=say(law)),
            Para(text=say("Information for a report, not legal advice: whoever investigates decides."), tone="small"),
        ]
    if steps:
        blocks += [Heading(level=2, text=say("What to do")), Items(items=tuple(steps), ordered=True)]
    if guidance.keep is not None:
        blocks += [
            Heading(level=3, text=say("What to keep")),
            Items(items=tuple(say(step) for step in guidance.keep.steps)),
        ]
    blocks += [
        Heading(level=2, text=say("Who can help")),
        Table(
            head=(say("Who"), say("How"), say("For")),
            rows=tuple((say(line.name), say(line.reach), say(line.purpose)) for line in guidance.helplines),
            widths=(4, 5, 5),
        ),
        Para(
            text=say("Checked on {day}; numbers change.", day=guidance.checked_on.isoformat()),
            tone="small",
        ),
    ]
    return blocks


def _proof(say: Words) -> list[Block]:
    proven, unproven = proof_words(say)
    return [
        Heading(level=2, text=say("What this pack proves, and what it does not")),
        Para(
            text=say(
                "To check it on any computer: jaga verify, and the name of the pack. README.txt says how without Jaga."
            )
        ),
        Heading(level=3, text=say("If it verifies, it is proven that")),
        Items(items=tuple(proven)),
        Heading(level=3, text=say("Not proven is")),
        Items(items=tuple(unproven)),
        Heading(level=3, text=say("What Jaga cannot tell")),
        Items(
            items=(
                say("Jaga reads words only: no pictures, voice or video."),
                say(
                    "It knows Malay, English, Chinese and Tamil. What is written in another language it does not hear."
                ),
                say("It misses many risky chats and sometimes points at a harmless one (docs/how-sure.md)."),
            )
        ),
    ]


def _time(content: PackContent, at: datetime | None, *, seconds: bool = True) -> str:
    """As evidence wants it: with seconds and offset. Empty if there is none."""
    if at is None:
        return ""
    local = at.astimezone(zone_of(content.zone))
    return local.isoformat(sep=" ", timespec="seconds" if seconds else "minutes").replace("+", " +")


def _contact(content: PackContent, say: Words) -> str:
    one = content.assessment
    if one.contact == PUBLIC:
        return say("Everyone (own posts)")
    return in_line(one.contact_name or one.contact)


def _contact_ids(content: PackContent) -> set[str]:
    return {content.assessment.contact, *(account.id for account in content.contact_accounts)}


def _others(content: PackContent) -> dict[str, int]:
    """People in a group who are neither the child nor the contact get a number, not a name: often they are children."""
    known = {*content.child_ids, content.assessment.child} | _contact_ids(content)
    others: dict[str, int] = {}
    for quote in content.quotes:
        if quote.message.author not in known:
            others.setdefault(quote.message.author, len(others) + 1)
    return others


def _author(author: str, content: PackContent, others: dict[str, int], say: Words) -> str:
    if author in others:
        return say("another person {number}", number=others[author])
    if author in content.child_ids or author == content.assessment.child:
        return say("child")
    return _contact(content, say)


def _files(content: PackContent) -> dict[str, str]:
    return {original.sha256: f"F{number}" for number, original in enumerate(content.originals, 1)}


def _source(quote: Quote, files: dict[str, str], say: Words) -> str:
    if quote.source is None:
        return say("Source: not known")
    name = in_line(quote.source.name, 120)
    known = files.get(quote.source.sha256 or "")
    name = name if known is None else f"{known} {name}"
    where = quote.source.where or quote.message.where
    if where is None:
        return say("Source: {file}", file=name)
    return say("Source: {file}, {place}", file=name, place=say.found(in_line(where, 120)))


def _runs_rtl(text: str) -> bool:
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return True
        if kind == "L":
            return False
    return False


def exact(text: str) -> str:
    """The text as JSON can hold it: half of a surrogate pair, which no UTF-8 holds, becomes U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def text_hash(text: str) -> str:
    """SHA-256 over the text in UTF-8, hex: lets who holds the original compare a message."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def as_record(content: PackContent, *, signed_by: str, now: datetime) -> dict[str, Any]:
    """report.json, schema 1: times in UTC, texts exact."""
    one = content.assessment
    others = _others(content)
    shown = {quote.message.id for quote in content.quotes}
    contact = _contact_ids(content)

    def author(name: str) -> dict[str, Any]:
        if name in others:
            return {"role": "other", "number": others[name]}
        return {"role": "contact" if name in contact else "child", "id": exact(name)}

    number = 0
    quotes = []
    for quote in content.quotes:
        message = quote.message
        number += not quote.context
        quotes.append(
            {
                "number": None if quote.context else number,
                "context": quote.context,
                "message": message.id,
                "conversation": message.conversation,
                "platform": exact(message.platform),
                "author": author(message.author),
                "sent_at": message.sent_at,
                "text": exact(message.text),
                "text_sha256": text_hash(message.text),
                "edited": message.edited,
                "forwarded": message.forwarded,
                "attachments": [
                    {"kind": thing.kind, "name": _exact(thing.name), "size_bytes": thing.size_bytes}
                    for thing in message.attachments
                ],
                "source": None if quote.source is None else _source_record(quote),
            }
        )
    return {
        "schema": 1,
        "generator": f"jaga {__version__}",
        "created_at": now.astimezone(timezone.utc),
        "language": content.language,
        "zone": content.zone,
        "signed_by": signed_by,
        "child": {
            "name": exact(content.child_name),
            "ids": [exact(name) for name in content.child_ids],
            "age_band": content.child_age_band,
        },
        "contact": {
            "id": None if one.contact == PUBLIC else exact(one.contact),
            "name": _exact(one.contact_name),
            "accounts": [
                {"id": exact(account.id), "platform": exact(account.platform), "name": _exact(account.name)}
                for account in content.contact_accounts
            ],
        },
        "assessment": {
            "level": one.level,
            "risk_type": one.risk_type,
            "stage": one.stage,
            "score": one.score,
            "platforms": [exact(name) for name in one.platforms],
            "messages": one.messages,
            "contact_messages": one.contact_messages,
            "child_messages": one.child_messages,
            "first_at": one.first_at,
            "last_at": one.last_at,
            "onset": None
            if one.onset is None
            else {"message": one.onset.message, "sent_at": one.onset.sent_at, "index": one.onset.index},
            # Only ids of messages that are quoted: the words of others stay out.
            "tactics": [
                {
                    "tactic": finding.tactic,
                    "by": finding.by,
                    "count": finding.count,
                    "first_at": finding.first_at,
                    "contribution": finding.contribution,
                    "evidence": [
                        {
                            "message": piece.message,
                            "group": piece.group,
                            "strength": piece.strength,
                            "added": piece.added,
                        }
                        for piece in finding.evidence
                        if piece.message in shown
                    ],
                }
                for finding in one.tactics
            ],
            "unjudged": one.unjudged,
        },
        "messages": quotes,
        "conversations": [
            {
                "id": conversation.id,
                "platform": exact(conversation.platform),
                "kind": conversation.kind,
                "clock": conversation.clock,
            }
            for conversation in content.conversations
        ],
        "originals": originals_record(content),
        "attachments": [
            {
                "kind": thing.kind,
                "name": _exact(thing.name),
                "sha256": thing.sha256,
                "size_bytes": thing.size_bytes,
                "kept_where": _exact(thing.kept_where),
                "message": thing.message,
            }
            for thing in content.attachments
        ],
        "audit": {
            "lines": [
                {"at": line.at, "who": exact(line.who), "what": exact(line.what), "hash": line.hash}
                for line in content.audit
            ],
            "head": content.audit_head,
        },
    }


def originals_record(content: PackContent) -> list[dict[str, Any]]:
    return [
        {
            "name": exact(original.name),
            "sha256": original.sha256,
            "blake3": original.blake3,
            "size_bytes": original.size_bytes,
            "kept_where": _exact(original.kept_where),
            "imported_at": original.imported_at,
        }
        for original in content.originals
    ]


def sources_record(content: PackContent) -> list[dict[str, Any]]:
    """Of every quoted message its id, the hash of its text and where it stands: for the signed manifest."""
    return [
        {
            "message": quote.message.id,
            "text_sha256": text_hash(quote.message.text),
            "context": quote.context,
            "source": None if quote.source is None else _source_record(quote),
        }
        for quote in content.quotes
    ]


def _source_record(quote: Quote) -> dict[str, Any]:
    assert quote.source is not None
    return {
        "name": exact(quote.source.name),
        "sha256": quote.source.sha256,
        "size_bytes": quote.source.size_bytes,
        "where": _exact(quote.source.where or quote.message.where),
    }


def _exact(text: str | None) -> str | None:
    return None if text is None else exact(text)
