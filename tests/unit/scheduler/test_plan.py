"""What commands come to: the gates of the safe write."""

from typing import Any

import pytest

from funswarm.commands import SINGLES, SingleCommand
from funswarm.errors import Failed, InvalidRequest, Refused, UnknownObject
from funswarm.messages import Code
from funswarm.state import COMMAND_LABEL, TRACE_LABEL
from services.scheduler.plan import Action, Create, Intent, Nothing, Remove, Situation, Write, plan
from services.scheduler.policies.rebalance_memory import NOW_LABEL
from services.scheduler.raw_service import fingerprint
from tests.unit.scheduler.raw import service, spec

WEB = {"name": "web", "image": "nginx:1"}
ROLLOUTS = ["updating", "paused", "rollback_started", "rollback_paused"]


def _command(verb: str, **fields: Any) -> SingleCommand:
    return SINGLES.validate_python({"id": "c1", "verb": verb, "target": "web", **fields})


def _write(command: SingleCommand, raw: dict[str, Any], **situation: Any) -> Write:
    action = plan(command, Situation(raw, **situation))
    assert isinstance(action, Write)
    return action


def _refused(command: SingleCommand, raw: dict[str, Any] | None) -> Refused:
    with pytest.raises(Refused) as caught:
        plan(command, Situation(raw))
    return caught.value


# Scale.
def test_a_scale_changes_the_replicas_and_the_label_only():
    expected = spec(replicas=5, labels={"a": "1", COMMAND_LABEL: "c1"})
    assert expected == _write(_command("scale", replicas=5), service(labels={"a": "1"})).spec


def test_a_write_is_from_exactly_the_version_that_was_read():
    write = _write(_command("restart"), service())
    assert ("s1", 7) == (write.service_id, write.version)


def test_a_scale_tells_its_change():
    change = _write(_command("scale", replicas=5), service()).changes[0]
    assert ("spec.Mode.Replicated.Replicas", 2, 5) == (change.path, change.before, change.after)


def test_a_scale_to_what_is_writes_nothing():
    assert Nothing(changed=False) == plan(_command("scale", replicas=2), Situation(service()))


def test_a_scale_to_what_is_is_not_held_by_a_rollout():
    assert Nothing(changed=False) == plan(_command("scale", replicas=2), Situation(service("updating")))


@pytest.mark.parametrize(
    ("mode", "way_out"),
    [({"Global": {}}, "constraints"), ({"ReplicatedJob": {}}, "`total`"), ({"GlobalJob": {}}, "no replicas")],
)
def test_a_scale_of_another_mode_is_refused_with_the_way_out(mode, way_out):
    refused = _refused(_command("scale", replicas=2), service(Mode=mode))
    assert (Code.WRONG_MODE, True) == (refused.code, way_out in str(refused))


# Rollouts.
@pytest.mark.parametrize("state", ROLLOUTS)
@pytest.mark.parametrize(
    "command", [_command("scale", replicas=5), _command("restart"), _command("update", changes={"image": "nginx:2"})]
)
def test_a_rollout_holds_a_write(command, state):
    assert f"in progress, {state} (because)" in (_write(command, service(state)).held or "")


@pytest.mark.parametrize("state", ROLLOUTS)
def test_force_is_not_held(state):
    assert _write(_command("scale", replicas=5, force=True), service(state)).held is None


@pytest.mark.parametrize("state", ["completed", "rollback_completed"])
def test_a_settled_rollout_holds_nothing(state):
    assert _write(_command("restart"), service(state)).held is None


# Redeliveries.
@pytest.mark.parametrize(
    "command", [_command("scale", replicas=5), _command("restart"), _command("create", service=WEB)]
)
def test_the_own_label_says_that_it_is_done(command):
    assert Nothing(changed=True) == plan(command, Situation(service(by="c1")))


def test_the_own_label_in_the_previous_spec_says_that_it_is_done():
    previous = spec(labels={COMMAND_LABEL: "c1"})
    assert Nothing(changed=True) == plan(_command("restart"), Situation(service(previous=previous)))


# Update, restart.
def test_an_update_to_what_is_writes_nothing():
    assert Nothing(changed=False) == plan(_command("update", changes={"image": "nginx:1"}), Situation(service()))


def test_an_update_of_replicas_fits_the_mode():
    command = _command("update", changes={"replicas": 1})
    assert Code.WRONG_MODE == _refused(command, service(Mode={"Global": {}})).code


def test_the_total_of_a_service_that_is_no_job_is_refused():
    assert Code.WRONG_MODE == _refused(_command("update", changes={"total": 1}), service()).code


def test_values_of_env_are_not_told():
    write = _write(_command("update", changes={"env": {"TOKEN": "secret"}}), service())
    assert "secret" not in "".join(change.model_dump_json() for change in write.changes)


def test_a_restart_counts_forced_updates():
    assert 1 == _write(_command("restart"), service()).spec["TaskTemplate"]["ForceUpdate"]


def test_the_trace_is_carried_in_a_label():
    assert "00-a" == _write(_command("restart"), service(), traceparent="00-a").spec["Labels"][TRACE_LABEL]


def test_the_trace_of_an_earlier_command_is_dropped():
    write = _write(_command("restart"), service(labels={TRACE_LABEL: "00-old"}))
    assert {COMMAND_LABEL: "c1"} == write.spec["Labels"]


# Create.
def test_a_create_is_labelled():
    action = plan(_command("create", service=WEB), Situation())
    assert isinstance(action, Create)
    assert {COMMAND_LABEL: "c1"} == action.spec["Labels"]


def test_a_taken_name_is_refused():
    assert Code.NAME_TAKEN == _refused(_command("create", service=WEB), service()).code


