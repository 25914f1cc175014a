"""How far a work queue may be purged: never past what is not finished."""

from hypothesis import given
from hypothesis import strategies as st

from services.bus.removal import first_unfinished

SEQUENCES = st.integers(1, 50)


@given(SEQUENCES, st.sets(SEQUENCES))
def test_all_before_the_first_unfinished_are_finished(first, finished):
    assert set(range(first, first_unfinished(first, finished))) <= finished


@given(SEQUENCES, st.sets(SEQUENCES))
def test_the_first_unfinished_is_not_finished(first, finished):
    assert first_unfinished(first, finished) not in finished


def test_what_is_missing_in_between_is_the_first_unfinished():
    assert 3 == first_unfinished(1, {1, 2, 4, 5})
