"""What a signal is, and what a detector must offer. One detector per file, found by entry point (`jaga.signals`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, runtime_checkable

import msgspec

from jaga.records import Message

__all__ = ["ACTORS", "ALONE", "Actor", "Before", "Contextual", "Detector", "Looking", "Signal"]

Actor = Literal["contact", "child"]
ACTORS: tuple[Actor, ...] = ("contact", "child")


class Signal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One detector's finding in one message. Silence of a detector means "nothing heard", never "safe"."""

    tactic: str
    # Which way of doing it: a group of the tactic's definition.
    group: str
    by: Actor
    # 0 to 1: how telling one such message is, before anything else is known.
    strength: float
    # Ids of the messages it rests on.
    messages: tuple[str, ...]
    # Name of the detector that heard it.
    detector: str
    # What made it speak: the language and the pattern or prototype, for whoever wants to check.
    language: str | None = None
    because: str | None = None


@runtime_checkable
class Detector(Protocol):
    """Pure: no clock, no network, no memory of earlier messages; the same message gives the same signals."""

    name: str

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield what is heard in one message."""
        ...


class Before(msgspec.Struct, frozen=True, gc=False):
    """What stood before a message in its conversation: a tactic is often spread over three short lines."""

    # The last message of the same author.
    previous: Message | None = None
    # The last message of the other side: the child's for a contact, any contact's for the child.
    other: Message | None = None


# A message by itself.
ALONE = Before()


@runtime_checkable
class Contextual(Detector, Protocol):
    """A detector that also hears a message in what stood before. Pure too: that is given to it, not remembered by it."""

    def listen(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None]:
        """What is heard in one message when what stood before is known, and its tone.

        Tone: log-likelihood ratio of the message in a risky against a safe conversation; None if it says nothing.
        """
        ...


@runtime_checkable
class Looking(Detector, Protocol):
    """A detector of what is attached: asked for messages with attachments, with words or without, and never for joined texts."""

    of_attachments: Literal[True]