def test_a_target_that_is_not_the_name_is_refused():
    with pytest.raises(InvalidRequest):
        plan(_command("create", target="other", service=WEB), Situation())


# Absence, expectations.
@pytest.mark.parametrize("command", [_command("scale", replicas=1), _command("rollback"), _command("remove")])
def test_an_absent_service_is_unknown(command):
    with pytest.raises(UnknownObject, match="there is no service 'web' \\(near\\)"):
        plan(command, Situation(near=" (near)"))


@pytest.mark.parametrize(
    "expect", [{"version": 6}, {"replicas": 3}, {"absent": True}], ids=["version", "replicas", "absent"]
)
@pytest.mark.parametrize("verb", ["restart", "remove", "rollback"])
def test_an_expectation_that_does_not_hold_is_refused(verb, expect):
    assert Code.EXPECTATION == _refused(_command(verb, expect=expect), service(previous=spec(3))).code


def test_an_expectation_that_holds_lets_pass():
    assert _write(_command("restart", expect={"version": 7, "replicas": 2}), service())


def test_a_create_that_expects_a_version_is_refused():
    assert Code.EXPECTATION == _refused(_command("create", service=WEB, expect={"version": 1}), None).code


# Rollback.
def test_a_rollback_notes_what_it_is_about_to_do():
    write = _write(_command("rollback"), service(previous=spec(3)))
    assert Intent(service_id="s1", version=7, left=fingerprint(spec()), wanted=fingerprint(spec(3))) == write.intent


def test_a_rollback_without_previous_spec_is_refused():
    assert Code.NO_PREVIOUS_SPEC == _refused(_command("rollback"), service()).code


@pytest.mark.parametrize("state", ["updating", "paused"])
def test_a_rollback_ends_a_rollout(state):
    assert _write(_command("rollback"), service(state, previous=spec(3))).held is None


@pytest.mark.parametrize("state", ["rollback_started", "rollback_paused"])
def test_a_rollback_in_progress_is_not_rolled_back(state):
    assert Code.ROLLOUT == _refused(_command("rollback"), service(state, previous=spec(3))).code


NOTED = Intent(service_id="s1", version=6, left=fingerprint(spec()), wanted=fingerprint(spec(3)))


def test_a_rollback_that_had_its_effect_is_done():
    raw = service("rollback_started", replicas=3, previous=spec())
    assert Nothing(changed=True) == plan(_command("rollback"), Situation(raw, intent=NOTED))


def test_a_rollback_that_was_noted_and_not_done_is_done_now():
    assert _write(_command("rollback"), service(previous=spec(3)), intent=NOTED)


def test_a_rollback_that_somebody_else_wrote_over_fails():
    with pytest.raises(Failed, match="somebody else"):
        plan(_command("rollback"), Situation(service(replicas=9, previous=spec(3)), intent=NOTED))


# Remove.
def test_a_removal_is_not_held_by_a_rollout():
    assert Remove("s1", Intent(service_id="s1", version=7)) == plan(_command("remove"), Situation(service("updating")))


def test_a_removal_that_was_done_is_done():
    assert Nothing(changed=True) == plan(_command("remove"), Situation(intent=NOTED))


def test_a_removal_spares_a_later_service_of_the_same_name():
    action: Action = plan(_command("remove"), Situation({**service(), "ID": "s2"}, intent=NOTED))
    assert Nothing(changed=True) == action


# Jobs.
JOB: dict[str, Any] = {"Mode": {"ReplicatedJob": {"TotalCompletions": 1, "MaxConcurrent": 1}}}


def test_a_run_of_a_job_writes_its_label_only():
    raw = service(**JOB)
    assert {**raw["Spec"], "Labels": {COMMAND_LABEL: "c1"}} == _write(_command("run"), raw).spec


def test_a_run_that_was_done_is_done():
    assert Nothing(changed=True) == plan(_command("run"), Situation(service(by="c1", **JOB)))


def test_an_update_of_a_job_says_that_it_runs_it():
    write = _write(_command("update", changes={"labels": {"a": "1"}}), service(**JOB))
    assert "runs it again" in write.warnings[0]


def _once(failure_action: str) -> dict[str, Any]:
    raw = service(UpdateConfig={"FailureAction": failure_action})
    raw["Spec"]["TaskTemplate"]["RestartPolicy"] = {"Condition": "none"}
    return raw


def test_a_restart_that_swarm_would_roll_back_for_its_tasks_end_is_warned_of():
    assert "roll back" in _write(_command("restart"), _once("rollback")).warnings[0]


def test_a_restart_that_goes_on_when_its_tasks_end_is_not_warned_of():
    assert () == _write(_command("restart"), _once("continue")).warnings


def test_a_scale_brings_no_warning_of_a_rollback():
    assert () == _write(_command("scale", replicas=5), _once("rollback")).warnings


# Creation that expects absence.
def test_a_create_that_expects_absence_says_that_this_was_expected():
    assert Code.EXPECTATION == _refused(_command("create", service=WEB, expect={"absent": True}), service()).code


def test_a_rebalance_marks_the_service():
    assert "c1" == _write(_command("rebalance"), service()).spec["Labels"][NOW_LABEL]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"EndpointSpec": {"Ports": [{"PublishedPort": 80, "PublishMode": "host"}]}}, "ports in host mode"),
        (
            {"TaskTemplate": {"Placement": {"Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.rack"}}]}}},
            "spread over node.labels.rack",
        ),
    ],
)
def test_what_cannot_be_evened_out_is_not_rebalanced(fields, reason):
    with pytest.raises(InvalidRequest, match=reason):
        plan(_command("rebalance"), Situation(service() | {"Spec": spec() | fields}))
