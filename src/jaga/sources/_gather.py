"""Brings everything that was read into time order, each message once, in bounded memory.

Exports overlap, lie newest-first or out of order. Messages are sorted in chunks; beyond one chunk they go to an
unnamed temporary file that no other process can open by name, and are merged from there.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import IO, Protocol

import msgspec

from jaga.errors import JagaError, UnreadableInput
from jaga.records import Account, Conversation, Message, Problem, Record
from jaga.sources._base import Context
from jaga.sources._reading import Unit, read_path
from jaga.sources._worker import read_isolated

__all__ = ["Cover", "Gathered", "InputSummary", "gather"]

CHUNK = 100_000
_FRAME = 1_000
_LENGTH = struct.Struct("<I")

_Item = tuple[datetime, int, Message]


class InputSummary(msgspec.Struct, kw_only=True):
    """What one source found in one input."""

    path: str
    # None when nothing was recognised.
    source: str | None
    conversations: int = 0
    messages: int = 0
    skipped: int = 0
    problems: list[Problem] = msgspec.field(default_factory=list)


class Cover(Protocol):
    """Hides what has to lie in a temporary file for a while."""

    def hide(self, frame: bytes) -> bytes: ...

    def show(self, hidden: bytes) -> bytes: ...


class Gathered:
    """Everything read. `messages()`, or `placed()`, may be walked once. `cover`: hides what goes to temporary files."""

    def __init__(self, cover: Cover | None = None) -> None:
        self._cover = cover
        self.inputs: list[InputSummary] = []
        self.conversations: dict[str, Conversation] = {}
        self.accounts: dict[tuple[str, str], Account] = {}
        # Author id to the number of messages written, per conversation: who is where, for finding the child.
        self.authors: dict[str, dict[str, int]] = {}
        self.read = 0
        # In the order read; messages are numbered by them (see placed).
        self.units: list[Unit] = []
        self._chunk: list[_Item] = []
        self._runs: list[IO[bytes]] = []

    def add(self, items: Iterable[Unit | Record], path: str, progress: Callable[[int], None] | None = None) -> None:
        """Take in one input's stream."""
        summaries: dict[str | None, InputSummary] = {}
        seen_in: dict[str | None, set[str]] = {}
        current: InputSummary | None = None
        source: str | None = None
        reported = 0

        def summary(name: str | None) -> InputSummary:
            if name not in summaries:
                summaries[name] = InputSummary(path=path, source=name)
                seen_in[name] = set()
                self.inputs.append(summaries[name])
            return summaries[name]

        for item in items:
            if isinstance(item, Message):
                assert current is not None
                current.messages += 1
                self.read += 1
                here = self.authors.setdefault(item.conversation, {})
                here[item.author] = here.get(item.author, 0) + 1
                self._chunk.append((item.sent_at, len(self.units) - 1, item))
                if len(self._chunk) >= CHUNK:
                    self._spill()
                if progress is not None and self.read - reported >= 2_000:
                    reported = self.read
                    progress(self.read)
            elif isinstance(item, Unit):
                source = item.source
                current = summary(source)
                self.units.append(item)
            elif isinstance(item, Problem):
                place = current if current is not None else summary(None)
                place.problems.append(item)
                if not item.note:
                    place.skipped += item.skipped
            elif isinstance(item, Conversation):
                seen = seen_in.get(source, set())
                if item.id not in seen:
                    seen.add(item.id)
                    if current is not None:
                        current.conversations += 1
                self._merge_conversation(item)
            else:
                key = (item.platform, item.id)
                known = self.accounts.get(key)
                if known is None or known.relation == "participant" or (known.name is None and item.name):
                    if known is not None and item.relation == "participant":
                        item = msgspec.structs.replace(item, relation=known.relation, name=item.name or known.name)
                    self.accounts[key] = item
        if not summaries:
            summary(None)

    def _merge_conversation(self, item: Conversation) -> None:
        known = self.conversations.get(item.id)
        if known is None:
            self.conversations[item.id] = item
            return
        people = tuple(dict.fromkeys(known.participants + item.participants))
        kind = "group" if "group" in (known.kind, item.kind) else known.kind
        self.conversations[item.id] = msgspec.structs.replace(
            known,
            participants=people,
            kind=kind,
            title=known.title or item.title,
            is_request=known.is_request or item.is_request,
        )

    def messages(self) -> Iterator[Message]:
        """Yield every message once, by time; equal times in the order read. Frees what it has given."""
        return (message for _, message in self.placed())

    def placed(self) -> Iterator[tuple[int, Message]]:
        """As `messages`, each after the index in `units` of the unit it was read from (of several that hold it, the first)."""
        chunk, self._chunk = self._chunk, []
        chunk.sort(key=itemgetter(0))
        runs, self._runs = self._runs, []
        stream: Iterator[_Item] = iter(chunk)
        if runs:
            stream = heapq.merge(*[_replay(run, self._cover) for run in runs], chunk, key=itemgetter(0))
        now: datetime | None = None
        counts: dict[tuple[int, str, str, str], int] = {}
        given: set[tuple[str, str, str, int]] = set()
        for sent_at, unit, message in stream:
            if sent_at != now:
                now = sent_at
                if counts:
                    counts.clear()
                    given.clear()
            if message.source_id is not None:
                key = (message.conversation, "", message.source_id, 0)
                if key in given:
                    continue
                given.add(key)
                counts[unit, "", "", message.source_id] = 0
                yield unit, message
                continue
            said = (unit, message.conversation, message.author, message.text)
            nth = counts.get(said, 0)
            counts[said] = nth + 1
            key = (message.conversation, message.author, message.text, nth)
            if key in given:
                # Another file held it already.
                continue
            given.add(key)
            yield unit, (message if nth == 0 else msgspec.structs.replace(message, nth=nth))

    def close(self) -> None:
        for run in self._runs:
            run.close()

    def _spill(self) -> None:
        self._chunk.sort(key=itemgetter(0))
        try:
            run = tempfile.TemporaryFile(prefix="jaga-")
            encoder = msgspec.msgpack.Encoder()
            for start in range(0, len(self._chunk), _FRAME):
                frame = encoder.encode([(unit, message) for _, unit, message in self._chunk[start : start + _FRAME]])
                if self._cover is not None:
                    frame = self._cover.hide(frame)
                run.write(_LENGTH.pack(len(frame)))
                run.write(frame)
            run.seek(0)
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise UnreadableInput(
                    "the disk for temporary files is full; nothing of yours was changed",
                    where=tempfile.gettempdir(),
                    remedy="free some space, or set TMPDIR to a disk with room",
                ) from error
            raise
        self._runs.append(run)
        self._chunk.clear()


