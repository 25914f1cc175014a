"""The OpenAPI document and a whole Funswarm agree: schemathesis asks all that the document allows, and more.

Its checks: no 5xx; statuses, media types, headers and bodies as documented; what is wrong is refused, and what is
right is taken; no way in without a token; no method that is not there; what was created is there, and what was removed
is gone.
"""

import asyncio
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from funswarm.commands import ScaleCommand
from funswarm.messages import Code, DeadLetter
from funswarm.tokens import Role, new_token
from services.bus.connection import Bus
from services.bus.settings import NatsSettings
from services.scheduler.store import NatsStore
from tests.nats.run_scene import Run

CONFIG = Path(__file__).with_name("schemathesis.toml")
PATIENCE_S = 600


@pytest.fixture
def token(tmp_path):
    text, made = new_token("fuzzer", Role.ADMIN)
    (tmp_path / "tokens").write_text(made.model_dump_json() + "\n")
    return text


@pytest.fixture
def running(tmp_path, token):
    """With a policy, or it would be asked for a hundred thousand tasks."""
    policy = tmp_path / "policy.yml"
    policy.write_text("modes: [replicated, replicated-job]\nreplicas_max: 5\n")
    files = {"FUNSWARM_HTTP_TOKENS_FILE": str(tmp_path / "tokens"), "FUNSWARM_ADMISSION_FILE": str(policy)}
    run = Run(tmp_path / "run", **files)
    try:
        run.wait_for_all(token)
        asyncio.run(have_dead_letters(run))
        yield run
    finally:
        run.end()


async def have_dead_letters(run):
    bus = await Bus.connect(NatsSettings(url=f"nats://127.0.0.1:{run.nats_port}"), "test")
    for number in range(1, 5):
        command = ScaleCommand(id=f"dead-{number}", target="web", replicas=number)
        fields = {"subject": bus.subjects.command("scale", "web"), "body": command.model_dump_json()}
        letter = DeadLetter(reason="a bug", code=Code.INTERNAL, at=datetime.now(UTC), **fields)
        await NatsStore(bus, lambda: True).bury(letter, "scale", "web", number)
    await bus.close()


def test_schemathesis_finds_nothing(running, token, tmp_path):
    done = schemathesis(running, token, tmp_path)
    if {"503"} == set(re.findall(r"^ +\[(\d+)\] ", done.stdout, flags=re.MULTILINE)):
        done = schemathesis(running, token, tmp_path)  # a machine that stood still: parts lost their leases, rightly

    assert 0 == done.returncode, done.stdout + done.stderr


def schemathesis(running, token, folder):
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG), "run"]
    return subprocess.run(
        [*command, f"http://127.0.0.1:{running.http_port}/openapi.json"],
        cwd=folder,
        env={**os.environ, "FUNSWARM_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
