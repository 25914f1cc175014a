"""The engine itself: what it says of itself, and which clients it serves."""

import pytest


def test_it_answers_a_ping_with_its_version(engine):
    response = engine.api._get(f"{engine.api.base_url}/_ping")
    version = engine.api.version()
    assert ("OK", version["ApiVersion"]) == (response.text, response.headers["Api-Version"])


def test_it_is_an_active_manager_of_a_swarm(engine):
    swarm = engine.api.info()["Swarm"]
    assert ("active", True) == (swarm["LocalNodeState"], swarm["ControlAvailable"])
    assert (len(engine.get("/nodes")), 1) == (swarm["Nodes"], swarm["Managers"])
    assert swarm["NodeID"] in {node["ID"] for node in engine.get("/nodes")}


def test_the_swarm_has_one_id(engine):
    assert engine.api.info()["Swarm"]["Cluster"]["ID"] == engine.get("/swarm")["ID"]


@pytest.mark.parametrize(("version", "problem"), [("1.999", "is too new"), ("1.01", "is too old")])
def test_a_client_of_another_age_is_refused(engine, version, problem):
    response = engine.api._get(f"{engine.api.base_url}/v{version}/services")
    assert (400, True) == (response.status_code, f"client version {version} {problem}" in response.text)


def test_paths_work_without_a_version(engine):
    assert engine.api._get(f"{engine.api.base_url}/services").ok


def test_an_image_that_is_not_there_is_a_404(engine):
    status, text = engine.refused(lambda: engine.api.inspect_image("missing-for-good:1"))
    assert (404, True) == (status, "No such image: missing-for-good:1" in text)
