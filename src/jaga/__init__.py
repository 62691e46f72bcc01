"""Jaga: guards children online. Reads chats, hears grooming early, tells a parent only what matters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaga.assessment import Assessment, Feedback, Tuning
    from jaga.engine import Engine
    from jaga.records import Account, Clock, Conversation, Message

__all__ = ["Account", "Assessment", "Clock", "Conversation", "Engine", "Feedback", "Message", "Tuning", "__version__"]

__version__ = "0.1.0"

# Where each public name lives. Loaded when asked for: `import jaga` and `jaga --help` stay quick.
_HOMES = {
    "Account": "jaga.records",
    "Assessment": "jaga.assessment",
    "Clock": "jaga.records",
    "Conversation": "jaga.records",
    "Engine": "jaga.engine",
    "Feedback": "jaga.assessment",
    "Message": "jaga.records",
    "Tuning": "jaga.assessment",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'jaga' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
