"""Seeds: public ones anybody can derive, fresh ones nobody can."""

import hashlib
import hmac
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.engine.chance import pick, pick_different
from workers.engine.seeds import fit_seed, fresh_seed, number_of, public_seed

HASH = "sha256:" + "ab" * 32


def test_a_public_seed_is_a_hash_of_protocol_measurement_and_draw():
    assert public_seed(HASH, 0, 1) == hashlib.sha256(f"public draw\n1\n{HASH}\n0".encode()).hexdigest()


def test_measurement_draw_and_protocol_each_change_the_public_seed():
    assert len({public_seed(HASH, 0, 1), public_seed(HASH, 1, 1), public_seed(HASH, 0, 2), public_seed("x", 0, 1)}) == 4


def test_what_is_fitted_is_fitted_on_other_prompts_than_any_draw():
    assert fit_seed(HASH) != public_seed(HASH, 0, 1)


def test_a_fresh_seed_is_an_hmac_under_the_secret():
    assert fresh_seed(b"secret", HASH, 1) == hmac.new(b"secret", f"{HASH}\n1".encode(), hashlib.sha256).hexdigest()
    assert fresh_seed(b"secret", HASH, 1) != fresh_seed(b"other", HASH, 1)


def test_a_seed_is_a_number_written_in_hex():
    assert number_of("0f") == 15


@pytest.mark.parametrize("text", ["", "0x0f", "seed", "-1", "F"])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(ValueError, match="is no seed"):
        number_of(text)


@given(st.text(min_size=1), st.integers(0, 100))
def test_every_seed_can_be_read(text, draw):
    assert number_of(public_seed(text, draw, 1)) >= 0


@given(st.integers(0, 2**256), st.integers(0, 20))
def test_picked_items_come_from_different_places(seed, number):
    picked = pick_different(Random(seed), range(20), number)
    assert len(set(picked)) == len(picked) == number


def test_more_different_items_than_there_are_cannot_be_picked():
    with pytest.raises(ValueError, match="3 different items cannot be picked from 2"):
        pick_different(Random(0), "ab", 3)


def test_every_item_is_as_likely_as_another():
    rng = Random(0)
    counts = [sum(pick(rng, "abcd") == letter for _ in range(4000)) for letter in "abcd"]
    assert all(880 < count < 1120 for count in counts)  # 1000 expected, 4 standard deviations are 110


def test_picks_are_the_same_on_every_python():
    assert "".join(pick_different(Random(2**200 + 1), "abcdefghij", 10)) == "ahicbgejfd"
