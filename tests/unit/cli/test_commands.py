"""The commands of the command line: what they ask of the client, what they show, their exit codes."""

import json

import pytest

from funswarm.changes import SnapshotEnd, Snapshotted
from funswarm.errors import Unavailable
from funswarm.messages import Change, Code, Health, Placement, Preview, ResultStatus, ServiceSummary
from funswarm.outcome import Accepted
from funswarm.state import Condition, ConditionStatus, Port
from tests.builders import a_service, a_task

WEB = ServiceSummary(
    id="s1", name="web", image="nginx:1@sha256:abc", mode="replicated", running=2, desired=3, updated_at="",
    ports=(Port(target=80, published=8080),), condition=Condition(status=ConditionStatus.STALLED, reason="no [node]"),
)  # fmt: skip


def test_ps_lists_the_services(cli):
    cli.answers["health"] = Health(ok=True, services=(WEB,))
    line = cli.run("ps").stdout.splitlines()[1]
    assert line.split() == ["web", "replicated", "2/3", "stalled:", "no", "[node]", "nginx:1", "8080->80/tcp"]


def test_ps_json_is_one_array(cli):
    cli.answers["health"] = Health(ok=True, services=(WEB,))
    assert [WEB.model_dump(mode="json")] == json.loads(cli.run("ps", "--json").stdout)


def test_ps_of_a_service_lists_its_tasks(cli):
    cli.answers |= {"service": a_service("web"), "tasks": (a_task("web", slot=1),)}
    assert "web.1" in cli.run("ps", "web").stdout


def test_the_simulator_is_said_loudly(cli):
    cli.answers["health"] = Health(ok=True, simulator=True)
    assert "SIMULATED" in cli.run("ps").stderr


def test_health_that_is_not_ok_is_exit_code_3_with_the_reasons(cli):
    cli.answers["health"] = Health(ok=False, reasons=("no poller answers",))
    outcome = cli.run("health")
    assert (outcome.exit_code, "no poller answers" in outcome.stdout) == (3, True)


def test_scale_takes_several_services(cli, done):
    cli.answers["scale"] = done("scale")
    cli.run("scale", "web=3", "worker=0")
    assert cli.asked == [("scale", "web", 3, {}), ("scale", "worker", 0, {})]


@pytest.mark.parametrize("target", ["web", "web=", "=3", "web=x", "web=-1", "web=1000000"])
def test_scale_without_a_number_is_usage_and_asks_nothing(cli, target):
    outcome = cli.run("scale", "other=1", target)
    assert (outcome.exit_code, cli.asked) == (2, [])


def test_a_result_shows_what_changed(cli, done):
    cli.answers["scale"] = done("scale", changed=True, plan=(Change(path="replicas", before=1, after=3),))
    assert cli.run("scale", "web=3").stdout == "succeeded: scale web\n  replicas 1 → 3\n"


def test_a_result_that_held_already_says_so(cli, done):
    cli.answers["scale"] = done("scale")
    assert cli.run("scale", "web=3").stdout == "nothing to change: scale web\n"


def test_a_dry_run_says_what_would_change(cli, done):
    cli.answers["scale"] = done("scale", plan=(Change(path="ports", before=[], after=[{"target": 80}]),))
    assert cli.run("scale", "web=3", "--dry-run").stdout == 'would change: scale web\n  ports [] → [{"target": 80}]\n'


def test_a_dry_run_says_what_it_foresees(cli, done):
    foreseen = Preview(
        restarts_tasks=True, fits=False,
        placements=(Placement(node="one", tasks=2), Placement(node="two", tasks=1, before=1)),
        reasons=("no suitable node",), refusals=("image-registries: no",),
    )  # fmt: skip
    cli.answers["run"] = done("run", preview=foreseen)
    assert cli.run("run", "web", "--dry-run").stdout.splitlines() == [
        "would change: run web", "  tasks restart", "  tasks by node: one 0 → 2, two 1",
        "  does not fit: no suitable node", "  would be refused: image-registries: no",
    ]  # fmt: skip


def test_a_refused_command_is_exit_code_1_with_its_reason(cli, done):
    cli.answers["scale"] = done("scale", status=ResultStatus.REFUSED, code=Code.ROLLOUT, reason="a rollout runs")
    outcome = cli.run("scale", "web=3")
    assert (outcome.exit_code, outcome.stdout) == (1, "refused: scale web: a rollout runs\n")


def test_an_unknown_service_is_exit_code_1(cli, no_such_service):
    cli.answers["restart"] = no_such_service
    assert cli.run("restart", "web").exit_code == 1


