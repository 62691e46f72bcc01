"""What answers of a family do to the levels of a labelled set: python -m tools.tuning evaluation/dev

For every relationship that is told, n times the same answer about it, naming its tactics: how many are still told. And for every other
relationship, the same answers about somebody else: how many change (docs/engine.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from jaga.assessment import Assessor, Feedback, Tuning
from jaga.assessment._tuning import FeedbackKind
from jaga.evaluate import Scenario, load_scenarios
from jaga.evaluate._data import ZONE

TIMES = (1, 2, 3, 10)
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_SOMEBODY = "somebody else"


def _events(kind: FeedbackKind, contact: str, tactics: Sequence[str], count: int) -> list[Feedback]:
    return [
        Feedback(at=_START + timedelta(days=number), contact=contact, kind=kind, tactics=tuple(tactics))
        for number in range(count)
    ]


def _heard(scenario: Scenario) -> Assessor:
    assessor = Assessor((scenario.label.child,), ZONE, conversations={scenario.conversation.id: scenario.conversation})
    for message in scenario.messages:
        assessor.observe(message)
    return assessor


def main() -> int:
    """Print one row per answer and number of times."""
    scenarios = list(load_scenarios([Path(name) for name in sys.argv[1:]]))
    heard = [(one, assessor) for one in scenarios for assessor in [_heard(one)]]
    told = ("concern", "urgent")
    print("answer, times, about: of told risky / told safe / untold risky / untold safe, now told")
    for kind in ("fine", "talked", "reported", "wrong_person"):
        for times in TIMES:
            for about in ("it", "others"):
                counts = {(was, risky): [0, 0] for was in (True, False) for risky in (True, False)}
                for scenario, assessor in heard:
                    for one in assessor.relationships.values():
                        was = one.level in told
                        tactics = [finding.tactic for finding in one.assessment().tactics]
                        contact = one.contact if about == "it" else _SOMEBODY
                        tuning = Tuning.from_feedback(_events(kind, contact, tactics, times))
                        one.tune(tuning.sense(one.contact))
                        count = counts[was, scenario.label.risky]
                        count[0] += one.level in told
                        count[1] += 1
                        one.tune(None)
                row = " / ".join(f"{now} of {every}" for now, every in counts.values())
                print(f"{kind:13} {times:3} {about:7} {row}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
