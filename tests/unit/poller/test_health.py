"""What a copy of the poller says of itself."""

from dataclasses import dataclass

from services.poller.health import Standing


@dataclass
class Data:
    age_s: float | None
    interval_s: float = 5.0


def standing(*, active: bool = True, data: Data | None = None) -> Standing:
    one = Standing("poller-1", "1.0", data_age_max_s=90, simulator=False)
    one.active, one.data = active, data
    return one


def test_a_standby_copy_is_well():
    assert standing(active=False).health().ok


def test_an_active_copy_with_fresh_data_is_well():
    health = standing(data=Data(age_s=1)).health()

    assert (health.ok, health.data_age_s) == (True, 1)


def test_an_active_copy_is_not_well_before_its_first_list():
    health = standing(data=Data(age_s=None)).health()

    assert not health.ok
    assert "first full list" in (health.reason or "")


def test_old_data_is_not_well():
    health = standing(data=Data(age_s=91)).health()

    assert not health.ok
    assert "91 s old" in (health.reason or "")


def test_data_may_be_as_old_as_three_paces():
    assert standing(data=Data(age_s=1700, interval_s=600)).health().ok
    assert not standing(data=Data(age_s=1801, interval_s=600)).health().ok


def test_every_trouble_is_said_until_it_is_over():
    one = standing(data=Data(age_s=1))
    one.troubles.set("engine", "the engine is away")
    one.troubles.set("events", "NATS is full")
    assert one.health().reason == "the engine is away; NATS is full"

    one.troubles.clear("engine")
    one.troubles.clear("events")
    assert one.health().ok
