"""The OpenAPI document and a whole Funswarm agree: schemathesis asks all that the document allows, and more.

Its checks: no 5xx; statuses, media types, headers and bodies as documented; what is wrong is refused, and what is
right is taken; no way in without a token; no method that is not there; what was created is there, and what was removed
is gone.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from funswarm.tokens import Role, new_token
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
    run = Run(tmp_path / "run", FUNSWARM_HTTP_TOKENS_FILE=str(tmp_path / "tokens"))
    try:
        run.wait_for(r"ready: ")
        yield run
    finally:
        run.end()


def test_schemathesis_finds_nothing(running, token, tmp_path):
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG), "run"]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{running.http_port}/openapi.json"],
        cwd=tmp_path,
        env={**os.environ, "FUNSWARM_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
