"""Near-duplicates by MinHash (Broder 1997): none across splits, under 5 % within one; none between the catalogue and test."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from datasketch import MinHash, MinHashLSH

from jaga.evaluate import Scenario, load_scenarios
from jaga.signals.catalogue import load_catalogue

ROOT = Path(__file__).parents[2] / "evaluation"
SPLITS = ("train", "dev", "test", "fresh", "untouched")
LANGUAGES = ("en", "ms", "ta", "zh")
# Jaccard similarity of 5-character shingles from which two texts count as one.
LIKE = 0.7
# Shorter messages ("ok see you") are alike without anyone copying.
SHORTEST = 24


@cache
def split(name: str) -> tuple[Scenario, ...]:
    return tuple(load_scenarios([ROOT / name]))


def sketch(text: str) -> MinHash | None:
    plain = re.sub(r"[\W\d_]+", " ", text.lower()).strip()
    # A Chinese character says as much as three letters.
    weight = sum(3 if "\u3400" <= letter <= "\u9fff" else 1 for letter in plain)
    if weight < SHORTEST:
        return None
    size = 3 if weight > len(plain) else 5
    found = MinHash(num_perm=64, seed=7)
    found.update_batch({plain[at : at + size].encode() for at in range(max(1, len(plain) - size + 1))})
    return found


def messages(name: str) -> dict[str, MinHash]:
    found: dict[str, MinHash] = {}
    for scenario in split(name):
        for number, message in enumerate(scenario.messages):
            made = sketch(message.text)
            if made is not None:
                found[f"{scenario.conversation.id}:{number}"] = made
    return found


@cache
def indexed() -> tuple[dict[str, dict[str, MinHash]], MinHashLSH]:
    every = {name: messages(name) for name in SPLITS}
    index = MinHashLSH(threshold=LIKE, num_perm=64)
    for name, items in every.items():
        for key, made in items.items():
            index.insert(f"{name}/{key}", made)
    return every, index


def twins(made: MinHash, of: str, index: MinHashLSH, every: dict[str, dict[str, MinHash]]) -> list[str]:
    found = []
    for key in index.query(made):
        name, _, item = key.partition("/")
        if item.split(":")[0] != of and every[name][item].jaccard(made) >= LIKE:
            found.append(key)
    return found


def test_the_sketch_finds_a_copy() -> None:
    one, other = sketch("please come to the library at three"), sketch("Please come to the library at three!!")
    assert one is not None
    assert other is not None
    assert one.jaccard(other) >= LIKE


@pytest.mark.parametrize("name", SPLITS)
def test_no_message_stands_in_two_splits_and_few_twice_in_one(name: str) -> None:
    every, index = indexed()
    across: list[str] = []
    within = 0
    for key, made in every[name].items():
        alike = twins(made, key.split(":")[0], index, every)
        across += [f"{key} ~ {other}" for other in alike if not other.startswith(name)]
        within += any(other.startswith(name) for other in alike)
    assert across == []
    assert within < 0.05 * len(every[name])


def test_no_prototype_stands_in_dev_or_test() -> None:
    every, index = indexed()
    found = []
    for said in load_catalogue().phrases.values():
        for text in said.prototypes:
            made = sketch(text)
            if made is not None:
                found += [f"{text} ~ {key}" for key in twins(made, "", index, every) if not key.startswith("train")]
    assert found == []


def test_every_language_has_its_scenarios_and_more_safe_than_risky() -> None:
    briefs: dict[str, str] = {}
    for name in SPLITS:
        for scenario in split(name):
            # A brief never stands in two splits.
            assert briefs.setdefault(scenario.label.scenario, name) == name
    for language in LANGUAGES:
        labels = [one.label for name in SPLITS for one in split(name) if one.label.language == language]
        assert len(labels) >= 40
        risky = sum(label.risky for label in labels)
        assert 0 < risky < len(labels) - risky
