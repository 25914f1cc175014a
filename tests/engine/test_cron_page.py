"""The stack file of docs/cron.md, deployed as the page says, runs."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from funswarm.cronruns import CronOutcome
from testbed.engine import remove_stack
from tests.engine.conftest import IMAGE
from tests.engine.cron_scene import funswarm, runs

__all__ = ["funswarm"]  # a fixture

PAGE = (Path(__file__).parents[2] / "docs" / "cron.md").read_text(encoding="utf-8")
STACK = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)[0]


@pytest.fixture
def stack(engine, host, tmp_path):
    """The stack's name."""
    if (docker := shutil.which("docker")) is None:
        pytest.skip("no docker command line")

    file = tmp_path / "jobs.yml"
    file.write_text(STACK.replace("image: busybox", f"image: {IMAGE}"))
    engine.undo_later(lambda: remove_stack(host, engine.name))
    command = [docker, "--host", host, "stack", "deploy", "--resolve-image", "never", "--compose-file", str(file)]
    done = subprocess.run([*command, engine.name], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return engine.name


async def test_the_stack_of_the_page_runs(stack, funswarm):  # deployed before the loop of the parts has to turn
    await runs(funswarm, f"{stack}_date", CronOutcome.SUCCEEDED, 2)
    failed = await runs(funswarm, f"{stack}_backup", CronOutcome.FAILED, 3)
    assert {3} == {task.exit_code for run in failed for task in run.tasks}
    assert {0, 1, 2} >= {run.attempt for run in failed} >= {0, 1}
