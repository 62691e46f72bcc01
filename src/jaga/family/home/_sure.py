"""How sure, why, and what would change it: as jaga.assessment explains a relationship, out of what the store keeps of it."""

from __future__ import annotations

import msgspec

from jaga.assessment import Assessment, Explanation
from jaga.assessment._reliability import load_reliability
from jaga.engine import Engine
from jaga.errors import JagaError
from jaga.store._tables import Relationship

__all__ = ["explained"]

# Fewer messages than this say little about anybody (as in jaga.assessment._explain).
_FEW = 20


def explained(assessment: Assessment, row: Relationship, zone: str) -> Explanation:
    """Of the relationship as it is now; where its state cannot be read, only what such a score means.

    No ear is needed for it, and none is loaded.
    """
    band = load_reliability().band(assessment.score)
    try:
        engine = Engine(child=assessment.child or "child", zone=zone, detectors=())
        found = engine.explain(engine.restore_relationship(row.state))
        if found is not None:
            # An answer may have lowered it since; what such a score meant is still said of the alert.
            return found if found.band is not None else msgspec.structs.replace(found, band=band)
    except (JagaError, msgspec.MsgspecError):
        # Of an older version, or damaged: the alert itself is readable, and must be.
        pass
    return Explanation(
        contact=assessment.contact,
        level=assessment.level,
        by_rule=False,
        shares=(),
        against=(),
        like=(),
        without=(),
        raised_by=(),
        band=band,
        few=assessment.messages < _FEW,
    )
