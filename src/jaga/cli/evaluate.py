"""`jaga evaluate`: score labelled conversations; every figure in docs/how-sure.md is made by it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from jaga.evaluate import Figures, Verdict

__all__ = ["evaluate"]


def evaluate(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="Folders of labelled conversations: *.jsonl and labels.jsonl (evaluation/dev, ...).",
            show_default=False,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on stdout.")] = False,
    each: Annotated[bool, typer.Option("--each", help="List every conversation that was judged wrongly.")] = False,
) -> None:
    """Score labelled conversations: false alarms, what is found, how late, how well the score is calibrated.

    Exit codes: 0 measured, 2 wrong use, 3 a set could not be read.
    """
    from jaga.evaluate import figures, judge, load_scenarios

    verdicts = list(judge(load_scenarios(folders)))
    groups: dict[str, Figures] = {"all": figures(verdicts)}
    for language in sorted({verdict.language for verdict in verdicts}):
        groups[language] = figures(verdict for verdict in verdicts if verdict.language == language)
    if json:
        import msgspec

        from jaga import __version__

        document = {
            "schema": 1,
            "generator": f"jaga {__version__}",
            "folders": [str(folder) for folder in folders],
            "figures": groups,
            "conversations": verdicts,
        }
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
        return
    _print(groups, verdicts, each=each)


def _print(groups: dict[str, Figures], verdicts: list[Verdict], *, each: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(title="Labelled conversations against what Jaga says", title_justify="left")
    table.add_column("")
    for name in groups:
        table.add_column(name, justify="right")
    rows: list[tuple[str, str, str]] = [
        ("safe conversations", "safe", "d"),
        ("risky conversations", "risky", "d"),
        ("false alarms (safe told)", "false_alarms", "%"),
        ("  95 % interval", "false_alarm_interval", "%"),
        ("recall (risky told)", "recall", "%"),
        ("  95 % interval", "recall_interval", "%"),
        ("precision", "precision", "%"),
        ("F0.5", "f_half", ".3f"),
        ("F1", "f_one", ".3f"),
        ("ROC-AUC", "roc_auc", ".3f"),
        ("recall at 1 % false alarms", "recall_at_1_percent", "%"),
        ("median delay, messages", "median_delay", "g"),
        ("F-latency", "f_latency", ".3f"),
        ("Brier score", "brier", ".3f"),
        ("calibration error", "calibration_error", ".3f"),
    ]
    for title, field, form in rows:
        table.add_row(title, *(_show(getattr(one, field), form) for one in groups.values()))
    console.print(table)
    curve = Table(title="Reliability: of conversations scored so, how many are risky", title_justify="left")
    for head in ("score", "conversations", "mean score", "risky"):
        curve.add_column(head, justify="right")
    for step in groups["all"].reliability:
        curve.add_row(f"{step.low:.1f}-{step.high:.1f}", str(step.count), f"{step.mean_score:.2f}", f"{step.risky:.2f}")
    console.print(curve)
    if each:
        for one in verdicts:
            if one.risky != (one.alert is not None):
                wrong = "missed" if one.risky else "false alarm"
                console.print(f"{one.conversation}  {wrong}  {one.risk}  {one.level}  {one.score:.2f}", highlight=False)


def _show(value: object, form: str) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return "-".join(_show(part, form).rstrip(" %") for part in value) + " %"
    if form == "%":
        return f"{100 * float(str(value)):.1f} %"
    return format(value, form)
