"""The evidence pack from an alert's page: whole on another machine, no more in it than the page shows, and written down."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.family.pack import verify_pack
from jaga.store._tables import AuditLine, Child
from tests.family.home.conftest import Opened, csrf_of, log_in, make_house


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    found = make_house(tmp_path / "jaga", hostile=False)
    yield found
    found[0].close()


def test_the_pack_is_whole_for_whoever_gets_it_and_changed_when_it_was_changed(fresh: Opened, tmp_path: Path) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    alert = ours.alerts[0]
    text = client.get(f"/alerts/{alert}/pack").text
    found = re.search(r"<strong>((?:[0-9a-f]{4} ){7}[0-9a-f]{4})</strong>", text)
    assert found is not None
    # The key is the household's: the same at every look.
    assert found.group(1) in client.get(f"/alerts/{alert}/pack").text
    answer = client.post(f"/alerts/{alert}/pack", data={"csrf": csrf_of(client), "language": "ms"})
    assert answer.status_code == 200
    assert re.fullmatch(
        r'attachment; filename="jaga-evidence-\d{8}-\d{6}-[0-9a-f]{8}\.zip"', answer.headers["content-disposition"]
    )
    path = tmp_path / "pack.zip"
    path.write_bytes(answer.content)
    checked = verify_pack(path, expected=found.group(1))
    assert checked.ok, checked.findings
    assert checked.key_expected is True
    assert [one.name for one in checked.originals] == ["chat.zip"]
    with zipfile.ZipFile(path) as archive:
        report = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith("report.json"))))
        whole = json.dumps(report, ensure_ascii=False)
        pages = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".html")).decode()
    for said in ("do not tell your parents about us", "because I like you", "IMG-2026.jpg", "4711"):
        assert said in whole, said
    assert "Siti" in whole
    assert '<html lang="ms"' in pages
    # One letter of it changed: seen.
    raw = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(raw, "w") as changed:
        for name in archive.namelist():
            data = archive.read(name)
            changed.writestr(name, data.replace(b"robux", b"rubox") if name.endswith(".json") else data)
    path.write_bytes(raw.getvalue())
    assert verify_pack(path, expected=found.group(1)).verdict == "changed"


def test_making_it_is_written_down_before_and_after(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    client.post(f"/alerts/{ours.alerts[0]}/pack", data={"csrf": csrf_of(client), "language": "en"})
    with house.store.session(read_only=True) as session:
        lines = session.scalars(sa.select(AuditLine).where(AuditLine.what.startswith("pack."))).all()
        assert [(line.what, line.person, line.subject) for line in lines] == [
            ("pack.asked", ours.parent, f"alert:{ours.alerts[0]}"),
            ("pack.made", ours.parent, f"alert:{ours.alerts[0]}"),
        ]
        assert re.fullmatch("[0-9a-f]{64}", lines[1].detail["sha256"])


def test_where_the_words_are_the_childs_own_there_is_no_pack_without_the_child(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        session.get_one(Child, ours.children[0]).birth = "2009-12"
    client = log_in(house, ours.parent)
    # A concern of a sixteen-year-old: told, without anyone's words.
    text = client.get(f"/alerts/{ours.alerts[1]}/pack").text
    assert "gives the words to nobody without your child" in text
    assert '<form action="/alerts' not in text
    form = {"csrf": csrf_of(client), "language": "en"}
    assert client.post(f"/alerts/{ours.alerts[1]}/pack", data=form).status_code == 403
    assert f"/alerts/{ours.alerts[1]}/pack" not in client.get(f"/alerts/{ours.alerts[1]}").text
    # Something urgent is another matter.
    assert client.post(f"/alerts/{ours.alerts[0]}/pack", data=form).status_code == 200


def test_only_a_parent_of_the_family_makes_one(fresh: Opened) -> None:
    house, ours, theirs = fresh
    parent = log_in(house, ours.parent)
    form = {"csrf": csrf_of(parent), "language": "en"}
    assert parent.get(f"/alerts/{theirs.alerts[0]}/pack").status_code == 404
    assert parent.post(f"/alerts/{theirs.alerts[0]}/pack", data=form).status_code == 404
    assert parent.post(f"/alerts/{ours.alerts[0]}/pack", data={**form, "language": "xx"}).status_code == 422
    guardian = log_in(house, ours.guardian)
    assert guardian.get(f"/alerts/{ours.alerts[0]}/pack").status_code == 403
    assert "/pack" not in guardian.get(f"/alerts/{ours.alerts[0]}").text
    assert log_in(house, ours.childs_login).get(f"/alerts/{ours.alerts[0]}/pack").status_code == 403


def test_hostile_words_make_a_pack_too(tmp_path: Path) -> None:
    house, ours, _ = make_house(tmp_path / "jaga", hostile=True)
    client = log_in(house, ours.parent)
    answer = client.post(f"/alerts/{ours.alerts[0]}/pack", data={"csrf": csrf_of(client), "language": "ta"})
    assert answer.status_code == 200
    path = tmp_path / "pack.zip"
    path.write_bytes(answer.content)
    assert verify_pack(path).ok
    house.close()
