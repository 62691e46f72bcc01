"""For writers of the catalogue: does each tactic hear its prototypes and stay silent on its counter-examples?

    python -m jaga.signals.catalogue [LANG] [--try FILE]

With `--try`, prints the tactics heard in each line of FILE. Without, prints misses and the rates per tactic.
"""

from __future__ import annotations

import argparse
from importlib import resources
from pathlib import Path

from jaga.signals.catalogue import load_from
from jaga.signals.lexicon import Lexicon, cache_folder

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("language", nargs="?")
    parser.add_argument("--try", dest="attempt", type=Path)
    chosen = parser.parse_args(arguments)
    catalogue = load_from(resources.files("jaga") / "tactics", chosen.language)
    lexicon = Lexicon(catalogue, cache=cache_folder())
    if chosen.attempt:
        for line in chosen.attempt.read_text(encoding="utf-8").splitlines():
            heard = ", ".join(f"{hit.tactic}.{hit.group}[{hit.language}]" for hit in lexicon.hear(line))
            print(f"{heard or '-':<60} {line}\n    {lexicon.normalise(line)}")
        return 0
    said_all = [said for said in catalogue.phrases.items() if chosen.language in (None, said[0][1])]
    for (name, code), said in said_all:
        missed = [text for text in said.prototypes if name not in {hit.tactic for hit in lexicon.hear(text)}]
        false = [
            (text, [hit for hit in lexicon.hear(text) if hit.tactic == name])
            for text in said.counter_examples
            if name in {hit.tactic for hit in lexicon.hear(text)}
        ]
        for text in missed:
            print(f"  missed  {name}/{code}: {text}\n            {lexicon.normalise(text)}")
        for text, hits in false:
            for hit in hits:
                print(f"  false   {name}/{code}: {text}\n            {hit.language}.{hit.group}: {hit.pattern}")
        rate = 1 - len(missed) / max(1, len(said.prototypes))
        wrong = len(false) / max(1, len(said.counter_examples))
        print(
            f"{name}/{code}: {len(said.prototypes)} prototypes, {rate:.0%} heard; "
            f"{len(said.counter_examples)} counter-examples, {wrong:.0%} heard"
        )
    return 0
