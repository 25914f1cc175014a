"""`funswarm task`: what it shows of one task."""

import json

from funswarm.errors import UnknownObject
from funswarm.places import place_of
from funswarm.state import Address
from funswarm.task_routes import TaskRouting
from tests.builders import a_node, a_service, a_task

EXPOSED = {"funswarm.tasks.expose": "true", "funswarm.tasks.port": "80"}
OLD = a_task(id="old", state="failed", desired_state="shutdown", error="it fell")
NEW = a_task(
    id="new",
    container_id="0123456789abcdef",
    addresses=(Address(network_id="n1", network="fun-swarm", addresses=("10.0.1.5/24",)),),
)


def place(name="web.1", labels=EXPOSED, routing=TaskRouting(domain="example.org")):  # noqa: B008  frozen
    return place_of(name, a_service(labels=labels), (OLD, NEW), (a_node("alpha", address="10.0.0.11"),), routing)


def cli_shows(cli, found):
    cli.answers["task"] = found
    return cli.run("task", found.task.name).stdout


def lines_of(cli, found):
    shown = [line.split(maxsplit=1) for line in cli_shows(cli, found).splitlines()]
    return {line[0]: line[1].strip() for line in shown if len(line) == 2}


def test_it_says_where_the_task_is_and_how_to_get_a_shell(cli):
    lines = lines_of(cli, place())
    assert "alpha 10.0.0.11" == lines["node"]
    assert "10.0.1.5/24  fun-swarm" == lines["address"]
    assert "DOCKER_HOST=ssh://alpha docker exec -it 0123456789ab sh" == lines["shell"]


def test_it_says_all_routes(cli):
    shown = cli_shows(cli, place())
    assert [True] * 3 == [route in shown for route in ("/tasks/web.1/", "/tasks/id/new/", "http://1.web.example.org/")]


def test_of_a_task_that_has_ended_it_says_where_the_routes_of_its_place_lead(cli):
    assert "/tasks/web.1/  (leads to new)" in cli_shows(cli, place("old"))


def test_the_tasks_before_it_follow(cli):
    assert "it fell" in cli_shows(cli, place())


def test_why_there_is_no_route_is_said(cli):
    assert "no route" in cli_shows(cli, place(labels={}))
    assert "funswarm.tasks.port" in cli_shows(cli, place(labels={"funswarm.tasks.expose": "true"}))


def test_the_settings_of_the_api_are_read_from_the_same_variables(cli):
    cli.answers["task"] = place()
    cli.run("task", "web.1", env={"FUNSWARM_TASKS_EXPOSE": "true", "FUNSWARM_TASKS_DOMAIN": "example.org"})
    assert [("task", "web.1", TaskRouting(expose=True, domain="example.org"), {})] == cli.asked


def test_json_is_all_of_it(cli):
    cli.answers["task"] = place()
    assert place().model_dump(mode="json") == json.loads(cli.run("task", "web.1", "--json").stdout)


def test_a_task_that_is_not_there_is_exit_code_1_with_those_that_are(cli):
    cli.answers["task"] = UnknownObject("there is no task 'web.9': web has web.1")
    outcome = cli.run("task", "web.9")
    assert (1, True) == (outcome.exit_code, "web has web.1" in outcome.stderr)
