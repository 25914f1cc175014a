"""What a caller who is bound to namespaces sees of commands and of the feed."""

from typing import Any, cast

import pytest

from funswarm.changes import Snapshotted
from funswarm.namespaces import STACK_LABEL
from funswarm.records import CommandRecord
from funswarm.tokens import Role
from services.api.access import Caller
from services.api.seen import commands_shown, feed_of, waits_for
from tests.builders import a_node, a_service, a_task
from tests.unit.api.fakes import FakeFeed

SHOP = Caller("shop", Role.OPERATE, ("shop",))
SERVICES = (
    a_service("shop_web", id="s1"),
    a_service("other_web", id="s2"),
    a_service("shop_eu_web", id="s3", labels={STACK_LABEL: "shop_eu"}),
)


@pytest.mark.parametrize(
    ("shown", "fields"),
    [
        (True, {"target": "shop_web"}),
        (True, {"target": "shop_gone"}),
        (False, {"target": "shop_eu_web"}),  # its label says that it is not the shop's
        (False, {"target": "other_web"}),
        (True, {"target": "other_web", "requested_by": "shop"}),
        (False, {"target": "shop_a", "verb": "batch"}),
        (True, {"target": "all", "verb": "batch", "requested_by": "shop"}),
        (False, {"target": "shop_web", "verb": "scale", "command_id": None, "status": "denied"}),
    ],
    ids=str,
)
async def test_commands_about_their_services_and_of_their_own_are_listed(client, shown, fields):
    client.state["services"] = SERVICES
    is_shown = await commands_shown(client, SHOP)
    values = {"command_id": "c1", "verb": "scale", "status": "succeeded", "requested_by": "operator", **fields}
    assert is_shown is not None
    assert shown is is_shown(CommandRecord(**values))


@pytest.mark.parametrize(("who", "waits"), [("shop", True), ("operator", False)])
async def test_a_command_of_ones_own_that_waits_is_seen(client, who, waits):
    client.state["services"] = SERVICES
    values = {"command_id": "c1", "verb": "scale", "target": "other_web", "status": "pending", "requested_by": who}
    client.waiting["c1"] = CommandRecord(**values)
    assert waits is await waits_for(client, SHOP, "c1")


async def test_who_is_bound_to_nothing_sees_all_commands(client):
    assert await commands_shown(client, Caller("operator")) is None


async def told(client, states: list[Any]) -> list[str]:
    """The names of those states that a feed for SHOP gives."""
    feed: Any = feed_of(cast("Any", FakeFeed([Snapshotted(state) for state in states])), client, SHOP)
    names = []
    while (item := await feed.next(0.1)) is not None:
        names.append(item.state.name)
    return names


async def test_events_of_others_are_not_told(client):
    client.state["services"] = SERVICES
    states = [*SERVICES, *(a_task(one.name, slot=1, service_id=one.id) for one in SERVICES), a_node("n1")]
    assert ["shop_web", "shop_web.1"] == await told(client, states)


async def test_a_task_is_told_by_its_service_s_label_also_before_the_service_is(client):
    client.state["services"] = SERVICES
    tasks = [a_task(name, slot=1) for name in ("shop_eu_web", "shop_web", "shop_gone")]
    assert ["shop_web.1", "shop_gone.1"] == await told(client, tasks)
