"""Assessment: signals over time become one judgement for each relationship between a child and a contact."""

from __future__ import annotations

from jaga.assessment._assessor import PUBLIC, Assessor
from jaga.assessment._explain import Explanation, Like, Share, WhatIf
from jaga.assessment._keep import COMPACT, EVERYTHING, Keep
from jaga.assessment._model import Model, load_model
from jaga.assessment._reliability import Band
from jaga.assessment._thread import Threads
from jaga.assessment._tuning import Feedback, FeedbackKind, Sensitivity, Tuning
from jaga.assessment._types import LEVELS, Assessment, Day, Evidence, Level, Onset, RiskType, TacticFinding
from jaga.assessment._who import Owner, find_child

__all__ = [
    "COMPACT",
    "EVERYTHING",
    "LEVELS",
    "PUBLIC",
    "Assessment",
    "Assessor",
    "Band",
    "Day",
    "Evidence",
    "Explanation",
    "Feedback",
    "FeedbackKind",
    "Keep",
    "Level",
    "Like",
    "Model",
    "Onset",
    "Owner",
    "RiskType",
    "Sensitivity",
    "Share",
    "TacticFinding",
    "Threads",
    "Tuning",
    "WhatIf",
    "find_child",
    "load_model",
]
