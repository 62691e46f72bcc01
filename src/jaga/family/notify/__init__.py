"""Telling grown-ups that something needs them: through Apprise, without a word of what it is (docs/home.md)."""

from __future__ import annotations

from jaga.family.notify._deliver import Delivered, deliver, plan, send_trial
from jaga.family.notify._hours import last_weekly, quiet_until
from jaga.family.notify._send import Message, check_address, masked, send

__all__ = [
    "Delivered",
    "Message",
    "check_address",
    "deliver",
    "last_weekly",
    "masked",
    "plan",
    "quiet_until",
    "send",
    "send_trial",
]
