"""What labels ask for: those of swarm-cronjob as it reads them, and ours beside them."""

import pytest

from funswarm.cronjobs import CronJob, read_job

DAILY = {"swarm.cronjob.enable": "true", "swarm.cronjob.schedule": "0 4 * * *"}
OURS = {"funswarm.cron.schedule": "0 4 * * *"}


def of(labels: dict[str, str], **more: str) -> tuple[CronJob | None, list[tuple[str | None, str]]]:
    """The job, and (label, reason) of what is wrong; `more`: labels of swarm-cronjob, `_` for `-`."""
    others = {f"swarm.cronjob.{key.replace('_', '-')}": value for key, value in more.items()}
    job, problems = read_job("backup", {**labels, **others})
    return job, [(problem.label, problem.reason) for problem in problems]


def ours(**values: str) -> tuple[CronJob | None, list[tuple[str | None, str]]]:
    return of({**OURS, **{f"funswarm.cron.{key.replace('_', '-')}": value for key, value in values.items()}})


# Those of swarm-cronjob.
@pytest.mark.parametrize("value", ["1", "t", "T", "TRUE", "true", "True"])
def test_a_job_is_enabled_by_all_words_of_go(value):
    assert (CronJob(schedule="0 4 * * *"), []) == of(DAILY, enable=value)


@pytest.mark.parametrize("value", ["0", "f", "F", "FALSE", "false", "False"])
def test_a_job_is_disabled_by_all_words_of_go(value):
    assert (None, []) == of(DAILY, enable=value)


@pytest.mark.parametrize("value", ["yes", "on", "", "tRUE", " true"])
def test_another_word_disables_a_job_and_that_is_told(value):
    job, ((label, reason),) = of(DAILY, enable=value)
    assert (None, "swarm.cronjob.enable", True) == (job, label, "counts as false" in reason)


@pytest.mark.parametrize(("missing", "there"), [("enable", "schedule"), ("schedule", "enable")])
def test_a_job_needs_both_labels_and_that_is_told(missing, there):
    label = f"swarm.cronjob.{there}"
    job, ((told, reason),) = of({label: DAILY[label]})
    assert (None, label, True) == (job, told, f"swarm.cronjob.{missing}" in reason)


def test_a_service_without_such_labels_is_none():
    assert (None, []) == of({"traefik.enable": "true", "swarm.cronjobs.enable": "true"})


@pytest.mark.parametrize(("value", "overlap"), [("true", "skip"), ("1", "skip"), ("false", "replace")])
def test_skip_running(value, overlap):
    job, problems = of(DAILY, skip_running=value)
    assert (CronJob(schedule="0 4 * * *", overlap=overlap), []) == (job, problems)


def test_a_skip_running_that_is_no_flag_counts_as_false_and_that_is_told_once():
    job, ((label, _),) = of(DAILY, skip_running="never")
    assert (CronJob(schedule="0 4 * * *"), "swarm.cronjob.skip-running") == (job, label)


def test_replicas_are_1_unless_they_are_given():
    assert (CronJob(schedule="0 4 * * *", replicas=5), []) == of(DAILY, replicas="5")


@pytest.mark.parametrize("value", ["0", "-1", "+1", "many", "", "1.0", "200000"])
def test_replicas_that_are_no_number_keep_the_job_from_running(value):
    """As in swarm-cronjob, where such a run starts no task."""
    job, ((label, _),) = of(DAILY, replicas=value)
    assert (None, "swarm.cronjob.replicas") == (job, label)


@pytest.mark.parametrize("value", ["", "often", "0 25 * * *", "* * * * 7", "TZ=UTC"])
def test_a_schedule_that_is_none_keeps_the_job_from_running(value):
    job, ((label, _),) = of(DAILY, schedule=value)
    assert (None, "swarm.cronjob.schedule") == (job, label)


@pytest.mark.parametrize("key", ["registry_auth", "query_registry"])
def test_what_is_not_done_is_told_and_the_job_runs(key):
    job, ((label, reason),) = of(DAILY, **{key: "true"})
    assert job is not None
    assert (f"swarm.cronjob.{key.replace('_', '-')}", True) == (label, "the job runs" in reason)


def test_the_label_that_swarm_cronjob_leaves_behind_says_nothing():
    assert (CronJob(schedule="0 4 * * *"), []) == of(DAILY, scaledown="true")


def test_a_key_that_swarm_cronjob_does_not_know_says_nothing():
    assert (CronJob(schedule="0 4 * * *"), []) == of(DAILY, colour="red")


# Ours.
def test_our_labels_stand_alone():
    assert (CronJob(schedule="0 4 * * *"), []) == of(OURS)


def test_our_labels_add_to_swarm_cronjobs_and_are_stronger():
    job, problems = of({**DAILY, "funswarm.cron.park": "true", "funswarm.cron.schedule": "@daily"})
    assert (CronJob(schedule="@daily", park=True), []) == (job, problems)


def test_all_of_ours():
    job, problems = ours(
        timezone="Europe/Berlin", replicas="2", overlap="queue", starting_deadline="5m", catch_up="all",
        timeout="1h", retries="3", back_off="30s", jitter="10s", park="true",
    )  # fmt: skip
    expected = CronJob(
        schedule="0 4 * * *", timezone="Europe/Berlin", replicas=2, overlap="queue", starting_deadline=300,
        catch_up="all", timeout=3600, retries=3, back_off=30, jitter=10, park=True,
    )  # fmt: skip
    assert (expected, []) == (job, problems)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("overlap", "both"), ("catch_up", "yes"), ("timeout", "0"), ("timeout", "soon"), ("retries", "9"),
        ("jitter", "2d"), ("park", "maybe"), ("timezone", "Mars/Base"), ("starting_deadline", "-1"),
    ],
)  # fmt: skip
def test_a_value_of_ours_that_is_wrong_keeps_the_job_from_running(key, value):
    job, ((label, _),) = ours(**{key: value})
    assert (None, f"funswarm.cron.{key.replace('_', '-')}") == (job, label)


def test_a_misspelt_key_of_ours_is_told_and_the_job_runs():
    job, ((label, reason),) = ours(overlop="skip")
    assert (CronJob(schedule="0 4 * * *"), "funswarm.cron.overlop") == (job, label)
    assert "did you mean funswarm.cron.overlap?" in reason


@pytest.mark.parametrize("key", ["pause", "dry_run"])
def test_keys_of_all_policies_are_no_problem_here(key):
    assert (CronJob(schedule="0 4 * * *"), []) == ours(**{key: "true"})


def test_ours_can_be_switched_off():
    assert (None, []) == ours(enable="false")
    assert (None, []) == of({**DAILY, "funswarm.cron.enable": "false"})


def test_the_time_zone_of_the_label_is_that_of_the_timetable():
    job, _ = ours(timezone="Europe/Berlin")
    assert job is not None
    assert "Europe/Berlin" == job.timetable.zone.key
