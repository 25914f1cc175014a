"""The OpenAPI document: complete, 3.1, and true."""

import json
import re

import pytest


@pytest.fixture
async def document(http):
    return (await http.get("/openapi.json")).json()


async def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")


async def test_it_names_every_route(document):
    assert {
        "/health", "/create", "/v1/batch", "/v1/services", "/v1/services/{name}", "/v1/services/{name}/scale",
        "/v1/services/{name}/rebalance",
        "/v1/services/{name}/restart", "/v1/services/{name}/rollback", "/v1/services/{name}/run", "/v1/tasks",
        "/v1/tasks/{task}",
        "/v1/nodes", "/v1/nodes/{name}", "/v1/nodes/{name}/pause", "/v1/nodes/{name}/drain",
        "/v1/nodes/{name}/activate", "/v1/schedules", "/v1/schedules/{name}",
        "/v1/commands", "/v1/dead", "/v1/dead/{sequence}", "/v1/dead/{sequence}/replay",
        "/v1/cron", "/v1/cron/{name}/runs", "/v1/cron/{name}/run", "/v1/scale-hooks/{name}",
        "/v1/scale-hooks", "/v1/scale-hooks/{name}/{step}",
        "/v1/services/{name}/decisions", "/v1/services/{name}/hold",
        "/v1/hooks", "/v1/hooks/{name}", "/v1/hooks/{name}/pause", "/v1/hooks/{name}/resume", "/v1/hooks/{name}/test",
        "/api/strategies/dynamic", "/api/strategies/blocking", "/api/strategies/poke",
        "/api/themes", "/api/dynamic/themes",
        "/v1/commands/{command_id}", "/v1/events", "/v1/traefik", "/healthz", "/readyz", "/metrics",
    } == set(document["paths"])  # fmt: skip


async def test_every_reference_leads_somewhere(document):
    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set() == set(references(document)) - known


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


async def test_every_operation_has_a_name_of_its_own_in_plain_words(document):
    names = [operation["operationId"] for operation in operations(document)]

    assert len(names) == len(set(names))
    assert {"create_service", "get_node", "list_commands", "put_schedule"} <= set(names)


async def test_every_tag_is_described(document):
    used = {tag for operation in operations(document) for tag in operation["tags"]}

    assert used == {tag["name"] for tag in document["tags"]}


async def test_no_parameter_can_be_null(document):
    parameters = [one for operation in operations(document) for one in operation.get("parameters", ())]

    assert [] == [one["name"] for one in parameters if {"type": "null"} in one["schema"].get("anyOf", ())]


async def test_nothing_internal_is_named(document):
    assert [] == re.findall(r"function-\w+|constrained-\w+|__main__", json.dumps(document))


async def test_errors_are_problems(document):
    answer = document["paths"]["/v1/services"]["post"]["responses"]["400"]["content"]

    assert {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}} == answer


async def test_the_docs_page_renders(http):
    assert "/openapi.json" in (await http.get("/docs")).text


async def test_the_docs_page_and_its_files_need_no_other_site(http):
    page = (await http.get("/docs")).text
    files = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)

    assert 3 == len(files)
    assert {200} == {(await http.get(f"/{file}")).status_code for file in files}
    assert "://" not in page
