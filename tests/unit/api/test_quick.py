"""The short way of a plain creation: it means the same as the long one, and only what is plain takes it."""

import pytest

from services.api.asked import SAYING_HEADERS

WEB = {"name": "web", "image": "nginx", "ports": ["80:80"]}


async def test_all_headers_that_say_something_are_known(http):
    document = (await http.get("/openapi.json")).json()
    operation = document["paths"]["/v1/services"]["post"]
    said = {parameter["name"].lower() for parameter in operation["parameters"] if parameter["in"] == "header"}
    assert said == set(SAYING_HEADERS)


async def test_both_ways_mean_the_same(http, client):
    for path in ("/v1/services", "/v1/services?dry_run=false"):
        assert 201 == (await http.post(path, json=WEB)).status_code
    short, long = (command.model_dump(exclude={"id"}) for command in client.submitted)
    assert short == long
    assert client.waits_s[0] == client.waits_s[1]


@pytest.mark.parametrize("header", [{"Idempotency-Key": "abc"}, {"If-None-Match": "*"}])
async def test_a_header_is_not_overlooked(http, client, header):
    await http.post("/v1/services", json=WEB, headers=header)
    (command,) = client.submitted
    assert command.id == "abc" or command.expect.absent


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"name": "web"}', b'{"name": "web", "image": "n", "x": 1}'])
async def test_a_wrong_body_has_the_long_ways_answer(http, body):
    as_json = {"Content-Type": "application/json"}
    short, long = [
        await http.post(f"/v1/services{query}", content=body, headers=as_json) for query in ("", "?dry_run=false")
    ]
    assert short.status_code == long.status_code
    assert short.json() == long.json()
