"""How often the closest known example of a message is one of what it was labelled as: python -m tools.nearest evaluation/dev

For every message labelled with a tactic (tactics.ndjson), the closest of the examples of all tactics. As it is used, it is looked for among the
examples of a tactic already heard, so this is harder than that; it says from which likeness on an example is worth showing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from jaga.evaluate import load_scenarios
from jaga.signals.catalogue import load_catalogue
from jaga.signals.nearest import CLOSE, load_prototypes


def main() -> int:
    """Print the share that is right, and the share that is shown, by least likeness."""
    examples = load_prototypes()
    known = load_catalogue().tactics
    found: list[tuple[float, bool, str]] = []
    for folder in map(Path, sys.argv[1:]):
        scenarios = {one.label.conversation: one for one in load_scenarios([folder])}
        for line in (folder / "tactics.ndjson").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            scenario = scenarios[row["conversation"]]
            labelled = known.keys() & row["tactics"]
            text = scenario.messages[row["message"]].text
            near = examples.nearest(text, least=0.0) if labelled else None
            if near is not None:
                found.append((near.likeness, near.tactic in labelled, scenario.label.language))
    print(f"{len(found)} labelled messages; the right one of {len(known)} tactics")
    for least in (0.0, 0.1, CLOSE, 0.3, 0.4):
        some = [right for likeness, right, _ in found if likeness >= least]
        print(f"likeness {least:.1f}: {sum(some) / len(some):.2f} right, {len(some) / len(found):.2f} of the messages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
