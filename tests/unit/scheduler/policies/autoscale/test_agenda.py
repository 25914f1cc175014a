"""Which metrics are read when, and which of them in one go."""

from services.scheduler.policies.autoscale.agenda import ALONE_S, TOGETHER_MIN, Agenda
from services.scheduler.policies.autoscale.readers import Lag, Query, Question

LAGS = tuple(Lag("ORDERS", f"work-{number}") for number in range(TOGETHER_MIN))
UP = Query("up")


def agenda(*questions: Question) -> Agenda:
    made = Agenda()
    for question in questions:
        made.want(question)
    return made


def test_each_kind_is_read_at_once_and_then_at_its_pace():
    made = agenda(UP, LAGS[0])
    assert [[(UP,)], [], [(UP,)]] == [made.due(Query, now) for now in (5.0, 19.9, 20.0)]
    assert [[(LAGS[0],)], [], [(LAGS[0],)]] == [made.due(Lag, now) for now in (5.0, 5.9, 6.0)]


def test_many_lags_of_a_stream_are_read_together():
    other = Lag("PAYMENTS", "work")
    assert [LAGS, (other,)] == agenda(*LAGS, other).due(Lag, 5.0)


def test_few_lags_of_a_stream_are_read_one_by_one():
    assert [(one,) for one in LAGS[1:]] == agenda(*LAGS[1:]).due(Lag, 5.0)


def test_a_lag_that_comes_later_goes_with_the_others_of_its_stream():
    made = agenda(*LAGS[1:])
    made.due(Lag, 5.0)
    made.want(LAGS[0])
    assert [[(*LAGS[1:], LAGS[0])], [], [(*LAGS[1:], LAGS[0])]] == [made.due(Lag, now) for now in (5.5, 6.4, 6.5)]


def test_what_was_not_found_together_is_read_alone_for_a_while():
    lost, *rest = (*LAGS, Lag("ORDERS", "more"))
    made = agenda(lost, *rest)
    made.due(Lag, 5.0)
    made.alone([lost], 5.1)
    assert [(lost,)] == made.due(Lag, 5.2)
    assert [tuple(rest), (lost,)] == made.due(Lag, 7.0)
    assert [(lost, *rest)] == made.due(Lag, 5.1 + ALONE_S)


def test_what_is_wanted_no_more_is_not_read():
    made = agenda(*LAGS)
    made.drop(LAGS[0])
    made.alone([LAGS[0]], 1.0)
    assert [(one,) for one in LAGS[1:]] == made.due(Lag, 5.0)
