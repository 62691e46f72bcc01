"""Measuring: labelled conversations go through the same engine as a child's exports, and the figures come out.

It stands after `assessment` in the flow and nothing depends on it but the command.
"""

from __future__ import annotations

from jaga.evaluate._data import Label, Scenario, load_scenarios
from jaga.evaluate._metrics import Bin, Figures, Verdict, auc, figures, penalty
from jaga.evaluate._run import judge

__all__ = [
    "Bin",
    "Figures",
    "Label",
    "Scenario",
    "Verdict",
    "auc",
    "figures",
    "judge",
    "load_scenarios",
    "penalty",
]
