"""The routes that change services: what becomes of a request, and of the outcome."""

import asyncio

import pytest

from funswarm.commands import COMMANDS
from funswarm.errors import Refused, Unavailable
from funswarm.messages import Code, Convergence
from funswarm.outcome import Accepted
from funswarm.records import CommandRecord
from tests.unit.api.fakes import a_result, refused

SPEC = {"name": "web", "image": "nginx"}


async def test_a_created_service_answers_201_with_its_place(http, client):
    answer = await http.post("/v1/services", json=SPEC)

    assert (201, "/v1/services/web") == (answer.status_code, answer.headers["location"])
    assert ("create", "web") == (client.submitted[0].verb, client.submitted[0].target)
    assert "succeeded" == answer.json()["status"]


@pytest.mark.parametrize(
    ("request_line", "body", "expected"),
    [
        ("PATCH /v1/services/web", {"image": "nginx:2"}, {"verb": "update", "changes": {"image": "nginx:2"}}),
        ("POST /v1/services/web/scale", {"replicas": 3}, {"verb": "scale", "replicas": 3}),
        ("POST /v1/services/web/restart", None, {"verb": "restart"}),
        ("POST /v1/services/web/rebalance", None, {"verb": "rebalance"}),
        ("POST /v1/services/web/rollback", None, {"verb": "rollback"}),
        ("POST /v1/services/web/run", None, {"verb": "run"}),
        ("POST /v1/nodes/web/pause", None, {"verb": "pause"}),
        ("POST /v1/nodes/web/drain", None, {"verb": "drain"}),
        ("POST /v1/nodes/web/drain?graceful=true", None, {"verb": "drain", "graceful": True}),
        ("POST /v1/nodes/web/activate", None, {"verb": "activate"}),
        ("DELETE /v1/services/web", None, {"verb": "remove"}),
    ],
)
async def test_each_route_hands_over_its_command(http, client, request_line, body, expected):
    answer = await http.request(*request_line.split(), json=body)

    assert 200 == answer.status_code
    wanted = COMMANDS.validate_python({"id": client.submitted[0].id, "target": "web", **expected})
    assert wanted.digest == client.submitted[0].digest


async def test_a_command_without_a_key_has_a_new_id_each_time(http, client):
    await http.post("/v1/services/web/restart")
    await http.post("/v1/services/web/restart")

    assert client.submitted[0].id != client.submitted[1].id


@pytest.mark.parametrize("header", ["key-1", '"key-1"'])
async def test_the_idempotency_key_is_the_commands_id(http, client, header):
    await http.post("/v1/services/web/restart", headers={"Idempotency-Key": header})

    assert "key-1" == client.submitted[0].id


async def test_a_key_that_cannot_be_an_id_is_refused_with_the_rule(http, client):
    answer = await http.post("/v1/services/web/restart", headers={"Idempotency-Key": "a key"})

    assert 400 == answer.status_code
    assert "Idempotency-Key" in answer.json()["detail"]
    assert [] == client.submitted


async def test_an_unfinished_command_answers_202_and_where_to_ask(http, client):
    client.outcome = lambda command: Accepted(command.id)

    answer = await http.post("/v1/services/web/restart?wait=0", headers={"Idempotency-Key": "abc"})

    assert (202, "/v1/commands/abc") == (answer.status_code, answer.headers["location"])
    assert {"command_id": "abc", "status": "accepted"} == answer.json()
    assert [0] == client.waits_s


