"""Sentences that more than one door says: levels, stages, why, what to do. All through gettext."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from jaga.assessment import LEVELS, PUBLIC, Assessment, Evidence, Explanation, TacticFinding, WhatIf
from jaga.guidance import Guidance
from jaga.guidance import next_steps as _steps
from jaga.second_reader import Opinion
from jaga.signals.catalogue import load_catalogue
from jaga.signals.learned import GROUP as LEARNED
from jaga.signals.nearest import Near
from jaga.signals.pictures import KNOWN, PICTURES
from jaga.sources import all_sources
from jaga.words import Words

__all__ = [
    "APPS",
    "attachment_words",
    "author_words",
    "certainty_words",
    "change_words",
    "contact_words",
    "example_words",
    "group_words",
    "joined",
    "level_words",
    "next_steps",
    "opinion_words",
    "platform_words",
    "risk_words",
    "said_words",
    "source_words",
    "stage_words",
    "strongest",
    "tactic_words",
    "weighed_words",
    "when",
    "why",
]

# Apps by their own names, which are the same in every language.
APPS = {
    "discord": "Discord",
    "email": "E-mail",
    "facebook": "Facebook",
    "google_chat": "Google Chat",
    "imessage": "Apple Messages",
    "instagram": "Instagram",
    "kakaotalk": "KakaoTalk",
    "line": "LINE",
    "messenger": "Messenger",
    "signal": "Signal",
    "sms": "SMS",
    "snapchat": "Snapchat",
    "telegram": "Telegram",
    "tiktok": "TikTok",
    "wechat": "WeChat",
    "whatsapp": "WhatsApp",
    "x": "X",
    "youtube": "YouTube",
}


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
        "known_image": say("a picture from a list of known abuse pictures"),
        "sensitive_image": say("a picture that looks like nudity"),
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
    if tactic in PICTURES:
        # Who sent it is said around it.
        if tactic in KNOWN.values():
            return say("A picture from a list of known abuse pictures")
        return say("A picture that looks like nudity")
    known = load_catalogue().tactics.get(tactic)
    return say(known.title) if known is not None else tactic


def group_words(say: Words, tactic: str, group: str) -> str:
    if tactic in PICTURES:
        if tactic in KNOWN.values():
            return say("Its fingerprint is on a list of known abuse pictures. Do not open it.")
        return say("A program on this machine takes it for nudity and may be wrong. Nobody has looked at it.")
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
    heard = [finding for finding in one.tactics if finding.tactic != "protective" and finding.contribution >= 0]
    mine = [finding for finding in heard if finding.by == "contact"][:4]
    child = [finding for finding in heard if finding.by == "child"][:3]
    if not mine and not child:
        return say("Jaga heard nothing that stands out.")

    def listed(findings: list[TacticFinding]) -> str:
        parts = [
            say("{tactic} ({count}×)", tactic=tactic_words(say, f.tactic).lower(), count=f.count)
            if f.count > 1
            else tactic_words(say, f.tactic).lower()
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
    return joined(say, sentences)


def joined(say: Words, sentences: list[str]) -> str:
    # Chinese writes no space between sentences.
    return ("" if say.language == "zh" else " ").join(sentences)


def next_steps(say: Words, guidance: Guidance, one: Assessment, age: int | None) -> list[str]:
    heard = {finding.tactic for finding in one.tactics}
    pictures = [
        name for name in ("known_image", "sensitive_image") if heard & {tactic for tactic in PICTURES if name in tactic}
    ]
    return [say(text) for text in _steps(guidance, one.risk_type, one.level, age, pictures)]


def source_words(say: Words, name: str | None) -> str:
    """A format, for people; None is one that nobody knew."""
    if name is None:
        return say("not recognised")
    return next((say(source.title) for source in all_sources() if source.name == name), name)


def platform_words(one: Assessment) -> str:
    """The apps of a relationship by their own names, which are the same in every language."""
    return ", ".join(APPS.get(platform, platform) for platform in one.platforms)


def strongest(say: Words, one: Assessment, limit: int) -> list[tuple[Evidence, list[str]]]:
    """The messages that added most, in time order, each once with every reason it was heard for."""
    pieces: dict[str, Evidence] = {}
    reasons: dict[str, dict[str, None]] = {}
    # What only the learned ear heard in a message: one reason names all of it.
    alike: dict[str, dict[str, None]] = {}
    added: dict[str, float] = {}
    # They add to no score, and are not left out for what does.
    pictures: set[str] = set()
    for finding in one.tactics:
        if finding.tactic == "protective":
            continue
        for piece in finding.evidence:
            if finding.tactic in PICTURES:
                pictures.add(piece.message)
            pieces.setdefault(piece.message, piece)
            added[piece.message] = added.get(piece.message, 0.0) + piece.added
            if piece.group != LEARNED:
                reasons.setdefault(piece.message, {})[group_words(say, finding.tactic, piece.group)] = None
            elif not any(other.message == piece.message and other.group != LEARNED for other in finding.evidence):
                alike.setdefault(piece.message, {})[tactic_words(say, finding.tactic)] = None
    ranked = sorted(pieces.values(), key=lambda piece: (piece.message not in pictures, -added[piece.message]))
    most = ranked[:limit]
    told = []
    for piece in sorted(most, key=lambda piece: piece.sent_at):
        lines = list(reasons.get(piece.message, ()))
        if piece.message in alike:
            named = say(", ").join(alike[piece.message])
            lines.append(say("Sounds like known examples of: {tactic}", tactic=named))
        told.append((piece, lines))
    return told


def author_words(say: Words, one: Assessment, piece: Evidence) -> str:
    return say("child") if piece.author == one.child else contact_words(say, one)


def weighed_words(say: Words, explained: Explanation, limit: int) -> list[str]:
    """What weighed, the most first, each with its share in percent; what is less than one percent is left out."""

    def name_of(name: str) -> str:
        names = {"tone": say("how the talk sounds as a whole"), "context": say("hours, pace and who writes")}
        return names.get(name) or tactic_words(say, name).lower()

    return [
        say("{name} {percent} %", name=name_of(share.name), percent=round(100 * share.share))
        for share in explained.shares[:limit]
        if share.share >= 0.01
    ]


def example_words(say: Words, near: Near) -> str:
    """The known example a message is close to."""
    return say(
        "Close to a known example of “{tactic}”: “{example}”", tactic=tactic_words(say, near.tactic), example=near.text
    )


def change_words(say: Words, explained: Explanation, zone: tzinfo, limit: int) -> list[str]:
    """What would change the level, as it was computed; at most `limit` sentences of each kind."""
    lines: list[str] = []
    lower = [what for what in explained.without if LEVELS.index(what.level) < LEVELS.index(explained.level)]
    for what in [what for what in lower if what.message is not None and what.sent_at is not None][:limit]:
        assert what.sent_at is not None
        lines.append(
            say(
                "Without the message of {when} it would be about “{level}”.",
                when=when(what.sent_at, zone),
                level=level_words(say, what.level),
            )
        )
    lines += [
        say("Without “{tactics}” it would be “{level}”.", tactics=names, level=level)
        for level, names in _by_level(say, [what for what in lower if what.tactic is not None], limit)
    ]
    if not lower and explained.without:
        lines.append(say("No single message or sign decides: without any one of them the level would be the same."))
    lines += [
        say("It would become “{level}” with one more sign, such as: {tactics}.", tactics=names, level=level)
        for level, names in _by_level(say, explained.raised_by, limit)[:1]
    ]
    return lines


def _by_level(say: Words, found: Sequence[WhatIf], limit: int) -> list[tuple[str, str]]:
    """Level and tactics, in words."""
    levels: dict[str, list[str]] = {}
    for what in found:
        if what.tactic is not None:
            levels.setdefault(what.level, []).append(tactic_words(say, what.tactic).lower())
    return [(level_words(say, level), say(", ").join(names[:limit])) for level, names in levels.items()]


def certainty_words(say: Words, one: Assessment, explained: Explanation) -> list[str]:
    """How sure that is, from what was measured."""
    lines: list[str] = []
    if explained.by_picture:
        lines.append(say("A rule for pictures gave this level, whatever the words and the score."))
    elif explained.by_rule:
        lines.append(
            say("A rule gave this level, whatever the score: a direct threat, or three grave signs in plain words.")
        )
    band = explained.band
    if band is not None:
        low, high = (round(100 * end) for end in band.interval)
        lines.append(
            say.plural(
                "Of {count} invented test conversation with such a score {risky} was risky (likely {low} to {high} %).",
                "Of {count} invented test conversations with such a score {risky} were risky (likely {low} to {high} %).",
                band.count,
                risky=band.risky,
                low=low,
                high=high,
            )
        )
        lines.append(say("In a family most chats are harmless, so there it means less."))
    if explained.few:
        lines.append(
            say.plural(
                "There is only {count} message between them, so this rests on little.",
                "There are only {count} messages between them, so this rests on little.",
                one.messages,
            )
        )
    return lines


def opinion_words(say: Words, opinion: Opinion) -> list[str]:
    """What a second reader said, as the words of a model and no more."""
    place = say("on this machine") if opinion.local else say("on another machine")
    if opinion.verdict is None:
        said = say(
            "The second reader ({model}, {place}) gave no answer: {problem}.",
            model=opinion.model,
            place=place,
            problem=say.found(opinion.problem or ""),
        )
        return [said]
    verdict = {"worrying": say("worrying"), "unclear": say("unclear"), "harmless": say("harmless")}[opinion.verdict]
    lines = [
        say(
            "The second reader ({model}, {place}) finds these messages: {verdict}.",
            model=opinion.model,
            place=place,
            verdict=verdict,
        )
    ]
    if opinion.reason:
        lines.append(say("It says: “{reason}”", reason=opinion.reason))
    lines.append(
        say("It is a language model that can be wrong or be misled by what it reads; it changes nothing above.")
    )
    return lines


def said_words(say: Words, piece: Evidence) -> str:
    """What stands for a message that is shown: its text, or that it is a picture. Never the name of a file."""
    return piece.text or say("(a picture or video; not shown)")
