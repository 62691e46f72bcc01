"""Whatever an export holds where a name, a title, a text or a file's name stands is shown as text, and is never part of the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.family.home.conftest import Opened, log_in
from tests.family.home.household import HOSTILE, Household

# Attributes that may hold an address.
_ADDRESSES = ("href", "src", "action", "formaction", "xlink:href", "hx-get", "data", "poster")
# Of the page itself.
_OURS = re.compile(r"^/(?!/)|^#|^https://(takeitdown\.ncmec\.org|report\.iwf\.org\.uk/my)$")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff]")


class Looked(HTMLParser):
    """What a page is made of, and its text outside of quotations."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self._quoted = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        self._quoted += tag == "blockquote"

    def handle_endtag(self, tag: str) -> None:
        self._quoted -= tag == "blockquote"

    def handle_data(self, data: str) -> None:
        if not self._quoted:
            self.text.append(data)


def pages(ours: Household) -> list[str]:
    return [
        "/",
        "/friends",
        "/friends?show=requests",
        "/friends?find=%3Cscript%3E%22onmouseover=x",
        *(f"/friends/{one}" for one in ours.relationships),
        "/children",
        *(f"/children/{one}" for one in ours.children),
        *(f"/alerts/{one}" for one in ours.alerts),
        f"/alerts/{ours.alerts[0]}/around",
        "/sources",
        "/sources/imports",
        *(f"/sources/imports/{one}" for one in ours.imports),
        "/guides",
        "/guides/whatsapp",
    ]


def test_the_household_really_is_hostile(hostile: Opened) -> None:
    house, ours, _ = hostile
    client = log_in(house, ours.parent)
    texts = "".join(client.get(path).text for path in pages(ours))
    # Each of them came through to some page, so that what follows is about something.
    for sign in (
        "&lt;script&gt;window.taken",
        "onerror=window.taken",
        "onmouseover=",
        "javascript:window",
        "{{7*7}}",
        "A" * 50,
    ):
        assert sign in texts, sign


def test_nothing_of_it_becomes_part_of_a_page(hostile: Opened) -> None:
    house, ours, _ = hostile
    client = log_in(house, ours.parent)
    for path in pages(ours):
        answer = client.get(path)
        assert answer.status_code == 200, path
        looked = Looked()
        looked.feed(answer.text)
        assert not looked.tags & {"iframe", "object", "embed", "base", "style", "animate", "foreignobject"}, path
        for tag, name, value in looked.attributes:
            assert not name.startswith("on"), (path, tag, name)
            assert name != "style", (path, tag)
            if name in _ADDRESSES:
                assert _OURS.match(value or ""), (path, tag, name, value)
            if tag == "img" and name == "src":
                assert value == "/static/icon.svg", (path, value)
            if tag == "script":
                assert name in ("src", "defer"), (path, name)
        # A template in a name stays what it is.
        assert "{%" not in answer.text.replace("{% raw %}", ""), path


def test_what_turns_or_hides_letters_is_taken_out_of_names_and_stays_in_quotations(hostile: Opened) -> None:
    house, ours, _ = hostile
    client = log_in(house, ours.parent)
    for path in pages(ours):
        looked = Looked()
        looked.feed(client.get(path).text)
        found = [text for text in looked.text if _TURNING.search(text)]
        assert found == [], path
    # What was said is evidence, and not touched; it stands apart, with a direction of its own.
    quoted = client.get(f"/alerts/{ours.alerts[0]}/around").text
    assert re.search(r'<blockquote dir="auto"[^>]*>\u202e', quoted)


def test_something_endless_is_cut(hostile: Opened) -> None:
    house, ours, _ = hostile
    client = log_in(house, ours.parent)
    for path in pages(ours):
        text = client.get(path).text
        assert "A" * 2001 not in text, path
        assert len(text) < 60_000, path


@pytest.mark.parametrize("text", HOSTILE[:8])
def test_what_somebody_types_comes_back_as_text(opened: Opened, text: str) -> None:
    house, ours, _ = opened
    client = log_in(house, ours.parent)
    answer = client.get("/friends", params={"find": text[:80]})
    looked = Looked()
    looked.feed(answer.text)
    values = [value for tag, name, value in looked.attributes if tag == "input" and name == "value"]
    assert text[:80] in values
    csrf = client.get("/sources").text.split('name="csrf" value="', 1)[1].split('"', 1)[0]
    path = "/nowhere/" + text
    refused = client.post("/sources/watch", data={"csrf": csrf, "child": ours.children[0], "path": path})
    looked = Looked()
    looked.feed(refused.text)
    assert refused.status_code == 422
    assert path in [value for tag, name, value in looked.attributes if tag == "input" and name == "value"]
    assert not any(name.startswith("on") for _, name, _ in looked.attributes)
