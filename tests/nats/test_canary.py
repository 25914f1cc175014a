"""No secret value leaves a command: canaries in all that may hold one, then a look at all that can be read.

A whole Funswarm on the simulator, with a password at NATS and tokens: what succeeds, is refused, is malformed,
dies. Then every stream but those of the commands themselves, every log, and every answer over HTTP.
"""

import base64
import json
import re
from typing import Any

import httpx
import pytest

from funswarm.subjects import Subjects
from funswarm.tokens import Role, new_token
from services.bus.connection import Bus
from services.bus.jetstream import call
from services.bus.reading import read_stream
from services.bus.settings import NatsSettings
from tests.nats.run_scene import PATIENCE_S, Run
from tests.servers import nats_server
from tests.waiting import until

CANARY = "canary7c1"  # all of them begin with it
SUBJECTS = Subjects("funswarm")
OF_COMMANDS = (SUBJECTS.commands_stream, SUBJECTS.schedules_stream)  # what is to be done is whole: docs/decisions/0007
PATHS = ("/health", "/readyz", "/v1/services", "/v1/services/web", "/v1/tasks", "/v1/nodes", "/v1/commands", "/v1/dead",
         "/metrics", "/openapi.json", "/")  # fmt: skip


def canary(what: str) -> str:
    return f"{CANARY}-{what}"


WEB: dict[str, Any] = {
    "name": "web",
    "image": "nginx:1",
    "env": {"PASSWORD": canary("env")},
    "healthcheck": {"test": f"ask --password {canary('health')}"},
    "log": {"driver": "splunk", "options": {"splunk-token": canary("log")}},
}
MOUNT = {"target": "/data", "source": "data", "driver": "nfs", "driver_options": {"o": canary("mount")}}
REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/services", WEB),  # there is one
    ("POST", "/v1/services", {**WEB, "name": "mounts", "mounts": [MOUNT]}),  # by admission
    ("POST", "/v1/services", {**WEB, "env": {"A": [canary("type")]}}),
    ("POST", "/v1/services", {**WEB, "name": "x", "environment": {"A": canary("field")}}),
    ("POST", "/v1/services", {**WEB, "name": "x", "secrets": ["absent"]}),
    ("PATCH", "/v1/services/absent", {"env": {"A": canary("absent")}}),
    ("PATCH", "/v1/services/web?expect_version=1", {"env": {"A": canary("version")}}),
)
JUNK = (
    json.dumps({"id": "j1", "verb": "create", "target": "web", "service": {**WEB, "oops": 1}}),
    json.dumps({"id": "j2", "verb": "create", "target": "web", "service": WEB})[:-2],
    json.dumps({"id": "j3", "verb": "update", "target": "other", "changes": {"env": {"A": canary("other")}}}),
    f"PASSWORD={canary('junk')}",
)


@pytest.fixture(scope="module")
def secret_token(tmp_path_factory):
    """(the token, its file): of an admin."""
    text, token = new_token("ops", Role.ADMIN)
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(token.model_dump_json() + "\n")
    return text, file


@pytest.fixture(scope="module")
def running(tmp_path_factory, secret_token):
    """(the run, its NATS)."""
    user = f'authorization {{ user: "all", password: "{canary("nats")}" }}'
    with nats_server(tmp_path_factory.mktemp("nats"), user) as nats:
        run = Run(
            tmp_path_factory.mktemp("run"),
            NATS_URL=nats.url.replace("nats://", f"nats://all:{canary('nats')}@"),
            FUNSWARM_HTTP_TOKENS_FILE=str(secret_token[1]),
            FUNSWARM_LOG_LEVEL="debug",
            FUNSWARM_WATCH="config,secret",
        )
        try:
            run.wait_for(r"ready: ")
            yield run, nats
        finally:
            run.end()


async def make_objects(run: Run) -> str:
    """A config and a secret with canaries, over the simulator's own socket; what their data look like."""
    socket = re.search(r"docker -H unix://(\S+)", "".join(run.lines))
    assert socket is not None
    data = base64.b64encode(canary("config").encode()).decode()
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=socket[1]), base_url="http://engine") as engine:
        for kind in ("configs", "secrets"):
            answer = await engine.post(f"/{kind}/create", json={"Name": kind, "Data": data})
            assert 201 == answer.status_code, answer.text
    return data


async def drive(run: Run, http: httpx.AsyncClient, bus: Bus) -> list[str]:
    """All that can happen; the answers over HTTP."""
    said = []

    async def ask(method: str, path: str, status: int | None, body: Any = None, **headers: str) -> None:
        answer = await http.request(method, path, json=body, headers=headers)
        assert status is None or status == answer.status_code, (method, path, answer.text)
        assert status is not None or 400 <= answer.status_code < 500, (method, path, answer.text)
        said.append(f"{answer.headers}{answer.text}")

    await ask("POST", "/v1/services?dry_run=true", 200, {**WEB, "name": "dry"})
    await ask("POST", "/v1/services", 201, WEB)
    await ask("PATCH", "/v1/services/web?dry_run=true", 200, {"env": {"PASSWORD": canary("dry")}})
    await ask("PATCH", "/v1/services/web?force=true", 200, {"env": {"PASSWORD": canary("update"), "B": canary("b")}})
    for method, path, body in REFUSED:
        await ask(method, path, None, body)
    for number, junk in enumerate(JUNK):
        headers = {"Nats-Msg-Id": f"j{number + 1}"}
        await bus.publish(SUBJECTS.command("create", "web"), junk.encode(), headers, SUBJECTS.commands_stream)
    await ask("GET", "/health", 401, Authorization=f"Bearer {canary('token')}")

    async def all_dead() -> bool:
        return len(JUNK) == len([one async for one in read_stream(bus, SUBJECTS.dead_stream)])

    await until(all_dead, "the dead letters")
    return said


async def streams(bus: Bus) -> dict[str, str]:
    """What every stream holds, whole."""
    names = (await call(bus.link, "STREAM.NAMES"))["streams"]
    return {
        name: "".join([f"{one.subject} {one.headers} {one.body!r}\n" async for one in read_stream(bus, name)])
        for name in names
        if name not in OF_COMMANDS
    }


async def test_no_secret_is_told(running, secret_token):
    run, nats = running
    data = await make_objects(run)
    bus = await Bus.connect(NatsSettings(url=nats.url, user="all", password=canary("nats")), "test")
    bearer = {"Authorization": f"Bearer {secret_token[0]}"}
    url = f"http://127.0.0.1:{run.http_port}"
    try:
        async with httpx.AsyncClient(base_url=url, headers=bearer, timeout=PATIENCE_S) as http:
            told = {"answers": "".join(await drive(run, http, bus))}
            told |= {path: f"{(answer := await http.get(path)).headers}{answer.text}" for path in PATHS}

            async def seen() -> dict[str, str]:
                whole = await streams(bus)
                return whole if "PASSWORD" in whole[SUBJECTS.events_stream] else {}

            told |= await until(seen, "the poller to tell of the service") or {}
    finally:
        await bus.close()
    told["log"] = "".join(run.lines)

    assert "PASSWORD" in told[SUBJECTS.events_stream], "nothing was seen"
    assert "PASSWORD" in told[SUBJECTS.dead_stream], "nothing was seen"
    secrets = (CANARY, data, secret_token[0])
    found = {(where, secret): text for where, text in told.items() for secret in secrets if secret in text}
    assert {} == {key: text[max(0, text.index(key[1]) - 200) :][:400] for key, text in found.items()}
