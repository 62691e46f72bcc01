"""Sends each message to the relationships it belongs to, and keeps their state."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from jaga.assessment._keep import EVERYTHING, Keep
from jaga.assessment._model import Model, load_model
from jaga.assessment._relationship import Relationship
from jaga.assessment._thread import Threads
from jaga.assessment._types import Assessment
from jaga.records import Account, Conversation, Message
from jaga.signals import Actor, Before, Contextual, Detector, Signal, all_detectors
from jaga.signals.encoder import Reader, load_encoder

__all__ = ["PUBLIC", "Assessor"]

# The contact of what the child tells everyone: posts and comments of their own.
PUBLIC = "(everyone)"
# A child's line in a group answers who spoke last, if that was not long ago.
_ANSWER_WITHIN = timedelta(minutes=15)


def _split(detectors: Sequence[Detector]) -> tuple[tuple[Detector, ...], tuple[Contextual, ...]]:
    """Those that hear a message by itself, and those that hear it in its place."""
    return (
        tuple(detector for detector in detectors if not isinstance(detector, Contextual)),
        tuple(detector for detector in detectors if isinstance(detector, Contextual)),
    )


@functools.cache
def _shipped() -> tuple[tuple[Detector, ...], tuple[Contextual, ...]]:
    # Asking a protocol is slow, and a platform makes an assessor per child.
    return _split(all_detectors())


class Assessor:
    """Judges every relationship of one child. Feed messages in time order; ask at any time.

    `child`: the author ids of the child. `conversations` and `accounts` tell kinds and names; a conversation that is not
    among them counts as direct. `zone`: the child's, for night hours. `keep`: how much is kept (see Keep). `encoder`: what reads
    windows of messages where the ears leave the answer open; by default the one that ships, if its package is installed.
    """

    def __init__(
        self,
        child: Iterable[str],
        zone: tzinfo,
        *,
        conversations: Mapping[str, Conversation] | None = None,
        accounts: Mapping[tuple[str, str], Account] | None = None,
        model: Model | None = None,
        detectors: Sequence[Detector] | None = None,
        keep: Keep = EVERYTHING,
        encoder: Reader | Literal["shipped"] | None = "shipped",
    ) -> None:
        self.child = tuple(child)
        self._is_child = frozenset(self.child)
        self._zone = zone
        # Looked into at every message: whoever holds them may add to them.
        self._conversations = conversations if conversations is not None else {}
        self._accounts = accounts if accounts is not None else {}
        self._keep = keep
        self._model = model or load_model()
        self._plain, self._contextual = _shipped() if detectors is None else _split(detectors)
        self._encoder = load_encoder() if encoder == "shipped" else encoder
        self._threads = Threads(keep.context, lines=self._encoder is not None)
        self.relationships: dict[str, Relationship] = {}
        # In a conversation: who spoke last, and when.
        self._last: dict[str, tuple[str, datetime]] = {}
        # In a group: who spoke last, the child included; whoever speaks next turns to them.
        self._spoke: dict[str, str] = {}
        self._offsets: dict[int, timedelta] = {}

    def observe(self, message: Message) -> Assessment | None:
        """Take in the next message. The relationship's assessment if its level rose, else None."""
        if message.kind in ("system", "deleted") or not message.author:
            return None
        by: Actor = "child" if message.author in self._is_child else "contact"
        before = self._threads.before(message, by)
        addressed: str | None = None
        conversation = self._conversations.get(message.conversation)
        kind = conversation.kind if conversation is not None else "direct"
        if kind == "group":
            spoke = self._spoke.get(message.conversation)
            self._spoke[message.conversation] = message.author
            if spoke != message.author:
                addressed = spoke
        if by == "contact":
            contact = message.author
            if kind != "direct" or conversation is None:
                self._last[message.conversation] = (contact, message.sent_at)
        else:
            answered = self._answered(message, conversation, kind)
            if answered is None:
                return None
            contact = answered
        relationship = self.relationships.get(contact)
        if relationship is None:
            relationship = self.relationships[contact] = self._start(contact, message.platform)
        if conversation is not None and conversation.is_request:
            relationship.is_request = True
        signals, tone = self.listen(message, by, before) if message.text else ([], None)
        key = message.sent_at.toordinal()
        offset = self._offsets.get(key)
        if offset is None:
            offset = self._offsets[key] = message.sent_at.astimezone(self._zone).utcoffset() or timedelta()
        local = message.sent_at + offset
        rose = relationship.observe(message, by, signals, local.toordinal(), local.hour, addressed, tone, self._threads)
        return relationship.assessment() if rose else None

    def listen(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None]:
        """What every ear hears in a message that has words, and its tone."""
        signals: list[Signal] = []
        tone: float | None = None
        for detector in self._plain:
            signals.extend(detector.hear(message, by))
        for listener in self._contextual:
            heard, tone = listener.listen(message, by, before)
            signals += heard
        return signals, tone

    def _answered(self, message: Message, conversation: Conversation | None, kind: str) -> str | None:
        if kind == "public":
            return PUBLIC
        if kind == "direct" and conversation is not None:
            return next((person for person in conversation.participants if person not in self._is_child), None)
        last = self._last.get(message.conversation)
        # Two people alone: however late, it answers the other one.
        if last is None or (kind != "direct" and message.sent_at - last[1] > _ANSWER_WITHIN):
            return None
        return last[0]

    def _start(self, contact: str, platform: str) -> Relationship:
        account = self._accounts.get((platform, contact))
        name = account.name if account is not None else None
        child = self.child[0] if self.child else ""
        return Relationship(child, contact, name, self._model, self._keep, self._encoder)

    def assessments(self) -> Iterator[Assessment]:
        """Every relationship, the most worrying first; equal ones by who wrote more."""
        order = {"urgent": 0, "concern": 1, "watch": 2, "none": 3}
        ranked = sorted(
            self.relationships.values(),
            key=lambda one: (order[one.level], -round(one.score, 4), -one.messages, one.contact),
        )
        for relationship in ranked:
            yield relationship.assessment()
