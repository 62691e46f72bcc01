"""Sends each message to the relationships it belongs to, and keeps their state."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Literal

import msgspec

from jaga.assessment._explain import Explanation, explain
from jaga.assessment._joined import Runs, note
from jaga.assessment._keep import EVERYTHING, Keep
from jaga.assessment._model import Model, load_model
from jaga.assessment._relationship import Relationship
from jaga.assessment._thread import Threads
from jaga.assessment._tuning import NEUTRAL, Tuning
from jaga.assessment._types import Assessment
from jaga.records import Account, Conversation, Message
from jaga.signals import Actor, Before, Contextual, Detector, Looking, Signal, all_detectors
from jaga.signals.catalogue import load_vocabulary
from jaga.signals.encoder import Reader, load_encoder

__all__ = ["PUBLIC", "Assessor"]

# The contact of what the child tells everyone: posts and comments of their own.
PUBLIC = "(everyone)"
# What was heard in a piece of a run counts again when all of it says it so much more clearly.
_CLEARER = 0.2
# A child's line in a group answers who spoke last, if that was not long ago.
_ANSWER_WITHIN = timedelta(minutes=15)


_Ears = tuple[tuple[Detector, ...], tuple[Contextual, ...], tuple[Looking, ...]]


def _split(detectors: Sequence[Detector]) -> _Ears:
    """Those that hear a message by itself, those that hear it in its place, and those for what is attached."""
    return (
        tuple(one for one in detectors if not isinstance(one, Contextual | Looking)),
        tuple(one for one in detectors if isinstance(one, Contextual)),
        tuple(one for one in detectors if isinstance(one, Looking)),
    )


@functools.cache
def _shipped() -> _Ears:
    # Asking a protocol is slow, and a platform makes an assessor per child.
    return _split(all_detectors())


class Assessor:
    """Judges every relationship of one child. Feed messages in time order; ask at any time.

    `child`: the author ids of the child. `conversations` and `accounts` tell kinds and names; a conversation that is not
    among them counts as direct. `zone`: the child's, for night hours. `keep`: how much is kept (see Keep). `tuning`: what the family
    moved (see Tuning). `encoder`: what reads windows of messages where the ears leave the answer open; by default the one that
    ships, if its package is installed.
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
        tuning: Tuning = NEUTRAL,
        encoder: Reader | Literal["shipped"] | None = "shipped",
    ) -> None:
        self.child = tuple(child)
        self._is_child = frozenset(self.child)
        self._zone = zone
        # Looked into at every message: whoever holds them may add to them.
        self._conversations = conversations if conversations is not None else {}
        self._accounts = accounts if accounts is not None else {}
        self._keep = keep
        self.tuning = tuning
        self._model = model or load_model()
        self._plain, self._contextual, self._looking = _shipped() if detectors is None else _split(detectors)
        self._encoder = load_encoder() if encoder == "shipped" else encoder
        if self._encoder is not None:
            self._model = self._model.reading(self._encoder.stage)
        self._threads = Threads(keep.context, lines=self._encoder is not None)
        self._runs = Runs(load_vocabulary())
        self.relationships: dict[str, Relationship] = {}
        # In a conversation: who spoke last, and when.
        self._last: dict[str, tuple[str, datetime]] = {}
        # In a group: who spoke last, the child included; whoever speaks next turns to them.
        self._spoke: dict[str, str] = {}
        self._offsets: dict[int, timedelta] = {}
        # The relationship the last message belonged to, who wrote it, its local day and hour; None if it belonged to none.
        self.latest: tuple[Relationship, Actor, int, int] | None = None

    def observe(self, message: Message) -> Assessment | None:
        """Take in the next message. The relationship's assessment if its level rose, else None."""
        self.latest = None
        if message.kind in ("system", "deleted") or not message.author:
            return None
        by: Actor = "child" if message.author in self._is_child else "contact"
        if by == "child":
            self._runs.stop(message.conversation)
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
                if not any(self._look(message, by)):
                    return None
                # A picture that matters is not dropped because nobody had written before it.
                answered = PUBLIC
            contact = answered
        relationship = self.relationships.get(contact)
        if relationship is None:
            relationship = self.relationships[contact] = self._start(contact, message.platform)
        if conversation is not None and conversation.is_request:
            relationship.is_request = True
        signals, tone, joined = self.hear(message, by, before)
        key = message.sent_at.toordinal()
        offset = self._offsets.get(key)
        if offset is None:
            offset = self._offsets[key] = message.sent_at.astimezone(self._zone).utcoffset() or timedelta()
        local = message.sent_at + offset
        ordinal, hour = local.toordinal(), local.hour
        self.latest = (relationship, by, ordinal, hour)
        rose = relationship.observe(message, by, signals, ordinal, hour, addressed, tone, joined, self._threads)
        return relationship.assessment() if rose else None

    def hear(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None, str | None]:
        """What is heard in the next message of its conversation, by itself and joined with those before it; its tone; and the joined
        text that a signal resting on several messages was heard in.
        """
        seen = list(self._look(message, by)) if message.attachments else []
        if not message.text:
            return seen, None, None
        signals, tone = self.listen(message, by, before)
        if by == "child":
            return seen + signals, tone, None
        more, joined, together = self._listen_joined(message, before, signals)
        return [*seen, *signals, *more], tone if together is None else together, joined

    def _look(self, message: Message, by: Actor) -> Iterator[Signal]:
        """What is heard of what is attached."""
        if message.attachments:
            for detector in self._looking:
                yield from detector.hear(message, by)

    def forget_conversation(self, identifier: str) -> None:
        """Let go of what stood last in a conversation."""
        self._threads.forget(identifier)
        self._last.pop(identifier, None)
        self._spoke.pop(identifier, None)
        self._runs.stop(identifier)

    def listen(self, message: Message, by: Actor, before: Before) -> tuple[list[Signal], float | None]:
        """What every ear hears in a message that has words, and its tone: the mean of what the ears that hear one say."""
        signals: list[Signal] = []
        tones: list[float] = []
        for detector in self._plain:
            signals.extend(detector.hear(message, by))
        for listener in self._contextual:
            heard, tone = listener.listen(message, by, before)
            signals += heard
            if tone is not None:
                tones.append(tone)
        # They hear the same words, so their log-likelihood ratios are no independent evidence to be added.
        return signals, sum(tones) / len(tones) if tones else None

    def _listen_joined(
        self, message: Message, before: Before, signals: Sequence[Signal]
    ) -> tuple[list[Signal], str | None, float | None]:
        """What is heard only when a contact's run of messages is taken together; its text, if anything is; and, where words were
        cut over it, its tone, for half a word has none of its own.
        """
        run, joined = self._runs.add(message)
        note(run.heard, signals)
        if joined is None:
            return [], None, None
        whole = msgspec.structs.replace(message, text=joined.text)
        tone: float | None = None
        if joined.mended:
            # The other side's last message stands before all of it.
            found, tone = self.listen(whole, "contact", Before(other=before.other))
        else:
            found = [signal for detector in self._plain for signal in detector.hear(whole, "contact")]
        new = note(run.heard, found, _CLEARER)
        if not new:
            return [], None, tone
        cited = tuple(piece.id for piece in joined.pieces)
        return [msgspec.structs.replace(signal, messages=cited) for signal in new], joined.text, tone

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
        sense = self.tuning.sense(contact)
        return Relationship(child, contact, name, self._model, self._keep, sense, self._encoder)

    def tune(self, tuning: Tuning) -> Iterator[Assessment]:
        """Judge everything anew with another tuning; the relationships whose level is another one now."""
        self.tuning = tuning
        changed = [one for one in self.relationships.values() if one.tune(tuning.sense(one.contact))]
        for relationship in changed:
            yield relationship.assessment()

    def assessments(self) -> Iterator[Assessment]:
        """Every relationship, the most worrying first; equal ones by who wrote more."""
        order = {"urgent": 0, "concern": 1, "watch": 2, "none": 3}
        ranked = sorted(
            self.relationships.values(),
            key=lambda one: (order[one.level], -round(one.score, 4), -one.messages, one.contact),
        )
        for relationship in ranked:
            yield relationship.assessment()

    def explain(self, contact: str) -> Explanation | None:
        """Why a relationship is judged as it is; None if there is none. Takes a few milliseconds: for what is shown."""
        relationship = self.relationships.get(contact)
        return None if relationship is None else explain(relationship)
