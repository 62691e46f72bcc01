"""What an Assessor knows, as bytes and back: for whoever must stop, or holds more relationships than fit in memory.

Layout, version 1: four bytes `JAG` and the version, then zlib (RFC 1950, with its checksum) over MessagePack. Fields are positions, not
names: new ones are added at the end with a default, and a change of meaning gets a new version.

What is kept of other people's words: up to `Keep.text` characters of each message cited as evidence (at most five per tactic), beside
its id; and up to `Keep.context` characters of the last message of each side, without which the next one would be heard out
of place. Nothing else that anyone wrote is in it. It is not encrypted: whoever stores it guards it like the messages themselves.

A relationship's state is at most `LIMIT` bytes. In the rare case that it would be more (all tactics heard, each many times), it is made
to fit in the order of `_SHED`: first shorter texts, then fewer pieces of evidence. Level, score, onset and counts never change by that.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from jaga.assessment._assessor import Assessor
from jaga.assessment._joined import Piece, Run
from jaga.assessment._judging import moment_of
from jaga.assessment._relationship import Relationship, _Tactic
from jaga.assessment._thread import _Thread
from jaga.assessment._tuning import NEUTRAL, Tuning
from jaga.assessment._types import Evidence, Level, Onset
from jaga.errors import UnreadableInput
from jaga.records import Account, Conversation, Message
from jaga.signals import Actor
from jaga.signals.encoder import fitting

__all__ = [
    "LIMIT",
    "VERSION",
    "Everything",
    "dump",
    "dump_all",
    "dump_conversation",
    "forget",
    "load",
    "load_all",
    "load_conversation",
    "put_all",
]

VERSION = 1
LIMIT = 4096
_MAGIC = b"JAG"
# More than any state unpacks to: what claims more is not one.
_MOST = 64 << 20

# A number is stored as an integer of ten-thousandths when that is exact (most strengths are), else as it is.
_Number = int | float


class _Piece(msgspec.Struct, array_like=True):
    message: bytes
    conversation: int
    sent_at: datetime
    author: str
    text: str
    group: str
    strength: _Number
    added: _Number
    language: str | None
    because: str | None
    index: int | None = None
    # Hundredths.
    tone: int | None = None


class _Heard(msgspec.Struct, array_like=True):
    tactic: str
    by: Actor
    count: int
    first_at: datetime
    level: float
    seen_at: int
    peak: float
    # Share of the score at its highest point.
    contribution: _Number
    # Group: how often, how strong at most.
    groups: list[tuple[str, int, _Number]]
    evidence: list[_Piece]


class _Onset(msgspec.Struct, array_like=True):
    message: bytes
    conversation: int
    sent_at: datetime
    index: int


class _Run(msgspec.Struct, array_like=True):
    author: str
    at: datetime
    # Id and text of each message.
    pieces: list[tuple[bytes, str]]
    # Tactic, group, strength.
    heard: list[tuple[str, str, float]]
    mended: bool


class _Context(msgspec.Struct, array_like=True):
    """What stood before in one conversation."""

    conversation: str
    # Unknown conversations count as direct and have no record.
    record: Conversation | None
    # The last message of each author, the longest silent first.
    authors: list[Message]
    child: Message | None
    contact: Message | None
    last: tuple[str, datetime] | None
    spoke: str | None
    # What a contact was writing in one go.
    run: _Run | None = None
    # The last lines of both sides, as many as the encoder could still read.
    lines: list[str] = []


class _State(msgspec.Struct, array_like=True):
    """One relationship. Names are those of Relationship, without the underscore."""

    child: str
    contact: str
    contact_name: str | None
    messages: int
    contact_messages: int
    child_messages: int
    night_messages: int
    started: int
    first_at: datetime | None
    last_at: datetime | None
    platforms: list[str]
    conversations: list[str]
    score: float
    level: Level
    onset: _Onset | None
    persisted: int
    refused_at: int | None
    threatened: bool
    judged: int
    is_request: bool
    run: int
    longest_run: int
    addressed: list[str]
    near: float
    near_weight: float
    far: float
    far_weight: float
    judged_tone: float
    fast: float
    slow: float
    pace_day: int
    first_day: int
    day_step: int
    day_zero: int
    # Start of the entry counted from `day_zero`, messages of the contact, of the child, evidence.
    days: list[tuple[int, int, int, _Number]]
    unjudged: dict[str, int]
    tactics: list[_Heard]
    # Conversations that evidence or onset name and `conversations` no longer does.
    elsewhere: list[str]
    contexts: list[_Context]
    # Moments by which another tuning would judge: the names of their features, then for each its index, whether it is enough
    # for more than `watch`, and its features in ten-thousandths.
    features: list[str] = []
    moments: list[tuple[int, bool, list[int | None]]] = []
    earliest: _Onset | None = None
    # None: stored before there was a tuning. Then it is not known by which rule the level was reached, and no tuning lowers it.
    floor: Level | None = None
    # The ears' log-odds as of the last judgement (none yet: null); the encoder's answers, and the message it last read after.
    odds: float | None = None
    read: list[float] = []
    read_at: int | None = None


class Everything(msgspec.Struct, array_like=True):
    """An assessor with all it knows."""

    relationships: list[bytes]
    contexts: list[_Context]
    accounts: list[Account]
    # The child's author ids and zone, as the caller writes them.
    child: list[str]
    zone: str
    tuning: Tuning = NEUTRAL


# Fields that are stored as they stand.
_PLAIN = (
    *(
        "child",
        "contact",
        "contact_name",
        "messages",
        "contact_messages",
        "child_messages",
        "night_messages",
        "started",
    ),
    *("first_at", "last_at", "score", "persisted", "_refused_at", "_threatened", "judged", "is_request"),
    *("run", "longest_run", "_near", "_near_weight", "_far", "_far_weight", "_judged_tone", "_fast", "_slow"),
    *("_pace_day", "_first_day", "_day_step", "_day_zero", "_unjudged"),
)


class _Shed(msgspec.Struct, frozen=True):
    text: int
    pieces: int
    because: int
    contexts: int


# How much is kept, until it fits: characters of a text, pieces of evidence per tactic, characters of a reason, contexts.
_SHED = (
    _Shed(1 << 20, 1 << 20, 1 << 20, 1 << 20),
    _Shed(60, 5, 1 << 20, 1 << 20),
    _Shed(24, 5, 60, 1 << 20),
    _Shed(24, 3, 30, 1 << 20),
    _Shed(0, 2, 0, 2),
    _Shed(0, 1, 0, 1),
    _Shed(0, 1, 0, 0),
)

_encoder = msgspec.msgpack.Encoder()
_state = msgspec.msgpack.Decoder(_State)
_everything = msgspec.msgpack.Decoder(Everything)
_conversation = msgspec.msgpack.Decoder(_Context)


def dump(assessor: Assessor, contact: str, *, contexts: bool = True) -> bytes:
    """One relationship, with what stood before in its conversations of two. At most LIMIT bytes.

    What stood before in groups belongs to many relationships and is only in `dump_all`. Raises: KeyError, if there is no such contact.
    """
    relationship = assessor.relationships[contact]
    before = [_context(assessor, one) for one in _of_two(assessor, relationship)] if contexts else []
    packed = b""
    for shed in _SHED:
        packed = _pack(_encoded(_taken(relationship, before, shed)))
        if len(packed) <= LIMIT:
            break
    return packed


def load(assessor: Assessor, conversations: dict[str, Conversation], stored: bytes) -> str:
    """Take in a relationship that `dump` gave; its contact. What this assessor knew of that relationship is replaced.

    `conversations`: those the assessor looks into. One it has heard in the meantime keeps its own context.
    Raises: UnreadableInput.
    """
    try:
        state = _state.decode(_unpack(stored))
        relationship = _given(assessor, state)
    except (msgspec.DecodeError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error
    assessor.relationships[relationship.contact] = relationship
    _put_contexts(assessor, conversations, state.contexts)
    return relationship.contact


def dump_conversation(assessor: Assessor, identifier: str) -> bytes:
    """What stood last in one conversation, a group too. Grows with its authors, at most 32 of whom are remembered."""
    return _pack(_encoded(_context(assessor, identifier)))


def load_conversation(assessor: Assessor, conversations: dict[str, Conversation], stored: bytes) -> str:
    """Take in what `dump_conversation` gave, in place of what is known of it; the conversation's id. Raises: UnreadableInput."""
    try:
        context = _conversation.decode(_unpack(stored))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error
    identifier = context.conversation
    assessor.forget_conversation(identifier)
    _put_contexts(assessor, conversations, [context])
    return identifier


