"""What ran, against what: the lines that tests/conftest.py prints at the end of a run. Keeps counts in this process."""

import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field

SUITES = ("unit", "process", "nats", "engine", "swarm")


@dataclass(slots=True)
class Suite:
    """One folder of tests: outcomes, seconds, and what it ran against."""

    outcomes: Counter[str] = field(default_factory=Counter)
    duration_s: float = 0.0
    against: dict[str, None] = field(default_factory=dict)  # an ordered set


suites: defaultdict[str, Suite] = defaultdict(Suite)


def ran_against(suite: str, what: str) -> None:
    """Called by a fixture: the tests of `suite` run against `what`, e.g. `nats-server 2.12.1`."""
    suites[suite].against[what] = None


def suite_of(node_id: str) -> str:
    """The suite of a test: its folder under tests/; files directly there are unit tests."""
    parts = node_id.partition("::")[0].split("/")
    return parts[1] if len(parts) > 2 else "unit"


def skips_fail() -> bool:
    """In CI a test that did not run proves nothing."""
    return bool(os.environ.get("CI"))


def lines() -> list[str]:
    """The report, one line a suite that ran."""
    return [_line(name, suites[name]) for name in sorted(suites, key=_place) if suites[name].outcomes]


def _place(name: str) -> tuple[int, str]:
    return (SUITES.index(name) if name in SUITES else len(SUITES), name)


def _line(name: str, suite: Suite) -> str:
    counts = ", ".join(
        f"{suite.outcomes[word]} {word}" for word in ("passed", "failed", "skipped") if suite.outcomes[word]
    )
    against = "; ".join(suite.against) or "nothing but itself"
    return f"{name:<7} {counts} in {suite.duration_s:.0f} s, against {against}"
