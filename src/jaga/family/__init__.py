"""The family's door: a thin layer for parents over the rooms before it."""

from __future__ import annotations

from jaga.family._check import Checked, PicturesLooked, PicturesWanted, check

__all__ = ["Checked", "PicturesLooked", "PicturesWanted", "check"]
