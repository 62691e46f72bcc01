"""`jaga check` as a user runs it: report, JSON, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples" / "whatsapp"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from jaga.cli import main; main()", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)


def test_the_sample_groomer_is_worth_a_look_and_the_teacher_is_not() -> None:
    done = run(SAMPLES, "--child", "Aina", "--json", "--zone", "Asia/Kuala_Lumpur", "--lang", "en")
    assert done.returncode in (10, 11), done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    found = {one["contact"]: one for one in document["relationships"]}
    assert found["KingRay"]["level"] in ("concern", "urgent")
    assert found["KingRay"]["onset"]["index"] <= 12
    assert found["KingRay"]["next_steps"]
    assert found["Cikgu Lim"]["level"] == "none"
    heard = {(item["tactic"], item["by"]) for item in found["KingRay"]["tactics"]}
    assert {("secrecy", "contact"), ("inducement", "contact")} <= heard


def test_an_alert_explains_itself_in_every_form(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run(SAMPLES, "--child", "Aina", "--json", "--zone", "Asia/Kuala_Lumpur", "--lang", "en", "--html", page)
    found = {one["contact"]: one for one in json.loads(done.stdout)["relationships"]}
    assert found["Cikgu Lim"]["explanation"] is None
    explanation = found["KingRay"]["explanation"]
    schema = (Path(__file__).parents[2] / "docs" / "schema" / "check-1.md").read_text(encoding="utf-8")
    assert [name for name in explanation if f"`{name}" not in schema] == []
    assert [name for name in explanation["how_sure"] if name not in schema] == []
    messages = {piece["message"] for item in found["KingRay"]["tactics"] for piece in item["evidence"]}
    assert {what["message"] for what in explanation["without"]} - {None} <= messages
    assert {what["tactic"] for what in explanation["without"]} >= {"secrecy", "image_request"}
    assert explanation["how_sure"]["conversations"] >= explanation["how_sure"]["risky"] > 0
    html = page.read_text(encoding="utf-8")
    screen = run(SAMPLES, "--child", "Aina", "--zone", "Asia/Kuala_Lumpur", "--lang", "en").stdout
    assert "How Jaga came to this" in screen
    assert "<details><summary>How Jaga came to this" in html
    for sentence in explanation["words"]:
        assert sentence in html
    near = max(explanation["like"], key=lambda like: like["likeness"])
    assert near["example"] in html
    assert near["example"] in " ".join(screen.replace("│", " ").split())


def test_the_screen_names_the_contact_and_the_limits() -> None:
    done = run(SAMPLES, "--child", "Aina", "--lang", "en")
    assert "KingRay" in done.stdout
    assert "never proves guilt" in done.stdout


def test_exit_codes_tell_what_happened(tmp_path: Path) -> None:
    assert run(tmp_path / "absent").returncode == 3
    assert run(SAMPLES, "--lang", "xx").returncode == 2
    good = tmp_path / "good"
    good.mkdir()
    (good / "_chat.txt").write_text("13/02/2024, 21:05 - Ali: hi\n", encoding="utf-8")
    assert run(good).returncode == 0
    assert run(good, tmp_path / "absent").returncode == 4


def test_a_report_to_a_pipe_is_written_to_it_and_does_not_replace_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True, encoding="utf-8") as reader:
        run(SAMPLES, "--child", "Aina", "--html", pipe)
        assert reader.stdout is not None
        assert "KingRay" in reader.stdout.read()
    assert pipe.is_fifo()
