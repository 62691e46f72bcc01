"""No page gives, and no form changes, what belongs to another family; a child's log-in opens none of these pages."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from jaga.store._tables import Alert, FeedbackLine, Import, Session, Trusted, Watched
from tests.family.home.conftest import Opened, csrf_of, log_in
from tests.family.home.household import Household

FORMS = {
    "/alerts/{alert}/answer": {"kind": "fine"},
    "/alerts/{alert}/undo": {},
    "/friends/{friend}/know": {"kind": "known"},
    "/sources/watch": {"child": "{child}", "path": "/srv"},
    "/sources/watch/{watched}/remove": {},
    "/sources/imports/{imported}/who": {"name": "Aina"},
    "/sources/upload": {"child": "{child}"},
}
PAGES = (
    "/alerts/{alert}",
    "/alerts/{alert}/around",
    "/friends/{friend}",
    "/friends?child={child}",
    "/children/{child}",
    "/sources?child={child}",
    "/sources/imports/{imported}",
)
OWN = ("/friends", "/children", "/sources", "/sources/imports", "/guides", "/guides/whatsapp")


def filled(path: str, whose: Household) -> str:
    return path.format(
        alert=whose.alerts[0],
        friend=whose.relationships[0],
        child=whose.children[0],
        imported=whose.imports[4],
        watched=whose.watched[0],
    )


def state(opened: Opened) -> list[object]:
    """Everything a form of these pages could change."""
    with opened[0].store.session(read_only=True) as session:
        return [
            session.execute(sa.select(Alert.id, Alert.state).order_by(Alert.id)).all(),
            session.scalars(sa.select(FeedbackLine.id)).all(),
            session.execute(sa.select(Import.id, Import.state).order_by(Import.id)).all(),
            session.scalars(sa.select(Trusted.id)).all(),
            session.scalars(sa.select(Watched.id)).all(),
        ]


@pytest.mark.parametrize("path", PAGES)
def test_another_familys_pages_are_not_there(opened: Opened, path: str) -> None:
    house, ours, theirs = opened
    client = log_in(house, ours.parent)
    # The same page of one's own is: so it is not missing for another reason.
    assert client.get(filled(path, ours)).status_code == 200
    answer = client.get(filled(path, theirs))
    missing = client.get(filled(path, Household(0, 0, 0, 0, [10**9], [10**9], [10**9], [10**9] * 5, [10**9])))
    assert answer.status_code == missing.status_code == 404
    # Nor can one tell whether there is such a thing at all.
    assert answer.text == missing.text


@pytest.mark.parametrize("path", FORMS)
def test_another_familys_things_cannot_be_changed(opened: Opened, path: str) -> None:
    house, ours, theirs = opened
    client = log_in(house, ours.parent)
    before = state(opened)
    form = {name: filled(value, theirs) for name, value in FORMS[path].items()}
    files = [("files", ("a.txt", b"hi"))] if path.endswith("upload") else None
    answer = client.post(filled(path, theirs), data={"csrf": csrf_of(client), **form}, files=files)
    assert answer.status_code == 404
    assert state(opened) == before


@pytest.mark.parametrize("path", [*PAGES, *OWN])
def test_a_childs_log_in_opens_none_of_these_pages(opened: Opened, path: str) -> None:
    house, ours, _ = opened
    assert log_in(house, ours.childs_login).get(filled(path, ours)).status_code == 403
    assert log_in(house, ours.guardian).get(filled(path, ours)).status_code == 200


@pytest.mark.parametrize("path", FORMS)
def test_a_childs_log_in_sends_none_of_these_forms(opened: Opened, path: str) -> None:
    house, ours, _ = opened
    client = log_in(house, ours.childs_login)
    before = state(opened)
    with house.store.session(read_only=True) as session:
        newest = sa.select(Session.csrf).where(Session.person == ours.childs_login).order_by(Session.id.desc()).limit(1)
        csrf = session.scalar(newest)
    form = {"csrf": csrf, **{name: filled(value, ours) for name, value in FORMS[path].items()}}
    files = [("files", ("a.txt", b"hi"))] if path.endswith("upload") else None
    assert client.post(filled(path, ours), data=form, files=files).status_code == 403
    assert state(opened) == before


@pytest.mark.parametrize("path", [*PAGES, *OWN, "/"])
def test_without_a_log_in_there_is_only_the_way_to_it(opened: Opened, path: str) -> None:
    house, ours, _ = opened
    client = log_in(house, ours.parent)
    client.cookies.clear()
    answer = client.get(filled(path, ours))
    assert answer.status_code == 303
    assert answer.headers["location"].split("?")[0] == "/login"


@pytest.mark.parametrize("path", ["/sources/watch", "/sources/watch/{watched}/remove"])
def test_a_guardian_changes_no_watched_folders(opened: Opened, path: str) -> None:
    house, ours, _ = opened
    client = log_in(house, ours.guardian)
    before = state(opened)
    form = {name: filled(value, ours) for name, value in FORMS[path].items()}
    assert client.post(filled(path, ours), data={"csrf": csrf_of(client), **form}).status_code == 403
    assert state(opened) == before


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_its_token_changes_nothing(opened: Opened, path: str) -> None:
    house, ours, _ = opened
    before = state(opened)
    form = {name: filled(value, ours) for name, value in FORMS[path].items()}
    files = [("files", ("a.txt", b"hi"))] if path.endswith("upload") else None
    assert log_in(house, ours.parent).post(filled(path, ours), data=form, files=files).status_code == 403
    assert state(opened) == before


def test_nothing_of_the_other_family_stands_on_ones_own_pages(opened: Opened) -> None:
    house, ours, theirs = opened
    client = log_in(house, ours.parent)
    text = "".join(client.get(path).text for path in ("/", *OWN))
    for kind, ids in (
        ("alerts", theirs.alerts),
        ("friends", theirs.relationships),
        ("children", theirs.children),
        ("imports", theirs.imports),
    ):
        assert all(f'/{kind}/{one}"' not in text for one in ids)
