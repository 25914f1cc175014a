"""Who is bound to namespaces changes nothing outside of them."""

import pytest

from funswarm.commands import COMMANDS
from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.namespaces import STACK_LABEL
from funswarm.state import NetworkState, SecretState
from services.scheduler.bounds import check_namespaces, is_open
from services.scheduler.plan import Situation, plan
from tests.unit.scheduler.raw import service

SHOP = ("shop",)


def command(verb, target="shop_web", **fields):
    return COMMANDS.validate_python({"id": "c1", "verb": verb, "target": target, "namespaces": SHOP, **fields})


def a_service(name="shop_web", **labels):
    raw = service(labels=labels)
    raw["Spec"]["Name"] = name
    return raw


def refusal(command, raw=None):
    with pytest.raises(Refused) as caught:
        check_namespaces(command, raw)
    assert Code.FORBIDDEN is caught.value.code
    return str(caught.value)


def test_a_service_of_the_namespace_is_changed():
    check_namespaces(command("remove"), a_service())


@pytest.mark.parametrize(
    "raw",
    [
        a_service("web"),
        a_service("other_web"),
        a_service("shopping_web"),
        a_service("shop_web", **{STACK_LABEL: "other"}),
        a_service("shop_eu_web", **{STACK_LABEL: "shop_eu"}),
        a_service("web", **{STACK_LABEL: "shop"}),
    ],
    ids=lambda raw: str(raw["Spec"]["Labels"] or raw["Spec"]["Name"]),
)
@pytest.mark.parametrize("verb", ["restart", "rollback", "remove"])
def test_a_service_outside_is_not_changed(verb, raw):
    assert "outside" in refusal(command(verb, raw["Spec"]["Name"]), raw)


def test_an_id_is_no_way_round():
    assert "outside" in refusal(command("remove", "a" * 25), a_service("other_web"))


def test_whether_it_exists_is_not_told():
    assert refusal(command("remove", "other_web")) == refusal(command("remove", "other_web"), a_service("other_web"))


def test_a_service_is_created_inside_only():
    spec = {"name": "web", "image": "nginx"}
    assert "outside" in refusal(command("create", "web", service=spec))


def test_a_label_does_not_take_a_service_out():
    # The model refuses that label already; the gate does not rely on it.
    changes = command("update", changes={}).changes.model_copy(update={"labels": {STACK_LABEL: "other"}})
    moved = command("update", changes={}).model_copy(update={"changes": changes})
    assert "label" in refusal(moved, a_service())


def test_a_volume_of_others_is_not_mounted():
    assert "volume other_data" in refusal(command("update", changes={"mounts": ["other_data:/data"]}), a_service())


@pytest.mark.parametrize("verb", ["pause", "drain", "activate"])
def test_the_nodes_are_not_theirs(verb):
    node = command("restart", "shop_node").model_copy(update={"verb": verb})
    assert "whole Swarm" in refusal(node)


def test_the_plan_begins_with_this_gate():
    with pytest.raises(Refused) as caught:
        plan(command("remove", "other_web"), Situation(a_service("other_web")))
    assert Code.FORBIDDEN is caught.value.code


def test_who_is_not_bound_acts_everywhere():
    check_namespaces(command("remove", "web").model_copy(update={"namespaces": ()}), a_service("web"))


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (SecretState(id="1", name="shop_db", version=1), True),
        (SecretState(id="1", name="other_db", version=1), False),
        (SecretState(id="1", name="db", version=1), False),
        (SecretState(id="1", name="shop_eu_db", version=1, labels={STACK_LABEL: "shop_eu"}), False),
        (NetworkState(id="1", name="fun-swarm", version=1), True),
        (NetworkState(id="1", name="other_default", version=1), False),
        (NetworkState(id="1", name="back", version=1, labels={STACK_LABEL: "other"}), False),
    ],
)
def test_secrets_and_networks_of_others_are_as_if_they_were_not_there(state, expected):
    assert expected is is_open(state, SHOP)


def test_who_is_not_bound_uses_all():
    assert is_open(SecretState(id="1", name="other_db", version=1), ())
