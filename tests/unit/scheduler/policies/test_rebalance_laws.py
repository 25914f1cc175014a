"""What holds for each rebalance, over random spreads and nodes, and crashes at any step of it."""

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.policies.rebalance import Rebalance
from services.scheduler.policies.rebalance_memory import BASE_LABEL
from tests.builders import a_node
from tests.unit.scheduler.policies.surge_model import Model

COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=4).filter(any)
CRASHES = st.lists(st.sampled_from(["", "", "before keeping", "before sending", "after sending"]), max_size=30)
ENOUGH = 160  # looks


def a_model(counts, new):
    """Of a Swarm in which so many nodes have just come."""
    names = [f"n{number}" for number in range(len(counts))]
    model = Model(Rebalance, dict(zip(names, counts, strict=True)), [a_node(name) for name in names])
    model.step()
    model.nodes += [a_node(f"new{number}") for number in range(new)]
    return model


@given(counts=COUNTS, new=st.integers(1, 3), crashes=CRASHES)
def test_it_ends_even_and_was_never_below_its_base(counts, new, crashes):
    model = a_model(counts, new)
    for crash in crashes:
        model.step(crash)
    model.run(ENOUGH)
    ends = [model.counts()[node.name] for node in model.nodes]
    assert max(ends) - min(ends) <= 1
    assert (sum(counts), sum(counts), sum(counts)) == (sum(ends), model.service.replicas, model.least)
    assert BASE_LABEL not in model.service.labels
    before = (model.record, model.service)
    model.step()
    assert before == (model.record, model.service)


@given(counts=COUNTS, new=st.integers(1, 3), crashes=CRASHES)
def test_a_crash_at_any_step_changes_nothing_in_the_end(counts, new, crashes):
    undisturbed, crashed = a_model(counts, new), a_model(counts, new)
    undisturbed.run(ENOUGH)
    for crash in crashes:
        crashed.step(crash)
    crashed.run(ENOUGH)
    assert sorted(undisturbed.counts().values()) == sorted(crashed.counts().values())


@given(counts=COUNTS, new=st.integers(1, 3), steps=st.integers(0, 40), replicas=st.integers(0, 30))
def test_replicas_that_somebody_sets_stay(counts, new, steps, replicas):
    model = a_model(counts, new)
    model.run(steps)
    surged = int(model.service.labels.get(BASE_LABEL, -1)) if model.service.replicas == replicas else None
    model.write(replicas=replicas)
    model.run(ENOUGH)
    assert model.service.replicas in (replicas, surged)
    assert BASE_LABEL not in model.service.labels
