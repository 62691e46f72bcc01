"""Words and sentences cut over several messages ("se", "nd me a ph", "oto"): what a contact writes in one go is heard joined, too.

Messages of one contact that follow each other within a minute, with nobody between, are one run. With each further one, what the run says
together is heard: with the words that were cut made whole, and only what no message of the run said by itself counts. Bounded, so the work per
message stays constant.

A cut word is known by the catalogue's vocabulary: two or more pieces, at least one of them no word, that make one. What is cut out of a word that
is in no example is not made whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from jaga.records import Message
from jaga.signals import Signal
from jaga.signals.pieces import is_han

__all__ = ["Joined", "Piece", "Run", "Runs", "note"]

# Between two messages of a run.
_WITHIN = timedelta(seconds=60)
# Characters of a message that may be a piece, of a run, and pieces of it: the latest stay.
_PIECE, _RUN, _PIECES = 80, 160, 12
# Conversations whose run is remembered. A run lives a minute, so the longest silent one can go.
_CONVERSATIONS = 64
_SHORTEST = 4
_HEAD = re.compile("[^\\W\\d_]+")
_TAIL = re.compile("[^\\W\\d_]+$")


class Piece(msgspec.Struct, frozen=True):
    """A message of a run, as it is when it was saved and given back."""

    id: str
    text: str


class Run(msgspec.Struct):
    """The messages that one contact is writing in one go."""

    author: str
    at: datetime
    # Whole messages as they come: their ids are asked for only if something is heard.
    pieces: list[Message | Piece]
    # Tactic and group of what was heard in it already, and how strongly at most.
    heard: dict[tuple[str, str], float]
    # Characters of the pieces.
    length: int = 0
    # Cut words were found in it.
    mended: bool = False


class Joined(msgspec.Struct, frozen=True):
    """What a run says together."""

    text: str
    pieces: tuple[Message | Piece, ...]
    # Cut words were made whole: then it is heard with every ear, else by the patterns alone.
    mended: bool


def _beside(before: str, after: str) -> str:
    # Chinese writes no space between words.
    return before + after if is_han(before[-1:] or " ") and is_han(after[:1] or " ") else f"{before} {after}"


def note(heard: dict[tuple[str, str], float], signals: Iterable[Signal], more: float = 0.0) -> list[Signal]:
    """Note what was heard in a run; those that are new in it, or stronger by `more` than before."""
    new = []
    for signal in signals:
        key = (signal.tactic, signal.group)
        before = heard.get(key)
        if before is None or signal.strength >= before + more:
            new.append(signal)
        heard[key] = max(before or 0.0, signal.strength)
    return new


class Runs:
    """The runs of every conversation. `vocabulary`: words in lower case."""

    def __init__(self, vocabulary: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self.open: dict[str, Run] = {}

    def stop(self, conversation: str) -> None:
        """Somebody else wrote."""
        self.open.pop(conversation, None)

    def add(self, message: Message) -> tuple[Run, Joined | None]:
        """The run a contact's message belongs to, and what it says together with those before, if there are any."""
        run = self.open.get(message.conversation)
        if (
            run is None
            or run.author != message.author
            or message.sent_at - run.at > _WITHIN
            or len(message.text) > _PIECE
        ):
            run = Run(message.author, message.sent_at, [], {})
        # The one that went on last stands last.
        self.open.pop(message.conversation, None)
        self.open[message.conversation] = run
        if len(self.open) > _CONVERSATIONS:
            del self.open[next(iter(self.open))]
        run.at = message.sent_at
        pieces = run.pieces
        pieces.append(message)
        run.length += len(message.text)
        while len(pieces) > _PIECES or run.length > _RUN:
            run.length -= len(pieces[0].text)
            del pieces[0]
        if len(pieces) < 2:
            return run, None
        if run.mended or self._doubtful(pieces[-2].text, message.text):
            text, run.mended = self.join([piece.text for piece in pieces])
            if run.mended:
                return run, Joined(text, tuple(pieces), True)
        # Nothing is cut: what was said before the last message was heard with it.
        last = pieces[-2:]
        return run, Joined(_beside(last[0].text, last[1].text), tuple(last), False)

    def put(self, runs: Mapping[str, Run]) -> None:
        """Take in runs that were saved; what is open here stays."""
        both = {**runs, **self.open}
        self.open = dict(sorted(both.items(), key=lambda item: item[1].at)[-_CONVERSATIONS:])

    def join(self, texts: Sequence[str]) -> tuple[str, bool]:
        """The texts as one, cut words made whole; and whether there were any."""
        said = texts[0]
        mended = False
        for number, text in enumerate(texts[1:], 1):
            if self._cut(said, text, texts[number + 1 :]):
                said += text
                mended = True
            else:
                said = _beside(said, text)
        return said, mended

    def _doubtful(self, before: str, after: str) -> bool:
        """Whether a word may be cut between two texts: asked of every message, so it is quick."""
        tail, head = _TAIL.search(before), _HEAD.match(after)
        if tail is None or head is None:
            return False
        return not (self._is_word(tail.group().lower()) and self._is_word(head.group().lower()))

    def _is_word(self, letters: str) -> bool:
        # A letter alone may be one ("u", "i"), and is as often what is left of one.
        return len(letters) > 1 and letters in self._vocabulary

    def _cut(self, before: str, after: str, further: Sequence[str]) -> bool:
        """Whether a word goes on from one text into the next."""
        tail, head = _TAIL.search(before), _HEAD.match(after)
        if tail is None or head is None or is_han(tail.group()) or is_han(head.group()):
            return False
        first, second = tail.group().lower(), head.group().lower()
        known = self._vocabulary
        if self._is_word(first) and self._is_word(second):
            return False
        word = first + second
        if len(word) >= _SHORTEST and word in known:
            return True
        # In three or more: as long as whole texts are pieces of it.
        if head.group() == after:
            for text in further:
                more = _HEAD.match(text)
                if more is None:
                    return False
                word += more.group().lower()
                if len(word) >= _SHORTEST and word in known:
                    return True
                if more.group() != text:
                    return False
        return False
