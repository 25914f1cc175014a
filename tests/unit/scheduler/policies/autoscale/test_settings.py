"""What labels ask of the autoscaler: ours, and those of other tools."""

import pytest

from services.scheduler.policies.autoscale.settings import Settings, parse
from tests.builders import a_service

OURS = "funswarm.autoscale."
LIMITS = {"NanoCPUs": 500_000_000, "MemoryBytes": 1 << 28}


def of(labels: dict[str, str]) -> tuple[Settings | None, list[str | None]]:
    parsed = parse(a_service("web", labels=labels, spec={"TaskTemplate": {"Resources": {"Limits": LIMITS}}}))
    return parsed.settings, [problem.label for problem in parsed.problems]


def ours(**values: str) -> tuple[Settings | None, list[str | None]]:
    return of({f"{OURS}enable": "true", **{f"{OURS}{key.replace('_', '-')}": text for key, text in values.items()}})


def test_ours():
    expected = Settings(min=2, max=9, lag=100, stream="S", consumer="c", cooldown=60)
    assert (expected, []) == ours(min="2", max="9", lag="100", stream="S", consumer="c", cooldown="1m")


def test_those_of_other_autoscalers():
    labels = {"enable": "true", "min_replicas": "2", "max_replicas": "8", "cpu.threshold": "70", "cooldown": "5"}
    settings, problems = of({f"swarm.autoscaler.{key}": value for key, value in labels.items()})
    assert (Settings(min=2, max=8, cpu=70, cooldown_minutes=5), []) == (settings, problems)
    assert settings is not None
    assert 300 == settings.cooldown_s


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"swarm.autoscaler": "true", "swarm.autoscaler.maximum": "4"}, Settings(max=4, cpu=80, memory=80)),
        ({"orbiter": "true"}, Settings(step_up=1, step_down=1)),
        ({"swarm.autoscaler": "true", f"{OURS}push": "9"}, Settings(push=9)),
    ],
)
def test_what_they_do_without_being_told_is_done(labels, expected):
    assert (expected, []) == of(labels)


def test_a_service_without_them_is_none():
    assert (None, []) == of({"swarm.autoscalers": "true"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("min", "-1"), ("max", "many"), ("cpu", "0"), ("down_window", "2h"), ("fallback_behaviour", "none"),
        ("floors", "0 8 * * * = 5"), ("floors", "0 25 * * * to 0 8 * * * = 5"), ("timezone", "Mars"),
    ],
)  # fmt: skip
def test_a_value_that_is_wrong_keeps_it_from_being_followed(key, value):
    settings, problems = ours(**{"cpu": "50", key: value})
    assert (None, [f"{OURS}{key.replace('_', '-')}"]) == (settings, problems)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"cpu": "50", "min": "6"},
        {"lag": "5"},
        {"lag": "5", "stream": "S"},
        {"query": "up"},
        {"cpu": "50", "min": "0"},
    ],
)
def test_what_does_not_go_together_keeps_it_from_being_followed(values):
    settings, problems = ours(**values)
    assert (None, 1) == (settings, len(problems))


def test_those_of_hooks():
    labels = {"orbiter": "true", "orbiter.up": "3", "com.df.scaleDownBy": "2", "com.df.scaleMax": "8"}
    assert (Settings(max=8, step_up=3, step_down=2), []) == of(labels)


@pytest.mark.parametrize("mode", ["global", "replicated-job"])
def test_only_replicated_services_can_be_followed(mode):
    parsed = parse(a_service("web", mode=mode, labels={f"{OURS}enable": "true", f"{OURS}push": "5"}))
    assert (None, True) == (parsed.settings, f"its mode is {mode}" in parsed.problems[0].reason)


def test_percent_of_a_limit_needs_a_limit():
    parsed = parse(a_service("web", labels={f"{OURS}enable": "true", f"{OURS}cpu": "50"}))
    assert (None, True) == (parsed.settings, "deploy.resources.limits" in parsed.problems[0].reason)
