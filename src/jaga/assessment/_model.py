"""The numbers of the judgement: weights over named features, kept as data (model.json), fitted by tools/train.py."""

from __future__ import annotations

import functools
from importlib import resources

import msgspec

from jaga.errors import CatalogueError
from jaga.signals.encoder import Stage

__all__ = ["Model", "load_model"]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Logistic weights and thresholds. Every weight of a risky act is >= 0: more of it never lowers a score."""

    schema: int
    # Log-odds with nothing heard.
    bias: float
    # Log-odds at full evidence (1.0) of a tactic or context.
    weights: dict[str, float]
    # Log-odds when both of a pair are heard, "a+b": what literature says belongs together.
    pairs: dict[str, float]
    # Log-odds for each further independent tactic of the contact.
    diversity: float
    # Platt scaling of the log-odds, fitted on the development data: score = 1 / (1 + exp(-(slope x + shift))).
    slope: float = 1.0
    shift: float = 0.0
    # Mean tone of a message in safe conversations (log-likelihood ratio).
    safe_tone: float = 0.0
    # Log-odds taken off per e-fold of the history beyond a hundred messages: who is looked at ten thousand times must show more
    # than who is looked at thirty times, or ordinary years would add up to an alarm.
    patience: float = 0.0
    watch: float
    concern: float
    urgent: float
    # Messages of a relationship after which unrepeated evidence counts half.
    half_life: float
    # How an encoder's reading enters, where one reads along; its thresholds are then the model's.
    stage: Stage | None = None

    def reading(self, stage: Stage) -> Model:
        """This model with an encoder that reads along."""
        return msgspec.structs.replace(self, stage=stage, watch=stage.watch, concern=stage.concern, urgent=stage.urgent)


@functools.cache
def load_model() -> Model:
    """The model that ships. Raises: CatalogueError if its file is broken."""
    raw = (resources.files("jaga") / "assessment" / "model.json").read_bytes()
    try:
        return msgspec.json.decode(raw, type=Model)
    except msgspec.DecodeError as error:
        raise CatalogueError(str(error), where="assessment/model.json") from error
