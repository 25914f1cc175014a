"""One service, several policies: who may write, why the others may not, and what is kept."""

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from funswarm.commands import Expect, ScaleCommand
from funswarm.decisions import DecisionOutcome
from funswarm.holds import Hold
from funswarm.messages import Code, ResultStatus
from services.scheduler.policies.contract import Ask, Parsed, Said, Verdict
from services.scheduler.policies.evaluate import evaluate
from services.scheduler.policies.record import Record
from tests.builders import a_service
from tests.floors import NOW, Floor, Shelf, a_case, a_result

WEB = a_service(labels={"funswarm.floor": "3"})


def web(**labels):
    return a_service(labels={f"funswarm.{key.replace('_', '-')}": value for key, value in labels.items()})


def later(plan, **others):
    """The same service a while later, when its command has ended."""
    return a_case(others.pop("service", WEB), record=plan.record, **others)


def commanded(case):
    """The command that the case leads to."""
    return sent(evaluate(case))


def sent(plan):
    """The command of a plan: there must be one."""
    assert isinstance(plan.command, ScaleCommand)
    return plan.command


def test_what_is_asked_for_is_commanded_in_the_policys_name():
    command = commanded(a_case(WEB))
    assert ("policy/floor", "scale", 3) == (command.requested_by, command.verb, command.replicas)


def test_a_command_expects_the_version_that_it_was_decided_on():
    assert Expect(version=10) == commanded(a_case(WEB)).expect


def test_the_same_situation_gives_the_same_command():
    assert evaluate(a_case(WEB)).command == evaluate(a_case(WEB)).command


def test_another_version_of_the_service_gives_another_command():
    other = a_service(labels=WEB.labels, version=11)
    assert commanded(a_case(WEB)).id != commanded(a_case(other)).id


def test_the_memory_that_goes_with_a_command_is_kept_with_it():
    assert {"raised": 1, "looked": 0} == evaluate(a_case(WEB)).record.memories["floor"]


def test_the_command_is_kept_to_be_sent_by_a_successor():
    plan = evaluate(a_case(WEB))
    assert plan.command == plan.record.sent["floor"].command


def test_nothing_else_is_asked_while_a_command_is_under_way():
    plan = evaluate(later(evaluate(a_case(WEB)), now=NOW + timedelta(seconds=1)))
    assert (None, ()) == (plan.command, plan.decisions)


def test_nothing_is_asked_before_the_feed_shows_what_was_written():
    first = evaluate(a_case(WEB))
    plan = evaluate(later(first, results={sent(first).id: a_result(sent(first).id)}))
    assert plan.command is None


def test_a_swarm_that_was_restored_from_before_a_write_is_not_waited_for_for_ever():
    first = evaluate(a_case(WEB))
    done = {sent(first).id: a_result(sent(first).id)}
    restored = WEB.model_copy(update={"version": 7})
    early, late = (
        evaluate(later(first, service=restored, results=done, now=NOW + timedelta(seconds=second)))
        for second in (599, 600)
    )
    assert (True, False) == (early.command is None, late.command is None)


def test_a_refused_command_is_asked_for_again_after_a_while():
    first = evaluate(a_case(WEB))
    refused = a_result(sent(first).id, status=ResultStatus.REFUSED, changed=False, code=Code.ADMISSION, reason="no")
    soon = evaluate(later(first, results={sent(first).id: refused}, now=NOW + timedelta(seconds=5)))
    late = evaluate(later(first, results={sent(first).id: refused}, now=NOW + timedelta(seconds=11)))
    assert ("refused before: no", None) == (soon.decisions[0].limiter, soon.command)
    assert (1, True) == (late.record.sent["floor"].attempt, sent(late).id != sent(first).id)


def test_a_refused_command_is_asked_for_at_once_when_another_version_is_told():
    first = evaluate(a_case(WEB))
    refused = a_result(sent(first).id, status=ResultStatus.REFUSED, changed=False, code=Code.EXPECTATION)
    newer = WEB.model_copy(update={"version": 11})
    plan = evaluate(later(first, service=newer, results={sent(first).id: refused}))
    assert (Expect(version=11), 0) == (sent(plan).expect, plan.record.sent["floor"].attempt)


