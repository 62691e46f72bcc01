"""Print the tables of docs/how-sure.md for a set of labelled conversations.

python -m tools.how_sure evaluation/test

With --store, also write how often conversations of a score were risky to src/jaga/assessment/reliability.json, from where every
alert takes how sure it is: after `make model`, on the set that the model did not learn from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from jaga.assessment._reliability import Reliability, Step, model_digest
from jaga.evaluate import Figures, figures, judge, load_scenarios

STORED = Path(__file__).parents[1] / "src" / "jaga" / "assessment" / "reliability.json"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}".replace("%", " %")


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _interval(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"{pair[0]:.0%}–{pair[1]:.0%}".replace("%", " %").replace(" %–", "–")


def main() -> int:
    """Two tables in Markdown."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--store", action="store_true", help="keep the reliability curve as data of the model")
    asked = arguments.parse_args()
    verdicts = list(judge(load_scenarios(asked.folders)))
    groups: dict[str, Figures] = {"all": figures(verdicts)}
    for language in sorted({one.language for one in verdicts}):
        groups[language] = figures(one for one in verdicts if one.language == language)
    every = groups.values()
    rows = [
        ("safe / risky conversations", [f"{one.safe} / {one.risky}" for one in every]),
        ("safe that reach *concern*", [_share(one.false_alarms) for one in every]),
        ("95 % interval", [_interval(one.false_alarm_interval) for one in every]),
        ("risky that reach *concern*", [_share(one.recall) for one in every]),
        ("95 % interval", [_interval(one.recall_interval) for one in every]),
        ("precision", [_share(one.precision) for one in every]),
        ("F0.5", [_number(one.f_half, 2) for one in every]),
        ("ROC-AUC", [_number(one.roc_auc) for one in every]),
        ("found at 1 % false alarms", [_share(one.recall_at_1_percent) for one in every]),
        ("median delay after onset, messages", [_number(one.median_delay, 1) for one in every]),
        ("F-latency", [_number(one.f_latency, 2) for one in every]),
        ("Brier score", [_number(one.brier) for one in every]),
        ("calibration error", [_number(one.calibration_error) for one in every]),
    ]
    print("| | " + " | ".join(groups) + " |")
    print("|---|" + "---:|" * len(groups))
    for name, cells in rows:
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\n| score | conversations | mean score | risky |\n|---|---:|---:|---:|")
    for step in groups["all"].reliability:
        print(f"| {step.low:.1f}–{step.high:.1f} | {step.count} | {step.mean_score:.2f} | {step.risky:.2f} |")
    if asked.store:
        reliability = Reliability(
            schema=1,
            measured_on=" ".join(folder.as_posix() for folder in asked.folders),
            model=model_digest(),
            steps=tuple(
                Step(low=step.low, high=step.high, count=step.count, risky=round(step.risky * step.count))
                for step in groups["all"].reliability
            ),
        )
        STORED.write_bytes(msgspec.json.format(msgspec.json.encode(reliability), indent=1) + b"\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
