"""What is listed of cron jobs, and the history that decisions tell."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from funswarm.croning import listed_jobs, replicas_of
from funswarm.cronruns import INPUT, LAST, CronOutcome, CronRun, history
from funswarm.decisions import Decision, DecisionOutcome
from funswarm.errors import InvalidRequest
from tests.builders import a_service

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def decision(run: CronRun | None, **fields: Any) -> Decision:
    inputs = {} if run is None else {INPUT: run.model_dump(mode="json", exclude_defaults=True)}
    outcome = DecisionOutcome.HAPPENED
    return Decision(
        **{"id": "d", "time": NOON, "policy": "cron", "service": "backup", "outcome": outcome, "reason": "", **fields},
        inputs=inputs,
    )


def run(key: str, outcome: CronOutcome, **fields: Any) -> CronRun:
    return CronRun(key=key, outcome=outcome, **fields)


def outcomes(*newest_first: Decision) -> list[tuple[str, CronOutcome]]:
    return [(one.key, one.outcome) for one in history(newest_first)]


def test_of_a_run_the_last_that_was_told_counts():
    end, begin = run("a", CronOutcome.SUCCEEDED), run("a", CronOutcome.RUNNING)
    assert [("a", CronOutcome.SUCCEEDED)] == outcomes(decision(end), decision(begin))


def test_a_run_that_was_replaced_says_so():
    later = run("b", CronOutcome.RUNNING, replaces="a")
    told = outcomes(decision(later), decision(run("a", CronOutcome.RUNNING)))
    assert [("b", CronOutcome.RUNNING), ("a", CronOutcome.REPLACED)] == told


def test_what_was_held_back_is_no_run():
    held = decision(run("a", CronOutcome.RUNNING), limiter="held")
    assert [] == outcomes(held, decision(None))


def test_services_with_labels_of_jobs_are_listed_by_name():
    job, broken = {"funswarm.cron.schedule": "@hourly"}, {"funswarm.cron.schedule": "often"}
    services = [a_service("b", labels=job), a_service("a", labels=broken), a_service("web")]
    found = listed_jobs(services, NOON)
    assert [("a", None), ("b", NOON + timedelta(hours=1))] == [(one.service, one.next) for one in found]
    assert (1, 0) == (len(found[0].problems), len(found[1].problems))


def test_only_the_scheduler_knows_when_an_interval_is_over():
    (found,) = listed_jobs([a_service("a", labels={"funswarm.cron.schedule": "@every 5m"})], NOON)
    assert found.next is None


def test_a_run_by_hand_of_what_is_no_job_is_refused_with_the_reason():
    with pytest.raises(InvalidRequest, match="is no cron expression"):
        replicas_of(a_service("a", labels={"funswarm.cron.schedule": "often"}))


def test_a_run_whose_end_was_not_told_is_told_with_the_next():
    later = decision(run("b", CronOutcome.RUNNING))
    later.inputs[LAST] = run("a", CronOutcome.FAILED).model_dump(mode="json")
    assert [("b", CronOutcome.RUNNING), ("a", CronOutcome.FAILED)] == outcomes(
        later, decision(run("a", CronOutcome.RUNNING))
    )
