"""What a signal is, and what a detector must offer. One detector per file, found by entry point (`jaga.signals`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol, runtime_checkable

import msgspec

from jaga.records import Message

__all__ = ["Actor", "Detector", "Signal", "Toned"]

Actor = Literal["contact", "child"]


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


@runtime_checkable
class Toned(Detector, Protocol):
    """A detector that also tells how a message sounds, apart from any tactic."""

    def tone(self, message: Message, by: Actor) -> float | None:
        """Log-likelihood ratio of the message in a risky against a safe conversation; None if it says too little."""
        ...
