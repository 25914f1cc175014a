"""Laws of admission: what was admitted stays so while nothing is added, and more than the worst is never admitted."""

from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.admission.policy import Policy
from services.scheduler.admission.rules import Case, findings, judge
from tests.unit.scheduler.admission.corpus import CORPUS, base, laid_over

POLICIES = st.builds(
    Policy,
    capabilities=st.sets(st.sampled_from(["ALL", "NET_ADMIN", "SYS_ADMIN"])).map(tuple),
    privileges=st.booleans(),
    non_root=st.booleans(),
    host_network=st.booleans(),
    host_ports=st.booleans(),
    plugins=st.booleans(),
    unknown_fields=st.booleans(),
    replicas_max=st.none() | st.integers(0, 20),
    kept_access=st.sampled_from(["same-code", "any-code"]),
)
CHANGES = st.lists(st.sampled_from([change for _, _, change in CORPUS]), max_size=4)


def _with(changes):
    spec = base()
    for change in changes:
        spec = laid_over(spec, change)
    return spec


@given(POLICIES, CHANGES, st.sampled_from(["update", "scale", "restart", "rollback"]))
def test_what_is_there_stays_admitted(policy, changes, verb):
    spec = _with(changes)
    assert () == judge(policy, Case(verb, spec, spec))


@given(POLICIES, CHANGES)
def test_a_spec_that_is_created_is_admitted_again(policy, changes):
    spec = _with(changes)
    if () == judge(policy, Case("create", None, spec)):
        assert [] == findings(policy, spec, {})
        assert () == judge(policy, Case("update", base(), spec))


@given(POLICIES, CHANGES, CHANGES)
def test_an_update_introduces_nothing_that_a_create_of_the_difference_could_not(policy, changes, more):
    before, after = _with(changes), _with([*changes, *more])
    if () == judge(policy, Case("update", before, after)):
        had = {one.key for one in findings(policy, before, {})}
        assert {one.key for one in findings(policy, after, {})} <= had


@given(POLICIES, CHANGES)
def test_taking_all_away_is_always_admitted(policy, changes):
    bare = {**base(), "Mode": {"Replicated": {"Replicas": 0}}, "Labels": _with(changes).get("Labels")}
    rules = {one.rule for one in judge(policy, Case("update", _with(changes), bare))}
    assert rules <= {"users"}
