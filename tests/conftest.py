"""Ends a run with a line per suite: how many passed, in how long, against what. In CI a skip counts as a failure."""

import os

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.report import lines, skips_fail, suite_of, suites

# What makes rich and typer colour what goes to no terminal, as some CI systems set it.
for colours in ("FORCE_COLOR", "PY_COLORS", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "TTY_COMPATIBLE"):
    os.environ.pop(colours, None)
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


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    suite = suites[suite_of(report.nodeid)]
    suite.duration_s += report.duration
    if report.when == "call" or report.outcome != "passed":
        suite.outcomes[report.outcome] += 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.outcome != "passed":
        suites[suite_of(report.nodeid)].outcomes[report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    skipped = sum(suite.outcomes["skipped"] for suite in suites.values())
    if skipped and skips_fail() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("what ran against what")
    for line in lines():
        terminalreporter.write_line(line)
    if skips_fail() and any(suite.outcomes["skipped"] for suite in suites.values()):
        terminalreporter.write_line("CI is set: a skipped test counts as failed", red=True)
