"""A line, a text or a picture of 64 MiB where a message belongs: memory stays bounded, the rest is read, and it is said.

Each source reads in a process of its own, whose peak resident memory the kernel counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources.test_hostile_sources import BASES, TEXTS

MEBI = 1 << 20
LONG = 64 * MEBI
# The reader alone stands at some 35 MiB; a reader that held the line would be far above.
MOST = 110 * MEBI
# Loaded whole up to a limit of 64 MiB, above which they are refused before being parsed: the limit itself is held once or twice.
WHOLE = {
    "snapchat": 200 * MEBI,
    "tiktok": 200 * MEBI,
    "telegram_html": 200 * MEBI,
    "meta_posts": 200 * MEBI,
    "meta_html": 560 * MEBI,
}

CHILD = """
import json, resource, sys
from pathlib import Path
from jaga.sources import Context, gather, zone_of
gathered = gather([Path(sys.argv[1])], Context(zone=zone_of("+08:00"), zone_name="+08:00"), isolated=False)
texts = [message.text[:40] for message in gathered.messages()]
what = [problem.what for item in gathered.inputs for problem in item.problems if not problem.note]
print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, texts, what]))
"""


def alone(program: str, *arguments: str) -> str:
    """What a program prints. A shell stands between: a process begins with the peak of the one that started it, here a whole test run."""
    command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read(path: Path) -> tuple[int, list[str], list[str]]:
    peak, texts, what = json.loads(alone(CHILD, str(path)))
    return peak, texts, what


def stretched(path: Path, before: bytes, after: bytes) -> Path:
    with path.open("wb") as out:
        out.write(before)
        for _ in range(LONG // MEBI):
            out.write(b"a" * MEBI)
        out.write(after)
    return path


def test_the_count_sees_what_is_held_and_only_that() -> None:
    """The measure itself: a program that does hold 64 MiB is over the limit, one that does nothing far below, whatever runs the tests."""
    peak = "; import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
    assert int(alone("held = b'a' * (110 << 20)" + peak)) > MOST
    assert int(alone("held = b''" + peak)) < MOST / 4


@pytest.mark.parametrize("source", [name for name in TEXTS if "café ❤".encode() in BASES[name].read_bytes()])
def test_a_text_of_64_mib_holds_no_memory(source: str, tmp_path: Path) -> None:
    raw = BASES[source].read_bytes()
    at = raw.find("café ❤".encode())
    peak, _, what = read(stretched(tmp_path / BASES[source].name, raw[:at], raw[at:]))
    assert peak < WHOLE.get(source, MOST), f"{peak / MEBI:.0f} MiB"
    # A page of HTML is below its limit and is read whole.
    assert source == "meta_html" or any(
        "longer than" in one or "larger than" in one or "far larger" in one for one in what
    ), what


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("whatsapp_txt", "13/02/2024, 21:05 - Ali: first\n13/02/2024, 21:06 - Bo: ", "\n13/02/2024, 21:07 - Ali: last\n"),
        ("viber_csv", "13/02/2024,21:05:00,Ray,+60,first\n13/02/2024,21:06:00,Ray,+60,", "\n13/02/2024,21:07:00,Ray,+60,last\n"),
        ("qq_txt", "2024-02-13 21:05:00 Ray(10001)\nfirst\n\n2024-02-13 21:06:00 Ray(10001)\n", "\n\n2024-02-13 21:07:00 Ray(10001)\nlast\n"),
        ("tiktok_txt", ">>> Chat History with ray::\n2024-02-13 13:05:00 UTC ray: first\n", "\n2024-02-13 13:07:00 UTC ray: last\n"),
        ("mbox", "From a\nFrom: r@x.org\nTo: a@x.org\nDate: Tue, 13 Feb 2024 21:05:00 +0800\n\nfirst\n", "\n\nFrom b\nFrom: r@x.org\nTo: a@x.org\nDate: Tue, 13 Feb 2024 21:07:00 +0800\n\nlast\n"),
        ("telegram_json", '{"name":"R","type":"personal_chat","id":7,"messages":[{"id":1,"type":"message","date":"2024-02-13T21:05:00","from_id":"user7","text":"first"},{"id":2,"type":"message","date":"2024-02-13T21:06:00","from_id":"user7","text":"', '"},{"id":3,"type":"message","date":"2024-02-13T21:07:00","from_id":"user7","text":"last"}]}'),
        ("mms picture", '<?xml version="1.0"?><smses count="3"><sms address="+60" date="1707829533000" type="1" body="first"/><mms date="1707829534000" msg_box="1" address="+60"><parts><part ct="image/jpeg" data="', '"/></parts><addrs/></mms><sms address="+60" date="1707829535000" type="1" body="last"/></smses>'),
    ],
    ids=lambda value: value if len(value) < 20 else "",
)  # fmt: skip
def test_what_stands_behind_it_is_read(source: str, before: str, after: str, tmp_path: Path) -> None:
    peak, texts, what = read(stretched(tmp_path / "chat.bin", before.encode(), after.encode()))
    assert peak < MOST, f"{peak / MEBI:.0f} MiB"
    assert texts[0].split("\n")[0] == "first"
    assert texts[-1].split("\n")[-1] == "last"
    # A picture is left out of every backup's reading; a text that long is named.
    assert (source == "mms picture") == (what == []), what


def test_an_xml_element_of_64_mib_is_refused(tmp_path: Path) -> None:
    head = '<?xml version="1.0"?><smses count="2"><sms address="+60" date="1707829533000" type="1" body="first"/>'
    path = stretched(
        tmp_path / "sms.xml", f'{head}<sms address="+60" date="1707829534000" type="1" body="'.encode(), b'"/></smses>'
    )
    peak, texts, what = read(path)
    assert peak < MOST, f"{peak / MEBI:.0f} MiB"
    assert texts == ["first"]
    assert what == ["holds an element larger than any message"]


def test_many_lines_of_one_message_hold_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    with path.open("wb") as out:
        out.write(b"[LINE] Chat history with Ray\n\n2024/02/13(Tue)\n21:05\tRay\tfirst\n")
        for _ in range(16):
            out.write(b"a line that goes on and on\n" * (MEBI // 27))
        out.write(b"21:07\tRay\tlast\n")
    peak, texts, what = read(path)
    # Sixteen MiB of them: held, they would be some forty in all.
    assert peak < 60 * MEBI, f"{peak / MEBI:.0f} MiB"
    assert [texts[0][:5], texts[-1]] == ["first", "last"]
    assert ["longer than any app sends" in one for one in what] == [True]
