"""Whose turn it is among events: those of one object in order, and nobody waits for another object."""

from hypothesis import given
from hypothesis import strategies as st

from services.notifier.hooks.lanes import Lanes


def lanes(*events):
    made = Lanes()
    for sequence, key in enumerate(events, 1):
        made.add(key, sequence)
    return made


def test_events_of_different_objects_are_taken_side_by_side():
    made = lanes("a", "b", "a")
    assert [1, 2, None] == [made.take(0), made.take(0), made.take(0)]


def test_the_next_of_an_object_is_taken_when_the_one_before_is_done_with():
    made = lanes("a", "a")
    made.finish(made.take(0))
    assert 2 == made.take(0)


def test_what_is_to_be_tried_again_holds_back_its_object_only():
    made = lanes("a", "b", "a")
    made.again(made.take(0), at=5.0)
    assert [2, None] == [made.take(0), made.take(4.9)]
    assert 1 == made.take(5.0)


def test_it_says_how_long_nothing_is_due():
    made = lanes("a")
    assert 0.0 == made.wait_s(0)
    made.again(made.take(0), at=5.0)
    assert 3.0 == made.wait_s(2.0)


def test_with_nothing_to_do_there_is_no_end_to_the_wait():
    made = lanes("a")
    made.finish(made.take(0))
    assert None is made.wait_s(0)
    assert 0 == len(made)


@given(st.lists(st.sampled_from("abc"), max_size=30), st.data())
def test_whatever_fails_all_are_done_in_the_order_of_their_objects(events, data):
    made, now = lanes(*events), 0.0
    taken: list[int] = []
    done: list[int] = []
    while len(done) < len(events):
        while (sequence := made.take(now)) is not None:
            taken.append(sequence)
        now = now + (made.wait_s(now) or 0.0) if not taken else now
        if taken:
            sequence = taken.pop(data.draw(st.integers(0, len(taken) - 1)))
            if data.draw(st.booleans()):
                made.again(sequence, now + data.draw(st.sampled_from([0.0, 1.0, 9.0])))
            else:
                made.finish(sequence)
                done.append(sequence)
    by_object = {key: [one for one in done if events[one - 1] == key] for key in set(events)}
    assert all(found == sorted(found) for found in by_object.values())
