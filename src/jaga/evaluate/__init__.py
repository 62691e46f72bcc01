"""Measuring: labelled conversations go through the same engine as a child's exports, and the figures come out.

It stands after `assessment` in the flow and nothing depends on it but the command.
"""

from __future__ import annotations

from jaga.evaluate._data import Label, Scenario, load_scenarios
from jaga.evaluate._metrics import Bin, Figures, Verdict, auc, figures, penalty
from jaga.evaluate._perturb import ATTACKS, FAIRNESS, INVARIANCES, Changed, Perturbation
from jaga.evaluate._robust import Attack, Direction, Kept, Robustness, robustness
from jaga.evaluate._run import judge, judge_one

__all__ = [
    "ATTACKS",
    "FAIRNESS",
    "INVARIANCES",
    "Attack",
    "Bin",
    "Changed",
    "Direction",
    "Figures",
    "Kept",
    "Label",
    "Perturbation",
    "Robustness",
    "Scenario",
    "Verdict",
    "auc",
    "figures",
    "judge",
    "judge_one",
    "load_scenarios",
    "penalty",
    "robustness",
]
