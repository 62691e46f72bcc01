"""Sentences that more than one kind of report says: levels, stages, why, how sure. All through gettext."""

from __future__ import annotations

from datetime import datetime, tzinfo

from jaga.assessment import PUBLIC, Assessment, Evidence, TacticFinding
from jaga.family import Checked
from jaga.guidance import Guidance
from jaga.guidance import next_steps as _steps
from jaga.signals.catalogue import load_catalogue
from jaga.signals.learned import GROUP as LEARNED
from jaga.words import Words

__all__ = [
    "attachment_words",
    "author_words",
    "cannot_judge",
    "contact_words",
    "group_words",
    "level_words",
    "next_steps",
    "owner_words",
    "risk_words",
    "stage_words",
    "strongest",
    "tactic_words",
    "when",
    "why",
]


def level_words(say: Words, level: str) -> str:
    return {
        "none": say("Nothing to see"),
        "watch": say("Keep an eye on it"),
        "concern": say("Worth a look"),
        "urgent": say("Act today"),
    }[level]


def risk_words(say: Words, risk: str | None) -> str:
    return {
        "grooming": say("signs of grooming"),
        "sextortion": say("signs of blackmail"),
        "meeting": say("signs of arranging a meeting in secret"),
        "image_selling": say("signs of being used to sell pictures"),
        "exposure": say("personal details given away"),
        "distress": say("signs of distress"),
        None: "",
    }[risk]


def stage_words(say: Words, stage: str | None) -> str:
    return {
        "rapport": say("winning trust"),
        "probing": say("asking about the child"),
        "inducement": say("offering gifts"),
        "isolation": say("setting apart from others"),
        "moving": say("moving to a private place"),
        "risk_assessment": say("finding out who watches"),
        "secrecy": say("asking for secrecy"),
        "escalation": say("pressing further"),
        "request": say("asking for pictures"),
        "recruiting": say("recruiting to sell"),
        "selling": say("selling"),
        "meeting": say("arranging to meet"),
        "extortion": say("threatening"),
        None: "",
    }[stage]


def attachment_words(say: Words, kind: str, count: int) -> str:
    names = {
        "image": say.plural("{count} picture", "{count} pictures", count),
        "video": say.plural("{count} video", "{count} videos", count),
        "voice": say.plural("{count} voice note", "{count} voice notes", count),
        "audio": say.plural("{count} sound file", "{count} sound files", count),
        "sticker": say.plural("{count} sticker", "{count} stickers", count),
        "document": say.plural("{count} document", "{count} documents", count),
    }
    return names.get(kind, say.plural("{count} other attachment", "{count} other attachments", count))


def tactic_words(say: Words, tactic: str) -> str:
    known = load_catalogue().tactics.get(tactic)
    return say(known.title) if known is not None else tactic


def group_words(say: Words, tactic: str, group: str) -> str:
    known = load_catalogue().tactics.get(tactic)
    if known is None:
        return group
    if group == LEARNED:
        return say("Sounds like known examples of: {tactic}", tactic=say(known.title))
    return say(known.groups[group].meaning) if group in known.groups else group


def contact_words(say: Words, one: Assessment) -> str:
    if one.contact == PUBLIC:
        return say("Everyone (own posts)")
    return one.contact_name or one.contact


def when(at: datetime, zone: tzinfo) -> str:
    """A time as evidence wants it: unambiguous, in the zone of the reader."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def why(say: Words, one: Assessment) -> str:
    """One plain sentence: what was heard, how often, from when; never a verdict on a person."""
    catalogue = load_catalogue().tactics
    heard = [finding for finding in one.tactics if finding.tactic != "protective" and finding.contribution >= 0]
    mine = [finding for finding in heard if finding.by == "contact"][:4]
    child = [finding for finding in heard if finding.by == "child"][:3]
    if not mine and not child:
        return say("Jaga heard nothing that stands out.")

    def listed(findings: list[TacticFinding]) -> str:
        parts = [
            say("{tactic} ({count}×)", tactic=say(catalogue[f.tactic].title).lower(), count=f.count)
            if f.count > 1
            else say(catalogue[f.tactic].title).lower()
            for f in findings
        ]
        return say(", ").join(parts)

    sentences = []
    if mine:
        sentences.append(
            say(
                "In the messages of {contact} Jaga heard: {tactics}.",
                contact=contact_words(say, one),
                tactics=listed(mine),
            )
        )
    if child:
        sentences.append(say("In the child's own messages: {tactics}.", tactics=listed(child)))
    if any(finding.tactic == "protective" for finding in one.tactics):
        sentences.append(say("There is also talk that protects (parents told, safety advice), which lowers the score."))
    return " ".join(sentences)


def next_steps(say: Words, guidance: Guidance, one: Assessment, age: int | None) -> list[str]:
    return [say(text) for text in _steps(guidance, one.risk_type, one.level, age)]


def cannot_judge(say: Words, unjudged: dict[str, int]) -> str:
    """What was there but not looked at, in words; empty if nothing."""
    if not unjudged:
        return ""
    listed = say(", ").join(attachment_words(say, kind, count) for kind, count in sorted(unjudged.items()))
    return say("Jaga reads words only. It did not look at or listen to: {attachments}.", attachments=listed)


def owner_words(say: Words, checked: Checked) -> str:
    """Whom Jaga took for the child, and how it knew."""
    name = say(", ").join(checked.owner.ids)
    return {
        "named": say("The child is {name}, as you said.", name=name),
        "stated": say("The child is {name}: the export says whose it is.", name=name),
        "recurring": say(
            "Taken for the child: {name}, who is in most conversations. If that is wrong, say --child NAME.", name=name
        ),
        "unclear": say("Jaga cannot tell who is the child; taken: {name}. Say --child NAME to be sure.", name=name),
        "nobody": say("Nobody wrote anything in it."),
    }[checked.owner.how]


def strongest(say: Words, one: Assessment, limit: int) -> list[tuple[Evidence, list[str]]]:
    """The messages that added most, in time order, each once with every reason it was heard for."""
    pieces: dict[str, Evidence] = {}
    reasons: dict[str, dict[str, None]] = {}
    added: dict[str, float] = {}
    for finding in one.tactics:
        if finding.tactic == "protective":
            continue
        for piece in finding.evidence:
            pieces.setdefault(piece.message, piece)
            named = piece.group != LEARNED or not any(
                other.message == piece.message and other.group != LEARNED for other in finding.evidence
            )
            if named:
                reasons.setdefault(piece.message, {})[group_words(say, finding.tactic, piece.group)] = None
            added[piece.message] = added.get(piece.message, 0.0) + piece.added
    most = sorted(pieces.values(), key=lambda piece: -added[piece.message])[:limit]
    return [(piece, list(reasons[piece.message])) for piece in sorted(most, key=lambda piece: piece.sent_at)]


def author_words(say: Words, one: Assessment, piece: Evidence) -> str:
    return say("child") if piece.author == one.child else contact_words(say, one)
