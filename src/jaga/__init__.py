"""Jaga: guards children online. Reads chats, hears grooming early, tells a parent only what matters."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
