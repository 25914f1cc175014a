"""TLS: the stack's nats-server as services/stack-tls.yml starts it, and the api over HTTPS."""

import asyncio
import ssl
import time
from typing import Any

import httpx
import pytest
import yaml

from funswarm.client import Client
from funswarm.errors import Failed, FunswarmError
from services.api.serving import serve
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.settings import Settings
from tests.certificates import Authority, new_authority
from tests.servers import STACK_CONFIG, free_port, nats_server
from tests.waiting import PATIENCE_S, until

PASSWORDS = {user: f"p-{user}" for user in ("poller", "scheduler", "api", "client", "reader")}
STACK_TLS = yaml.safe_load((STACK_CONFIG.parent / "stack-tls.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def secured(authority, tmp_path_factory):
    """The stack's server with TLS."""
    certificate, key = authority.sign("nats")
    files = {"/run/secrets/nats-certificate": certificate, "/run/secrets/nats-key": key}
    flags = [flag for flag in STACK_TLS["services"]["nats"]["command"] if not flag.startswith("--config")]
    for place, file in files.items():
        flags = [flag.replace(place, str(file)) for flag in flags]
    with nats_server(tmp_path_factory.mktemp("nats"), passwords=PASSWORDS, flags=tuple(flags)) as server:
        yield server


def of(server, user="poller", **settings: Any) -> NatsSettings:
    url = server.url.replace("nats://", "tls://")
    return NatsSettings(url=url, user=user, password=PASSWORDS[user], connect_timeout_s=600, **settings)


async def test_a_part_speaks_tls_with_nats(secured, authority):
    bus = await Bus.connect(of(secured, tls_ca=authority.certificate), "test")
    await bus.declare()
    await bus.close()


async def test_a_client_speaks_tls_with_nats(secured, authority):
    url, context = secured.url.replace("nats://", "tls://"), ssl.create_default_context(cafile=authority.certificate)
    async with Client(url, user="client", password=PASSWORDS["client"], tls=context) as client:
        assert () == await client.parts()


@pytest.mark.parametrize("scheme", ["tls://", "nats://"])
async def test_a_part_that_does_not_trust_the_authority_says_so_at_once(secured, other, scheme):
    settings = NatsSettings(
        url=secured.url.replace("nats://", scheme), user="api", password="p-api", tls_ca=other.certificate,
        connect_timeout_s=600,
    )  # fmt: skip
    began = time.monotonic()
    with pytest.raises(FunswarmError, match=r"certificate verify failed.*FUNSWARM_NATS_TLS_CA"):
        await Bus.connect(settings, "test")
    assert time.monotonic() - began < 300


async def test_a_client_that_does_not_trust_the_authority_says_so(secured, other):
    context = ssl.create_default_context(cafile=other.certificate)
    client = Client(secured.url, user="client", password=PASSWORDS["client"], tls=context)
    with pytest.raises(FunswarmError, match="certificate verify failed"):
        await client.connect()
    await client.close()


async def test_a_ca_that_is_no_certificate_is_said(secured, tmp_path):
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(FunswarmError, match="FUNSWARM_NATS_TLS_CA"):
        await Bus.connect(of(secured, tls_ca=tmp_path / "ca.pem"), "test")


# HTTP.
async def test_the_api_speaks_https(authority, nats):
    certificate, key = authority.sign("api")
    values: dict[str, Any] = {"nats_url": nats.url, "http_port": free_port()}
    values |= {"http_tls_cert": certificate, "http_tls_key": key}
    stop = asyncio.Event()
    work = asyncio.create_task(serve(Settings(**values), stop))
    context = ssl.create_default_context(cafile=authority.certificate)
    url = f"https://127.0.0.1:{values['http_port']}"
    try:
        async with httpx.AsyncClient(base_url=url, verify=context, timeout=PATIENCE_S) as http:

            async def alive() -> bool:
                try:
                    return (await http.get("/healthz")).status_code == 200
                except httpx.TransportError:
                    assert not work.done(), work
                    return False

            await until(alive, "the api")
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await work


async def test_a_certificate_that_is_none_is_said(nats, tmp_path):
    file = tmp_path / "api.pem"
    file.write_text("nonsense")
    values: dict[str, Any] = {"nats_url": nats.url, "http_port": free_port(), "http_tls_cert": file}
    with pytest.raises(Failed, match="FUNSWARM_HTTP_TLS_CERT"):
        await serve(Settings(**values), asyncio.Event())
