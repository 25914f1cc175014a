"""What triggers propose: the golden cases of Kubernetes' HPA (replica_calculator_test.go), in percent."""

import pytest

from funswarm.spec import REPLICAS_MAX
from services.scheduler.policies.autoscale.proposals import Amount, Failed, Level, Tasks, Use, propose

TOLERANCE = 0.1


def by_use(wanted: int, target: float, percents: list[float | None], young: tuple[int, ...] = ()) -> int | None:
    """`percents`: of each ready task, None: not measured; `young`: which of them warm up."""
    ready = frozenset(map(str, range(len(percents))))
    measured = {str(number): percent for number, percent in enumerate(percents) if percent is not None}
    tasks = Tasks(wanted, ready, frozenset(map(str, young)))
    return propose(Use("cpu", target, measured), tasks, TOLERANCE).replicas


@pytest.mark.parametrize(
    ("wanted", "target", "percents", "young", "expected"),
    [
        pytest.param(3, 30, [30, 50, 70], (), 5, id="up"),
        pytest.param(3, 30, [30, 50, 70], (0,), 4, id="up, one warms up"),
        pytest.param(3, 30, [40, 50, 70], (1, 2), 3, id="up, two warm up: open"),
        pytest.param(5, 50, [10, 30, 50, 25, 25], (), 3, id="down"),
        pytest.param(5, 50, [10, 30, 50, 25, 25], (3, 4), 2, id="down, two warm up"),
        pytest.param(3, 100, [101, 103, 102], (), 3, id="within the tolerance"),
        pytest.param(10, 50, [55] * 10, (), 10, id="at the edge of the tolerance"),
        pytest.param(10, 50, [56] * 10, (), 12, id="beyond the tolerance"),
        pytest.param(4, 50, [40, 9.5, None, None], (), 4, id="down, some not measured: open"),
        pytest.param(2, 100, [100, None], (), 2, id="at the target, one not measured"),
        pytest.param(2, 50, [100, None], (), 2, id="up, one not measured"),
        pytest.param(3, 50, [100, 100, None], (), 4, id="up, one of three not measured"),
        pytest.param(3, 50, [10, 45, None], (0,), 3, id="down, one warms up and one is not measured: open"),
        pytest.param(10, 50, [5] * 9 + [None], (), 3, id="down, one of many not measured"),
        pytest.param(2, 50, [30] * 4 + [None], (), 2, id="down, more run than are wanted: open"),
        pytest.param(10, 50, [60] * 5, (), 10, id="up, half do not run yet: open"),
        pytest.param(4, 50, [100] * 3, (), 6, id="up, one does not run yet"),
    ],
)
def test_tasks_that_use_a_resource(wanted, target, percents, young, expected):
    assert expected == by_use(wanted, target, percents, young)


def test_without_a_measure_nothing_is_proposed():
    assert by_use(3, 50, [None, None, None]) is None
    assert by_use(1, 50, [90], (0,)) is None


@pytest.mark.parametrize(
    ("total", "expected"), [(0, 0), (1, 1), (200, 2), (399, 4), (400, 4), (440, 4), (441, 5), (900, 9), (1e6, 10_000)]
)
def test_an_amount_is_shared_out(total, expected):
    """As many tasks as it takes; within the tolerance of what there are nothing changes."""
    proposal = propose(Amount("lag", 100, total), Tasks(4, frozenset("abcd")), TOLERANCE)
    assert expected == proposal.replicas


@pytest.mark.parametrize(("value", "expected"), [(10, 4), (10.9, 4), (20, 8), (5, 2), (0, 0)])
def test_a_level_goes_down_with_more_tasks(value, expected):
    assert expected == propose(Level("query", 10, value), Tasks(4, frozenset("abcd")), TOLERANCE).replicas


def test_a_level_over_its_target_never_asks_for_fewer():
    assert 10 == propose(Level("query", 10, 15), Tasks(10, frozenset("abcde")), TOLERANCE).replicas


def test_what_is_beyond_all_numbers_is_as_many_as_can_be():
    assert REPLICAS_MAX == propose(Amount("push", 1e-10, 1e308), Tasks(1, frozenset("a")), TOLERANCE).replicas


def test_a_sum_that_is_a_hair_over_is_not_one_more():
    assert 3 == propose(Amount("push", 0.1, 0.1 + 0.2), Tasks(9, frozenset()), TOLERANCE).replicas


def test_what_has_failed_proposes_nothing_and_says_why():
    proposal = propose(Failed("lag", "no consumer"), Tasks(4, frozenset()), TOLERANCE)
    assert (None, "no consumer") == (proposal.replicas, proposal.formula)


def test_a_proposal_shows_its_numbers():
    proposal = propose(Amount("lag", 200, 900), Tasks(1, frozenset("a")), TOLERANCE)
    assert "ceil(900 / 200) = 5" == proposal.formula
