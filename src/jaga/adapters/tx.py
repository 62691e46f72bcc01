"""Jaga's banks and index behind `tx`, the command of python-threatexchange.

    tx config extensions add jaga.adapters.tx
    tx config collab edit jaga_bank SEEN --folder /path/of/the/store
    tx fetch
    tx match photo picture.jpg

Brings an exchange, `jaga_bank`, that hands a bank (the collaboration's name) to `tx`, and a signal type, `jaga_pdq`: PDQ hashed by Jaga's own
way in worker processes, and found by `jaga.media.PdqIndex`. `tx` has a `pdq` of its own and allows no second one of that name; the bank's
hashes are given to both, so both say the same. See the library's extensions/README.md for the interface.
"""

# No `from __future__ import annotations`: `tx` makes its options from the types of the configuration's fields.
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from threatexchange.content_type.photo import PhotoContent
from threatexchange.exchanges import fetch_state as state
from threatexchange.exchanges.collab_config import CollaborationConfigWithDefaults
from threatexchange.exchanges.signal_exchange_api import SignalExchangeAPIWithSimpleUpdates
from threatexchange.extensions.manifest import ThreatExchangeExtensionManifest
from threatexchange.signal_type.index import IndexMatchUntyped, SignalSimilarityInfoWithIntDistance, SignalTypeIndex
from threatexchange.signal_type.pdq.signal import PdqSignal

from jaga.errors import UsageError
from jaga.media import PdqIndex, _worker
from jaga.media._workers import Workers
from jaga.media.banks import BankStore, default_store
from jaga.media.matching import LEAST_QUALITY

__all__ = ["TX_MANIFEST", "JagaBankExchange", "JagaPdqIndex", "JagaPdqSignal"]

# Kind of hash here, to the signal types there that match it.
_SIGNALS = {"pdq": ("pdq", "jaga_pdq"), "md5": ("video_md5",), "sha256": ("video_sha256",)}
_REACH_BITS = 31
_AT_ONCE = 50_000


class JagaPdqIndex(SignalTypeIndex[Any]):
    """`tx`'s index, on PdqIndex: exact up to 31 bits."""

    def __init__(self) -> None:
        self._index = PdqIndex()
        self._entries: list[Any] = []
        # What was added one by one waits: the index takes many at once gladly.
        self._waiting: list[bytes] = []
        self._hashes: list[bytes] = []

    def query(self, query: str) -> list[Any]:
        self._take_in()
        _, ids, distances = self._index.search(np.frombuffer(_value(query), np.uint8)[None], _REACH_BITS)
        return [
            IndexMatchUntyped(SignalSimilarityInfoWithIntDistance(int(distance)), self._entries[int(number)])
            for number, distance in zip(ids, distances, strict=True)
        ]

    def add(self, signal_str: str, entry: Any) -> None:
        self._waiting.append(_value(signal_str))
        self._entries.append(entry)

    def add_all(self, entries: Iterable[tuple[str, Any]]) -> None:
        for signal_str, entry in entries:
            self.add(signal_str, entry)
        self._take_in()

    def _take_in(self) -> None:
        if self._waiting:
            first = len(self._hashes)
            hashes = np.frombuffer(b"".join(self._waiting), np.uint8).reshape(-1, 32)
            self._index.add(hashes, np.arange(first, first + len(hashes), dtype=np.int64))
            self._hashes += self._waiting
            self._waiting = []

    def serialize(self, fout: BinaryIO) -> None:
        self._take_in()
        pickle.dump((b"".join(self._hashes), self._entries), fout, protocol=pickle.HIGHEST_PROTOCOL)

    @classmethod
    def deserialize(cls, fin: BinaryIO) -> "JagaPdqIndex":
        # `tx` keeps its own state as pickles, in its own folder: this is one of them, with its own metadata classes inside.
        raw, entries = pickle.load(fin)  # noqa: S301
        made = cls()
        made._waiting = [raw[at : at + 32] for at in range(0, len(raw), 32)]
        made._entries = entries
        made._take_in()
        return made