def test_what_is_asked_again_after_another_is_another_command():
    refused, first = {}, evaluate(a_case(WEB))
    plan = first
    for floor in ("4", "3"):
        refused[sent(plan).id] = a_result(sent(plan).id, status=ResultStatus.REFUSED, changed=False)
        plan = evaluate(later(plan, service=web(floor=floor), results=refused))
    assert (3, 3, False) == (sent(first).replicas, sent(plan).replicas, sent(first).id == sent(plan).id)


def test_a_command_that_nobody_answers_is_waited_for_until_it_must_have_ended_without_looking_all_the_time():
    first = evaluate(a_case(WEB))
    ends = NOW + timedelta(seconds=75)
    waits = evaluate(later(first, now=NOW + timedelta(seconds=61)))
    assert (None, ends) == (waits.command, waits.again_at)
    assert sent(evaluate(later(waits, now=ends))).id != sent(first).id


def test_a_hold_blocks_and_says_by_whom():
    hold = Hold(service="web", until=NOW + timedelta(hours=1), reason="night", by="ann")
    plan = evaluate(a_case(WEB, holds=(hold,)))
    assert (None, "held until 2026-11-23 13:00:00 UTC by ann: night") == (plan.command, plan.decisions[0].limiter)
    assert (hold.until, {"raised": 0, "looked": 1}) == (plan.again_at, plan.record.memories["floor"])


def test_a_hold_of_another_policy_blocks_nothing():
    hold = Hold(service="web", policy="cron", until=NOW + timedelta(hours=1))
    assert evaluate(a_case(WEB, holds=(hold,))).command is not None


def test_a_pause_in_this_direction_blocks():
    assert evaluate(a_case(web(floor="3", **{"floor.pause": "up"}))).command is None
    assert evaluate(a_case(web(floor="3", **{"floor.pause": "down"}))).command is not None


def test_a_dry_run_only_tells():
    plan = evaluate(a_case(web(floor="3", **{"floor.dry-run": "true"})))
    assert (None, DecisionOutcome.DRY_RUN, 3) == (plan.command, plan.decisions[0].outcome, plan.decisions[0].after)


def test_a_rollout_is_left_alone():
    rolling = WEB.model_copy(update={"update_status": a_service(update_status="updating").update_status})
    assert (
        "its rollout is updating: a write now would end its way back" == evaluate(a_case(rolling)).decisions[0].limiter
    )


def test_of_two_that_ask_the_first_in_rank_writes():
    plan = evaluate(a_case(web(floor="3", shelf="5"), policies=(Shelf(), Floor())))
    assert ("policy/shelf", "shelf has it: it is writing it") == (sent(plan).requested_by, plan.decisions[1].limiter)


def test_who_does_not_write_remembers_that_it_did_not():
    plan = evaluate(a_case(web(floor="3", shelf="5"), policies=(Shelf(), Floor())))
    assert {"raised": 0, "looked": 1} == plan.record.memories["floor"]


def test_a_fault_of_one_policy_leaves_its_memory_and_is_told():
    class Broken(Floor):
        def decide(self, situation):
            raise ZeroDivisionError("oh")

    record = Record(service="web", service_id="service-web", memories={"floor": {"raised": 7}})
    plan = evaluate(a_case(WEB, policies=(Broken(),), record=record))
    assert (record, DecisionOutcome.FAILED) == (plan.record, plan.decisions[0].outcome)


