"""What a container may do: capabilities, privileges, system settings, its user, its log driver. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

from services.scheduler.admission.finding import Finding, container, entries, found, objects, part
from services.scheduler.admission.policy import Policy, matches

_ROOT_FREE: Final = re.compile(r"[1-9][0-9]*", re.ASCII)
_LOG_FILES: Final = re.compile(r".*-(?:cert|key|capath)")  # the engine reads these files of the node
_LOG_SOCKETS: Final = re.compile(r"\s*unix(?:gram)?:.*", re.IGNORECASE | re.DOTALL)


def containers(policy: Policy, spec: dict[str, Any]) -> Iterator[Finding]:
    """Of the task's container."""
    one = container(spec)
    yield from _capabilities(policy, one)
    privileges = part(one, "Privileges")
    if privileges and not policy.privileges:
        yield from _privileges(privileges)
    if policy.no_new_privileges and privileges.get("NoNewPrivileges") is not True:
        yield found("privileges", "NoNewPrivileges", "the container can gain privileges", "set NoNewPrivileges")
    yield from _user(policy, one)
    for key, value in part(one, "Sysctls").items():
        if not matches(key, policy.sysctls):
            way_out = "leave it out, or list it under `sysctls` of the policy"
            yield found("sysctls", [key, value], f"the sysctl {key!r} is not allowed", way_out)
    for limit in objects(one.get("Ulimits")):
        if not matches(str(limit.get("Name")), policy.ulimits):
            way_out = "leave it out, or list it under `ulimits` of the policy"
            yield found("ulimits", limit, f"the ulimit {limit.get('Name')!r} is not allowed", way_out)
    isolation = str(one.get("Isolation") or "default").lower()
    if not matches(isolation, policy.isolation):
        way_out = f"use one of {', '.join(policy.isolation)}"
        yield found("isolation", isolation, f"the isolation {isolation!r} is not allowed", way_out)
    score = one.get("OomScoreAdj") or 0
    if score < policy.oom_score_min:
        way_out = f"use {policy.oom_score_min} or more"
        yield found("oom-score", "", f"OomScoreAdj {score} spares it before others", way_out, amount=-score)
    if driver := part(spec, "TaskTemplate", "LogDriver"):
        yield from _log(policy, driver)


def _capabilities(policy: Policy, one: dict[str, Any]) -> Iterator[Finding]:
    if "ALL" in policy.capabilities:
        return
    for text in entries(one.get("CapabilityAdd")):
        name = str(text).strip().upper().removeprefix("CAP_")
        if name not in policy.capabilities:
            way_out = "leave it out, or list it under `capabilities` of the policy"
            yield found("capabilities", name, f"the capability {name} is not allowed", way_out)


def _privileges(given: dict[str, Any]) -> Iterator[Finding]:
    way_out = "leave it out; `privileges` of the policy allows such"
    for key in ("CredentialSpec", "SELinuxContext"):
        if any(part(given, key).values()):
            yield found("privileges", [key, given[key]], f"{key} is not allowed", way_out)
    for key in ("Seccomp", "AppArmor"):
        opts = part(given, key)
        if str(opts.get("Mode") or "default").lower() != "default" or opts.get("Profile"):
            yield found("privileges", [key, opts], f"{key} other than Docker's default is not allowed", way_out)


def _user(policy: Policy, one: dict[str, Any]) -> Iterator[Finding]:
    user = str(one.get("User") or "")
    if policy.non_root and not _ROOT_FREE.fullmatch(user.partition(":")[0]):
        said = f"the user {user!r} may be root" if user else "no user is given, so the image's rules: it may be root"
        yield found("users", user, said, "give a user's number other than 0, as '1000:1000'")


def _log(policy: Policy, driver: dict[str, Any]) -> Iterator[Finding]:
    name = str(driver.get("Name") or "")
    if name and not matches(name, policy.log_drivers):
        way_out = f"use one of {', '.join(policy.log_drivers)}"
        yield found("log-drivers", name, f"the log driver {name!r} is not allowed", way_out)
    for key, value in part(driver, "Options").items():
        if value and (_LOG_FILES.fullmatch(key.lower()) or _LOG_SOCKETS.fullmatch(str(value))):
            what = f"the log option {key!r} is of the node's files or sockets"
            yield found("log-drivers", [key, value], what, "log over the network, or to the node's journal")
