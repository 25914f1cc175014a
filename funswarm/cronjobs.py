"""Cron jobs: what a service's labels ask for, those of swarm-cronjob and our own. Pure.

`swarm.cronjob.*` is read as crazy-max/swarm-cronjob 1.16 reads it: both `enable` and `schedule` must be there, what is
no number or schedule keeps the job from running, what is no flag counts as false. `funswarm.cron.*` adds to it or
stands alone; where both say something, ours counts, and a value of ours that is wrong keeps the job from running.
Nothing is guessed silently: whatever is not followed is a `Problem`.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator

from funswarm.messages import Problem
from funswarm.spec import REPLICAS_MAX
from funswarm.state import Value
from funswarm.timetable import Timetable, ZoneName, zone_of
from funswarm.units import Duration, Flag, flag

SOURCE: Final = "cron"
OWN: Final = "funswarm.cron."
DROP_IN: Final = "swarm.cronjob."
RETRIES_MAX: Final = 8
RUNS_MAX: Final = 10  # of those that were missed
_FRAME_KEYS: Final = frozenset({"pause", "dry-run"})  # read for all policies alike
_SWITCHES: Final = frozenset({"enable", "skip-running"})
_FLAGS: Final = frozenset({"skip-running", "registry-auth", "query-registry"})
_KEYS_OF_DROP_IN: Final = ("enable", "schedule", "skip-running", "replicas", "registry-auth", "query-registry")
_NOT_DONE: Final = {
    "registry-auth": "Funswarm has no registry's password: the one that the service was deployed with is used "
    "(`docker stack deploy --with-registry-auth`); the job runs",
    "query-registry": "the tag is not resolved anew at each run: deploy with --resolve-image never, and each node "
    "pulls the tag when a task starts; the job runs",
}


def _count(value: Any) -> Any:
    """Go's ParseUint: digits only."""
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError(f"{value!r} is no number")
    return value


class CronJob(Value):
    """A cron job. Seconds; None: not given. `overlap`: what becomes of a run that is due while one is under way.

    `starting_deadline`: later than so long after its time a run is missed; 0: never. `catch_up`: which of the missed
    are run yet. `timeout`: a run that takes longer is stopped, and has failed. `jitter`: each is up to so much late.
    `park`: back to 0 replicas after each run.
    """

    schedule: str = Field(max_length=256)
    timezone: ZoneName | None = None
    replicas: Annotated[int | None, BeforeValidator(_count), Field(ge=1, le=REPLICAS_MAX)] = None
    overlap: Literal["replace", "skip", "queue"] = "replace"
    starting_deadline: Duration = 60.0
    catch_up: Literal["none", "last", "all"] = "none"
    timeout: Annotated[Duration | None, Field(gt=0)] = None
    retries: Annotated[int, BeforeValidator(_count), Field(ge=0, le=RETRIES_MAX)] = 0
    back_off: Duration = 10.0
    jitter: Annotated[Duration, Field(le=86_400)] = 0.0
    park: Flag = False
    registry_auth: Flag = False
    query_registry: Flag = False

    @field_validator("schedule")
    @classmethod
    def _is_schedule(cls, schedule: str) -> str:
        _timetable(schedule, None)
        return schedule

    @property
    def timetable(self) -> Timetable:
        """When it is due."""
        return _timetable(self.schedule, self.timezone)


@lru_cache(maxsize=20_000)  # a service's labels are read anew with each of its events
def _timetable(schedule: str, timezone: str | None) -> Timetable:
    return Timetable.parse(schedule) if timezone is None else Timetable.parse(schedule, zone_of(timezone))


def read_job(service: str, labels: Mapping[str, str]) -> tuple[CronJob | None, tuple[Problem, ...]]:
    """The cron job of a service by its labels, and what is wrong with them. None: it has none that can be run."""
    return _Reading(service, labels).job()


class _Reading:
    """The labels of one service. `_given`: key -> (label, value), ours before swarm-cronjob's."""

    def __init__(self, service: str, labels: Mapping[str, str]) -> None:
        self._service = service
        self._problems: list[Problem] = []
        self._own = _under(OWN, labels, skip=_FRAME_KEYS)
        self._drop_in = {key: found for key, found in _under(DROP_IN, labels).items() if key in _KEYS_OF_DROP_IN}
        self._given = {**self._drop_in, **self._own}

    def job(self) -> tuple[CronJob | None, tuple[Problem, ...]]:
        self._find_unknown()
        job = self._understood() if self._given and self._is_on() else None
        return job, tuple(self._problems)

    def _is_on(self) -> bool:
        if "enable" in self._own and not self._flag("enable"):
            return False
        if "schedule" in self._own:
            return True
        if "schedule" not in self._drop_in:
            self._problem(next(iter(self._given)), f"there is no job without {OWN}schedule, or {DROP_IN}schedule")
            return False
        if "enable" not in self._given:
            self._problem("schedule", f"it is not followed without {DROP_IN}enable=true")
            return False
        return self._flag("enable")

    def _understood(self) -> CronJob | None:
        values: dict[str, Any] = {key.replace("-", "_"): value for key, (_, value) in self._given.items()}
        for key in _SWITCHES:
            values.pop(key.replace("-", "_"), None)
        for key in _FLAGS & self._drop_in.keys() - self._own.keys():
            values[key.replace("-", "_")] = self._flag(key)
        if "skip-running" in self._given and "overlap" not in self._own:
            values["overlap"] = "skip" if self._flag("skip-running") else "replace"
        known = {name: value for name, value in values.items() if name in CronJob.model_fields}
        try:
            job = CronJob.model_validate(known)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_context=False):
                self._problem(str(one["loc"][0]).replace("_", "-"), one["msg"].removeprefix("Value error, "))
            return None
        for key, reason in _NOT_DONE.items():
            if getattr(job, key.replace("-", "_")):
                self._problem(key, reason)
        return job

    def _flag(self, key: str) -> bool:
        """False where it is none, as in swarm-cronjob."""
        try:
            return bool(flag(self._given[key][1]))
        except ValueError as error:
            reason = f"{error}, and counts as false: write true or false"
            if not any(problem.label == self._given[key][0] for problem in self._problems):
                self._problem(key, reason)
            return False

    def _find_unknown(self) -> None:
        if not self._own:
            return
        known = {name.replace("_", "-") for name in CronJob.model_fields} | _SWITCHES
        for key in self._own.keys() - known:
            near = get_close_matches(key, known | _FRAME_KEYS, 1)
            hint = f"did you mean {OWN}{near[0]}?" if near else f"there are {', '.join(sorted(known | _FRAME_KEYS))}"
            self._problem(key, f"cron has no {key!r}: {hint}")

    def _problem(self, key: str, reason: str) -> None:
        label, value = self._given.get(key, (None, None))
        problem = Problem(source=SOURCE, service=self._service, label=label, value=value, reason=reason)
        self._problems.append(problem)


def _under(prefix: str, labels: Mapping[str, str], skip: frozenset[str] = frozenset()) -> dict[str, tuple[str, str]]:
    found = {label.removeprefix(prefix): (label, labels[label]) for label in labels if label.startswith(prefix)}
    return {key: one for key, one in found.items() if key not in skip}
