"""Labels as settings, and what is wrong with them."""

from unittest.mock import MagicMock

import pytest
from pydantic import Field

from funswarm.spec_types import RESERVED_LABELS
from funswarm.state import Value
from funswarm.units import Duration
from services.scheduler.policies.asked import asked_of
from services.scheduler.policies.contract import Parsed
from services.scheduler.policies.labels import read, unknown_policies
from services.scheduler.policies.registry import policies
from services.scheduler.settings import SchedulerSettings
from tests.builders import a_service
from tests.floors import Floor


class Settings(Value):
    min_replicas: int = Field(1, ge=0)
    window: Duration = 300.0


def parsed(labels, **others):
    return read(Settings, "auto", a_service(labels=labels), **others)


def test_nothing_asked_is_no_settings_and_no_problem():
    assert (None, ()) == (parsed({"other": "x"}).settings, parsed({"other": "x"}).problems)


def test_keys_are_fields_and_texts_are_values():
    settings = parsed(
        {"funswarm.auto": "true", "funswarm.auto.min-replicas": "3", "funswarm.auto.window": "2m"}
    ).settings
    assert Settings(min_replicas=3, window=120.0) == settings


def test_a_wrong_value_is_a_problem_and_nothing_is_guessed():
    found = parsed({"funswarm.auto": "true", "funswarm.auto.min-replicas": "many"})
    assert (None, "funswarm.auto.min-replicas", "many") == (
        found.settings, found.problems[0].label, found.problems[0].value,
    )  # fmt: skip


def test_an_unknown_key_is_a_problem_with_a_near_match_and_the_rest_is_followed():
    found = parsed({"funswarm.auto": "true", "funswarm.auto.min-replica": "3"})
    assert Settings() == found.settings
    assert "did you mean funswarm.auto.min-replicas?" in found.problems[0].reason


def test_settings_without_the_switch_are_a_problem():
    assert "without funswarm.auto=true" in parsed({"funswarm.auto.window": "1m"}).problems[0].reason


@pytest.mark.parametrize("value", ["yes", "on", "TrUe", ""])
def test_a_switch_is_true_or_false_as_go_reads_it(value):
    assert "neither true nor false" in parsed({"funswarm.auto": value}).problems[0].reason


def test_an_alias_of_another_tool_is_read_and_ours_wins():
    labels = {"funswarm.auto": "true", "swarm.min": "4", "swarm.window": "1m", "funswarm.auto.window": "5m"}
    found = parsed(labels, aliases={"swarm.min": "min-replicas", "swarm.window": "window"})
    assert Settings(min_replicas=4, window=300.0) == found.settings


def test_a_label_may_be_a_value_itself():
    assert 7 == parsed({"funswarm.auto": "7"}, valued="min-replicas").settings.min_replicas


def test_a_policy_whose_name_is_misspelt_is_told():
    service = a_service(labels={"funswarm.autoscal.min": "1"})
    assert "did you mean funswarm.autoscale.min?" in unknown_policies(service, frozenset({"autoscale"}))[0].reason


def test_other_labels_of_funswarm_are_no_problem():
    assert () == unknown_policies(a_service(labels={"funswarm.command": "c1"}), frozenset({"autoscale"}))


@pytest.mark.parametrize(("key", "value"), [("pause", "sideways"), ("dry-run", "maybe")])
def test_a_wrong_key_of_the_frame_keeps_the_policy_from_acting(key, value):
    asked = asked_of(a_service(labels={"funswarm.floor": "3", f"funswarm.floor.{key}": value}), [Floor()])
    assert ({}, f"funswarm.floor.{key}") == (asked.settings, asked.problems[0].label)


def test_a_parser_that_fails_is_a_problem_of_that_policy_only():
    class Broken(Floor):
        name = "broken"

        def parse(self, service):
            raise ZeroDivisionError

    asked = asked_of(a_service(labels={"funswarm.floor": "3"}), [Broken(), Floor()])
    assert ({"floor": 3}, "broken") == (asked.settings, asked.problems[0].source)


def test_no_policy_follows_a_service_without_labels_but_funswarms_own():  # so none is asked of it
    service = a_service(labels=dict.fromkeys(RESERVED_LABELS, "some"))
    asked = [one for one in policies(MagicMock(), SchedulerSettings("a", "1"), MagicMock()) if not one.while_draining]
    assert {Parsed(None)} == {policy.parse(service) for policy in asked}
