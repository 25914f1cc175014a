"""The engine is found as Docker's own tools find it."""

from services.engine.settings import DEFAULT_SOCKET, EngineSettings


def test_dockers_variables_are_taken_over():
    environment = {"DOCKER_HOST": "tcp://n1:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    assert EngineSettings("tcp://n1:2376", "1", "/certs") == EngineSettings.from_environment(environment)


def test_the_default_socket_stands_in_for_an_unset_host():
    assert DEFAULT_SOCKET == EngineSettings().address


def test_an_empty_variable_is_an_unset_one():
    settings = EngineSettings.from_environment({"DOCKER_HOST": "", "DOCKER_CERT_PATH": ""})
    assert (None, None) == (settings.host, settings.cert_path)
