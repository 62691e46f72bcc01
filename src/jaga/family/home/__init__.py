"""The family's app: pages on this machine, for parents and for the child (docs/home.md)."""

from __future__ import annotations

from jaga.family.home._app import create_app
from jaga.family.home._house import House

__all__ = ["House", "create_app"]
