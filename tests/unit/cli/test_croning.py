"""`funswarm cron`: what it asks of the client, and what it shows."""

from datetime import UTC, datetime

from funswarm.croning import ListedJob
from funswarm.cronjobs import CronJob
from funswarm.cronruns import CronOutcome, CronRun, CronTask
from funswarm.messages import Problem, Result, ResultStatus
from tests.builders import a_service

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RUN = CronRun(
    key="20261123T120000Z", outcome=CronOutcome.FAILED, slot=NOON, late_s=0.04, seconds=3.25, reason="exit code 3",
    tasks=(CronTask(place="1", node="alpha", state="failed", exit_code=3),),
)  # fmt: skip
JOB = ListedJob(service="backup", job=CronJob(schedule="0 12 * * *", timezone="UTC"), next=NOON, last=RUN)


def test_jobs_are_listed_with_their_last_run(cli):
    cli.answers["cron_jobs"] = (JOB,)
    (_, line) = cli.run("cron", "ls").stdout.splitlines()
    assert ["backup", "0 12 * * * UTC", "2026-11-23 12:00:00 UTC", "2026-11-23 12:00:00 UTC", "failed"] == [
        word.strip() for word in line.split("  ") if word.strip()
    ]


def test_a_job_that_is_not_followed_is_listed_with_the_reason(cli):
    problem = Problem(source="cron", service="backup", label="swarm.cronjob.schedule", value="x", reason="no schedule")
    cli.answers["cron_jobs"] = (ListedJob(service="backup", problems=(problem,)),)
    assert "no schedule" in cli.run("cron", "ls").stdout


def test_the_history_has_exit_codes_and_nodes(cli):
    cli.answers |= {"service": a_service("backup"), "cron_history": (RUN,)}
    (_, line) = cli.run("cron", "history", "backup", "-n", "5").stdout.splitlines()
    assert ("cron_history", "backup", {"limit": 5}) == cli.asked[-1]
    assert ["20261123T120000Z", "failed", "0.0 s", "3.2 s", "alpha", "exit code 3"] == [
        word.strip() for word in line.split("  ") if word.strip() and not word.strip().startswith("2026-")
    ]


def test_a_run_by_hand_has_the_replicas_of_the_labels(cli):
    labels = {"funswarm.cron.schedule": "@daily", "funswarm.cron.replicas": "3"}
    result = Result(command_id="c", verb="run", target="backup", status=ResultStatus.SUCCEEDED, finished_at=NOON)
    cli.answers |= {"service": a_service("backup", labels=labels), "run": result}
    assert 0 == cli.run("cron", "run", "backup").exit_code
    assert ("run", "backup", {"replicas": 3}) == cli.asked[-1]


def test_what_is_no_job_is_not_run_and_the_way_out_is_told(cli):
    cli.answers["service"] = a_service("web")
    ended = cli.run("cron", "run", "web")
    assert (True, True) == (ended.exit_code != 0, "`funswarm run`" in ended.output)
