"""The library's door: one engine guards one child, message by message (docs/engine.md).

    from jaga import Engine, Message

    engine = Engine(child=["aina"], zone="Asia/Kuala_Lumpur")
    risen = engine.observe(message)

An engine is small; what it hears with is loaded once per process and shared. Every method may be called from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterable, Iterable, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

from jaga.assessment import COMPACT, Assessment, Assessor, Explanation, Keep, Model, Tuning
from jaga.assessment._state import (
    dump,
    dump_all,
    dump_conversation,
    forget,
    load,
    load_all,
    load_conversation,
    put_all,
)
from jaga.errors import UnreadableInput, UsageError
from jaga.records import Account, Conversation, Message
from jaga.signals import Detector
from jaga.signals.encoder import Reader

__all__ = ["Engine"]

# Messages of an asynchronous batch that are heard in one go: about ten milliseconds, after which others get their turn.
_TURN = 256


class Engine:
    """Judges every relationship of one child.

    `child`: the author ids under which the child writes, or one of them. `zone`: where the child lives, an IANA name, an offset
    such as "+08:00" or a tzinfo; it says what night is. `conversations` and `accounts`: what is known beforehand (see `know`).
    `model`, `detectors`: other weights or ears than those that ship. `keep`: how much of the evidence is kept.
    `tuning`: what the family moved.
    Raises: UsageError, if `child` names nobody or `zone` is unknown.

    Feed the messages of a relationship in time order. Different conversations may come from different threads.
    """

    def __init__(
        self,
        *,
        child: str | Iterable[str],
        zone: str | tzinfo,
        conversations: Iterable[Conversation] = (),
        accounts: Iterable[Account] = (),
        model: Model | None = None,
        detectors: Sequence[Detector] | None = None,
        keep: Keep = COMPACT,
        tuning: Tuning | None = None,
        encoder: Reader | Literal["shipped"] | None = "shipped",
    ) -> None:
        people = (child,) if isinstance(child, str) else tuple(child)
        if not any(people):
            raise UsageError("nobody to guard", remedy="name the author ids of the child")
        self._zone = _zone(zone)
        self._conversations: dict[str, Conversation] = {}
        self._accounts: dict[tuple[str, str], Account] = {}
        self._assessor = Assessor(
            people,
            self._zone,
            conversations=self._conversations,
            accounts=self._accounts,
            model=model,
            detectors=detectors,
            keep=keep,
            tuning=tuning or Tuning(),
            encoder=encoder,
        )
        # Python runs one thread at a time in here anyway; the lock keeps a message's steps together.
        self._lock = threading.RLock()
        self._hear = self._assessor.observe
        self.know(*conversations, *accounts)

    @property
    def child(self) -> tuple[str, ...]:
        """The author ids of the child."""
        return self._assessor.child

    @property
    def contacts(self) -> tuple[str, ...]:
        """Whoever has a relationship with the child, in order of appearance."""
        with self._lock:
            return tuple(self._assessor.relationships)

    def know(self, *records: Conversation | Account) -> None:
        """Tell what a conversation is (two people, a group, public) and how a person is called; later ones replace earlier ones.

        A conversation never told of counts as one of two people.
        """
        with self._lock:
            for record in records:
                if isinstance(record, Conversation):
                    self._conversations[record.id] = record
                else:
                    self._accounts[record.platform, record.id] = record

    def observe(self, message: Message) -> Assessment | None:
        """Take in the next message. The relationship's assessment if its level rose, else None."""
        with self._lock:
            return self._hear(message)

    def observe_all(self, messages: Iterable[Message]) -> list[Assessment]:
        """Take in messages in time order; an assessment for each rise of a level, in order."""
        return [risen for message in messages if (risen := self.observe(message)) is not None]

    async def observe_batch(self, messages: Iterable[Message] | AsyncIterable[Message]) -> list[Assessment]:
        """The same for asynchronous programs: the hearing is done in a worker thread, so the event loop stays free.

        Batches of one relationship are awaited one after the other; batches of different ones may run at the same time. When it
        is cancelled, the messages handed to the worker so far have been heard.
        """
        found: list[Assessment] = []
        if isinstance(messages, AsyncIterable):
            turn: list[Message] = []
            async for message in messages:
                turn.append(message)
                if len(turn) >= _TURN:
                    found += await asyncio.to_thread(self.observe_all, turn)
                    turn = []
            return found + await asyncio.to_thread(self.observe_all, turn)
        source = iter(messages)
        while turn := list(islice(source, _TURN)):
            found += await asyncio.to_thread(self.observe_all, turn)
        return found

    def assessment(self, contact: str) -> Assessment | None:
        """How the relationship with one contact looks now; None if there is none."""
        with self._lock:
            found = self._assessor.relationships.get(contact)
            return None if found is None else found.assessment()

    def assessments(self) -> list[Assessment]:
        """Every relationship, the most worrying first."""
        with self._lock:
            return list(self._assessor.assessments())

    def explain(self, contact: str) -> Explanation | None:
        """Why the relationship with one contact is judged as it is, and what would change it; None if there is none.

        Takes a few milliseconds: ask for what is shown. The same before saving and after restoring.
        """
        with self._lock:
            return self._assessor.explain(contact)

    @property
    def tuning(self) -> Tuning:
        """The tuning it judges by."""
        return self._assessor.tuning

    def tune(self, tuning: Tuning) -> list[Assessment]:
        """Judge everything anew with another tuning; the relationships whose level is another one now, higher or lower.

        The answers are those of an engine that had this tuning from the start (docs/engine.md).
        """
        with self._lock:
            return list(self._assessor.tune(tuning))

    # ------------------------------------------------------------ saving and restoring

    def save(self) -> bytes:
        """Everything it knows, for `Engine.restore`. Holds short pieces of what people wrote: guard it like the messages."""
        with self._lock:
            return dump_all(self._assessor, self._accounts.values(), _name(self._zone))

    @classmethod
    def restore(
        cls,
        stored: bytes,
        *,
        model: Model | None = None,
        detectors: Sequence[Detector] | None = None,
        keep: Keep = COMPACT,
        tuning: Tuning | None = None,
        encoder: Reader | Literal["shipped"] | None = "shipped",
    ) -> Engine:
        """An engine that goes on where `save` was called, with the same answers, unless it is given another tuning.

        Raises: UnreadableInput.
        """
        everything = load_all(stored)
        try:
            engine = cls(
                child=everything.child,
                zone=everything.zone,
                accounts=everything.accounts,
                model=model,
                detectors=detectors,
                keep=keep,
                tuning=everything.tuning if tuning is None else tuning,
                encoder=encoder,
            )
        except UsageError as error:
            raise UnreadableInput(f"is not a saved state: {error.what}") from error
        put_all(engine._assessor, engine._conversations, everything)
        return engine

    def save_relationship(self, contact: str, *, conversations: bool = True) -> bytes:
        """One relationship, in at most 4,096 bytes, with what stood last in its conversations of two.

        What stood last in groups belongs to many relationships: `save_conversation` gives it. `conversations=False` leaves out
        those of two as well, for who saves each by itself. Raises: UsageError, if there is no such relationship.
        """
        with self._lock:
            try:
                return dump(self._assessor, contact, contexts=conversations)
            except KeyError:
                raise _nobody(contact) from None

    def restore_relationship(self, stored: bytes) -> str:
        """Take in what `save_relationship` gave, in place of what is known of that contact; the contact. Raises: UnreadableInput."""
        with self._lock:
            return load(self._assessor, self._conversations, stored)

    def save_conversation(self, conversation: str) -> bytes:
        """What stood last in a conversation: one message of each of its latest authors, at most 32."""
        with self._lock:
            return dump_conversation(self._assessor, conversation)

    def restore_conversation(self, stored: bytes) -> str:
        """Take in what `save_conversation` gave, in place of what is known of it; its id. Raises: UnreadableInput."""
        with self._lock:
            return load_conversation(self._assessor, self._conversations, stored)

    def forget(self, contact: str) -> None:
        """Let go of a relationship (save it first, if it is to come back). Raises: UsageError, if there is none."""
        with self._lock:
            try:
                forget(self._assessor, contact)
            except KeyError:
                raise _nobody(contact) from None


def _nobody(contact: str) -> UsageError:
    return UsageError(f"no relationship with {contact!r}", remedy="see Engine.contacts")


def _zone(zone: str | tzinfo) -> tzinfo:
    if not isinstance(zone, str):
        return zone
    if zone[:1] in ("+", "-"):
        try:
            offset = datetime.strptime(zone, "%z").utcoffset()
        except ValueError:
            offset = None
        if offset is not None:
            return timezone(offset)
    else:
        try:
            return ZoneInfo(zone)
        # An unknown name is a KeyError, one that no zone can have a ValueError, that of a folder an OSError.
        except (KeyError, ValueError, OSError):
            pass
    raise UsageError(
        f"no time zone {zone!r}", remedy='use a name such as "Asia/Kuala_Lumpur" or an offset such as "+08:00"'
    )


def _name(zone: tzinfo) -> str:
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    if isinstance(zone, timezone):
        offset = zone.utcoffset(None)
        minutes, seconds = divmod(abs(offset).seconds, 60)
        sign = "-" if offset < timedelta() else "+"
        return f"{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
    raise UsageError(f"the zone {zone!r} has no name to save", remedy="make the engine with a zone's name or offset")
