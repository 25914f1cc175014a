"""Ends a run with a line per suite: how many passed, in how long, against what. In CI a skip counts as a failure.

With several processes the counts are their controller's, which hears all reports; each tells it what it ran against.
"""

import gc
import os
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.report import lines, ran_against, skips_fail, suite_of, suites

# What makes rich and typer colour what goes to no terminal, as some CI systems set it.
for colours in ("FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "TTY_COMPATIBLE"):
    os.environ.pop(colours, None)
# Thousands of tests are many objects that stay: to look at all of them again and again takes a fifth of the time.
gc.set_threshold(50_000, 20, 100)
# The same examples each time, and no clock: a slow machine is no failure.
settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fast", settings.get_profile("tests"), max_examples=25)  # of make test-fast
settings.load_profile("tests")
# Unconfigured it shows a fault with the values of all locals, which takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)


def pytest_collection_finish() -> None:
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    suite = suites[suite_of(report.nodeid)]
    suite.duration_s += report.duration
    if report.when == "call" or report.outcome != "passed":
        suite.outcomes[report.outcome] += 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        suites[suite_of(report.nodeid)].outcomes[report.outcome] += 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """What works on the machine's one engine goes to one process, and first; of the rest each file goes to the next."""
    if config.getoption("dist") != "loadscope":
        return None
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = lambda node_id: "engine" if on_the_engine(node_id) else node_id.partition("::")[0]
    return scheduler


def on_the_engine(node_id: str) -> bool:
    return suite_of(node_id) in {"engine", "swarm"}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for suite, what in getattr(node, "workeroutput", {}).get("against", []):
        ran_against(suite, what)


def pytest_sessionfinish(session: pytest.Session) -> None:
    gc.freeze()  # pytest collects garbage five times at the end
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["against"] = [(name, what) for name, suite in suites.items() for what in suite.against]
    skipped = sum(suite.outcomes["skipped"] for suite in suites.values())
    if skipped and skips_fail() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("what ran against what")
    for line in lines():
        terminalreporter.write_line(line)
    if skips_fail() and any(suite.outcomes["skipped"] for suite in suites.values()):
        terminalreporter.write_line("CI is set: a skipped test counts as failed", red=True)
