"""When a service that depends on others gets its replicas."""

from datetime import timedelta

import pytest

from funswarm.messages import ResultStatus
from funswarm.state import Condition, ConditionStatus
from services.scheduler.policies.depends_on import DependsOn
from services.scheduler.policies.evaluate import evaluate
from services.scheduler.policies.record import Record
from tests.builders import a_service
from tests.floors import NOW, a_case, a_result

PROGRESSING = Condition(status=ConditionStatus.PROGRESSING)


def web(on, replicas=0, **others):
    labels = {"funswarm.depends-on": on, "funswarm.depends-on.replicas": "3"} | others.pop("labels", {})
    return a_service(replicas=replicas, labels=labels, **others)


def decided(service, *beside, record=None, now=NOW, **others):
    return evaluate(a_case(service, (DependsOn(),), record, beside=beside, now=now, **others))


def remembering(**memory):
    return Record(service="web", service_id="service-web", memories={"depends-on": memory})


def test_it_starts_when_all_is_there():
    assert 3 == decided(web("db,cache:started"), a_service("db"), a_service("cache")).command.replicas


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ([], "waits for db, which does not exist"),
        ([a_service("db", replicas=0)], "waits for db, which has no replicas"),
        ([a_service("db", condition=PROGRESSING)], "waits for db to be healthy, which is progressing"),
    ],
)
def test_it_waits_and_says_for_what(beside, reason):
    plan = decided(web("db"), *beside)
    assert (None, reason) == (plan.command, plan.decisions[0].reason)


def test_started_needs_no_health():
    assert decided(web("db:started"), a_service("db", condition=PROGRESSING)).command is not None


def test_a_job_that_has_ended_is_completed():
    done = a_service("migrate", mode="replicated-job", replicas=1)
    assert decided(web("migrate:completed"), done).command is not None
    running = a_service("migrate", mode="replicated-job", condition=PROGRESSING)
    assert decided(web("migrate:completed"), running).command is None


def test_what_is_no_job_never_completes_and_that_is_said():
    assert (
        "waits for db to complete, which is no job" == decided(web("db:completed"), a_service("db")).decisions[0].reason
    )


def test_a_name_is_first_that_of_the_same_stack():
    service = web("db", labels={"com.docker.stack.namespace": "shop"})
    plan = decided(service, a_service("db"), a_service("shop_db", condition=PROGRESSING))
    assert "waits for shop_db to be healthy, which is progressing" == plan.decisions[0].reason


def test_a_circle_is_said():
    other = a_service("db", replicas=0, labels={"funswarm.depends-on": "web"})
    assert "it waits for itself: web → db → web" == decided(web("db"), other).decisions[0].limiter


def test_who_was_stopped_by_a_command_stays_stopped():
    service = web("db", labels={"funswarm.command": "c1"})
    assert decided(service, a_service("db"), record=remembering(started=True)).command is None


def test_who_was_never_started_is_started_though_a_command_created_it():
    assert decided(web("db", labels={"funswarm.command": "c1"}), a_service("db")).command is not None


def test_a_lost_dependency_changes_nothing_where_it_is_not_asked():
    assert decided(web("db", replicas=3)).command is None


def test_a_lost_dependency_stops_it_after_a_while_where_that_is_asked():
    service = web("db", replicas=3, labels={"funswarm.depends-on.on-loss": "stop"})
    first = decided(service)
    assert (None, NOW + timedelta(seconds=60)) == (first.command, first.again_at)
    assert 0 == decided(service, record=first.record, now=NOW + timedelta(seconds=60)).command.replicas


@pytest.mark.parametrize("status", [ResultStatus.REFUSED, ResultStatus.FAILED, None])
def test_a_stop_that_was_not_done_is_not_waited_for_anew(status):
    service = web("db", replicas=3, labels={"funswarm.depends-on.on-loss": "stop"})
    at = NOW + timedelta(seconds=60)
    stop = decided(service, record=decided(service).record, now=at)
    results = {} if status is None else {stop.command.id: a_result(stop.command.id, status=status, changed=False)}
    newer = service.model_copy(update={"version": 11})
    late = at + timedelta(seconds=1 if status else 76)
    assert 0 == decided(newer, record=stop.record, now=late, results=results).command.replicas


def test_a_start_that_was_refused_is_asked_for_at_the_next_version():
    first = decided(web("db"), a_service("db"))
    refused = {first.command.id: a_result(first.command.id, status=ResultStatus.REFUSED, changed=False)}
    assert decided(web("db"), a_service("db"), record=first.record, results=refused).command is None
    newer = web("db", version=11)
    assert 3 == decided(newer, a_service("db"), record=first.record, results=refused).command.replicas


@pytest.mark.parametrize("on", ["db:ready", "", "db,,cache", ":healthy"])
def test_what_is_no_dependency_is_a_problem(on):
    parsed = DependsOn().parse(web(on))
    assert (None, True) == (parsed.settings, "is no dependency" in parsed.problems[0].reason)


def test_only_a_replicated_service_can_wait():
    service = a_service(mode="global", replicas=None, labels={"funswarm.depends-on": "db"})
    assert "it is global" in DependsOn().parse(service).problems[0].reason


def test_a_change_of_a_dependency_wakes_it():
    case = a_case(web("db"), (DependsOn(),), beside=(a_service("db"),))
    assert case.world._sharing("service-db", "db") == {"web"}
