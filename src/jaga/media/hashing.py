"""Files to hashes: each file is read once for all exact hashes, and decoded once, in a worker, for all of a picture's."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import msgspec

from jaga.errors import JagaError, UsageError
from jaga.media._hash_types import FileHash, Hasher, HashType, PictureHash, hash_type
from jaga.media._worker import Look, Request, Value
from jaga.media._workers import Workers

__all__ = ["DEFAULT_KINDS", "Hashed", "Look", "Value", "digests", "hash_files", "walk"]

DEFAULT_KINDS = ("md5", "sha1", "sha256", "pdq", "vpdq")

_PIECE = 1 << 20
# From here on a file's hashes share the cores; below, several files do, which costs no hand-over.
_LARGE = 32 << 20
# Files whose results wait for an earlier one's.
_AHEAD = 64
_NAMED_PICTURE = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".avif"}


class Hashed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file."""

    path: str
    size_bytes: int | None
    # By the name of the kind; exact hashes of the file's bytes.
    digests: dict[str, bytes]
    # None if the file is neither a picture nor a video; "video" for every kind of those.
    format: str | None
    # One for each frame.
    looks: tuple[Look, ...]
    # vPDQ of a video (jaga.media.video.packed).
    video: bytes | None
    # What went wrong with this file; the rest of what is known holds.
    problems: tuple[str, ...]

    @property
    def unread(self) -> bool:
        """Nothing at all could be read of it."""
        return self.size_bytes is None


def hash_files(
    paths: Iterable[Path],
    kinds: Sequence[str] = DEFAULT_KINDS,
    *,
    variants: bool = False,
    keyframes: bool = False,
    workers: Workers | None = None,
) -> Iterator[Hashed]:
    """Hash files, several at a time, in the order given; memory does not grow with their number.

    `variants` adds the turned and mirrored hashes of pictures; `keyframes` takes a video's key frames only. Raises: UsageError, if there is no such kind; what is
    wrong with a file is told in its `problems`.
    """
    types = [hash_type(kind) for kind in dict.fromkeys(kinds)]
    own = Workers() if workers is None else None
    pool = own or workers
    assert pool is not None
    waiting: deque[Future[Hashed]] = deque()
    executor = ThreadPoolExecutor(pool.count, "jaga-hash")
    try:
        for path in paths:
            waiting.append(executor.submit(_hash_file, path, types, variants, keyframes, pool))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)
        if own is not None:
            own.close()


def digests(path: Path, kinds: Sequence[str] = ("md5", "sha1", "sha256")) -> tuple[int, dict[str, bytes]]:
    """Size in bytes and exact hashes of a file, read once. Raises: UsageError, OSError."""
    types = [hash_type(kind) for kind in kinds]
    exact = [kind for kind in types if isinstance(kind, FileHash)]
    if len(exact) != len(types):
        raise UsageError(f"of {', '.join(kinds)} not all are hashes of a file's bytes")
    return _digests(path, exact)


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named and those in the folders named, in order of name; links inside folders are not followed."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in sorted(files):
                inside = Path(folder, name)
                if not inside.is_symlink():
                    yield inside


def _hash_file(path: Path, types: Sequence[HashType], variants: bool, keyframes: bool, workers: Workers) -> Hashed:
    problems: list[str] = []
    looks: Sequence[Look] = ()
    picture: str | None = None
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError("not a file")
        size, exact = _digests(path, [kind for kind in types if isinstance(kind, FileHash)])
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        return Hashed(
            path=str(path), size_bytes=None, digests={}, format=None, looks=(), video=None, problems=(problem,)
        )
    except JagaError as error:
        return Hashed(
            path=str(path), size_bytes=None, digests={}, format=None, looks=(), video=None, problems=(str(error),)
        )
    seen = tuple(kind.name for kind in types if isinstance(kind, PictureHash) or kind.name == "vpdq")
    video: bytes | None = None
    if size == 0 and path.suffix.lower() in _NAMED_PICTURE:
        problems.append("empty, though named like a picture")
    elif size and seen:
        answer = workers.look(Request(str(path), seen, variants, keyframes=keyframes, inside=True))
        picture, looks, video = answer.format, answer.looks, answer.video
        if answer.problem is not None:
            problems.append(answer.problem)
        if picture is None and path.suffix.lower() in _NAMED_PICTURE:
            problems.append("named like a picture, but is none that Jaga reads")
    return Hashed(
        path=str(path),
        size_bytes=size,
        digests=exact,
        format=picture,
        looks=tuple(looks),
        video=video,
        problems=tuple(problems),
    )


def _digests(path: Path, kinds: Sequence[FileHash]) -> tuple[int, dict[str, bytes]]:
    hashers = [kind.begin() for kind in kinds]
    size = 0
    with path.open("rb", buffering=0) as file:
        if len(hashers) > 1 and os.fstat(file.fileno()).st_size >= _LARGE:
            size = _side_by_side(file.readinto, hashers)
        else:
            piece = memoryview(bytearray(_PIECE))
            while count := file.readinto(piece) if hashers else 0:
                size += count
                for hasher in hashers:
                    hasher.update(piece[:count])
    if not hashers:
        size = path.stat().st_size
    return size, {kind.name: hasher.digest() for kind, hasher in zip(kinds, hashers, strict=True)}


def _side_by_side(readinto: object, hashers: Sequence[Hasher]) -> int:
    """Each hash on a thread of its own, two pieces: one is hashed while the next is read."""
    assert callable(readinto)
    pieces = [memoryview(bytearray(4 * _PIECE)) for _ in range(2)]
    size, turn = 0, 0
    busy: list[Future[object]] = []
    with ThreadPoolExecutor(len(hashers), "jaga-digest") as executor:
        while True:
            count = readinto(pieces[turn])
            for one in busy:
                one.result()
            if not count:
                return size
            size += count
            busy = [executor.submit(hasher.update, pieces[turn][:count]) for hasher in hashers]
            turn = 1 - turn
