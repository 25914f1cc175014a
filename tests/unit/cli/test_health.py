"""`funswarm health`: what is wrong with labels is shown, and is no ill health."""

from datetime import UTC, datetime

from funswarm.messages import Health, PartHealth, Problem


def test_problems_with_labels_are_shown(cli):
    problem = Problem(source="traefik", service="web", label="traefik.enable", value="yes", reason="no boolean")
    cli.answers["health"] = Health(ok=True, problems=(problem,))
    shown = cli.run("health", env={"COLUMNS": "200"})

    assert ["web", "traefik", "traefik.enable", "yes", "no", "boolean"] == shown.stdout.splitlines()[-1].split()
    assert 0 == shown.exit_code


def test_without_problems_nothing_is_said_of_them(cli):
    assert "PROBLEM" not in cli.run("health").stdout


def test_trouble_that_a_part_can_work_with_is_shown(cli):
    at = datetime(2026, 11, 23, tzinfo=UTC)
    api = PartHealth(
        part="api", instance="a", version="1", started_at=at, active=True, ok=True, reason="old tokens hold"
    )
    cli.answers["health"] = Health(ok=True, parts=(api,))
    assert "active, but old tokens hold" in cli.run("health", env={"COLUMNS": "200"}).stdout
