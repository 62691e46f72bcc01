"""Sources: what is brought in waits encrypted, under limits; what was found and what could not be read is said."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from jaga.family.home import _upload
from jaga.store import _waiting
from jaga.store._tables import Child, ChildAccount, Import, Person, Watched
from tests.family.home.conftest import Opened, csrf_of, log_in, make_house

CHAT = b"01/03/2026, 20:00 - Aina: hi\n01/03/2026, 20:01 - Mak Su: makan?\n"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    found = make_house(tmp_path / "jaga", hostile=False)
    yield found
    found[0].close()


def send(client: TestClient, child: int, *files: tuple[str, bytes], csrf: str | None = None) -> tuple[int, str]:
    """As the page's form does: the token first, then the child, then the files. (status, text)."""
    answer = client.post(
        "/sources/upload",
        data={"csrf": csrf_of(client) if csrf is None else csrf, "child": str(child)},
        files=[("files", file) for file in files],
    )
    return answer.status_code, answer.text


def queued(household: Opened) -> list[tuple[str, str]]:
    with household[0].store.session(read_only=True) as session:
        rows = session.scalars(sa.select(Import).where(Import.state == "waiting").order_by(Import.id))
        return [(row.name, row.path) for row in rows]


def waiting(household: Opened) -> list[Path]:
    folder = _waiting.waiting_folder(household[0].store)
    return sorted(folder.iterdir()) if folder.exists() else []


def test_a_file_waits_encrypted_under_its_own_name(fresh: Opened) -> None:
    house, ours, _ = fresh
    name = "WhatsApp Chat with Mak Su.txt"
    status, _text = send(log_in(house, ours.parent), ours.children[0], (name, CHAT))
    assert status == 303
    ((kept_name, path),) = queued(fresh)
    assert kept_name == name
    assert b"makan" not in Path(path).read_bytes()
    with _waiting.opened(house.store, Path(path), kept_name) as plain:
        assert plain.read_bytes() == CHAT


def test_a_folder_comes_as_one_zip_and_single_files_one_by_one(fresh: Opened) -> None:
    house, ours, _ = fresh
    status, _text = send(
        log_in(house, ours.parent),
        ours.children[0],
        ("a.txt", CHAT),
        ("instagram/messages/inbox/m_1.json", b"{}"),
        ("instagram/followers.json", b"[]"),
        ("b.txt", CHAT),
        ("../../etc/passwd", b"root"),
    )
    assert status == 303
    found = dict(queued(fresh))
    assert set(found) == {"a.txt", "b.txt", "instagram.zip", "etc.zip"}
    with (
        _waiting.opened(house.store, Path(found["instagram.zip"]), "x.zip") as plain,
        zipfile.ZipFile(plain) as archive,
    ):
        assert archive.namelist() == ["messages/inbox/m_1.json", "followers.json"]
        assert archive.read("followers.json") == b"[]"
    with _waiting.opened(house.store, Path(found["etc.zip"]), "x.zip") as plain, zipfile.ZipFile(plain) as archive:
        assert archive.namelist() == ["passwd"]


@pytest.mark.parametrize("csrf", ["", "wrong"])
def test_nothing_is_kept_that_did_not_come_from_our_page(fresh: Opened, csrf: str) -> None:
    house, ours, _ = fresh
    status, text = send(log_in(house, ours.parent), ours.children[0], ("a.txt", CHAT), csrf=csrf)
    assert status == 403
    assert "did not come from Jaga&#39;s own page" in text
    assert queued(fresh) == []
    assert waiting(fresh) == []


