"""Labels of services as frozen settings, and what is wrong with them as problems. Pure.

A policy's settings are a pydantic model whose fields are its keys, `_` written as `-`: `min_replicas` is the label
`funswarm.<policy>.min-replicas`. A value that is wrong keeps the policy from following the service: to guess would
harm. A key that is unknown is told, and the rest is followed.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from funswarm.messages import Problem
from funswarm.state import ServiceState
from funswarm.units import flag
from services.scheduler.policies.contract import Parsed

P = TypeVar("P", bound=BaseModel)

PREFIX: Final = "funswarm."
FRAME_KEYS: Final = frozenset({"dry-run", "pause"})


def read(
    model: type[P],
    policy: str,
    service: ServiceState,
    *,
    switch: str = "",
    valued: str | None = None,
    aliases: Mapping[str, str] | None = None,
) -> Parsed[P]:
    """The labels `funswarm.<policy>.*` of a service as `model`; no settings where nothing asks for the policy.

    `switch`: the key that turns it on, "" for `funswarm.<policy>` itself; without it, or false, the policy is off.
    `valued`: `funswarm.<policy>` itself is the value of this key, and without it the policy is off.
    `aliases`: other tools' labels -> our key; ours wins where both are there.
    """
    labels, base = service.labels, f"{PREFIX}{policy}"
    given: dict[str, tuple[str, str]] = {}  # key -> label, value
    for label, key in (aliases or {}).items():
        if label in labels:
            given[key] = (label, labels[label])
    for label, value in labels.items():
        if label == base or label.startswith(f"{base}."):
            given[label[len(base) + 1 :]] = (label, value)
    if not given:
        return Parsed(None)
    if valued is not None and "" in given:
        given[valued] = given.pop("")
    problems = list(_unknown(model, policy, service.name, given, switch))
    on, problem = _switched_on(policy, service.name, given, switch) if valued not in given else (True, None)
    if problem is not None:
        return Parsed(None, (*problems, problem))
    if not on:
        return Parsed(None, tuple(problems))
    values = {key.replace("-", "_"): value for key, (_, value) in given.items() if key in keys_of(model)}
    try:
        return Parsed(model.model_validate(values), tuple(problems))
    except ValidationError as error:
        return Parsed(None, (*problems, *_wrong(error, policy, service.name, given)))


def keys_of(model: type[BaseModel]) -> frozenset[str]:
    """A model's fields as they are written in labels."""
    return frozenset(name.replace("_", "-") for name in model.model_fields)


def unknown_policies(service: ServiceState, policies: frozenset[str]) -> tuple[Problem, ...]:
    """Labels `funswarm.<name>…` that look like a policy's whose name is misspelt."""
    found = []
    for label, value in service.labels.items():
        name = label.removeprefix(PREFIX).partition(".")[0]
        if label.startswith(PREFIX) and name not in policies and (near := _near(name, policies)):
            reason = f"there is no policy {name!r}: did you mean {PREFIX}{label[len(PREFIX) :].replace(name, near, 1)}?"
            found.append(Problem(source="policies", service=service.name, label=label, value=value, reason=reason))
    return tuple(found)


@lru_cache(1000)  # each service has our own labels, and each of its events comes here
def _near(name: str, policies: frozenset[str]) -> str | None:
    return next(iter(get_close_matches(name, policies, 1, 0.8)), None)


def _switched_on(
    policy: str, service: str, given: Mapping[str, tuple[str, str]], switch: str
) -> tuple[bool, Problem | None]:
    if switch not in given:
        label = f"{PREFIX}{policy}" + (f".{switch}" if switch else "")
        if given.keys() <= FRAME_KEYS:
            return False, None
        some, value = next(iter(given.values()))
        reason = f"it is not followed without {label}=true"
        return False, Problem(source=policy, service=service, label=some, value=value, reason=reason)
    label, value = given[switch]
    try:
        return bool(flag(value)), None
    except ValueError as error:
        return False, Problem(source=policy, service=service, label=label, value=value, reason=f"{error}: write true")


def _unknown(
    model: type[BaseModel], policy: str, service: str, given: Mapping[str, tuple[str, str]], switch: str
) -> list[Problem]:
    known = keys_of(model) | FRAME_KEYS | {switch}
    found = []
    for key, (label, value) in given.items():
        if key not in known:
            near = get_close_matches(key, known - {""}, 1)
            hint = (
                f"did you mean {PREFIX}{policy}.{near[0]}?" if near else f"there are {', '.join(sorted(known - {''}))}"
            )
            reason = f"{policy} has no {key!r}: {hint}"
            found.append(Problem(source=policy, service=service, label=label, value=value, reason=reason))
    return found


def _wrong(error: ValidationError, policy: str, service: str, given: Mapping[str, tuple[str, str]]) -> list[Problem]:
    found = []
    for one in error.errors(include_url=False, include_context=False):
        key = str(one["loc"][0]).replace("_", "-") if one["loc"] else ""
        label, value = given.get(key, (f"{PREFIX}{policy}.{key}" if key else None, None))
        reason = one["msg"].removeprefix("Value error, ")
        found.append(Problem(source=policy, service=service, label=label, value=value, reason=reason))
    return found
