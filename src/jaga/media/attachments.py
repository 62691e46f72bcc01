"""Looks at the pictures and videos of messages, between reading and hearing: known to a bank? likely nudity?

Each file is read where it lies, decoded in a worker process, compared by its hashes and let go. Nothing of it is shown, copied or stored; what stays
is in the record: a hash, the entry of a bank, a number. Only what is inside the exports that were given is looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import msgspec

from jaga.errors import JagaError
from jaga.media._hash_types import FileHash, all_hash_types, hash_type
from jaga.media._worker import Answer, Request
from jaga.media._workers import Workers
from jaga.media.banks import BankStore
from jaga.media.hashing import Hashed
from jaga.media.matching import Match, Matcher
from jaga.records import Attachment, KnownAs, Message
from jaga.signals.pictures import SENSITIVE_FROM
from jaga.sources import Files

__all__ = ["Looked", "Looker"]

# Kinds an export gives to what may be a picture: some call everything "other", or a picture a document.
_KINDS = frozenset(("image", "video", "sticker", "document", "other"))
_PICTURES = frozenset(("image", "video", "sticker"))
_PIECE = 1 << 20
# A member of an archive has no path to be opened by: up to here it is held in memory, above it only its bytes are compared.
_HELD = 256 << 20
# Messages that wait for the pictures of an earlier one, and bytes of pictures that wait to be decoded.
_AHEAD = 2_000
_WAITING = 256 << 20


class Looked(msgspec.Struct, kw_only=True):
    """How many attachments were looked at and what that told; the same file sent twice counts twice."""

    looked: int = 0
    # By a bank of known abuse material.
    known: int = 0
    # Likely nudity, among those not known.
    sensitive: int = 0
    # Pictures and videos that are not part of what was given.
    absent: int = 0
    # Pictures and videos that are damaged, too large, or no such thing.
    unread: int = 0
    # Whether there was a bank to compare with, and a judge of nudity.
    compared: bool = False
    judged: bool = False


class _Seen(msgspec.Struct, frozen=True):
    """What looking at one file told."""

    # None if nothing came of it.
    sha256: str | None = None
    known: KnownAs | None = None
    sensitive: float | None = None
    # It is a picture or video that could not be looked at.
    failed: bool = False


class _Started(msgspec.Struct):
    """A file on its way through a worker."""

    digests: dict[str, bytes]
    size: int
    held: int
    answer: Future[Answer] | None


class Looker:
    """Looks at the attachments of messages. `store`: the banks to compare with. `judge`: the name of a judge (jaga.media.judging).

    Close it, or use it in `with`; `files` and `store` stay their owner's. Raises: StoreError.
    """

    def __init__(
        self, files: Files, *, store: BankStore | None = None, judge: str | None = None, workers: Workers | None = None
    ) -> None:
        self.counts = Looked(compared=store is not None, judged=judge is not None)
        self._files = files
        self._judge = judge
        self._matcher = Matcher(store) if store is not None else None
        held = [kind for kind in store.kinds() if kind in all_hash_types()] if store is not None else []
        wanted = ("md5", "sha1", "sha256", "pdq", *held) if store is not None else ("sha256",)
        kinds = [hash_type(kind) for kind in dict.fromkeys(wanted)]
        self._exact = [kind for kind in kinds if isinstance(kind, FileHash)]
        self._seen_kinds = tuple(kind.name for kind in kinds if kind not in self._exact)
        self._workers = Workers() if workers is None else workers
        self._own = workers is None
        self._threads = ThreadPoolExecutor(self._workers.count, "jaga-look")
        self._started: dict[str, _Started] = {}
        self._done: dict[str, _Seen] = {}
        self._waiting = 0

    def __enter__(self) -> Looker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        self._threads.shutdown(cancel_futures=True)
        if self._own:
            self._workers.close()

    def look(self, messages: Iterable[Message]) -> Iterator[Message]:
        """The messages in their order, what their attachments are known as filled in. Several pictures are decoded at a time."""
        waiting: deque[Message] = deque()
        for message in messages:
            for one in message.attachments:
                self._start(one)
            waiting.append(message)
            while waiting and (len(waiting) > _AHEAD or self._ready(waiting[0])):
                yield self._told(waiting.popleft())
        while waiting:
            yield self._told(waiting.popleft())

    def _ready(self, message: Message) -> bool:
        return all(
            started is None or started.answer is None or started.answer.done()
            for one in message.attachments
            for started in (self._started.get(one.found or ""),)
        )

    def _start(self, one: Attachment) -> None:
        found = one.found
        if found is None or one.kind not in _KINDS or found in self._done or found in self._started:
            return
        if self._waiting > _WAITING:
            for name in list(self._started):
                self._finish(name)
        entry = self._files.get(found)
        if entry is None:
            self._done[found] = _Seen(failed=True)
            return
        hashers = [kind.begin() for kind in self._exact]
        held: list[bytes] | None = [] if entry.on_disk is None else None
        size = 0
        try:
            with entry.open_raw() as stream:
                while piece := stream.read(_PIECE):
                    size += len(piece)
                    for hasher in hashers:
                        hasher.update(piece)
                    if held is not None:
                        held.append(piece)
                        if size > _HELD:
                            held = None
        except (OSError, JagaError):
            self._done[found] = _Seen(failed=True)
            return
        digests = {kind.name: hasher.digest() for kind, hasher in zip(self._exact, hashers, strict=True)}
        path = str(entry.on_disk) if entry.on_disk is not None else None
        started = _Started(digests, size, 0, None)
        if size and (path is not None or held is not None):
            raw = b"" if held is None else b"".join(held)
            request = Request(path, self._seen_kinds, raw=raw, judge=self._judge, keyframes=True, inside=True)
            started.answer = self._threads.submit(self._workers.look, request)
            started.held = len(raw)
            self._waiting += len(raw)
        self._started[found] = started

    def _finish(self, found: str) -> _Seen:
        started = self._started.pop(found, None)
        if started is None:
            return self._done[found]
        answer = started.answer.result() if started.answer is not None else Answer("damaged", [], "too large")
        self._waiting -= started.held
        matches: tuple[Match, ...] = ()
        if self._matcher is not None:
            hashed = Hashed(
                path=found,
                size_bytes=started.size,
                digests=started.digests,
                format=answer.format,
                looks=tuple(answer.looks),
                video=answer.video,
                problems=(),
            )
            matches = self._matcher.match(hashed)
        known = None
        if matches:
            # The gravest stands first.
            first = matches[0]
            known = KnownAs(
                bank=first.bank,
                meaning=first.meaning,
                item=first.item,
                category=first.category,
                kind=first.kind,
                distance_bits=first.distance_bits,
            )
        # A video is compared by its bytes alone where no bank knows frames of any.
        watched = answer.video is not None or (answer.format == "video" and answer.problem is None)
        seen = bool(answer.looks) or watched or answer.sensitive is not None
        if known is None and not seen:
            result = _Seen(failed=True)
        else:
            result = _Seen(started.digests["sha256"].hex(), known, answer.sensitive)
        self._done[found] = result
        return result

    def _told(self, message: Message) -> Message:
        if not message.attachments:
            return message
        attachments = tuple(map(self._filled, message.attachments))
        return msgspec.structs.replace(message, attachments=attachments)

    def _filled(self, one: Attachment) -> Attachment:
        counts = self.counts
        picture = one.kind in _PICTURES
        if one.found is None or one.kind not in _KINDS:
            counts.absent += picture
            return one
        seen = self._finish(one.found)
        if seen.sha256 is None:
            # A document is none of ours unless it holds a picture.
            counts.unread += picture
            return one
        counts.looked += 1
        if seen.known is not None and seen.known.meaning == "bad":
            counts.known += 1
        elif seen.sensitive is not None and seen.sensitive >= SENSITIVE_FROM:
            counts.sensitive += 1
        return msgspec.structs.replace(one, sha256=seen.sha256, known=seen.known, sensitive=seen.sensitive)
