"""Every try of the corpus is refused, whichever way it comes, and by the rule that is meant for it."""

import pytest

from services.scheduler.admission.loading import parse
from services.scheduler.admission.rules import Case, judge
from tests.unit.scheduler.admission.corpus import CORPUS, LABELS, STRICT, base, laid_over

POLICY = parse(STRICT)
NETWORKS = {"n1": "fun-swarm", "n2": "back"}
TRIES = [pytest.param(rule, change, id=name) for name, rule, change in CORPUS]


def _rules(verb, before, after):
    return {refusal.rule for refusal in judge(POLICY, Case(verb, before, after, NETWORKS))}


def test_what_the_corpus_adds_to_is_admitted():
    assert set() == _rules("create", None, base())


@pytest.mark.parametrize(("rule", "change"), TRIES)
def test_a_create_is_refused(rule, change):
    assert rule in _rules("create", None, laid_over(base(), change))


@pytest.mark.parametrize(("rule", "change"), TRIES)
def test_an_update_is_refused(rule, change):
    assert rule in _rules("update", base(), laid_over(base(), change))


@pytest.mark.parametrize(("rule", "change"), TRIES)
def test_a_way_back_to_it_is_refused(rule, change):
    assert rule in _rules("rollback", base(), laid_over(base(), change))


@pytest.mark.parametrize(("rule", "change"), TRIES)
def test_a_second_one_beside_one_that_is_kept_is_refused(rule, change):
    kept = laid_over(base(), {"TaskTemplate": {"ContainerSpec": {"Mounts": [{"Type": "bind", "Source": "/kept"}]}}})
    assert rule in _rules("update", kept, laid_over(base(), change))


@pytest.mark.parametrize(("rule", "change"), TRIES)
def test_it_is_kept_where_it_was_before(rule, change):
    before = laid_over(base(), change)
    for verb, add in (("scale", {"Mode": {"Replicated": {"Replicas": 1}}}), ("restart", {})):
        after = laid_over(laid_over(before, add), {"TaskTemplate": {"ForceUpdate": 1}})
        assert set() == _rules(verb, before, after)


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in LABELS])
def test_a_reserved_label_is_neither_set_nor_taken_away(change):
    forged = laid_over(base(), change)
    cases = (("create", None, forged), ("update", base(), forged), ("update", forged, base()))
    assert [{"reserved-labels"}] * 3 == [_rules(*case) for case in cases]