def test_a_write_by_hand_is_left_for_as_long_as_the_policy_says():
    first = evaluate(a_case(WEB))
    results = {sent(first).id: a_result(sent(first).id)}
    by_hand = WEB.model_copy(update={"version": 12, "labels": {**WEB.labels, "funswarm.command": "c1"}})
    at = NOW.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    by_hand = by_hand.model_copy(update={"updated_at": at})
    soon = evaluate(later(first, service=by_hand, results=results, now=NOW + timedelta(seconds=59)))
    late = evaluate(later(first, service=by_hand, results=results, now=NOW + timedelta(seconds=61)))
    assert "(command c1)" in (soon.decisions[0].limiter or "")
    assert late.command is not None


def test_a_claim_keeps_those_of_lower_rank_from_writing():
    class Claims(Shelf):
        def decide(self, situation):
            return Verdict(situation.memory, claims="in the middle of a surge")

    plan = evaluate(a_case(web(floor="3", shelf="1"), policies=(Claims(), Floor())))
    assert "shelf has it: in the middle of a surge" == plan.decisions[0].limiter


def test_what_finishes_passes_a_hold_a_pause_and_a_dry_run():
    class Finishes(Floor):
        def decide(self, situation):
            ask: Ask[Any] = Ask(ScaleCommand(id="x", target="web", replicas=1), finishes=True)
            return Verdict(situation.memory, ask, Said("the way back"))

    hold = Hold(service="web", until=NOW + timedelta(hours=1))
    service = web(floor="3", **{"floor.dry-run": "true", "floor.pause": "true"})
    assert evaluate(a_case(service, policies=(Finishes(),), holds=(hold,))).command is not None


def test_a_key_is_commanded_once_whatever_becomes_of_it():
    class Keyed(Floor):
        def decide(self, situation):
            ask: Ask[Any] = Ask(ScaleCommand(id="x", target="web", replicas=3), key="noon")
            return Verdict(situation.memory, ask, Said("it is noon"))

    first = evaluate(a_case(WEB, policies=(Keyed(),)))
    refused = a_result(sent(first).id, status=ResultStatus.REFUSED, changed=False, code=Code.ADMISSION)
    again = later(first, policies=(Keyed(),), results={sent(first).id: refused}, now=NOW + timedelta(hours=9))
    assert evaluate(again).command is None


def test_of_a_new_service_of_the_name_nothing_is_remembered():
    record = Record(service="web", service_id="another", memories={"floor": {"raised": 7}})
    assert 1 == evaluate(a_case(WEB, record=record)).record.memories["floor"]["raised"]


def test_of_a_removed_service_nothing_is_kept():
    record = evaluate(a_case(WEB)).record
    assert evaluate(a_case(WEB, record=record, entry=None)).record.is_empty


def test_labels_that_are_gone_end_a_memory():
    record = evaluate(a_case(WEB)).record
    assert {} == evaluate(a_case(a_service(), record=record)).record.memories


def test_an_ask_without_a_reason_is_no_verdict():
    try:
        Verdict(ask=Ask(ScaleCommand(id="x", target="web", replicas=1)))
    except ValueError as error:
        assert "reason" in str(error)  # noqa: PT017
    else:
        raise AssertionError("it was taken")


@given(
    floor=st.integers(0, 5), shelf=st.integers(0, 5), replicas=st.integers(0, 5), held=st.booleans(), dry=st.booleans()
)
def test_of_any_situation_at_most_one_writes_and_each_decision_has_a_reason(floor, shelf, replicas, held, dry):
    labels = {"funswarm.floor": str(floor), "funswarm.shelf": str(shelf), "funswarm.floor.dry-run": str(dry).lower()}
    service = a_service(replicas=replicas, labels=labels)
    holds = (Hold(service="web", until=NOW + timedelta(hours=1)),) if held else ()
    plan = evaluate(a_case(service, policies=(Shelf(), Floor()), holds=holds))
    told = [one for one in plan.decisions if one.outcome is DecisionOutcome.COMMANDED]
    assert ([] if plan.command is None else [plan.command.id]) == [one.command_id for one in told]
    assert all(one.reason for one in plan.decisions)
    assert not (held and plan.command)


def test_a_service_that_no_policy_follows_has_no_settings():
    assert Parsed(None) == Floor().parse(a_service())