class JagaPdqSignal(PdqSignal):
    """PDQ of pictures, hashed in a worker process of Jaga's: a hostile picture costs a line, not the run."""

    @classmethod
    def get_name(cls) -> str:
        return "jaga_pdq"

    @classmethod
    def get_content_types(cls) -> list[Any]:
        return [PhotoContent]

    @classmethod
    def get_index_cls(cls) -> Any:
        return JagaPdqIndex

    @classmethod
    def hash_from_bytes(cls, bytes_: bytes) -> str:
        answer = _workers().look(_worker.Request(None, ("pdq",), raw=bytes_))
        if not answer.looks:
            raise ValueError(answer.problem or "not a picture that can be read")
        value = answer.looks[0].values[0]
        return value.value.hex() if (value.quality or 0) >= LEAST_QUALITY else ""

    @classmethod
    def hash_from_file(cls, file: Path) -> str:
        return cls.hash_from_bytes(file.read_bytes())


@dataclass
class JagaBankConfig(CollaborationConfigWithDefaults):
    """The collaboration's name is the bank's."""

    api: str = field(init=False, default="jaga_bank")
    folder: str = field(
        default="", metadata={"help": "where the banks are; default: $JAGA_STORE, else the user's data folder"}
    )


@dataclass
class JagaBankMetadata(state.FetchedSignalMetadata):
    """What the bank says of an item."""

    meaning: str = "bad"
    category: str | None = None

    def get_as_opinions(self) -> Sequence[state.SignalOpinion]:
        known = state.SignalOpinionCategory
        said = known.POSITIVE_CLASS if self.meaning == "bad" else known.NEGATIVE_CLASS
        return [state.SignalOpinion(True, said, {self.category} if self.category else set())]


@dataclass
class JagaBankCheckpoint(state.FetchCheckpointBase):
    """Banks are quick to read and items can be disabled: each fetch takes all of it."""

    def is_stale(self) -> bool:
        return True


class JagaBankExchange(
    SignalExchangeAPIWithSimpleUpdates[JagaBankConfig, JagaBankCheckpoint, JagaBankMetadata],
):
    """One bank of Jaga's as an exchange: whatever takes part in matching now."""

    def __init__(self, collab: JagaBankConfig) -> None:
        self.collab = collab

    @classmethod
    def get_name(cls) -> str:
        return "jaga_bank"

    @staticmethod
    def get_config_cls() -> type[JagaBankConfig]:
        return JagaBankConfig

    @staticmethod
    def get_checkpoint_cls() -> type[JagaBankCheckpoint]:
        return JagaBankCheckpoint

    @staticmethod
    def get_record_cls() -> type[JagaBankMetadata]:
        return JagaBankMetadata

    @classmethod
    def for_collab(cls, collab: JagaBankConfig) -> "JagaBankExchange":
        return cls(collab)

    def fetch_iter(self, supported_signal_types: Sequence[Any], checkpoint: JagaBankCheckpoint | None) -> Iterator[Any]:
        """Every hash that counts, a part at a time. Raises: JagaError, if there is no such store or bank."""
        folder = Path(self.collab.folder) if self.collab.folder else default_store()
        with BankStore(folder, create=False) as store:
            store.bank(self.collab.name, counted=False)
            updates: dict[Any, JagaBankMetadata | None] = {}
            for kind, names in _SIGNALS.items():
                for rows in store.values(kind):
                    for known in store.by_id([number for number, _ in rows], [self.collab.name]).values():
                        metadata = JagaBankMetadata(meaning=known.meaning, category=known.category)
                        for name in names:
                            updates[name, known.value.hex()] = metadata
                    if len(updates) >= _AT_ONCE:
                        yield state.FetchDelta(updates, JagaBankCheckpoint())
                        updates = {}
            yield state.FetchDelta(updates, JagaBankCheckpoint())


def _value(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != 32:
        raise UsageError(f"not a PDQ hash: {text[:80]!r}")
    return value


@cache
def _workers() -> Workers:
    import atexit

    workers = Workers()
    atexit.register(workers.close)
    return workers


TX_MANIFEST = ThreatExchangeExtensionManifest(
    signal_types=(cast(Any, JagaPdqSignal),), apis=(cast(Any, JagaBankExchange),)
)
