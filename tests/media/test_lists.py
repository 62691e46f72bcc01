"""Hash lists are read as a stream; an entry that is broken is named with its place and costs no other."""

from __future__ import annotations

import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaga.errors import NotThisFormat, UnreadableInput, UsageError
from jaga.media.banks import Item
from jaga.media.lists import FORMATS, read_list
from jaga.media.lists.hash_csv import write_csv
from jaga.media.lists.misp import write_misp
from jaga.media.lists.vics import write_vics
from jaga.records import Problem

MD5, MD5_TOO = "0123456789abcdef0123456789abcdef", "f" * 32
SHA1, SHA256 = "a" * 40, "b" * 64
V13 = "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#"
V20 = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#"


def written(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def split(path: Path, *arguments: Any, **more: Any) -> tuple[list[Item], list[Problem]]:
    every = list(read_list(path, *arguments, **more))
    return [one for one in every if isinstance(one, Item)], [one for one in every if isinstance(one, Problem)]


MEDIA = {
    "MediaID": 12,
    "Category": 1,
    "MD5": MD5.upper(),
    "SHA1": SHA1,
    "MediaSize": "77",
    "Series": "S",
    "Comments": "C",
}
WITH_MORE = {
    "MediaID": "x",
    "Category": "2",
    "AlternativeHashes": [{"HashName": "PDQ", "HashValue": SHA256}, {"HashName": "SHA-256", "HashValue": SHA256}, {"HashName": "PhotoDNA", "HashValue": "AAAA"}],
    "MediaFiles": [{"MD5": MD5_TOO, "FileName": "n", "Exifs": [{"PropertyName": "p"}]}],
}  # fmt: skip


@pytest.mark.parametrize(
    "document",
    [
        {"odata.metadata": V13 + "Media", "value": [MEDIA, WITH_MORE]},
        {"@odata.context": V20 + "Media", "value": [MEDIA, WITH_MORE]},
        {"value": [MEDIA, WITH_MORE], "@odata.context": V20 + "Media"},
        {"odata.metadata": V13 + "Cases", "value": [{"CaseID": "c", "CaseNumber": "1", "TotalMediaFiles": 2, "Media": [MEDIA, WITH_MORE]}]},
        {"value": [{"Media": [MEDIA], "CaseID": "c"}, {"CaseID": "empty"}, {"CaseID": "d", "Media": [WITH_MORE], "SeizureDate": "2026"}]},
    ],
    ids=["1.3 media", "2.0 media", "model last", "1.3 cases", "several cases"],
)  # fmt: skip
def test_vics_media_wherever_they_stand(document: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "list.json", document)
    first, second = read_list(path)
    assert first == Item(
        hashes=(("md5", bytes.fromhex(MD5)), ("sha1", bytes.fromhex(SHA1))),
        name="12",
        category="1",
        note="S; C",
        source=f"{path}, media 1 (MediaID 12)",
    )
    assert isinstance(second, Item)
    assert second.hashes == (("pdq", bytes.fromhex(SHA256)), ("sha256", bytes.fromhex(SHA256)))


def test_caid_numbers_as_text_and_a_mark_at_the_start(tmp_path: Path) -> None:
    document = {
        "odata.metadata": "http://caid/DataModels/1.2.xml#Media",
        "value": [{"Category": 3, "MediaSize": "9", "MD5": MD5}],
    }
    path = written(tmp_path / "caid.json", b"\xef\xbb\xbf" + json.dumps(document).encode())
    ((item,), problems) = split(path)
    assert (item.category, problems) == ("3", [])


def test_broken_vics_entries_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    entries = [
        {"MediaID": 1, "MD5": "short"},
        {"MediaID": 2, "MD5": "zz", "SHA1": SHA1},
        {"MediaID": 3, "AlternativeHashes": [{"HashName": "PhotoDNA", "HashValue": "AAAA"}]},
        {"MediaID": 4, "MD5": [MD5], "AlternativeHashes": ["x", {"HashName": None}]},
        {},
        "text",
        {"MediaID": 5, "MD5": MD5},
    ]
    items, problems = split(written(tmp_path / "list.json", {"odata.metadata": V13 + "Media", "value": entries}))
    assert [item.name for item in items] == ["2", "5"]
    assert [problem.where.rpartition("media ")[2] for problem in problems] == [
        "1 (MediaID 1)", "2 (MediaID 2)", "3 (MediaID 3)", "4 (MediaID 4)", "5",
    ]  # fmt: skip
    assert problems[0].what == "not a md5 hash: 'short' is not 32 hex digits"
    assert problems[2].what == "has no hash of a kind that is installed (left out: PhotoDNA)"
    assert [problem.skipped for problem in problems] == [1, 0, 1, 1, 1]


def test_a_vics_list_cut_anywhere_gives_its_beginning(tmp_path: Path) -> None:
    whole = json.dumps({"odata.metadata": V13 + "Media", "value": [MEDIA, WITH_MORE, MEDIA | {"MediaID": 13}]}).encode()
    path = tmp_path / "cut.json"
    names = [item.name for item in split(written(path, whole))[0]]
    assert names == ["12", "x", "13"]
    for length in range(60, len(whole) - 1):
        written(path, whole[:length])
        try:
            items, problems = split(path)
        except (NotThisFormat, UnreadableInput):
            continue
        assert [item.name for item in items] == names[: len(items)]
        assert problems[-1].fatal


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_noise_is_refused_or_told(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "noise"
    for start in (
        b"",
        b'{"MD5":',
        b'{"odata.metadata":"DataModels/","value":[{"MD5":"',
        b"md5,category\n",
        b"SQLite format 3\0",
    ):
        path.write_bytes(start + raw)
        try:
            items, _ = split(path)
        except (NotThisFormat, UnreadableInput):
            continue
        for item in items:
            assert item.hashes


@pytest.fixture
def rds(tmp_path: Path) -> Path:
    path = tmp_path / "RDS 3?.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE META (sha256, sha1, md5, file_name, file_size, package_id)")
    connection.execute("CREATE VIEW FILE AS SELECT * FROM META")
    rows = [
        (SHA256.upper(), SHA1, MD5, "a.dll", 1, 1),
        (None, "bad", None, "b", 1, 1),
        (SHA256, None, "bad", None, 1, 1),
    ]
    connection.executemany("INSERT INTO META VALUES (?, ?, ?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    return path


def test_nsrl_rows(rds: Path) -> None:
    items, problems = split(rds)
    assert [(item.name, [kind for kind, _ in item.hashes]) for item in items] == [
        ("a.dll", ["sha256", "sha1", "md5"]), (None, ["sha256"]),
    ]  # fmt: skip
    assert [problem.where for problem in problems] == [f"{rds}, row 2", f"{rds}, row 3"]
    assert [one.name for one in rds.parent.iterdir()] == [rds.name]


def test_another_database_is_no_nsrl(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "x.db")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(UnreadableInput, match="no table FILE"):
        split(tmp_path / "x.db")


CSV = f"""SHA-1;MD5;Category;Severity;File name;Rest
{SHA1};{MD5};one;3;"a; b.jpg";x

nothing;{MD5_TOO};two;11;b.jpg
;;three
bad;bad;four
"""


def test_csv_columns_by_their_heads(tmp_path: Path) -> None:
    path = written(tmp_path / "list.csv", b"\xef\xbb\xbf" + CSV.encode())
    items, problems = split(path)
    assert [(item.category, item.severity, item.name, len(item.hashes)) for item in items] == [
        ("one", 3, "a; b.jpg", 2), ("two", None, "b.jpg", 1),
    ]  # fmt: skip
    assert items[0].source == f"{path}, line 2"
    assert [(problem.where.rpartition(" ")[2], problem.skipped) for problem in problems] == [
        ("4", 0), ("4", 0), ("5", 1), ("6", 1),
    ]  # fmt: skip


def test_bare_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path / "list.txt", f"{MD5}\n# a note\n\npdq:{SHA256}\n{SHA256}\nSHA1:zz\n{SHA1},more\nhello\n".encode()
    )
    items, problems = split(path)
    assert [item.hashes[0][0] for item in items] == ["md5", "pdq", "sha1"]
    assert [problem.where.rpartition(" ")[2] for problem in problems] == ["5", "6", "8"]
    assert "sha256 or pdq" in problems[0].what
    items, problems = split(path, kind="sha256")
    assert [item.hashes[0][0] for item in items] == ["md5", "pdq", "sha256", "sha1"]
    only = written(tmp_path / "only.txt", f"{SHA256}\n".encode())
    assert [item.hashes[0][0] for item in split(only, kind="pdq")[0]] == ["pdq"]


def test_a_line_without_end_is_one_problem(tmp_path: Path) -> None:
    path = written(tmp_path / "long.csv", b"md5,note\n" + b"x" * 5_000_000 + b"\n" + MD5.encode() + b",n\n")
    items, problems = split(path)
    assert [item.note for item in items] == ["n"]
    assert len(problems) == 1


def test_what_is_no_list_is_refused(tmp_path: Path) -> None:
    for raw in (b"", b"hello\n", b"\0\1\2", b'{"a": 1}', b"<x/>"):
        with pytest.raises(NotThisFormat):
            split(written(tmp_path / "file", raw))
    with pytest.raises(UnreadableInput, match="cannot be read"):
        split(tmp_path / "absent")
    with pytest.raises(UsageError, match="xml"):
        split(written(tmp_path / "file", b"x"), "xml")


ITEMS = [
    Item(hashes=(("md5", bytes.fromhex(MD5)), ("md5", bytes.fromhex(MD5_TOO)), ("pdq", bytes.fromhex(SHA256))), category="2"),
    Item(hashes=(("sha1", bytes.fromhex(SHA1)),), category="own word", severity=4, name="=1+1", note="n, \"q\"\nx"),
    Item(hashes=(("sha256", bytes.fromhex(SHA256)),)),
]  # fmt: skip


def test_vics_written_is_vics_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    assert write_vics(ITEMS, out) == 3
    assert json.loads(out.getvalue())["value"][0]["Category"] == 2
    items, problems = split(written(tmp_path / "out.json", out.getvalue()))
    assert problems == []
    assert [(set(item.hashes), item.category) for item in items] == [
        (set(item.hashes), item.category) for item in ITEMS
    ]


def test_csv_written_is_csv_read(tmp_path: Path) -> None:
    out = io.StringIO()
    assert write_csv(ITEMS, out) == 3
    path = written(tmp_path / "out.csv", out.getvalue().encode())
    items, problems = split(path)
    assert problems == []
    assert {pair for item in items for pair in item.hashes} == {pair for item in ITEMS for pair in item.hashes}
    # What a spreadsheet would take for a formula is text.
    assert [item.name for item in items if item.severity == 4] == ["'=1+1"]


def attribute(type_: str, value: str, **more: Any) -> dict[str, Any]:
    return {"uuid": "u", "type": type_, "value": value, "category": "Payload delivery", **more}


EVENT = {
    "info": "test",
    "Attribute": [
        attribute("md5", MD5, comment="one"),
        attribute("filename|sha1", f"a|b.jpg|{SHA1}"),
        attribute("domain", "example.org"),
        attribute("sha256", SHA256, deleted=True),
        attribute("md5", "short"),
    ],
    "Object": [
        {
            "uuid": "o",
            "name": "file",
            "comment": "two",
            "Attribute": [
                attribute("md5", MD5_TOO, object_relation="md5"),
                attribute("sha256", SHA256, object_relation="sha256"),
                attribute("text", SHA256, object_relation="pdq"),
                attribute("text", "A1", object_relation="classification"),
                attribute("filename", "n.jpg", object_relation="filename"),
            ],
        },
        {"uuid": "gone", "deleted": "1", "Attribute": [attribute("md5", MD5)]},
    ],
}


@pytest.mark.parametrize(
    "document",
    [
        {"Event": EVENT},
        {"response": [{"Event": EVENT}]},
        [{"Event": EVENT}],
        {"Event": {**EVENT, "Orgc": {"name": "x"}}},
    ],
)
def test_misp_events_wherever_they_stand(document: Any, tmp_path: Path) -> None:
    items, problems = split(written(tmp_path / "list.json", document))
    one, two, three = items
    assert (one.hashes, one.name, one.note) == ((("md5", bytes.fromhex(MD5)),), "u", "one")
    assert two.hashes == (("sha1", bytes.fromhex(SHA1)),)
    assert {kind for kind, _ in three.hashes} == {"md5", "sha256", "pdq"}
    assert (three.name, three.note, three.category) == ("o", "two", "A1")
    (problem,) = problems
    assert "attribute 5" in problem.where


def test_what_a_search_of_misp_gives(tmp_path: Path) -> None:
    items, problems = split(written(tmp_path / "list.json", {"response": {"Attribute": [attribute("md5", MD5)]}}))
    assert [item.hashes for item in items] == [(("md5", bytes.fromhex(MD5)),)]
    assert problems == []


def test_misp_written_is_misp_read_also_by_misps_own_library(tmp_path: Path) -> None:
    out = io.BytesIO()
    assert write_misp(ITEMS, out, info="Hash list seen", to_ids=True) == 3
    again = io.BytesIO()
    write_misp(ITEMS, again, info="Hash list seen", to_ids=True)
    assert again.getvalue() == out.getvalue()
    items, problems = split(written(tmp_path / "out.json", out.getvalue()))
    assert problems == []
    assert [(item.hashes, item.category) for item in items] == [(item.hashes, item.category) for item in ITEMS]
    from pymisp import MISPEvent

    event = MISPEvent()
    event.load(json.loads(out.getvalue()))
    assert len(event.objects) == 3
    values = {(one.object_relation, one.value) for held in event.objects for one in held.attributes}
    assert {(kind, value.hex()) for item in ITEMS for kind, value in item.hashes} <= values
    assert {one.to_ids for held in event.objects for one in held.attributes if one.type == "md5"} == {True}
    # Whom it goes to is the owner's to say.
    assert (int(event.distribution), event.published) == (0, False)


def test_a_misp_list_cut_anywhere_gives_its_beginning(tmp_path: Path) -> None:
    raw = json.dumps({"Event": EVENT}).encode()
    for end in range(40, len(raw), 37):
        try:
            items, problems = split(written(tmp_path / "cut.json", raw[:end]), "misp")
        except UnreadableInput:
            continue
        assert len(items) <= 3
        assert any(problem.fatal for problem in problems)


def test_one_hash_a_line_with_its_kind_beside_it(tmp_path: Path) -> None:
    rows = f"Hash Type,Hash,IWF Category,Reference\nMD5,{MD5},A,r1\nPhotoDNA,AAAA,A,r2\nSHA-1,{SHA1},C,r3\nPDQ,{SHA256},B,r4\n"
    items, problems = split(written(tmp_path / "list.csv", rows.encode()))
    assert [(item.hashes[0][0], item.category, item.name) for item in items] == [
        ("md5", "A", "r1"),
        ("sha1", "C", "r3"),
        ("pdq", "B", "r4"),
    ]
    assert [problem.where.rpartition(", ")[2] for problem in problems] == ["line 3"]
    wide = f"MD5 Hash;SHA1 Hash;Category\n{MD5};{SHA1};B\n"
    (item,), problems = split(written(tmp_path / "wide.csv", wide.encode()))
    assert ({kind for kind, _ in item.hashes}, item.category, problems) == ({"md5", "sha1"}, "B", [])


def test_nothing_written_is_still_a_document() -> None:
    out = io.BytesIO()
    assert write_vics([], out) == 0
    assert json.loads(out.getvalue())["value"] == []


def test_every_format_says_what_it_is() -> None:
    assert list(FORMATS) == ["vics", "misp", "nsrl", "csv"]
    for one in FORMATS.values():
        assert type(one).__doc__
        assert not one.recognises(b"")
