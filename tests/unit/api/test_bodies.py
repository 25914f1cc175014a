"""Bad requests: each says what, where and the way out, and no command leaves."""

import json

import pytest

from services.api.settings import BODY_BYTES_MAX

JSON = {"Content-Type": "application/json"}


async def post(http, body, path="/v1/services", headers=JSON):
    answer = await http.post(path, content=body, headers=headers)
    return answer, answer.json()


async def test_each_fault_of_a_body_has_its_pointer(http, client):
    answer, problem = await post(http, json.dumps({"name": "web", "image": "nginx", "ports": [{"target": 0}]}))

    assert (400, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert "/ports/0/target" == problem["errors"][0]["pointer"]
    assert [] == client.submitted


@pytest.mark.parametrize(
    ("path", "method", "body", "pointer"),
    [
        ("/v1/schedules/a", "PUT", {"command": {"verb": "scale", "target": "a", "replicas": -1}}, "/command/replicas"),
        (
            "/v1/services",
            "POST",
            {"name": "a", "image": "x", "healthcheck": {"test": ["a", {}]}},
            "/healthcheck/test/1",
        ),
        ("/v1/services", "POST", {"name": "a", "image": "x", "networks": ["x" * 300]}, "/networks/0"),
        ("/v1/services", "POST", {"name": "a", "image": "x", "env": {"a=/b": "c"}}, "/env/a=~1b"),
        ("/v1/services", "POST", {"name": "a", "image": "x", "ports": [{}]}, "/ports/0/target"),
    ],
)
async def test_a_pointer_leads_into_the_body_as_it_was_given(http, path, method, body, pointer):
    answer = await http.request(method, path, json=body)

    assert pointer == answer.json()["errors"][0]["pointer"]


async def test_an_unknown_field_gets_the_nearest_known_one(http):
    _, problem = await post(http, json.dumps({"name": "web", "image": "nginx", "prots": []}))

    assert [{"pointer": "/prots", "detail": "unknown field, did you mean ports?"}] == problem["errors"]


@pytest.mark.parametrize("body", ["{", "nonsense", "[" * 20_000, '{"name": "\xff'.encode("latin-1")])
async def test_what_is_no_json_is_400(http, body):
    answer, problem = await post(http, body)

    assert (400, 400) == (answer.status_code, problem["status"])


async def test_a_number_beyond_all_bounds_is_400(http):
    answer, problem = await post(http, '{"replicas": ' + "9" * 5000 + "}", "/v1/services/web/scale")

    assert (400, "malformed") == (answer.status_code, problem["code"])


@pytest.mark.parametrize("replicas", ["true", '"3"', "1.5", "null"])
async def test_replicas_are_a_number(http, client, replicas):
    answer, _ = await post(http, f'{{"replicas": {replicas}}}', "/v1/services/web/scale")

    assert 400 == answer.status_code
    assert [] == client.submitted


@pytest.mark.parametrize("body", ["[]", "null", '"web"', "7", ""])
async def test_json_that_is_no_object_is_400(http, body):
    answer, problem = await post(http, body)

    assert 400 == answer.status_code
    assert "a JSON object is needed" in problem["detail"]


async def test_a_body_that_is_not_said_to_be_json_is_415_with_the_way_out(http):
    answer, problem = await post(http, "name=web", headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert 415 == answer.status_code
    assert "Content-Type: application/json" in problem["detail"]


async def test_a_body_that_says_to_be_too_large_is_413(http):
    answer, _ = await post(http, b" " * (BODY_BYTES_MAX + 1))

    assert 413 == answer.status_code


async def test_a_streamed_body_is_413_when_it_has_become_too_large(http):
    async def endless():
        for _ in range(BODY_BYTES_MAX // 65536 + 1):
            yield b" " * 65536

    answer, _ = await post(http, endless())

    assert 413 == answer.status_code


async def test_an_unknown_path_is_a_problem_that_names_it(http):
    answer = await http.get("/v1/servces")

    assert (404, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    assert "/v1/servces" in answer.json()["detail"]


async def test_a_wrong_method_is_405_with_all_right_ones(http):
    answer = await http.put("/v1/services/web")

    assert (405, "DELETE, GET, HEAD, PATCH") == (answer.status_code, answer.headers["allow"])


async def test_a_wrong_method_is_405_with_the_right_one(http):
    answer = await http.put("/health")

    assert (405, "GET, HEAD") == (answer.status_code, answer.headers["allow"])
    assert "use GET" in answer.json()["detail"]


async def test_a_fault_of_ours_is_500_without_its_details(http, client):
    def fault(command):
        raise ZeroDivisionError("secret")

    client.outcome = fault
    answer = await http.post("/v1/services/web/restart")

    assert (500, "internal") == (answer.status_code, answer.json()["code"])
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/create?replica=5", "unknown parameter 'replica', did you mean replicas?"),
        ("/v1/tasks?servce=web", "unknown parameter 'servce', did you mean service?"),
        ("/v1/nodes?limit=1", "unknown parameter 'limit' (there are none)"),
        ("/v1/events?kind=task", "unknown parameter 'kind', did you mean kinds?"),
    ],
)
async def test_a_misspelt_parameter_is_refused_and_nothing_done(http, client, path, told):
    answer = await http.get(path)

    assert (400, "invalid") == (answer.status_code, answer.json()["code"])
    assert answer.json()["detail"].startswith(told)
    assert ([], []) == (client.submitted, client.asked)


async def test_the_parameters_of_a_route_below_a_name_are_known(http, client):
    assert 200 == (await http.post("/v1/services/web/restart?wait=1&dry_run=true")).status_code
