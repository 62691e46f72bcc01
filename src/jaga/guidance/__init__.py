"""Guidance: what to do next, as data per country. Loaded by `load_guidance`; texts are English keys for gettext."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from importlib import resources

import msgspec

from jaga.errors import CatalogueError

__all__ = ["Guidance", "Helpline", "countries", "load_guidance", "next_steps"]


class Helpline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"purpose": "for"}):
    """Someone to call or write to. `source` says where the number was read; re-dial before you rely on it."""

    name: str
    reach: str
    purpose: str
    source: str


class _Steps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: tuple[str, ...]


class Guidance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One country's guidance. What a country's file does not name is taken from the international one."""

    schema: int
    country: str
    checked_on: dt.date
    helplines: tuple[Helpline, ...]
    laws: dict[str, str]
    steps: dict[str, tuple[str, ...]]
    name: str = ""
    keep: _Steps | None = None
    never: _Steps | None = None
    talk: dict[str, str] = {}


def countries() -> tuple[str, ...]:
    """Country codes with a file of their own, lower case."""
    names = (entry.name for entry in resources.files("jaga.guidance").iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".toml") and name != "international.toml"))


@functools.cache
def load_guidance(country: str | None) -> Guidance:
    """Guidance for a country code ("my"), completed from the international file; None or unknown: international only.

    Raises: CatalogueError, if a file is broken.
    """
    base = _load("international")
    if country is None or country.lower() not in countries():
        return base
    own = _load(country.lower())
    return msgspec.structs.replace(
        own,
        steps={**base.steps, **own.steps},
        keep=own.keep or base.keep,
        never=own.never or base.never,
        talk=own.talk or base.talk,
    )


def _load(name: str) -> Guidance:
    raw = (resources.files("jaga.guidance") / f"{name}.toml").read_bytes()
    try:
        return msgspec.toml.decode(raw, type=Guidance)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(str(error), where=f"guidance/{name}.toml") from error


def next_steps(
    guidance: Guidance, risk_type: str | None, level: str, age: int | None, also: Sequence[str] = ()
) -> list[str]:
    """English texts of what to do, in order: for `watch` one calm line, above it everything for the risk type.

    `also`: further keys of steps that apply, which come before those of the risk type: what to do about a picture, whatever else there is.
    """
    if level == "none" or risk_type is None:
        return []
    steps = guidance.steps
    if level == "watch":
        own = steps[risk_type] if risk_type in ("exposure", "distress", "sensitive_image") else ()
        return [*steps.get("watch", ()), *own]
    of_both = [step for key in dict.fromkeys((*also, risk_type)) for step in steps.get(key, ())]
    told = [*steps.get("any", ()), *of_both, *steps.get("report", ())]
    if guidance.never is not None:
        told += guidance.never.steps
    band = max((int(first) for first in guidance.talk if age is None or int(first) <= age), default=None)
    if age is None:
        band = 13 if "13" in guidance.talk else band
    if band is not None:
        told.append(guidance.talk[str(band)])
    return told
