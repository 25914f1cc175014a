"""What of a raw spec is not published, in states and in results."""

import copy
import json
from typing import Any

import pytest

from services.redaction import redacted_spec, redacted_test
from services.scheduler.spec_changes import spec_changes

SECRET = "hunter2"


def spec(secret: str = SECRET) -> dict[str, Any]:
    """All that may hold one."""
    options = {"o": f"password={secret}"}
    container = {
        "Image": "nginx",
        "Args": ["serve"],
        "Env": [f"PASSWORD={secret}", "FLAG"],
        "Healthcheck": {"Test": ["CMD-SHELL", f"ask {secret}"], "Interval": 1},
        "Mounts": [
            {"Target": "/a", "VolumeOptions": {"DriverConfig": {"Name": "nfs", "Options": options}}},
            {"Target": "/b", "Type": "bind", "Source": "/b"},
        ],
    }
    log = {"Name": "splunk", "Options": {"splunk-token": secret}}
    return {"Name": "web", "TaskTemplate": {"ContainerSpec": container, "LogDriver": log}}


def test_no_secret_is_left_in_a_state():
    assert SECRET not in json.dumps(redacted_spec(spec()))


def test_the_raw_spec_stays_as_it_is():
    raw, before = spec(), copy.deepcopy(spec())
    redacted_spec(raw)
    assert before == raw


def test_all_else_stays_in_a_state():
    shown = redacted_spec(spec())
    container = shown["TaskTemplate"]["ContainerSpec"]
    assert ["PASSWORD=[redacted]", "FLAG"] == container["Env"]
    assert {"Test": ["CMD-SHELL", "[redacted]"], "Interval": 1} == container["Healthcheck"]
    assert spec()["TaskTemplate"]["ContainerSpec"]["Mounts"][1] == container["Mounts"][1]
    assert {"splunk-token": "[redacted]"} == shown["TaskTemplate"]["LogDriver"]["Options"]


def test_a_spec_without_secrets_is_shown_whole():
    raw = {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "nginx", "Mounts": [{"Target": "/a"}]}}}
    assert raw == redacted_spec(raw)


@pytest.mark.parametrize(("before", "after"), [({}, spec()), (spec(), {}), (spec("old"), spec())])
def test_no_secret_is_left_in_a_result(before, after):
    told = json.dumps([change.model_dump(mode="json") for change in spec_changes(before, after)])
    assert (False, False, True) == (SECRET in told, "old" in told, "PASSWORD" in told)


def test_a_result_tells_which_secrets_changed():
    base = "spec.TaskTemplate."
    assert {
        f"{base}ContainerSpec.Env.PASSWORD",
        f"{base}ContainerSpec.Healthcheck.Test",
        f"{base}ContainerSpec.Mounts",
        f"{base}LogDriver.Options.splunk-token",
    } == {change.path for change in spec_changes(spec("old"), spec())}


@pytest.mark.parametrize(
    ("test", "expected"),
    [(None, None), ([], []), (["NONE"], ["NONE"]), (["CMD", "a", "b"], ["CMD", "[redacted]"]), (["a"], ["[redacted]"])],
)
def test_of_a_health_check_only_the_form_is_shown(test, expected):
    assert expected == redacted_test(test)