def test_nats_that_is_away_is_exit_code_3(cli):
    cli.answers["nodes"] = Unavailable("NATS is away")
    outcome = cli.run("nodes")
    assert (outcome.exit_code, outcome.stderr) == (3, "unavailable: NATS is away\n")


def test_a_command_without_its_result_yet_says_how_to_ask(cli):
    cli.answers["rollback"] = Accepted("c7")
    outcome = cli.run("rollback", "web")
    assert (outcome.exit_code, "funswarm result c7" in outcome.stderr) == (3, True)


def test_result_shows_how_a_command_ended(cli, done):
    cli.answers["result"] = done("rollback", changed=True)
    assert cli.run("result", "c7").stdout == "succeeded: rollback web\n"


@pytest.mark.parametrize(("waits", "exit_code", "text"), [(True, 3, "waits to be done"), (False, 1, "no command abc")])
def test_a_result_that_is_not_there_is_waited_for_or_unknown(cli, waits, exit_code, text):
    cli.answers |= {"result": None, "waiting_command": waits or None}

    result = cli.run("result", "abc")

    assert exit_code == result.exit_code
    assert text in result.stderr


def test_rm_removes_each(cli, done):
    cli.answers["remove"] = done("remove", changed=True)
    cli.run("rm", "web", "worker")
    assert cli.asked == [("remove", "web", {}), ("remove", "worker", {})]


def test_run_runs_a_job_again(cli, done):
    cli.answers["run"] = done("run")
    assert (0, [("run", "web", {})]) == (cli.run("run", "web").exit_code, cli.asked)


@pytest.mark.parametrize("verb", ["pause", "activate"])
def test_node_commands_name_a_node(cli, done, verb):
    cli.answers[verb] = done(verb, target="one", node_id="n1", changed=True)
    assert f"succeeded: {verb} one\n" == cli.run("node", verb, "one").stdout
    assert [(verb, "one", {})] == cli.asked


def test_a_drain_is_graceful_unless_it_is_to_be_now(cli, done):
    cli.answers["drain"] = done("drain", changed=True)
    cli.run("node", "drain", "one")
    cli.run("node", "drain", "one", "--now")
    assert [("drain", "one", {"graceful": True}), ("drain", "one", {})] == cli.asked


def test_services_are_rebalanced(cli, done):
    cli.answers["rebalance"] = done("rebalance", changed=True)
    cli.run("rebalance", "web", "db")
    assert [("rebalance", "web", {}), ("rebalance", "db", {})] == cli.asked


def test_all_services_that_ask_for_it_are_rebalanced(cli, done):
    cli.answers["rebalance"] = done("rebalance", changed=True)
    labels = [("web", "true"), ("db", "false"), ("cache", "yess"), ("api", "1"), ("job", None)]
    cli.client.items = [
        Snapshotted(a_service(name, labels={"funswarm.rebalance": value} if value else {})) for name, value in labels
    ] + [SnapshotEnd(1)]
    assert 0 == cli.run("rebalance", "--all").exit_code
    assert ["api", "web"] == [one[1] for one in cli.asked if one[0] == "rebalance"]


@pytest.mark.parametrize("args", [[], ["web", "--all"]])
def test_a_rebalance_of_nobody_knows_what_is_usage(cli, args):
    assert (2, []) == (cli.run("rebalance", *args).exit_code, cli.asked)


def test_an_expected_version_goes_along(cli, done):
    cli.answers["restart"] = done("restart")
    cli.run("restart", "web", "--expect-version", "7")
    assert 7 == cli.asked[0][2]["how"].expect.version


def test_the_result_as_json(cli, done):
    cli.answers["remove"] = done("remove", changed=True)
    assert json.loads(cli.run("rm", "web", "--json").stdout)["verb"] == "remove"


def test_warnings_go_to_stderr(cli, done):
    cli.answers["remove"] = done("remove", warnings=("image not pinned",))
    assert cli.run("rm", "web").stderr == "warning: image not pinned\n"


def test_nats_url_and_prefix_come_from_the_environment(cli):
    cli.run("health", env={"NATS_URL": "nats://a:1,nats://b:1", "FUNSWARM_PREFIX": "blue"})
    assert (["nats://a:1", "nats://b:1"], "blue") == (cli.client.access["url"], cli.client.access["prefix"])


def test_an_option_wins_over_the_environment(cli):
    cli.run("--url", "nats://c:1", "health", env={"NATS_URL": "nats://a:1"})
    assert cli.client.access["url"] == ["nats://c:1"]


def test_an_unknown_option_is_usage(cli):
    assert cli.run("ps", "--nonsense").exit_code == 2
