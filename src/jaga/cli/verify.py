"""`jaga verify`: check an evidence pack that somebody gave you. Needs no store, no passphrase and no network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaga.cli._exits import Exit
from jaga.errors import UsageError

if TYPE_CHECKING:
    from jaga.family.pack import SignedOriginal, Verification
    from jaga.words import Words

__all__ = ["verify"]

_CODES = {"whole": Exit.OK, "repacked": Exit.CONCERN, "changed": Exit.URGENT, "unreadable": Exit.NOTHING_READ}


def verify(
    pack: Annotated[
        str,
        typer.Argument(
            metavar="PACK", help="The evidence pack: the .zip, or the folder it was unpacked to.", show_default=False
        ),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="FINGERPRINT",
            help="The fingerprint of the family's key, as the family told it: then it is checked as well who signed.",
            show_default=False,
        ),
    ] = None,
    original: Annotated[
        list[str] | None,
        typer.Option(
            "--original",
            metavar="FILE",
            help="An original export: say whether the pack was made from it. May be given several times.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document (docs/schema) and nothing else on stdout.")
    ] = False,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="LANG",
            help="Language of the report: ms, en, zh or ta; default: JAGA_LANG, else this machine's.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check that an evidence pack is as it was signed, to the last byte.

    Exit codes: 0 whole, 10 every file is as signed but the zip was packed anew or an original is not of this pack, 11 changed or signed with another key, 2 wrong use, 3 not a pack.
    """
    from jaga.cli.check import chosen_language
    from jaga.family.pack import is_original, verify_pack
    from jaga.words import words

    say = words(chosen_language(lang))
    if not pack.strip() or not all(name.strip() for name in original or ()):
        raise UsageError("is empty", where="PACK", remedy="name a file or folder")
    checked = verify_pack(Path(pack), expected=key)
    # Of a pack that is not right, the list of originals proves nothing.
    trusted = checked.verdict in ("whole", "repacked")
    compared = [(name, is_original(Path(name), checked) if trusted else None) for name in original or ()]
    code = _CODES[checked.verdict]
    if code is Exit.OK and any(found is None for _, found in compared):
        code = Exit.CONCERN
    if json:
        import msgspec

        sys.stdout.write(msgspec.json.encode(_record(checked, compared, say)).decode() + "\n")
    else:
        _print(checked, compared, say, trusted=trusted)
    raise typer.Exit(code)


def _record(checked: Verification, compared: list[tuple[str, SignedOriginal | None]], say: Words) -> dict[str, Any]:
    from jaga import __version__

    return {
        "schema": 1,
        "generator": f"jaga {__version__}",
        "verdict": checked.verdict,
        "findings": [{"code": one.code, "name": one.name, "what": say.found(one.what)} for one in checked.findings],
        "fingerprint": checked.fingerprint,
        "key_expected": checked.key_expected,
        "created_at": checked.created_at,
        "made_by": checked.generator,
        "files": checked.files,
        "originals": checked.originals,
        "compared": [{"path": path, "sha256": found and found.sha256} for path, found in compared],
    }


def _print(
    checked: Verification, compared: list[tuple[str, SignedOriginal | None]], say: Words, *, trusted: bool
) -> None:
    from jaga.cli._terminal import columns, folded, plain
    from jaga.family.pack import proof_words

    width = columns(90)

    def tell(text: str, indent: str = "") -> None:
        for line in folded(plain(text), width - len(indent)):
            print(indent + line)

    tell(
        {
            "whole": say("WHOLE: this pack is as it was signed, to the last byte."),
            "repacked": say("PACKED ANEW: every file is as it was signed, but the zip around them is another."),
            "changed": say("CHANGED: do not rely on this pack. Ask for it again from whoever made it."),
            "unreadable": say("NOT A PACK: this cannot be read as an evidence pack."),
        }[checked.verdict]
    )
    for one in checked.findings:
        tell(say.found(one.what) if one.name is None else f"{one.name}: {say.found(one.what)}", "  ")
    if checked.fingerprint is not None and checked.generator is not None and checked.created_at is not None:
        print()
        tell(say("Signed with the key {key}", key=checked.fingerprint))
        if checked.key_expected is None:
            tell(
                say(
                    "Nobody has compared this key yet: ask the family for its fingerprint by telephone or face to face, and give it with --key."
                ),
                "  ",
            )
        elif checked.key_expected:
            tell(say("It is the key you expected."), "  ")
        else:
            tell(say("It is NOT the key you expected."), "  ")
        tell(
            say(
                "Made by {program}, at {time} by the clock of that computer",
                program=checked.generator[:40],
                time=f"{checked.created_at:%Y-%m-%d %H:%M} UTC",
            )
        )
    if trusted and checked.originals:
        print()
        tell(say("The original files it was made from:"))
        for original in checked.originals:
            tell(f"{original.name}, {say.plural('{count} byte', '{count} bytes', original.size_bytes)}", "  ")
            tell(f"SHA-256 {original.sha256}", "    ")
    for path, found in compared:
        print()
        if not trusted:
            tell(say("{file}: not compared, for the pack itself is not right.", file=path))
        elif found is None:
            tell(say("{file}: NOT one of the originals of this pack.", file=path))
        else:
            tell(say("{file}: is the original {name}.", file=path, name=found.name))
    if trusted:
        proven, unproven = proof_words(say)
        for title, lines in ((say("Proven is"), proven), (say("Not proven is"), unproven)):
            print()
            tell(title)
            for line in lines:
                tell(f"- {line}", "  ")
