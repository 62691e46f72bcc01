"""PDQ is the reference's PDQ: the quality equal, the hash within two bits, on pictures of every kind and size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaga.errors import UsageError
from jaga.media import pdq as module
from jaga.media.pdq import VARIANTS, pdq, pdq_variants
from tests.media.pictures import DRAWN, PHOTOGRAPHS, drawn, pixels

Pixels = npt.NDArray[np.uint8]


def bits_apart(one: bytes, other: bytes) -> int:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()


def reference(picture: Pixels) -> tuple[bytes, int]:
    vector, quality = pdqhash.compute(np.ascontiguousarray(picture))
    return np.packbits(vector.astype(np.uint8)).tobytes(), quality


@pytest.fixture
def calls_of_reference() -> Iterator[list[str]]:
    calls: list[str] = []

    def spied(name: str) -> Any:
        def call(picture: Pixels) -> Any:
            calls.append(name)
            return getattr(pdqhash, name)(picture)

        return call

    spy = mock.Mock(compute=spied("compute"), compute_dihedral=spied("compute_dihedral"))
    with mock.patch.object(module, "pdqhash", spy):
        yield calls


SIZES = [(64, 64), (128, 128), (129, 127), (33, 200), (5, 5), (7, 640), (401, 299), (1152, 864), (2048, 1537)]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_the_short_way(name: str, size: tuple[int, int], calls_of_reference: list[str]) -> None:
    picture = pixels(name, *size)
    value, quality = pdq(picture)
    expected, expected_quality = reference(picture)
    assert quality == expected_quality
    assert bits_apart(value, expected) <= 2
    # Where a photograph is full of detail, the answer must not come from the reference itself.
    if min(size) >= 64 and quality == 100:
        assert calls_of_reference == []


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("kind", DRAWN)
def test_drawn_pictures_where_rounding_decides(kind: str, size: tuple[int, int]) -> None:
    picture = drawn(kind, *size)
    value, quality = pdq(picture)
    expected, expected_quality = reference(picture)
    assert quality == expected_quality
    assert bits_apart(value, expected) <= 2


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    kind=st.sampled_from(DRAWN),
    contrast=st.floats(0.02, 1),
    seed=st.integers(0, 1000),
)
def test_any_size_and_contrast(width: int, height: int, kind: str, contrast: float, seed: int) -> None:
    picture = (drawn(kind, width, height, seed) * contrast).astype(np.uint8)
    value, quality = pdq(picture)
    expected, expected_quality = reference(picture)
    assert quality == expected_quality
    assert bits_apart(value, expected) <= 2


def test_a_flat_picture_is_left_to_the_reference(calls_of_reference: list[str]) -> None:
    """All its coefficients are rounding errors: every bit would be a matter of luck."""
    assert pdq(drawn("flat", 100, 100))[1] == 0
    assert calls_of_reference == ["compute"]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_rounding_stays_within_what_is_allowed_for(name: str) -> None:
    """With as much again to spare: the slack is what makes the short way's quality sure to be the reference's."""
    picture = pixels(name, 1600, 1200)
    coefficients, _ = module._short_way(picture)
    assert coefficients is not None
    theirs, _ = pdqhash.compute_float(picture)
    assert np.abs(coefficients.ravel()[::-1] - theirs).max() <= module._COEFFICIENT_SLACK / 2


@pytest.mark.parametrize("size", [(64, 64), (401, 299), (33, 200)])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_turned_and_mirrored(name: str, size: tuple[int, int], calls_of_reference: list[str]) -> None:
    picture = pixels(name, *size)
    values, quality = pdq_variants(picture)
    vectors, expected_quality = pdqhash.compute_dihedral(picture)
    assert quality == expected_quality
    assert tuple(values) == VARIANTS
    for vector, value in zip(vectors, values.values(), strict=True):
        assert bits_apart(np.packbits(np.asarray(vector, np.uint8)).tobytes(), value) <= 2
    if quality == 100 and min(size) >= 64:
        assert calls_of_reference == []


def test_the_variants_are_of_the_turned_picture() -> None:
    """By really turning it: a square, so that both have the same grid."""
    picture = pixels("astronaut", 512, 512)
    values, _ = pdq_variants(picture)
    turned = {
        "original": picture,
        "rotate_180": picture[::-1, ::-1],
        "flip_x": picture[::-1],
        "flip_y": picture[:, ::-1],
        "flip_plus": picture.transpose(1, 0, 2),
    }
    for name, one in turned.items():
        # The reference's box reaches one pixel further to one side, which turning swaps.
        assert bits_apart(values[name], pdq(np.ascontiguousarray(one))[0]) <= 20, name


def test_grey_is_the_same_as_three_equal_colours() -> None:
    picture = pixels("camera", 400, 300)
    value, quality = pdq(picture[:, :, :1])
    expected, expected_quality = reference(picture)
    assert quality == expected_quality
    assert bits_apart(value, expected) <= 2


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((0, 64, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(picture: Any) -> None:
    for call in (pdq, pdq_variants):
        with pytest.raises(UsageError, match="pixels must be"):
            call(picture)
