"""What a newer Funswarm publishes is understood by an older reader; what is asked of Funswarm has no unknown fields."""

import json

import pytest
from pydantic import BaseModel, ValidationError

from funswarm import messages
from funswarm.commands import COMMANDS
from funswarm.messages import Event, PartHealth, Query, Result
from funswarm.state import STATES, Value
from services.poller.diff import EventContext, diff
from tests.builders import CLUSTER, OBSERVED_AT, a_node, a_service, a_task


def with_more(value):
    """The JSON value as a newer version may write it: a field more in each object."""
    if isinstance(value, dict):
        return {"of_the_future": 1, **{name: with_more(held) for name, held in value.items()}}
    return [with_more(held) for held in value] if isinstance(value, list) else value


def newer(value: BaseModel) -> str:
    return json.dumps(with_more(value.model_dump(mode="json", exclude={"spec", "labels", "engine_labels"})))


@pytest.mark.parametrize("state", [a_service(spec={}, update_status="updating"), a_task(), a_node()])
def test_a_state_of_a_newer_version_is_read(state):
    assert state == STATES.validate_json(newer(state))


def test_an_event_of_a_newer_version_is_read():
    (event,) = diff(a_task(), a_task(version=21, message="x"), EventContext(CLUSTER, OBSERVED_AT))

    assert event == Event.model_validate_json(newer(event))


def test_a_result_of_a_newer_version_is_read():
    result = Result(command_id="c", verb="scale", target="web", status="succeeded", finished_at=OBSERVED_AT)

    assert result == Result.model_validate_json(newer(result))


def test_health_of_a_newer_version_is_read():
    health = PartHealth(part="poller", instance="a", version="9", started_at=OBSERVED_AT, active=True, ok=True)

    assert health == PartHealth.model_validate_json(newer(health))


@pytest.mark.parametrize("read", [Query.model_validate, COMMANDS.validate_python])
def test_what_is_asked_has_no_unknown_fields(read):
    with pytest.raises(ValidationError, match="of_the_future"):
        read({"verb": "remove", "id": "a", "target": "web", "of_the_future": 1})


def test_only_questions_among_the_messages_are_strict():
    models = [value for value in vars(messages).values() if isinstance(value, type) and issubclass(value, Value)]
    strict = {model.__name__ for model in models if model.model_config.get("extra") == "forbid"}

    assert strict - {"Value"} == {"Query"}
