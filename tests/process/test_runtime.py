"""run(): a process of its own, stopped by signals. The parts are small programs, run as real processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

BEGIN = """
import asyncio
from services import runtime
from services.runtime import run
from funswarm.errors import Unavailable
import logging, structlog
"""


@pytest.fixture
def start():
    started = []

    def start(program, **env):
        process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + program + '\nrun("poller", main)'],
            env={**os.environ, **env},
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(process):
    _, logs = process.communicate(timeout=60)
    return process.returncode, [json.loads(line) for line in logs.splitlines()]


def read_until(process, word):
    for line in process.stderr:
        if word in line:
            return json.loads(line)
    raise AssertionError(f"ended without saying {word}")


def test_main_that_returns_ends_with_0(start):
    assert ended(start("async def main(settings, stop): pass")) == (0, [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_stop_and_the_exit_code_is_0(start, number):
    process = start("async def main(settings, stop): structlog.get_logger().info('up'); await stop.wait()")
    read_until(process, "up")
    process.send_signal(number)
    assert ended(process)[0] == 0


def test_a_second_signal_cancels_main(start):
    process = start("async def main(settings, stop): structlog.get_logger().info('up'); await asyncio.sleep(600)")
    read_until(process, "up")
    process.send_signal(signal.SIGTERM)
    read_until(process, "stopping")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 1


def test_main_that_does_not_stop_is_cancelled_in_bounded_time(start):
    process = start(
        "runtime.STOP_TIMEOUT_S = 0.1\n"
        "async def main(settings, stop): structlog.get_logger().info('up'); await asyncio.sleep(600)"
    )
    read_until(process, "up")
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 1


def test_a_funswarm_error_is_one_line_and_exit_code_1(start):
    code, logs = ended(start("async def main(settings, stop): raise Unavailable('NATS is away')"))
    assert (code, [log["reason"] for log in logs]) == (1, ["NATS is away"])


def test_a_fault_is_logged_with_its_traceback(start):
    code, logs = ended(start("async def main(settings, stop): 1 / 0"))
    assert code == 1
    assert "ZeroDivisionError" in logs[0]["exception"]


def test_wrong_settings_end_with_2(start):
    code, logs = ended(start("async def main(settings, stop): pass", FUNSWARM_HTTP_PORT="x"))
    assert code == 2
    assert "FUNSWARM_HTTP_PORT" in logs[0]["reason"]


def test_a_misspelt_setting_is_a_warning(start):
    _, logs = ended(start("async def main(settings, stop): pass", FUNSWARM_PERFIX="x"))
    assert [(log["level"], log["variable"]) for log in logs] == [("warning", "FUNSWARM_PERFIX")]


def test_logs_of_libraries_are_json_too(start):
    _, logs = ended(start("async def main(settings, stop): logging.getLogger('lib').warning('of %s', 'lib')"))
    assert [(log["event"], log["level"], log["part"]) for log in logs] == [("of lib", "warning", "poller")]


def test_the_alive_file_is_there_while_the_loop_turns(start, tmp_path):
    file = tmp_path / "alive"
    process = start("async def main(settings, stop): await stop.wait()", FUNSWARM_ALIVE_FILE=str(file))
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert json.loads(file.read_text())["part"] == "poller"
    process.send_signal(signal.SIGTERM)
    ended(process)
    assert not file.exists()


def test_urls_that_are_asked_are_not_in_the_logs(start):
    program = "async def main(settings, stop): logging.getLogger('httpx').info('HTTP Request: POST http://a/key')"

    assert (0, []) == ended(start(program))
