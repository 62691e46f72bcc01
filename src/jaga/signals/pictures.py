"""Hears what looking at an attachment told: that a bank knows it, or that it likely shows nudity. It opens nothing itself.

Four tactics, so that what was received is never mixed with what the child sent: `known_image` and `sensitive_image` of the contact,
`known_image_sent` and `sensitive_image_sent` of the child. A child who sends such a picture is a victim to be helped. They are outside the
catalogue, for no words say them, and add nothing to the score: a rule of their own says what follows (jaga.assessment).

Source: the scale is that of open_nsfw (Yahoo, 2016), by which 0.8 and more is very likely nudity; see jaga.media.judging.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from jaga.records import Attachment, Message
from jaga.signals._base import Actor, Signal

__all__ = ["KNOWN", "PICTURES", "SENSITIVE", "SENSITIVE_FROM", "Pictures"]

# Tactics by who sent it.
KNOWN: dict[Actor, str] = {"contact": "known_image", "child": "known_image_sent"}
SENSITIVE: dict[Actor, str] = {"contact": "sensitive_image", "child": "sensitive_image_sent"}
PICTURES = frozenset((*KNOWN.values(), *SENSITIVE.values()))
# From this likelihood on it is told.
SENSITIVE_FROM = 0.8


class Pictures:
    """Attachments that were looked at, whoever looked (jaga.media.attachments); what nobody looked at says nothing."""

    name = "pictures"
    of_attachments: Literal[True] = True

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield at most one signal for known pictures of a message and one for sensitive ones, however many it has."""
        known = [one for one in message.attachments if one.known is not None and one.known.meaning == "bad"]
        if known:
            yield self._signal(message, by, KNOWN[by], "known", 1.0, ", ".join(sorted({_entry(one) for one in known})))
        told = [one.sensitive for one in message.attachments if one.sensitive is not None and _told(one)]
        if told:
            # Rounded: a likelihood is no more exact than that, and a saved one is the same.
            likely = round(max(told), 2)
            yield self._signal(message, by, SENSITIVE[by], "likely_nudity", likely, f"{likely:.2f}")

    def _signal(self, message: Message, by: Actor, tactic: str, group: str, strength: float, because: str) -> Signal:
        return Signal(
            tactic=tactic,
            group=group,
            by=by,
            strength=strength,
            messages=(message.id,),
            detector=self.name,
            because=because[:80],
        )


def _told(one: Attachment) -> bool:
    if one.sensitive is None or one.sensitive < SENSITIVE_FROM:
        return False
    # Byte for byte a file that is known to be harmless.
    return one.known is None or one.known.meaning != "good" or one.known.kind in ("pdq", "vpdq")


def _entry(one: Attachment) -> str:
    """The bank and the entry, for whoever must check it: never the name or the category of what is seen."""
    assert one.known is not None
    return f"{one.known.bank} #{one.known.item} ({one.known.kind}, {one.known.distance_bits} bits)"