def test_a_token_that_comes_after_the_files_is_too_late(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    token = csrf_of(client)
    edge = "edge"
    body = (
        f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhi\r\n'
        f'--{edge}\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n--{edge}--\r\n'
    )
    answer = client.post(
        "/sources/upload", content=body, headers={"content-type": f"multipart/form-data; boundary={edge}"}
    )
    assert answer.status_code == 403
    assert waiting(fresh) == []


def test_only_the_familys_own_children_who_were_told(fresh: Opened) -> None:
    house, ours, theirs = fresh
    client = log_in(house, ours.parent)
    assert send(client, theirs.children[0], ("a.txt", CHAT))[0] == 404
    status, text = send(client, ours.children[1], ("a.txt", CHAT))
    assert status == 409
    assert "Danish has not been told about Jaga yet" in text
    assert queued(fresh) == []
    assert waiting(fresh) == []


@pytest.mark.parametrize(
    "body", [b"", b"--edge\r\n", b"nonsense", b'--edge\r\nContent-Disposition: form-data; name="csrf"\r\n\r\nx']
)
def test_a_form_that_was_cut_off_or_broken_leaves_nothing(fresh: Opened, body: bytes) -> None:
    house, ours, _ = fresh
    answer = log_in(house, ours.parent).post(
        "/sources/upload", content=body, headers={"content-type": "multipart/form-data; boundary=edge"}
    )
    assert answer.status_code in (403, 413)
    assert 'role="alert"' in answer.text
    assert waiting(fresh) == []


def test_something_that_is_no_form_is_refused(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    for kind in ("application/json", "multipart/form-data", "text/plain"):
        answer = client.post("/sources/upload", content=b"x", headers={"content-type": kind})
        assert answer.status_code == 400


def test_a_file_may_be_only_so_large(fresh: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    house, ours, _ = fresh
    monkeypatch.setattr(_upload, "LARGEST", 100_000)
    client = log_in(house, ours.parent)
    status, text = send(client, ours.children[0], ("small.txt", CHAT), ("large.txt", b"x" * 100_001))
    assert status == 413
    assert "export without media" in text
    assert queued(fresh) == []
    assert waiting(fresh) == []
    monkeypatch.setattr(_upload, "LARGEST_TOGETHER", 150_000)
    status, _text = send(client, ours.children[0], ("f/a", b"x" * 90_000), ("f/b", b"x" * 90_000))
    assert status == 413
    assert waiting(fresh) == []


def test_a_disk_that_is_nearly_full_is_said_and_left_alone(fresh: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    house, ours, _ = fresh
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10, 9, 1))
    status, text = send(log_in(house, ours.parent), ours.children[0], ("a.txt", CHAT))
    assert status == 413
    assert "the disk is nearly full" in text
    assert waiting(fresh) == []


def test_nothing_chosen_is_said(fresh: Opened) -> None:
    house, ours, _ = fresh
    status, text = send(log_in(house, ours.parent), ours.children[0], ("", b""), ("empty.txt", b""))
    assert status == 400
    assert "No file was chosen" in text
    assert waiting(fresh) == []


def test_a_hostile_archive_is_only_kept_not_opened(fresh: Opened) -> None:
    house, ours, _ = fresh
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escape.txt", b"x" * 10_000_000)
    status, _text = send(log_in(house, ours.parent), ours.children[0], ("<script>.zip", buffer.getvalue()))
    assert status == 303
    ((name, path),) = queued(fresh)
    assert name == "<script>.zip"
    assert Path(path).parent == _waiting.waiting_folder(house.store)
    assert Path(path).stat().st_size < 100_000


def test_what_was_found_and_what_could_not_be_read_is_said(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/sources/imports/{ours.imports[1]}").text
    assert "WhatsApp chat export" in text
    assert "1 chat · 240 messages · 2 not read" in text
    assert "<bdi>_chat.txt: line 12</bdi>: the line has no time" in text
    assert "not recognised" in text


def test_problems_are_said_in_the_readers_language(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        session.get_one(Person, ours.parent).language = "ms"
    text = log_in(house, ours.parent).get(f"/sources/imports/{ours.imports[1]}").text
    assert "line 12" not in text
    assert "baris 12" in text


def test_while_something_is_read_the_list_asks_again(opened: Opened) -> None:
    house, ours, _ = opened
    client = log_in(house, ours.parent)
    part = client.get("/sources/imports").text
    assert part.startswith('<div id="list" data-again="/sources/imports"')
    assert "being read: 4,000 messages so far" in part
    assert "<html" not in part
    text = client.get("/sources").text
    assert part.strip() in text


def test_last_heard_names_each_app_and_what_is_long_ago(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/sources?child={ours.children[0]}").text
    assert '<a href="/guides/whatsapp">WhatsApp</a></th><td>2 days ago</td><td>Nov 23, 2026</td>' in text
    assert '<a href="/guides/instagram">Instagram</a></th><td>2 months ago <strong>long ago</strong>' in text


def test_a_folder_is_looked_into_until_it_is_taken_off(fresh: Opened, tmp_path: Path) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    csrf = csrf_of(client)
    folder = tmp_path / "exports"
    folder.mkdir()

    def watched() -> list[str]:
        with house.store.session(read_only=True) as session:
            return list(session.scalars(sa.select(Watched.path).where(Watched.child == ours.children[0])))

    for _ in range(2):
        answer = client.post(
            "/sources/watch", data={"csrf": csrf, "child": ours.children[0], "path": f"{folder}/../exports "}
        )
        assert answer.status_code == 303
    assert watched() == ["/srv/exports", str(folder)]
    with house.store.session(read_only=True) as session:
        identity = session.scalar(sa.select(Watched.id).where(Watched.path == str(folder)))
    assert client.post(f"/sources/watch/{identity}/remove", data={"csrf": csrf}).status_code == 303
    assert watched() == ["/srv/exports"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("exports", "Write the whole path"),
        ("/nowhere/at/all", "no such folder"),
        ("/etc/hostname", "no such folder"),
        ("/a\x00b", "may not look into"),
        ("{home}", "holds Jaga&#39;s own store"),
        ("{home}/..", "holds Jaga&#39;s own store"),
        ("/", "holds Jaga&#39;s own store"),
    ],
)
def test_a_folder_that_cannot_be_watched_is_said(fresh: Opened, path: str, said: str) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    answer = client.post(
        "/sources/watch",
        data={"csrf": csrf_of(client), "child": ours.children[0], "path": path.replace("{home}", str(house.folder))},
    )
    assert (answer.status_code, said in answer.text) == (422, True)


def test_who_the_child_is_can_only_be_chosen_from_what_the_export_offers(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    csrf, asks = csrf_of(client), ours.imports[4]
    text = client.get(f"/sources/imports/{asks}").text
    assert "Which of them is Aina?" in text
    assert f'href="/sources/imports/{asks}"' in client.get("/").text
    assert client.post(f"/sources/imports/{asks}/who", data={"csrf": csrf, "name": "somebody"}).status_code == 422
    assert client.post(f"/sources/imports/{asks}/who", data={"csrf": csrf, "name": "Aina"}).status_code == 303
    with house.store.session(read_only=True) as session:
        row = session.get_one(Import, asks)
        assert (row.state, row.people, row.error) == ("waiting", [], None)
        authors = session.scalars(sa.select(ChildAccount.author).where(ChildAccount.child == ours.children[0])).all()
        assert sorted(authors) == ["Aina", "aina"]
        assert session.get_one(Child, ours.children[0]).name == "Aina"
