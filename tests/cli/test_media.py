"""`jaga media` as a person and as a program uses it: what is printed, what is refused, what the shell is told."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.media.pictures import photograph

JAGA = Path(sys.executable).with_name("jaga")


class Ran:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Shell:
    """The installed command, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *arguments: str) -> Ran:
        done = subprocess.run(
            [JAGA, "media", *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "JAGA_STORE": str(self.folder / "store")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return Ran(done)


@pytest.fixture
def jaga(tmp_path: Path) -> Shell:
    photograph("astronaut").save(tmp_path / "known.png")
    photograph("astronaut").resize((200, 200)).save(tmp_path / "again.jpg")
    photograph("coffee").save(tmp_path / "other.png")
    (tmp_path / "text.txt").write_text("hello")
    return Shell(tmp_path)


def test_is_this_file_known(jaga: Shell) -> None:
    assert jaga("bank", "create", "seen", "--category", "A", "--severity", "4").code == 0
    added = jaga("bank", "add", "seen", "known.png", "--note", "invented")
    assert (added.code, added.err) == (0, "1 items with 4 hashes added, 0 were there\n")
    found = jaga("match", "known.png", "again.jpg", "other.png", "text.txt")
    assert found.code == 11
    first, second = found.out.splitlines()
    assert first == "known.png: known as bad in seen, item 1, category A, md5"
    assert second.startswith("again.jpg: known as bad in seen, item 1, category A, pdq, ")
    assert found.err == "4 files, 2 known as bad\n"
    nothing = jaga("match", "other.png", "text.txt")
    assert (nothing.code, nothing.out) == (0, "")


def test_match_as_json(jaga: Shell) -> None:
    jaga("bank", "create", "fine", "--good", "--jurisdiction", "MY")
    jaga("bank", "add", "fine", "--hash", f"md5:{hashlib.md5(b'hello').hexdigest()}", "--hash", "pdq:" + "0" * 64)
    done = jaga("match", ".", "--json", "--bank", "fine")
    assert done.code == 0
    assert done.document["schema"] == 1
    files = {entry["path"]: entry for entry in done.document["files"] if not entry["path"].startswith("store")}
    assert set(files) == {"again.jpg", "known.png", "other.png", "text.txt"}
    assert files["text.txt"]["matches"] == [
        {
            "bank": "fine",
            "meaning": "good",
            "item": 1,
            "name": None,
            "category": None,
            "severity": None,
            "jurisdiction": "MY",
            "kind": "md5",
            "distance_bits": 0,
            "threshold_bits": 0,
            "frame": None,
            "variant": None,
            "inside": None,
            "of_file_percent": None,
            "of_known_percent": None,
        }
    ]
    assert files["known.png"]["matches"] == []


def test_hash_as_json(jaga: Shell) -> None:
    done = jaga("hash", "text.txt", "known.png", "absent", "--json")
    assert done.code == 4
    assert done.err == "absent: cannot be read: No such file or directory\n"
    text, known, absent = done.document["files"]
    assert text == {
        "path": "text.txt",
        "size_bytes": 5,
        "format": None,
        "hashes": {
            "md5": hashlib.md5(b"hello").hexdigest(),
            "sha1": hashlib.sha1(b"hello").hexdigest(),
            "sha256": hashlib.sha256(b"hello").hexdigest(),
        },
        "frames": [],
        "video": None,
        "problems": [],
    }
    (frame,) = known["frames"]
    assert (known["format"], frame["frame"], frame["width"], frame["height"]) == ("PNG", 0, 512, 512)
    assert [(one["kind"], one["quality"], one["variant"]) for one in frame["hashes"]] == [("pdq", 100, "original")]
    assert absent["size_bytes"] is None
    assert jaga("hash", "absent").code == 3


def test_hash_for_people(jaga: Shell) -> None:
    done = jaga("hash", "text.txt", "--type", "blake3", "--type", "md5")
    assert done.out.splitlines()[1] == f"{hashlib.md5(b'hello').hexdigest()}  md5  text.txt"
    lines = jaga("hash", "known.png", "--type", "pdq", "--variants").out.splitlines()
    assert len(lines) == 8
    assert " pdq rotate_90 quality 100  known.png" in lines[1]
    assert jaga("hash", "known.png", "--type", "photodna").code == 2


def test_lists_in_and_out(jaga: Shell) -> None:
    (jaga.folder / "list.csv").write_text(f"md5,category\n{'a' * 32},1\nbad,2\n")
    jaga("bank", "create", "listed")
    done = jaga("bank", "import", "listed", "list.csv")
    assert done.code == 4
    assert "list.csv, line 3: not a md5 hash" in done.err
    assert "1 items with 1 hashes added" in done.err
    assert jaga("bank", "export", "listed", "out.json").code == 0
    assert json.loads((jaga.folder / "out.json").read_text())["value"] == [
        {"MediaID": 1, "Category": 1, "MD5": "A" * 32}
    ]
    assert jaga("bank", "export", "listed", "out.csv", "--format", "csv").code == 0
    jaga("bank", "create", "again")
    assert jaga("bank", "import", "again", "out.json").code == 0
    assert jaga("bank", "import", "again", "out.csv").err == "0 items with 0 hashes added, 1 were there\n"
    assert jaga("bank", "import", "again", "text.txt").code == 3
    (jaga.folder / "bad.csv").write_text("md5\nx\n")
    assert jaga("bank", "import", "again", "bad.csv").code == 3


def test_banks_are_listed_changed_and_remembered(jaga: Shell) -> None:
    jaga("bank", "create", "seen", "--threshold", "20", "--expires", "2031-01-01", "--source", "us")
    assert jaga("bank", "list").out == "seen: bad, 0 items, 0 hashes, within 20 bits, until 2031-01-01, us\n"
    assert jaga("bank", "set", "seen", "--disable", "--severity", "2").code == 0
    (bank,) = jaga("bank", "list", "--json").document["banks"]
    assert (bank["enabled"], bank["severity"], bank["threshold_bits"]) == (False, 2, 20)
    events = jaga("bank", "history", "seen", "--json").document["events"]
    assert [event["what"] for event in events] == ["bank created", "bank changed"]
    assert "bank changed" in jaga("bank", "history").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["match", "text.txt"], "no banks here"),
        (["match", "text.txt", "--store", "nowhere"], "no banks here"),
        (["bank", "create", "a/b"], "cannot name a bank"),
        (["bank", "create", "x", "--expires", "soon"], "give a date like 2027-12-31"),
        (["bank", "create", "x", "--severity", "99"], "0 to 10"),
        (["bank", "list"], "no banks here"),
        (["serve", "--host", "0.0.0.0"], "make a key first"),
        (["serve", "--host", "example.org"], "make a key first"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(arguments: list[str], says: str, jaga: Shell) -> None:
    done = jaga(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert says in done.err
    assert len(done.err.splitlines()) == 1


def test_wrong_use_of_a_bank(jaga: Shell) -> None:
    jaga("bank", "create", "seen")
    for arguments, says in (
        (["bank", "create", "seen"], "already"),
        (["bank", "add", "seen"], "give a file, or --hash"),
        (["bank", "add", "seen", "--hash", "md5:xyz"], "not a md5 hash"),
        (["bank", "add", "seen", "--hash", "abc"], "no kind of hash"),
        (["bank", "add", "other", "text.txt"], "banks: seen"),
        (["match", "text.txt", "--bank", "other"], "banks: seen"),
        (["bank", "export", "seen", "out", "--format", "xml"], "vics, misp or csv"),
        (["bank", "export", "seen", "no/folder/out"], "cannot be written"),
    ):
        done = jaga(*arguments)
        assert (done.code, says in done.err) == (2, True), (arguments, done.err)


def test_the_server_answers_and_ends(jaga: Shell) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    jaga("bank", "create", "SEEN")
    jaga("bank", "add", "SEEN", "--hash", "pdq:" + "0f" * 32)
    command: list[str | Path] = [JAGA, "media", "serve", "--port", str(port), "--store", jaga.folder / "store"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            url = f"http://127.0.0.1:{port}/m/raw_lookup?signal_type=pdq&signal={'0f' * 32}"
            for _ in range(300):
                try:
                    with urllib.request.urlopen(url) as answer:
                        assert json.load(answer) == {"matches": [1]}
                    break
                except urllib.error.URLError:
                    time.sleep(0.1)
            else:
                pytest.fail("no answer")
        finally:
            server.terminate()
        assert server.wait(timeout=20) in (0, -15)


def test_help_does_not_wait_for_what_media_needs() -> None:
    code = (
        "import sys, jaga.cli, jaga.media; heavy = {'numba', 'numpy', 'PIL', 'sqlalchemy', 'pdqhash'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    quickest = 9.0
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([JAGA, "--help"], check=True, stdout=subprocess.DEVNULL)
        quickest = min(quickest, time.perf_counter() - begin)
    assert quickest < 0.25
