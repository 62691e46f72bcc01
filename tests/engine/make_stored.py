"""How fixtures/*_1.bin and stored_1.json were made: python -m tests.engine.make_stored, once per version of the state.

Fixtures of versions that users may have stored are never made again.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import msgspec

from jaga import Account, Clock, Conversation, Engine, Message
from jaga.assessment._state import VERSION

FOLDER = Path(__file__).parent / "fixtures"
START = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
SAID = (
    ("d", "ray", "hi, saw u in the game"),
    ("d", "kid", "hi"),
    ("d", "ray", "are you home alone ?"),
    ("g", "tan", "who has the homework"),
    ("g", "kid", "me"),
    ("d", "kid", "no i dont want to"),
    ("d", "ray", "jangan bagitau mak ko"),
    ("d", "ray", "send me a photo of you, just for me"),
)


def main() -> None:
    """Write the fixtures of this version; refuse to write over any."""
    clock = Clock(zone="UTC", zone_known=True)
    engine = Engine(
        child="kid",
        zone="+08:00",
        conversations=[
            Conversation(
                id="d", platform="p", kind="direct", clock=clock, participants=("ray", "kid"), is_request=True
            ),
            Conversation(id="g", platform="p", kind="group", clock=clock, title="4 Bestari"),
        ],
        accounts=[Account(id="ray", platform="p", name="Ray")],
    )
    for number, (conversation, author, text) in enumerate(SAID):
        at = START + timedelta(hours=number * 5)
        engine.observe(Message(conversation=conversation, author=author, sent_at=at, text=text, platform="p"))
    FOLDER.mkdir(exist_ok=True)
    for name, raw in (
        (f"engine_{VERSION}.bin", engine.save()),
        (f"relationship_{VERSION}.bin", engine.save_relationship("ray")),
        (f"stored_{VERSION}.json", msgspec.json.format(msgspec.json.encode(engine.assessments()), indent=1) + b"\n"),
    ):
        with (FOLDER / name).open("xb") as out:
            out.write(raw)


if __name__ == "__main__":
    main()