def _replay(run: IO[bytes], cover: Cover | None) -> Iterator[_Item]:
    decoder = msgspec.msgpack.Decoder(list[tuple[int, Message]])
    with contextlib.closing(run):
        while head := run.read(_LENGTH.size):
            frame = run.read(_LENGTH.unpack(head)[0])
            for unit, message in decoder.decode(frame if cover is None else cover.show(frame)):
                yield message.sent_at, unit, message


def gather(
    paths: Iterable[Path],
    context: Context,
    *,
    isolated: bool = True,
    progress: Callable[[int], None] | None = None,
    cover: Cover | None = None,
) -> Gathered:
    """Read all paths. One that cannot be opened becomes a Problem of its summary; the others are read.

    `isolated`: parse in worker processes (the default for files from outside). `progress` hears the messages read so far.
    `cover` hides what has to lie in temporary files for a while.
    """
    gathered = Gathered(cover)
    seen: set[str] = set()
    for path in paths:
        real = str(path.resolve())
        if real in seen:
            # The same file named twice on the command line holds nothing new.
            continue
        seen.add(real)
        read = read_isolated if isolated else read_path
        items = read(path, context)
        try:
            gathered.add(items, str(path), progress)
        except UnreadableInput as error:
            if error.where == tempfile.gettempdir():
                raise
            gathered.add([_as_problem(error, path)], str(path))
    return gathered


def _as_problem(error: JagaError, path: Path) -> Problem:
    what = error.what if error.remedy is None else f"{error.what} ({error.remedy})"
    return Problem(where=error.where or str(path), what=what, fatal=True, skipped=0)
