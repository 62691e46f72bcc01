"""`jaga evaluate`: score labelled conversations; every figure in docs/how-sure.md is made by it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaga.evaluate import Attack, Direction, Figures, Kept, Robustness, Scenario, Verdict

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
    robustness: Annotated[
        bool,
        typer.Option(
            "--robustness",
            help="Change the conversations in ways that should not matter, or to hide what is said, and print what moves.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", help="Of the random choices of --robustness.")] = 0,
) -> None:
    """Score labelled conversations: false alarms, what is found, how late, how well the score is calibrated.

    Exit codes: 0 measured, 2 wrong use, 3 a set could not be read.
    """
    from jaga.evaluate import figures, judge, load_scenarios

    if robustness:
        _robustness(list(load_scenarios(folders)), folders, seed=seed, json=json)
        return
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


# ------------------------------------------------------------ robustness


def _robustness(scenarios: list[Scenario], folders: list[Path], *, seed: int, json: bool) -> None:
    from rich.console import Console

    from jaga.evaluate import robustness

    # Half a minute of silence looks like a program that hangs.
    with Console(stderr=True).status("") as status:
        answer = robustness(scenarios, seed=seed, progress=status.update)
    if json:
        import msgspec

        from jaga import __version__

        document = {
            "schema": 1,
            "generator": f"jaga {__version__}",
            "folders": [str(folder) for folder in folders],
            "robustness": answer,
        }
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")
        return
    _print_robustness(answer)


def _print_robustness(answer: Robustness) -> None:
    """Tables in Markdown: docs/robustness.md holds them as they are printed."""

    def kept(row: Kept) -> str:
        return _show(row.level_kept, "%")

    def shifts(row: Kept) -> tuple[str, ...]:
        return str(row.changed), _show(row.safe_shift, "+.3f"), _show(row.risky_shift, "+.3f")

    def right(row: Direction) -> str:
        return _show(row.right, "%")

    def moves(row: Direction) -> tuple[str, ...]:
        return str(row.cases), _show(row.mean_change, "+.3f"), _show(row.worst, ".2f")

    def recall(row: Attack) -> str:
        if row.recall_before is None or row.recall_after is None:
            return "-"
        return f"{100 * (row.recall_after - row.recall_before):+.1f}"

    def signs(row: Attack) -> tuple[str, ...]:
        false = "-"
        if row.false_before is not None and row.false_after is not None:
            false = f"{100 * (row.false_after - row.false_before):+.1f}"
        return false, _show(row.signs_kept, "%")

    moved = ("changed", "safe score", "risky score")
    _table("Invariance: conversations that keep their level", answer.invariance, kept, shifts, moved)
    _table("Fairness: conversations that keep their level", answer.fairness, kept, shifts, moved)
    _table(
        "Direction: cases that move as they may", answer.directional, right, moves, ("cases", "mean change", "worst")
    )
    _table("Attacks: change of recall, points", answer.attacks, recall, signs, ("false alarms", "signs kept"))


_Row = TypeVar("_Row", "Kept", "Direction", "Attack")


def _table(
    title: str,
    rows: Sequence[_Row],
    cell: Callable[[_Row], str],
    further: Callable[[_Row], tuple[str, ...]],
    heads: tuple[str, ...],
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    by_name: dict[str, dict[str, _Row]] = {}
    for row in rows:
        by_name.setdefault(row.name, {})[row.language] = row
    languages: list[str] = sorted({row.language for row in rows} - {"all"})
    table = Table(box=box.MARKDOWN)
    table.add_column("")
    for name in ("all", *languages, *heads):
        table.add_column(name, justify="right")
    for name, found in by_name.items():
        # A change that no conversation of a language had anything for.
        cells = [cell(found[language]) if language in found else "-" for language in ("all", *languages)]
        table.add_row(name, *cells, *further(found["all"]))
    # Wide enough for any name: a table that folds is no Markdown.
    console = Console(width=150)
    console.print(f"### {title}", highlight=False)
    console.print(table)
