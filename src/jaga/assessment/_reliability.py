"""How often conversations at a score were risky on the evaluation data: measured, kept as data (reliability.json).

Written by `python -m tools.how_sure evaluation/test --store`, for the model that ships; a test says when it is of another one.
"""

from __future__ import annotations

import functools
import math
from importlib import resources

import msgspec

from jaga.errors import CatalogueError

__all__ = ["Band", "Reliability", "Step", "load_reliability", "model_digest", "wilson"]

# Fewer conversations than this say little: the neighbouring scores are taken in.
_ENOUGH = 20


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conversations whose score lies in [low, high); the last step includes its end."""

    low: float
    high: float
    count: int
    risky: int


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """What scores about as high meant."""

    low: float
    high: float
    # Conversations of the evaluation data that scored so, and how many of them were risky.
    count: int
    risky: int
    # 95 % Wilson interval of that share.
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """Of those, the share that was risky."""
        return self.risky / self.count


class Reliability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The reliability curve of the model that ships, in steps from 0 to 1."""

    schema: int
    # The set it was measured on, and the model that was measured (model_digest).
    measured_on: str
    model: str
    steps: tuple[Step, ...]

    def band(self, score: float) -> Band | None:
        """The step of a score, with its neighbours where it holds too few; None if nothing was measured."""
        if not self.steps:
            return None
        at = next((i for i, step in enumerate(self.steps) if score < step.high), len(self.steps) - 1)
        first = last = at
        while sum(step.count for step in self.steps[first : last + 1]) < _ENOUGH:
            below = score - self.steps[first].low if first > 0 else math.inf
            above = self.steps[last].high - score if last < len(self.steps) - 1 else math.inf
            if below == above == math.inf:
                break
            if below <= above:
                first -= 1
            else:
                last += 1
        taken = self.steps[first : last + 1]
        count, risky = sum(step.count for step in taken), sum(step.risky for step in taken)
        interval = wilson(risky, count)
        if interval is None:
            return None
        return Band(low=taken[0].low, high=taken[-1].high, count=count, risky=risky, interval=interval)


def wilson(hits: int, total: int) -> tuple[float, float] | None:
    """95 % Wilson score interval of a share; None if there is nothing to have a share of."""
    if not total:
        return None
    z = 1.959964
    share = hits / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


@functools.cache
def load_reliability() -> Reliability:
    """The curve that ships. Raises: CatalogueError if its file is broken."""
    raw = (resources.files("jaga") / "assessment" / "reliability.json").read_bytes()
    try:
        return msgspec.json.decode(raw, type=Reliability)
    except msgspec.DecodeError as error:
        raise CatalogueError(str(error), where="assessment/reliability.json") from error


def model_digest() -> str:
    """Names the judgement, the learned ear and the full encoder that ship: 16 hexadecimal digits."""
    import hashlib

    root = resources.files("jaga")
    digest = hashlib.blake2b(digest_size=8)
    signals = root / "signals"
    for path in (root / "assessment" / "model.json", signals / "learned.npz", signals / "encoder.npz"):
        digest.update(path.read_bytes())
    return digest.hexdigest()
