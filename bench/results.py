"""bench/RESULTS.md: one section a benchmark, each written anew by its own run and by no other."""

import os
import platform
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

RESULTS: Final = Path(__file__).parent / "RESULTS.md"
_HEAD: Final = "# Results\n\nEach section is written by its own run of a `make bench…`.\n"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `at_most` and `at_least` None: shown for comparison only."""

    what: str
    value: float
    unit: str
    at_most: float | None = None
    note: str = ""
    at_least: float | None = None

    @property
    def reached(self) -> bool:
        low = self.at_least is None or self.value >= self.at_least
        return low and (self.at_most is None or self.value <= self.at_most)

    def row(self) -> str:
        """The figure as a row of a Markdown table."""
        limits = (("≤", self.at_most), ("≥", self.at_least))
        limit = " ".join(f"{sign} {bound:g} {self.unit}" for sign, bound in limits if bound is not None)
        verdict = "" if not limit else ("reached" if self.reached else "**missed**")
        return f"| {self.what} | {self.value:.3g} {self.unit} | {limit} | {verdict} | {self.note} |"


def machine() -> str:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def section(title: str, against: str, figures: list[Figure]) -> str:
    """The section `title`. `against`: which engine, NATS and versions. Pure but for the date and the machine."""
    rows = "\n".join(figure.row() for figure in figures)
    return (
        f"## {title}\n\n{datetime.now(UTC):%Y-%m-%d}, {machine()}; {against}.\n\n"
        f"| figure | measured | to reach | | note |\n|---|---|---|---|---|\n{rows}\n"
    )


def write(title: str, against: str, figures: list[Figure]) -> str:
    """Write that section in place of the one before, and return it."""
    new = section(title, against, figures)
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else _HEAD
    found = re.search(rf"^## {re.escape(title)}$.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    text = text[: found.start()] + new + "\n" + text[found.end() :] if found else f"{text.rstrip()}\n\n{new}"
    RESULTS.write_text(text.rstrip() + "\n", encoding="utf-8")
    return new