def forget(assessor: Assessor, contact: str) -> None:
    """Let go of a relationship and of what stood before in its conversations of two. Raises: KeyError, if there is none."""
    for identifier in _of_two(assessor, assessor.relationships.pop(contact)):
        assessor._threads._threads.pop(identifier, None)
        assessor._last.pop(identifier, None)
        assessor._runs.stop(identifier)


def dump_all(assessor: Assessor, accounts: Iterable[Account], zone: str) -> bytes:
    """Everything: each relationship, and what stood before in every conversation."""
    named = dict.fromkeys((*assessor._conversations, *assessor._threads._threads, *assessor._last, *assessor._spoke))
    return _pack(
        _encoded(
            Everything(
                relationships=[dump(assessor, contact, contexts=False) for contact in assessor.relationships],
                contexts=[_context(assessor, identifier) for identifier in named],
                accounts=list(accounts),
                child=list(assessor.child),
                zone=zone,
                tuning=assessor.tuning,
            )
        )
    )


def load_all(stored: bytes) -> Everything:
    """What `dump_all` gave. Raises: UnreadableInput."""
    try:
        return _everything.decode(_unpack(stored))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from error


def put_all(assessor: Assessor, conversations: dict[str, Conversation], everything: Everything) -> None:
    """Fill a new assessor, which looks into `conversations`. Raises: UnreadableInput."""
    _put_contexts(assessor, conversations, everything.contexts)
    for stored in everything.relationships:
        load(assessor, conversations, stored)


