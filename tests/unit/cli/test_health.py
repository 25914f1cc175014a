"""`funswarm health`: what is wrong with labels is shown, and is no ill health."""

from funswarm.messages import Health, Problem


def test_problems_with_labels_are_shown(cli):
    problem = Problem(source="traefik", service="web", label="traefik.enable", value="yes", reason="no boolean")
    cli.answers["health"] = Health(ok=True, problems=(problem,))
    shown = cli.run("health", env={"COLUMNS": "200"})

    assert ["web", "traefik", "traefik.enable", "yes", "no", "boolean"] == shown.stdout.splitlines()[-1].split()
    assert 0 == shown.exit_code


def test_without_problems_nothing_is_said_of_them(cli):
    assert "PROBLEM" not in cli.run("health").stdout
