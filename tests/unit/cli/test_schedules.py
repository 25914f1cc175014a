"""`funswarm schedule`: what it asks of the client, and what it shows."""

from datetime import timedelta

import pytest

from funswarm.errors import UnknownSchedule
from funswarm.schedules import Cancelled, Firing, Schedule, Scheduled
from tests.unit.cli.conftest import NOW

HOURLY = Schedule.model_validate({"name": "nightly", "command": {"verb": "restart", "target": "web"}, "every": "1h"})
SCHEDULED = Scheduled(
    schedule=HOURLY, since=NOW, next=HOURLY.coming(NOW, NOW), last=Firing(command_id="nightly-1", due=NOW)
)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("scale", "web=3"), {"verb": "scale", "target": "web", "replicas": 3}),
        (("run", "backup"), {"verb": "run", "target": "backup"}),
        (("drain", "node-1"), {"verb": "drain", "target": "node-1"}),
        (("restart", "web", "--with", '{"force": true}'), {"verb": "restart", "target": "web", "force": True}),
    ],
)
def test_any_command_is_scheduled(cli, words, command):
    cli.answers["schedule"] = SCHEDULED
    done = cli.run("schedule", "add", "nightly", *words, "--every", "1h")
    assert (0, True) == (done.exit_code, "is due next at 2026-11-23 13:00:00Z" in done.output)
    expected = Schedule.model_validate({"name": "nightly", "command": command, "every": "1h"})
    assert [("schedule", expected, {})] == cli.asked


def test_the_options_say_when(cli):
    cli.answers["schedule"] = SCHEDULED
    options = ("--cron", "0 30 4 * * *", "--time-zone", "Europe/Berlin", "--drop-after", "5m")
    cli.run("schedule", "add", "nightly", "restart", "web", *options)
    schedule = cli.asked[0][1]
    assert ("0 30 4 * * *", "Europe/Berlin", "drop", 300) == (
        schedule.cron, schedule.time_zone, schedule.missed, schedule.drop_after_s,
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        ("restart", "web"),
        ("restart", "web", "--every", "0"),
        ("restart", "web", "--cron", "* *"),
        ("scale", "web", "--every", "1h"),
        ("scale", "web=x", "--every", "1h"),
        ("restart", "web", "--every", "1h", "--with", "force"),
        ("restart", "web", "--every", "1h", "--with", "[]"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(cli, words):
    assert (2, []) == (cli.run("schedule", "add", "nightly", *words).exit_code, cli.asked)


def test_schedules_are_listed(cli):
    cli.answers["schedules"] = (SCHEDULED,)
    lines = cli.run("schedule", "ls").output.splitlines()
    assert all(word in lines[1] for word in ("nightly", "restart web", "every 1:00:00", "2026-11-23 13:00:00Z"))


def test_a_schedule_is_shown_with_its_last_result(cli, done):
    cli.answers["scheduled"] = SCHEDULED.model_copy(update={"result": done("restart", changed=True)})
    output = cli.run("schedule", "show", "nightly").output
    assert all(word in output for word in ('"verb": "restart"', "succeeded"))


def test_a_cancelled_schedule_tells_what_is_under_way(cli):
    due = NOW + timedelta(hours=1)
    cli.answers["cancel"] = Cancelled(name="nightly", underway=Firing(command_id="nightly-2", due=due))
    assert "under way as nightly-2" in cli.run("schedule", "rm", "nightly").output


def test_a_schedule_that_is_not_there_is_exit_code_1(cli):
    cli.answers["cancel"] = UnknownSchedule("there is no schedule 'nightly'")
    assert 1 == cli.run("schedule", "rm", "nightly").exit_code
