"""What was changed or removed past Funswarm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from funswarm.commands import CreateCommand, RemoveCommand, RollbackCommand, ScaleCommand, UpdateCommand
from funswarm.messages import ResultStatus
from funswarm.spec import ServicePatch, ServiceSpec
from services.scheduler.policies.contract import Sent
from services.scheduler.policies.evaluate import evaluate
from services.scheduler.policies.keep import NAMES_MAX, Keep
from services.scheduler.policies.keep_memory import without_refused
from services.scheduler.policies.origin import after
from tests.builders import a_service
from tests.floors import NOW, a_case, a_result

SPEC = ServiceSpec(name="web", image="nginx:1", env={"A": "secret", "B": "2"}, labels={"funswarm.keep": "true"})
LATER = NOW + timedelta(seconds=10)
CREATE = CreateCommand(id="c1", target="web", service=SPEC)


def web(image="nginx:1", command="c1", version=10, replicas=2, **labels):
    written = {} if command is None else {"funswarm.command": command}
    all_labels = {"funswarm.keep": "true"} | labels | written
    return a_service(image=image, labels=all_labels, version=version, replicas=replicas, has_previous_spec=True)


def decided(service, before=None, keep=None, now=NOW, **others):
    record = before.record.model_copy(update={"sent": {}}) if before is not None else None
    return evaluate(a_case(service, (keep or Keep(),), record, now=now, **others))


def removed(before, keep, now=NOW):
    """Gone for a while, and the audit was asked."""
    keep._looked["web"] = 10.0**9
    return decided(web(), before, keep, now, entry=None)


def made(*commands):
    """A policy that has seen these succeed."""
    keep = Keep()
    for command in commands:
        keep.done(command, a_result(command.id, service_name="web"))
    return keep


def test_what_is_there_first_is_kept():
    assert (None, ()) == (decided(web()).command, decided(web()).decisions)


def test_a_change_past_funswarm_is_rolled_back_with_the_difference_said():
    plan = decided(web(image="nginx:2", version=11), decided(web()))
    assert ("rollback", "it was changed past Funswarm: TaskTemplate.ContainerSpec.Image") == (
        plan.command.verb, plan.decisions[0].reason,
    )  # fmt: skip


def test_a_stack_deploy_that_takes_the_commands_label_away_is_past_funswarm():
    assert decided(web(image="nginx:2", command=None, version=11), decided(web())).command is not None


def test_what_a_command_writes_is_kept_from_then_on():
    updated = decided(web(image="nginx:2", command="c2", version=11), decided(web()))
    assert updated.command is None
    assert decided(web(image="nginx:2", command="c2", version=12), updated).command is None


def test_what_a_rollback_does_not_bring_back_is_put_right_where_it_is_known():
    first = decided(web())
    twice = decided(web(image="nginx:3", replicas=5, version=12), first)
    back = decided(web(image="nginx:2", version=13), twice, now=NOW + timedelta(seconds=10))
    assert ServicePatch(image="nginx:1") == back.command.changes


def test_what_is_not_known_in_full_is_said():
    first = decided(web())
    other = web(version=12)
    other = other.model_copy(
        update={"has_previous_spec": False, "spec": {**other.spec, "EndpointSpec": {"Mode": "vip"}}}
    )
    assert "put it right by hand" in decided(other, first).decisions[0].limiter


def test_a_policys_write_on_top_of_a_drift_leaves_it_a_drift():
    drifted = decided(web(image="nginx:2", version=11), decided(web()))
    scaled = decided(web(image="nginx:2", command="policy-1", replicas=5, version=12), drifted, now=LATER)
    assert ServicePatch(image="nginx:1") == scaled.command.changes


def test_what_a_policy_changed_on_top_of_a_drift_is_kept():
    drifted = decided(web(image="nginx:2", version=11), decided(web()))
    scaled = decided(web(image="nginx:2", command="policy-1", replicas=5, version=12, size="l"), drifted, now=LATER)
    restored = decided(web(command="policy-2", replicas=5, version=13, size="l"), scaled, now=LATER)
    assert (None, None) == (restored.command, restored.record.memories["keep"]["drifted"])
    lowered = decided(web(command="policy-2", version=14, size="l"), restored, now=NOW + timedelta(minutes=5))
    assert "it was changed past Funswarm: Mode.Replicated.Replicas" == lowered.decisions[0].reason


def test_what_somebody_commands_on_top_of_a_drift_is_kept_as_it_is():
    drifted = decided(web(image="nginx:2", version=11), decided(web()))
    assert decided(web(image="nginx:2", command="c2", replicas=5, version=12), drifted, now=LATER).command is None


def unpatchable(version):
    """A drift that only a rollback brings back in full."""
    service = web(version=version)
    return service.model_copy(update={"spec": {**service.spec, "EndpointSpec": {"Mode": "dnsrr"}}})


def after_refusals(times):
    """Its rollback was refused so often, as each time Swarm itself had written the service meanwhile."""
    plan = decided(web())
    for number in range(times + 1):
        case = a_case(unpatchable(11 + number), (Keep(),), plan.record, now=NOW)
        sent = plan.record.sent.get("keep")
        refused = (
            {sent.command.id: a_result(sent.command.id, status=ResultStatus.REFUSED, changed=False)} if sent else {}
        )
        plan = evaluate(replace(case, results=refused))
    return plan


@pytest.mark.parametrize("times", [1, 20])
def test_a_rollback_that_swarms_own_write_came_before_is_tried_again_at_once(times):
    plan = after_refusals(times)
    assert ("rollback", 11 + times, 1) == (
        plan.command.verb, plan.command.expect.version, len(plan.record.memories["keep"]["restored"]),
    )  # fmt: skip


def test_while_its_command_has_not_ended_nothing_is_said():
    drifted = evaluate(a_case(web(image="nginx:2", version=11), (Keep(),), decided(web()).record, now=NOW))
    waits = evaluate(a_case(web(image="nginx:2", version=12), (Keep(),), drifted.record, now=LATER))
    assert (None, (), NOW + timedelta(seconds=75)) == (waits.command, waits.decisions, waits.again_at)


def test_while_its_commands_effect_is_not_told_nothing_is_said():
    drifted = evaluate(a_case(web(image="nginx:2", version=11), (Keep(),), decided(web()).record, now=NOW))
    assert drifted.command is not None
    done = a_result(drifted.command.id, written_from=11)
    case = a_case(web(image="nginx:2", version=11), (Keep(),), drifted.record, now=LATER)
    waits = evaluate(replace(case, results={drifted.command.id: done}))
    assert (None, ()) == (waits.command, waits.decisions)


def test_a_policys_write_that_was_tried_against_stays_so_after_a_refusal():
    drifted = decided(web(image="nginx:2", version=11), decided(web()))
    sent = Sent(key="k", command=UpdateCommand(id="policy-9", target="web", changes=ServicePatch()), at=NOW, until=NOW)
    memory = drifted.record.memory_of(Keep()).model_copy(update={"tried": ("policy-1",)})
    refused = a_result("policy-9", status=ResultStatus.REFUSED)
    assert ("policy-1",) == without_refused(memory, sent, refused).tried


def test_it_backs_off_and_gives_up_at_the_limit():
    plan, now = decided(web()), NOW
    asked = 0
    for number in range(100):
        now += timedelta(seconds=10)
        drifted = decided(web(image=f"nginx:{number + 5}", version=20 + number), plan, now=now)
        asked += drifted.command is not None
        plan = decided(web(version=21 + number), drifted, now=now)
        last = drifted
    assert (5, "restored 5 times within 3600 s: somebody insists, so it is left") == (asked, last.decisions[0].limiter)


def test_what_was_removed_is_made_again_with_its_secrets():
    keep = made(CREATE)
    command = removed(decided(web(), keep=keep), keep).command
    assert ("create", {"A": "secret", "B": "2"}) == (command.verb, command.service.env)


def test_it_is_made_again_as_later_commands_left_it():
    changes = ServicePatch(image="nginx:2", env={"A": None, "C": "3"})
    keep = made(
        CREATE, UpdateCommand(id="c2", target="web", changes=changes), ScaleCommand(id="c3", target="web", replicas=4)
    )
    spec = removed(decided(web(command="c3"), keep=keep), keep).command.service
    assert ("nginx:2", {"B": "2", "C": "3"}, 4) == (spec.image, spec.env, spec.replicas)


def test_what_was_not_made_through_funswarm_cannot_be_made_again_and_that_is_said():
    plan = removed(decided(web(command=None)), Keep())
    assert (None, True) == (plan.command, "Deploy it again" in plan.decisions[0].limiter)


def test_what_a_command_removed_is_not_made_again():
    keep = made(CREATE)
    before = decided(web(), keep=keep)
    keep.done(RemoveCommand(id="c2", target="web"), a_result("c2", service_name="web", service_id="service-web"))
    plan = removed(before, keep)
    assert (None, True) == (plan.command, plan.record.is_empty)


def test_what_is_gone_takes_no_memory_for_ever():
    keep = made(CREATE)
    for number in range(2 * NAMES_MAX):
        name = f"web-{number}"
        keep.done(RemoveCommand(id="c2", target=name), a_result("c2", service_name=name))
        assert keep.observed(name).removed is None  # nobody kept it
        keep.done(RemoveCommand(id="c3", target=name), a_result("c3", service_name=name, service_id="s1"))
    assert (NAMES_MAX, "s1", {"web"}) == (len(keep._removed), keep.observed(name).removed, set(keep._commands))


def test_it_looks_who_removed_it_before_it_acts():
    keep = made(CREATE)
    plan = decided(web(), decided(web(), keep=keep), keep, entry=None)
    assert (None, {"web"}) == (plan.command, keep._questions)


def test_a_job_cannot_be_kept():
    job = a_service(mode="replicated-job", labels={"funswarm.keep": "true"})
    assert "it is a job" in Keep().parse(job).problems[0].reason


def test_what_failed_is_no_part_of_the_description():
    keep = made(CREATE)
    refused = a_result("c2", service_name="web", status=ResultStatus.REFUSED, changed=False)
    keep.done(ScaleCommand(id="c2", target="web", replicas=9), refused)
    assert (CREATE,) == keep.observed("web").commands


def test_after_a_rollback_of_others_the_description_is_not_known():
    assert after(after(None, CREATE), RollbackCommand(id="c2", target="web")) is None


@pytest.mark.parametrize("field", ["env", "labels"])
def test_a_key_with_null_is_taken_away(field):
    origin = after(None, CREATE.model_copy(update={"service": SPEC.model_copy(update={field: {"A": "1"}})}))
    found = after(
        origin, UpdateCommand(id="c2", target="web", changes=ServicePatch.model_validate({field: {"A": None}}))
    )
    assert found is not None
    assert {} == found.spec[field]
