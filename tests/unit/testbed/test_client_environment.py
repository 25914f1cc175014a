"""Which environment a docker command gets for one engine."""

from testbed.engine import client_environment


def test_the_host_replaces_the_callers_and_its_context() -> None:
    base = {"DOCKER_HOST": "unix:///a", "DOCKER_CONTEXT": "other", "HOME": "/h"}

    assert {"DOCKER_HOST": "unix:///b", "HOME": "/h"} == client_environment("unix:///b", base)


def test_a_unix_socket_gets_no_tls_settings() -> None:
    base = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}

    assert {"DOCKER_HOST": "unix:///b"} == client_environment("unix:///b", base)


def test_a_tcp_address_keeps_its_tls_settings() -> None:
    base = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}

    assert {**base, "DOCKER_HOST": "tcp://m:2376"} == client_environment("tcp://m:2376", base)
