"""How often "without this message" is right: python -m tools.what_if evaluation/dev

For every relationship above `none`, each of its most telling messages is left out and the conversation judged from the start; the level is
compared with what the explanation computed from what is kept (docs/how-sure.md).
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from jaga.assessment import Assessor
from jaga.evaluate import Scenario, load_scenarios
from jaga.evaluate._data import ZONE


def _heard(scenario: Scenario, left: str | None = None) -> Assessor:
    assessor = Assessor((scenario.label.child,), ZONE, conversations={scenario.conversation.id: scenario.conversation})
    for message in scenario.messages:
        if message.id != left:
            assessor.observe(message)
    return assessor


def main() -> int:
    """Print how often the level is the same, and how often a change that was said, or was not, is one."""
    same: Counter[bool] = Counter()
    changed: Counter[tuple[bool, bool]] = Counter()
    apart = 0.0
    for scenario in load_scenarios([Path(name) for name in sys.argv[1:]]):
        assessor = _heard(scenario)
        for one in assessor.assessments():
            explained = assessor.explain(one.contact)
            if one.level == "none" or explained is None:
                continue
            for what in explained.without:
                if what.message is None:
                    continue
                other = _heard(scenario, what.message).relationships.get(one.contact)
                level, score = (other.level, other.score) if other is not None else ("none", 0.0)
                same[what.level == level] += 1
                changed[what.level != one.level, level != one.level] += 1
                apart += abs(what.score - score)
    print(f"the same level: {same[True]} of {same.total()}; scores {apart / same.total():.3f} apart")
    print(f"said to change: {changed[True, True]} of {changed[True, True] + changed[True, False]} do")
    print(f"said not to: {changed[False, True]} of {changed[False, True] + changed[False, False]} do")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