# ------------------------------------------------------------ bytes


def _pack(raw: bytes) -> bytes:
    return _MAGIC + bytes((VERSION,)) + zlib.compress(raw, 6)


def _unpack(stored: bytes) -> bytes:
    if stored[:3] != _MAGIC:
        raise _unreadable("does not begin as one")
    if stored[3:4] != bytes((VERSION,)):
        raise UnreadableInput(
            f"is a saved state of version {stored[3] if len(stored) > 3 else '?'}, and this Jaga reads {VERSION}",
            remedy="use the newer Jaga that saved it",
        )
    unpacker = zlib.decompressobj()
    try:
        raw = unpacker.decompress(stored[4:], _MOST)
    except zlib.error as error:
        raise _unreadable(str(error)) from error
    if not unpacker.eof or unpacker.unused_data:
        raise _unreadable("is cut short or has something behind it")
    return raw


def _unreadable(what: str) -> UnreadableInput:
    return UnreadableInput(f"is not a saved state: {what}", remedy="restore it from where it was stored")


def _number(value: float) -> _Number:
    whole = round(value * 10_000)
    return whole if whole / 10_000 == value else value


def _value(stored: _Number) -> float:
    return stored / 10_000 if isinstance(stored, int) else stored


def _identifier(text: str) -> bytes:
    # Our own ids are 32 hex digits: half as long as bytes, and nothing in them compresses.
    if len(text) == 32:
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if raw.hex() == text:
            return b"\1" + raw
    return b"\0" + text.encode("utf-8", "surrogatepass")


def _text(stored: bytes) -> str:
    return stored[1:].hex() if stored[:1] == b"\1" else stored[1:].decode("utf-8", "surrogatepass")


def _encoded(state: _State | _Context | Everything) -> bytes:
    try:
        return _encoder.encode(state)
    except UnicodeEncodeError:
        # Half an emoji, as broken exports have: MessagePack cannot hold it, and no ear hears it.
        return _encoder.encode(_whole(msgspec.to_builtins(state, builtin_types=(bytes, datetime))))