async def test_a_wait_beyond_the_bound_is_refused(http):
    answer = await http.post("/v1/services/web/restart?wait=100000")

    assert 400 == answer.status_code
    assert "wait" == answer.json()["errors"][0]["parameter"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.INVALID, 400), (Code.MALFORMED, 400), (Code.UNKNOWN_SERVICE, 404), (Code.NAME_TAKEN, 409),
        (Code.WRONG_MODE, 409), (Code.ROLLOUT, 409), (Code.NO_PREVIOUS_SPEC, 409), (Code.EXPECTATION, 412),
        (Code.DEADLINE, 409), (Code.CONFLICT, 409), (Code.ENGINE, 422), (Code.UNAVAILABLE, 503), (Code.INTERNAL, 500),
    ],
)  # fmt: skip
async def test_a_refusal_is_a_problem_with_its_code(http, client, code, status):
    client.outcome = refused(code, "the reason")

    answer = await http.post("/v1/services/web/restart")

    assert (status, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert (code, "the reason", status) == tuple(answer.json()[member] for member in ("code", "detail", "status"))
    assert client.submitted[0].id == answer.json()["command_id"]


async def test_every_code_has_a_status():
    from services.api.problems import STATUSES

    assert set(Code) == set(STATUSES)


async def test_a_key_of_another_command_is_a_conflict(http, client):
    def conflict(command):
        raise Refused("another command has had it", Code.CONFLICT)

    client.outcome = conflict

    assert 409 == (await http.post("/v1/services/web/restart")).status_code


async def test_without_nats_a_command_is_503_and_says_when_to_come_back(http, client):
    client.unavailable = Unavailable("NATS is not reached", delay_s=2.2)

    answer = await http.post("/v1/services", json=SPEC)

    assert (503, "3") == (answer.status_code, answer.headers["retry-after"])


async def test_query_parameters_become_the_commands_conditions(http, client):
    await http.post(
        "/v1/services/web/scale?dry_run=true&force=1&expect_version=7&expect_replicas=2&deadline=2030-01-01T00:00:00Z",
        json={"replicas": 3},
    )

    (command,) = client.submitted
    assert (True, True, 7, 2) == (command.dry_run, command.force, command.expect.version, command.expect.replicas)
    assert 2030 == command.deadline.year


async def test_if_match_is_the_expected_version(http, client):
    await http.delete("/v1/services/web", headers={"If-Match": '"7"'})

    assert 7 == client.submitted[0].expect.version


async def test_if_none_match_expects_absence(http, client):
    await http.post("/v1/services", json=SPEC, headers={"If-None-Match": "*"})

    assert client.submitted[0].expect.absent is True


@pytest.mark.parametrize(
    "header", [{"If-Match": "7"}, {"If-Match": 'W/"7"'}, {"If-Match": '"7", "8"'}, {"If-None-Match": '"7"'}]
)
async def test_a_precondition_that_is_not_understood_is_refused(http, client, header):
    answer = await http.post("/v1/services/web/restart", headers=header)

    assert (400, []) == (answer.status_code, client.submitted)


async def test_two_expected_versions_are_refused(http):
    answer = await http.post("/v1/services/web/restart?expect_version=6", headers={"If-Match": '"7"'})

    assert 400 == answer.status_code


async def test_a_result_s_version_is_its_etag(http, client):
    client.outcome = lambda command: a_result(command, version=9)

    assert '"9"' == (await http.post("/v1/services/web/restart")).headers["etag"]


@pytest.mark.parametrize("deadline", ["2030-01-01T00:00:00", "2030-01-01", "5", "0.5", ""])
async def test_a_deadline_that_is_no_moment_with_a_zone_is_refused(http, deadline):
    answer = await http.post(f"/v1/services/web/restart?deadline={deadline}")

    assert 400 == answer.status_code


async def test_a_dry_run_creates_nothing_and_answers_200(http):
    answer = await http.post("/v1/services?dry_run=true", json=SPEC)

    assert 200 == answer.status_code
    assert "location" not in answer.headers


async def test_the_trace_context_is_carried_on(http, client):
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await http.post("/v1/services/web/restart", headers={"traceparent": traceparent})

    assert [traceparent] == client.traceparents


async def test_the_result_of_a_command_is_given_as_it_is_also_when_refused(http, client):
    await http.post("/v1/services/web/restart")
    client.results["abc"] = refused(Code.ROLLOUT)(client.submitted[0])

    answer = await http.get("/v1/commands/abc")

    assert (200, "refused") == (answer.status_code, answer.json()["status"])


async def test_an_unknown_command_is_404(http):
    answer = await http.get("/v1/commands/abc")

    assert (404, "unknown-command") == (answer.status_code, answer.json()["code"])


async def test_a_command_that_waits_is_202(http, client):
    client.waiting["abc"] = CommandRecord(command_id="abc", verb="scale", target="web", status="pending")

    answer = await http.get("/v1/commands/abc")

    assert (202, {"command_id": "abc", "status": "accepted"}) == (answer.status_code, answer.json())


async def test_a_result_can_be_waited_for(http, client):
    await http.post("/v1/services/web/restart")
    answers = [None, a_result(client.submitted[0])]

    async def result(command_id):
        return answers.pop(0)

    client.result = result

    assert 200 == (await http.get("/v1/commands/abc?wait=10")).status_code


def _settled(status, reason=None):
    return lambda command: a_result(command, changed=True, convergence=Convergence(status=status, reason=reason))


async def test_a_request_can_wait_until_the_service_has_converged(http, client):
    client.outcome = _settled("converged")

    answer = await http.post("/v1/services/web/restart?wait=converged&timeout=90")

    assert (200, "converged") == (answer.status_code, answer.json()["convergence"]["status"])
    assert [90] == client.waits_s


@pytest.mark.parametrize("status", ["failed", "superseded"])
async def test_what_did_not_converge_is_a_problem_with_its_result(http, client, status):
    client.outcome = _settled(status, "No such image: x")

    answer = await http.post("/v1/services/web/restart?wait=converged")

    assert (409, "not-converged") == (answer.status_code, answer.json()["code"])
    assert f"applied, but {status}: No such image: x" == answer.json()["detail"]
    assert status == answer.json()["result"]["convergence"]["status"]


async def test_what_has_not_settled_in_time_is_said_to_be_applied(http, client):
    client.outcome = _settled("pending")

    answer = await http.post("/v1/services/web/restart?wait=converged", headers={"Idempotency-Key": "abc"})

    assert (202, "/v1/commands/abc") == (answer.status_code, answer.headers["location"])
    assert {"command_id": "abc", "status": "applied"} == answer.json()


@pytest.mark.parametrize("wait", ["10", "applied"])
async def test_who_waits_for_the_result_alone_is_told_that_it_is_applied(http, client, wait):
    client.outcome = _settled("failed", "No such image: x")

    assert 200 == (await http.post(f"/v1/services/web/restart?wait={wait}")).status_code


async def test_a_wait_for_something_else_is_refused_with_the_words_there_are(http, client):
    answer = await http.post("/v1/services/web/restart?wait=forever")

    assert (400, []) == (answer.status_code, client.submitted)
    assert "`converged`" in answer.json()["detail"]


async def test_a_batch_is_handed_over_as_one_command(http, client):
    commands = [{"name": "web", "command": {"verb": "scale", "target": "web", "replicas": 3}}]

    answer = await http.post("/v1/batch", json={"name": "shop", "commands": commands})

    assert 200 == answer.status_code
    assert ("batch", "shop", ["web"]) == (
        client.submitted[0].verb, client.submitted[0].target, [item.name for item in client.submitted[0].commands],
    )  # fmt: skip


async def test_a_batch_without_an_order_is_refused_with_which(http, client):
    commands = [{"name": "a", "depends_on": ["a"], "command": {"verb": "restart", "target": "web"}}]

    answer = await http.post("/v1/batch", json={"commands": commands})

    assert (400, []) == (answer.status_code, client.submitted)
    assert "a -> a depend on each other in a circle" in answer.json()["detail"]


async def test_a_result_can_be_waited_for_until_it_has_settled(http, client):
    asked = COMMANDS.validate_python({"id": "abc", "verb": "restart", "target": "web"})
    client.results["abc"] = _settled("pending")(asked)

    first = await http.get("/v1/commands/abc?wait=10")
    in_vain = await http.get("/v1/commands/abc?wait=converged&timeout=0.3")
    waiting = asyncio.create_task(http.get("/v1/commands/abc?wait=converged"))
    await asyncio.sleep(0)
    client.results["abc"] = _settled("converged")(asked)

    answers = [first, in_vain, await waiting]
    assert ["pending", "pending", "converged"] == [answer.json()["convergence"]["status"] for answer in answers]


async def test_any_etag_goes_with_a_version(http, client):
    await http.post("/v1/services/web/restart?expect_version=7", headers={"If-Match": "*"})

    assert 7 == client.submitted[0].expect.version
