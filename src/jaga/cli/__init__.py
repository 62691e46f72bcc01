"""The `jaga` command. One file per command group; each imports what it needs only when it runs, so that help is quick."""

from __future__ import annotations

from jaga.cli._app import main

__all__ = ["main"]