_HALVES = re.compile("[\ud800-\udfff]")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        # Never "?", which Python would put: that is a word the ears hear.
        return value if value.isascii() else _HALVES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return value


# ------------------------------------------------------------ one relationship


def _taken(one: Relationship, contexts: list[_Context], shed: _Shed) -> _State:
    places = {identifier: at for at, identifier in enumerate(one.conversations)}

    def place(identifier: str) -> int:
        return places.setdefault(identifier, len(places))

    tactics = [
        _Heard(
            tactic=name,
            by=tactic.by,
            count=tactic.count,
            first_at=tactic.first_at,
            level=tactic.level,
            seen_at=tactic.seen_at,
            peak=tactic.peak,
            contribution=_number(round(one._contributions.get(name, 0.0), 4)),
            groups=[
                (group, times, _number(tactic.strongest.get(group, 0.0))) for group, times in tactic.groups.items()
            ],
            evidence=[
                _Piece(
                    message=_identifier(piece.message),
                    conversation=place(piece.conversation),
                    sent_at=piece.sent_at,
                    author=piece.author,
                    text=piece.text[: shed.text],
                    group=piece.group,
                    strength=_number(piece.strength),
                    added=_number(piece.added),
                    language=piece.language,
                    because=None if piece.because is None else piece.because[: shed.because],
                    index=piece.index,
                    tone=None if piece.tone is None else round(piece.tone * 100),
                )
                for piece in _strongest(tactic.evidence, shed.pieces)
            ],
        )
        for name, tactic in one._tactics.items()
    ]
    named = list(dict.fromkeys(name for moment in one._moments for name in moment.features))

    def located(onset: Onset | None) -> _Onset | None:
        if onset is None:
            return None
        return _Onset(_identifier(onset.message), place(onset.conversation), onset.sent_at, onset.index)

    onset, earliest = located(one._onset), located(one._earliest)
    return _State(
        **{name.lstrip("_"): getattr(one, name) for name in _PLAIN},
        platforms=list(one.platforms),
        conversations=list(one.conversations),
        level=one._shipped,
        onset=onset,
        addressed=sorted(one.addressed),
        days=[
            (start - one._day_zero, int(contact), int(child), _number(evidence))
            for start, (contact, child, evidence) in one._days.items()
        ],
        tactics=tactics,
        elsewhere=list(places)[len(one.conversations) :],
        contexts=contexts[-shed.contexts :] if shed.contexts else [],
        features=named,
        moments=[
            (
                moment.index,
                moment.enough,
                [None if name not in moment.features else round(moment.features[name] * 10_000) for name in named],
            )
            for moment in one._moments
        ],
        earliest=earliest,
        floor=one._floor,
        odds=None if math.isinf(one._odds) else one._odds,
        read=list(one._read),
        read_at=one._read_at,
    )


def _strongest(evidence: list[Evidence], most: int) -> Iterator[Evidence]:
    """The most telling pieces in their order. The last one always: by it the next message knows whether it is another."""
    if len(evidence) <= most:
        return iter(evidence)
    ranked = sorted(range(len(evidence) - 1), key=lambda at: (-evidence[at].added, at))
    chosen = sorted((*ranked[: most - 1], len(evidence) - 1))
    return (evidence[at] for at in chosen)


