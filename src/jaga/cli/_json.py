"""`jaga check --json`, schema 1 (docs/schema/check-1.md)."""

from __future__ import annotations

from typing import Any

import msgspec

from jaga import __version__
from jaga.assessment import PUBLIC, Assessment
from jaga.cli._words import certainty_words, change_words, group_words, next_steps, why
from jaga.family import Checked
from jaga.guidance import Guidance
from jaga.sources import zone_of
from jaga.words import Words

__all__ = ["as_json"]

# Sentences of a kind about what would change the level.
_SAID = 3


def as_json(checked: Checked, guidance: Guidance, say: Words, age: int | None) -> bytes:
    """The document, UTF-8, without a line end. Times are UTC in ISO 8601."""
    return msgspec.json.encode(
        {
            "schema": 1,
            "generator": f"jaga {__version__}",
            "language": say.language,
            "zone": checked.zone_name,
            "child": {"ids": checked.owner.ids, "how": checked.owner.how, "present": checked.child_present},
            "messages": checked.messages,
            "unjudged": checked.unjudged,
            "pictures": checked.pictures,
            "inputs": [
                {
                    "path": item.path,
                    "source": item.source,
                    "conversations": item.conversations,
                    "messages": item.messages,
                    "skipped": item.skipped,
                    "problems": [{"where": p.where, "what": p.what, "note": p.note} for p in item.problems],
                }
                for item in checked.inputs
            ],
            "relationships": [_relationship(one, checked, guidance, say, age) for one in checked.assessments],
        }
    )


def _explanation(one: Assessment, checked: Checked, say: Words) -> dict[str, Any] | None:
    explained = checked.explanations.get(one.contact)
    if explained is None:
        return None
    band = explained.band
    zone = zone_of(checked.zone_name)
    return {
        "by_rule": explained.by_rule,
        "by_picture": explained.by_picture,
        "shares": [{"name": share.name, "share": share.share} for share in explained.shares],
        "against": explained.against,
        "like": [
            {
                "message": like.message,
                "tactic": like.near.tactic,
                "language": like.near.language,
                "example": like.near.text,
                "likeness": like.near.likeness,
            }
            for like in explained.like
        ],
        "without": [
            {
                "tactic": what.tactic,
                "message": what.message,
                "sent_at": what.sent_at,
                "level": what.level,
                "score": what.score,
            }
            for what in explained.without
        ],
        "raised_by": [
            {"tactic": what.tactic, "level": what.level, "score": what.score} for what in explained.raised_by
        ],
        "how_sure": None
        if band is None
        else {
            "low": band.low,
            "high": band.high,
            "conversations": band.count,
            "risky": band.risky,
            "interval": band.interval,
        },
        "few": explained.few,
        "words": [*change_words(say, explained, zone, _SAID), *certainty_words(say, one, explained)],
    }


def _relationship(one: Assessment, checked: Checked, guidance: Guidance, say: Words, age: int | None) -> dict[str, Any]:
    return {
        "child": one.child,
        "contact": None if one.contact == PUBLIC else one.contact,
        "contact_name": one.contact_name,
        "platforms": one.platforms,
        "conversations": len(one.conversations),
        "messages": one.messages,
        "first_at": one.first_at,
        "last_at": one.last_at,
        "score": one.score,
        "level": one.level,
        "risk_type": one.risk_type,
        "stage": one.stage,
        "onset": None
        if one.onset is None
        else {
            "message": one.onset.message,
            "conversation": one.onset.conversation,
            "sent_at": one.onset.sent_at,
            "index": one.onset.index,
        },
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
                        "conversation": piece.conversation,
                        "sent_at": piece.sent_at,
                        "text": piece.text,
                        "why": group_words(say, finding.tactic, piece.group),
                        "language": piece.language,
                        "pattern": piece.because,
                        "added": piece.added,
                    }
                    for piece in finding.evidence
                ],
            }
            for finding in one.tactics
        ],
        "why": why(say, one),
        "next_steps": next_steps(say, guidance, one, age),
        "explanation": _explanation(one, checked, say),
        "second_reader": checked.opinions.get(one.contact),
    }
