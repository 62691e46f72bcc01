"""README.txt: what the pack is and how to check it, in the pack's language, in Malay and in English."""

from __future__ import annotations

from jaga.family.pack._box import CERTIFICATE, KEY, MANIFEST, REPORT, SIGNATURE, SUMS
from jaga.family.pack._proof import proof_words
from jaga.words import LANGUAGES, Words, words

__all__ = ["readme"]


def readme(language: str, mark: str, *, with_pdf: bool, certificate: bool) -> bytes:
    """`mark`: the fingerprint of the key."""
    told = [
        _told(words(one), mark, with_pdf=with_pdf, certificate=certificate)
        for one in dict.fromkeys((language, "ms", "en"))
    ]
    return ("\n\n".join(told) + "\n").encode()


def _told(say: Words, mark: str, *, with_pdf: bool, certificate: bool) -> str:
    proven, unproven = proof_words(say)
    first = f"{REPORT}.pdf" if with_pdf else f"{REPORT}.html"
    lines = [
        f"===== {LANGUAGES[say.language]} =====",
        "",
        say("Evidence pack of Jaga about one contact of a child. Begin with {file}.", file=first),
        "",
        say(
            "There is no picture, video or sound in this pack, only names, hashes and where the original is kept. If you think that an original shows the abuse of a child: do not open, copy, print or forward it. Leave it on its device and hand over the device."
        ),
        say("It points to what is worth a look and never proves guilt."),
        say(
            "A child who wrote, sent or sold something is a victim to be helped, whatever the words say. Nothing in this pack accuses a child."
        ),
        say("It holds private messages of a child: keep it safe, and give it only to those who have to act."),
        "",
        say("FILES"),
        f"  {REPORT}.pdf, {REPORT}.html" if with_pdf else f"  {REPORT}.html",
        f"    {say('the report, for people')}",
        f"  {REPORT}.json",
        f"    {say('the same for programs, with the exact text of every message shown')}",
    ]
    if certificate:
        lines += [
            f"  {CERTIFICATE}.pdf, {CERTIFICATE}.html" if with_pdf else f"  {CERTIFICATE}.html",
            f"    {say('template of a certificate under section 90A, Evidence Act 1950, to be filled in and signed by hand')}",
        ]
    lines += [
        f"  {MANIFEST}, {SIGNATURE}, {KEY}, {SUMS}",
        f"    {say('the hash of every file and original, the signature (Ed25519) and its key')}",
        "",
        say("TO CHECK IT"),
        f"  {say('With Jaga, on any computer, without a network:')}",
        # Not the fingerprint that stands below: compared with itself, any key is the expected one.
        f'    jaga verify PACK.zip --key "{say("FINGERPRINT")}"',
        f"    {say('with the fingerprint that the family tells you, not the one in this file')}",
        f"  {say('Without Jaga, in the unpacked folder (OpenSSL 3 and sha256sum):')}",
        f"    openssl pkeyutl -verify -pubin -inkey {KEY} -rawin -in {MANIFEST} -sigfile {SIGNATURE}",
        f"    sha256sum -c {SUMS}",
        f"    {say('then compare the hashes with those in {manifest}', manifest=MANIFEST)}",
        "",
        f"  {say('Fingerprint of the key, to compare with the family by telephone or face to face:')}",
        f"    {mark}",
        "",
        say("IF IT VERIFIES, IT IS PROVEN THAT"),
        *(f"  - {line}" for line in proven),
        say("NOT PROVEN IS"),
        *(f"  - {line}" for line in unproven),
    ]
    return "\n".join(lines)
