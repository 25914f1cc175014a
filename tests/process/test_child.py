"""A child process: started again when it dies, ended in bounded time, never left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.supervisor import child as module
from services.supervisor.child import Child, Program
from tests.waiting import until


@pytest.fixture
async def run():
    children = []

    def run(code):
        said = []
        program = Program("part", (sys.executable, "-u", "-c", code), dict(os.environ), lambda line: line or None)
        child = Child(program, lambda name, text: said.append(text))
        children.append(child)
        child.start()
        return child, said

    yield run
    for child in children:
        await child.stop()


def gone(pid):
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"  # a zombie is gone, only nobody asked


async def test_what_it_says_is_shown(run):
    _, said = run("print('hello'); import time; time.sleep(600)")
    await until(lambda: said == ["hello"], "the line is shown")


async def test_one_that_dies_is_started_again(run):
    _, said = run("print('up')")
    await until(lambda: said.count("up") >= 2, "it is started twice")
    assert "ended with exit code 0; started again in 0.5 s" in said


async def test_one_that_is_killed_is_said_to_be(run):
    _, said = run("import os; os.kill(os.getpid(), 9)")
    await until(lambda: bool(said), "its end is said")
    assert said[0].startswith("was ended by SIGKILL")


async def test_the_pause_grows(run):
    _, said = run("pass")
    await until(lambda: len(said) >= 2, "it died twice")
    assert ["0.5 s", "1 s"] == [line.rpartition(" in ")[2] for line in said[:2]]


async def test_stop_ends_it(run):
    child, said = run("import os, time; print(os.getpid()); time.sleep(600)")
    await until(lambda: bool(said), "it is up")
    await child.stop()
    assert gone(int(said[0]))


async def test_one_that_does_not_stop_is_killed(run, monkeypatch):
    monkeypatch.setattr(module, "TERM_TIMEOUT_S", 0.2)
    child, said = run("import signal, time; signal.signal(15, signal.SIG_IGN); print('up'); time.sleep(600)")
    await until(lambda: bool(said), "it is up")
    await child.stop()
    assert said[-1] == "does not stop within 0.2 s: killed"


async def test_a_line_without_end_does_not_grow_without_bound(run):
    _, said = run("import sys, time; sys.stdout.write('x' * 200_000); sys.stdout.flush(); time.sleep(600)")
    await until(lambda: len(said) >= 1, "a part of it is shown")
    assert len(said[0]) <= module.LINE_MAX


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
async def test_it_ends_when_its_supervisor_is_killed():
    code = """
import asyncio, os, sys
from services.supervisor.child import Child, Program
async def main():
    program = Program("part", (sys.executable, "-u", "-c", "import os, time; print(os.getpid()); time.sleep(600)"),
                      dict(os.environ), lambda line: line)
    Child(program, lambda name, text: print(text, flush=True)).start()
    await asyncio.sleep(600)
asyncio.run(main())
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pid = int(supervisor.stdout.readline())
    supervisor.send_signal(signal.SIGKILL)
    supervisor.communicate()
    await until(lambda: gone(pid), "the child is gone")
