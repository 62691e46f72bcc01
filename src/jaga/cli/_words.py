"""Sentences about one check, for every kind of report, beside those that every door says. All through gettext."""

from __future__ import annotations

from jaga.family import Checked
from jaga.family.sentences import (
    attachment_words,
    author_words,
    certainty_words,
    change_words,
    contact_words,
    example_words,
    group_words,
    joined,
    level_words,
    next_steps,
    opinion_words,
    platform_words,
    risk_words,
    said_words,
    source_words,
    stage_words,
    strongest,
    tactic_words,
    weighed_words,
    when,
    why,
)
from jaga.sources import zone_of
from jaga.words import Words

__all__ = [
    "attachment_words",
    "author_words",
    "calm_words",
    "cannot_tell",
    "certainty_words",
    "change_words",
    "child_missing",
    "contact_words",
    "example_words",
    "group_words",
    "joined",
    "level_words",
    "next_steps",
    "opinion_words",
    "owner_words",
    "picture_words",
    "platform_words",
    "risk_words",
    "said_words",
    "source_words",
    "span_words",
    "stage_words",
    "strongest",
    "tactic_words",
    "weighed_words",
    "when",
    "why",
]

# Fewer messages than this in all the exports are too few to say much.
_LITTLE = 50
# Names given when the child's was not found.
_SUGGESTED = 8


def cannot_tell(say: Words, checked: Checked) -> list[str]:
    """What this report cannot know, each as a sentence: said whatever was found."""
    lines = []
    listed = say(", ").join(attachment_words(say, kind, count) for kind, count in sorted(checked.unjudged.items()))
    if checked.pictures is not None:
        if checked.pictures.compared:
            lines.append(
                say(
                    "Of pictures it knows only those on your lists, whole or little changed; others may be just as bad."
                )
            )
        if checked.pictures.judged:
            lines.append(
                say("What looks like nudity to a program may be a beach or a baby, and it overlooks some that is.")
            )
        if listed:
            lines.append(say("It did not look at or listen to: {attachments}.", attachments=listed))
    elif listed:
        lines.append(say("Jaga reads words only. It did not look at or listen to: {attachments}.", attachments=listed))
    else:
        lines.append(say("Jaga reads words only: no pictures, voice or video."))
    lines.append(
        say("It knows Malay, English, Chinese and Tamil. What is written in another language it does not hear.")
    )
    if checked.messages < _LITTLE:
        lines.append(
            say.plural(
                "There was little to read, {count} message: too little to say much.",
                "There was little to read, {count} messages: too little to say much.",
                checked.messages,
            )
        )
    lines.append(say("It misses many risky chats and sometimes points at a harmless one (docs/how-sure.md)."))
    lines.append(say("It points to what is worth a look and never proves guilt."))
    return lines


def picture_words(say: Words, checked: Checked) -> str:
    """How many pictures were looked at and what that told; empty if nobody asked for it."""
    counts = checked.pictures
    if counts is None:
        return ""
    parts = [
        say.plural(
            "{count} picture or video was looked at", "{count} pictures and videos were looked at", counts.looked
        ),
        say.plural("{count} known", "{count} known", counts.known)
        if counts.compared
        else say("no list to compare with"),
    ]
    if counts.judged:
        parts.append(say.plural("{count} looks like nudity", "{count} look like nudity", counts.sensitive))
    if counts.absent:
        parts.append(say.plural("{count} is not in the export", "{count} are not in the export", counts.absent))
    if counts.unread:
        parts.append(say.plural("{count} could not be read", "{count} could not be read", counts.unread))
    return say("Pictures: {parts}.", parts=say(", ").join(parts))


def calm_words(say: Words, checked: Checked) -> list[str]:
    """What to say when nothing reaches the level to act, the plain sentence first; silence about what was not read would mislead."""
    if checked.nothing_read:
        return [say("Nothing could be read, so nothing can be said about these chats.")]
    lines = [
        say("Nothing here reaches the level at which you should act."),
        say("That is not a promise that all is well: keep talking with your child."),
    ]
    if checked.partly_unread:
        lines.append(say("A part could not be read; what stands in it was not judged."))
    return lines


def span_words(say: Words, checked: Checked) -> str:
    """How many messages were read, from when to when; empty if none."""
    if checked.first_at is None or checked.last_at is None:
        return ""
    zone = zone_of(checked.zone_name)
    return say.plural(
        "{count} message from {first} to {last} ({zone}).",
        "{count} messages from {first} to {last} ({zone}).",
        checked.messages,
        first=when(checked.first_at, zone),
        last=when(checked.last_at, zone),
        zone=checked.zone_name,
    )


def child_missing(say: Words, checked: Checked) -> str:
    """A warning when whoever was named as the child is nowhere in the exports; else empty."""
    if checked.child_present or checked.owner.how != "named" or checked.nothing_read:
        return ""
    warning = say(
        "Nobody called {name} is in these chats, so Jaga took everyone in them for a contact.",
        name=say(", ").join(checked.owner.ids),
    )
    if not checked.people:
        return warning
    people = say(", ").join(checked.people[:_SUGGESTED])
    return joined(
        say, [warning, say("If the child is one of these, say --child with that name: {people}.", people=people)]
    )


def owner_words(say: Words, checked: Checked) -> str:
    """Whom Jaga took for the child, and how it knew."""
    # Of several spellings that were tried, those that are really in the chats.
    ids = [one for one in checked.owner.ids if one in checked.people] or checked.owner.ids
    name = say(", ").join(ids)
    return {
        "named": say("The child is {name}, as you said.", name=name),
        "stated": say("The child is {name}: the export says whose it is.", name=name),
        "recurring": say(
            "Taken for the child: {name}, who is in most conversations. If that is wrong, say --child NAME.", name=name
        ),
        "unclear": say("Jaga cannot tell who is the child; taken: {name}. Say --child NAME to be sure.", name=name),
        "nobody": say("Nobody wrote anything in it."),
    }[checked.owner.how]