def _given(assessor: Assessor, state: _State) -> Relationship:
    one = Relationship(
        state.child,
        state.contact,
        state.contact_name,
        assessor._model,
        assessor._keep,
        assessor.tuning.sense(state.contact),
        assessor._encoder,
    )
    one._odds = -math.inf if state.odds is None else state.odds
    one._read, one._read_at = state.read, state.read_at
    for name in _PLAIN:
        setattr(one, name, getattr(state, name.lstrip("_")))
    one.platforms = dict.fromkeys(state.platforms)
    one.conversations = dict.fromkeys(state.conversations)
    one.addressed = set(state.addressed)
    places = (*state.conversations, *state.elsewhere)

    def located(onset: _Onset | None) -> Onset | None:
        if onset is None:
            return None
        return Onset(
            message=_text(onset.message),
            conversation=places[onset.conversation],
            sent_at=onset.sent_at,
            index=onset.index,
        )

    one._onset, one._earliest = located(state.onset), located(state.earliest)
    one._moments = [
        moment_of(
            assessor._model,
            index,
            {name: value / 10_000 for name, value in zip(state.features, values, strict=True) if value is not None},
            enough,
        )
        for index, enough, values in state.moments
    ]
    one._days = {
        start + state.day_zero: [contact, child, _value(evidence)] for start, contact, child, evidence in state.days
    }
    for heard in state.tactics:
        tactic = _Tactic(heard.by, heard.first_at)
        tactic.count, tactic.level, tactic.seen_at, tactic.peak = heard.count, heard.level, heard.seen_at, heard.peak
        tactic.groups = {group: times for group, times, _ in heard.groups}
        tactic.strongest = {group: _value(strength) for group, _, strength in heard.groups}
        tactic.evidence = [
            Evidence(
                message=_text(piece.message),
                conversation=places[piece.conversation],
                sent_at=piece.sent_at,
                author=piece.author,
                text=piece.text,
                group=piece.group,
                strength=_value(piece.strength),
                added=_value(piece.added),
                language=piece.language,
                because=piece.because,
                index=piece.index,
                tone=None if piece.tone is None else piece.tone / 100,
            )
            for piece in heard.evidence
        ]
        one._tactics[heard.tactic] = tactic
        one._contributions[heard.tactic] = _value(heard.contribution)
    one._shipped = state.level
    one._floor = state.floor or state.level
    if state.floor is None:
        one._earliest = one._onset
    one.tune(one._sense)
    return one


# ------------------------------------------------------------ what stood before


def _of_two(assessor: Assessor, one: Relationship) -> list[str]:
    """Its conversations in which nobody else writes, as far as is known."""
    known = assessor._conversations
    return [name for name in one.conversations if name not in known or known[name].kind == "direct"]


def _context(assessor: Assessor, identifier: str) -> _Context:
    record = assessor._conversations.get(identifier)
    if record is not None and record.kind != "direct":
        # Who is in a group of thousands is not asked for again.
        record = msgspec.structs.replace(record, participants=())
    thread = assessor._threads._threads.get(identifier) or _Thread()
    run = assessor._runs.open.get(identifier)
    return _Context(
        conversation=identifier,
        record=record,
        authors=list(thread.by_author.values()),
        child=thread.child,
        contact=thread.contact,
        last=assessor._last.get(identifier),
        spoke=assessor._spoke.get(identifier),
        run=None
        if run is None
        else _Run(
            author=run.author,
            at=run.at,
            pieces=[(_identifier(piece.id), piece.text) for piece in run.pieces],
            heard=[(tactic, group, strength) for (tactic, group), strength in run.heard.items()],
            mended=run.mended,
        ),
        lines=fitting(thread.lines),
    )


def _put_contexts(assessor: Assessor, conversations: dict[str, Conversation], contexts: list[_Context]) -> None:
    runs: dict[str, Run] = {}
    for context in contexts:
        identifier = context.conversation
        if context.record is not None:
            conversations.setdefault(identifier, context.record)
        if identifier not in assessor._threads._threads:
            thread = _Thread()
            thread.by_author = {message.author: message for message in context.authors}
            thread.child, thread.contact, thread.lines = context.child, context.contact, context.lines
            assessor._threads._threads[identifier] = thread
        if context.run is not None:
            run = context.run
            runs[identifier] = Run(
                author=run.author,
                at=run.at,
                pieces=[Piece(_text(piece), text) for piece, text in run.pieces],
                heard={(tactic, group): strength for tactic, group, strength in run.heard},
                length=sum(len(text) for _, text in run.pieces),
                mended=run.mended,
            )
        if context.last is not None:
            assessor._last.setdefault(identifier, context.last)
        if context.spoke is not None:
            assessor._spoke.setdefault(identifier, context.spoke)
    assessor._runs.put(runs)
