"""What admission says to a write: the findings in the spec that would be written, less those in the spec before. Pure.

Only what a command introduces is refused, so a service with access that the policy does not allow (it was deployed past
Funswarm, or before the policy) can still be scaled, restarted, and given a newer image of the same repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from funswarm.namespaces import namespace_of
from services.scheduler.admission import containers, fields, images, mounts, services
from services.scheduler.admission.finding import Finding, Refusal, container, part, text_of
from services.scheduler.admission.policy import Policy, Rule, matches
from services.scheduler.names import LOCAL_NETWORKS
from services.scheduler.raw_service import mode, replicas

Json = dict[str, Any]

REFUSALS_MAX: Final = 10
TEXT_MAX: Final = 500
HOST_ACCESS: Final[frozenset[Rule]] = frozenset(
    {"mounts", "engine-socket", "volume-drivers", "capabilities", "privileges", "host-network", "runtime"}
)
# What can differ of a container while the same code runs; all else says, or may say, what is run.
SAME_CODE: Final = frozenset(
    {"Labels", "StopGracePeriod", "StopSignal", "Init", "TTY", "OpenStdin", "Hostname", "Hosts", "DNSConfig"}
    | {"CapabilityDrop", "Ulimits", "Sysctls"}
)


@dataclass(frozen=True, slots=True)
class Usage:
    """What the other services of a namespace have."""

    services: int
    replicas: int


@dataclass(frozen=True, slots=True)
class Case:
    """What would be written. `before` None: a create; `after` None: a removal.

    `networks`: id -> name of the Swarm's networks, as far as `needs_networks` asks for them; `used`: likewise.
    """

    verb: str
    before: Json | None
    after: Json | None
    networks: Mapping[str, str] = field(default_factory=dict)
    used: Usage | None = None


def judge(policy: Policy, case: Case) -> tuple[Refusal, ...]:
    """Why it must not be written; empty: it may."""
    subject = case.after if case.before is None else case.before
    if subject is not None and (refusal := _protected(policy, subject, exists=case.before is not None)):
        return (refusal,)
    if case.after is None:
        return ()
    exempt = _exempt(policy, case.after)
    new = [one for one in findings(policy, case.after, case.networks) if one.refusal.rule not in exempt]
    old: dict[tuple[str, str], float] = {}
    for one in findings(policy, case.before, case.networks) if new and case.before else ():
        old[one.key] = max(one.amount, old.get(one.key, one.amount))
    introduced = [one for one in new if one.key not in old or one.amount > old[one.key]]
    if case.verb != "rollback":  # Swarm's own way back to labels that it had: those of `docker stack deploy` too
        introduced += services.label_changes(policy, case.before or {}, case.after)
    refusals = [one.refusal for one in introduced]
    if case.before is not None and case.verb != "rollback" and policy.kept_access == "same-code":
        kept = [one for one in new if one.refusal.rule in HOST_ACCESS and one.key in old]
        refusals += _given_away(kept, case.before, case.after)
    refusals += _over_quota(policy, case)
    return tuple(dict.fromkeys(one for one in refusals if one.rule not in exempt))


def texts(refusals: tuple[Refusal, ...]) -> tuple[str, ...]:
    """For people: each with its rule and the way out; bounded."""
    shown = [text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…" for text in map(str, refusals[:REFUSALS_MAX])]
    more = len(refusals) - len(shown)
    return (*shown, f"and {more} more") if more else tuple(shown)


def findings(policy: Policy, spec: Json, networks: Mapping[str, str]) -> list[Finding]:
    """All that the policy does not allow in a spec, new or not."""
    return list(
        chain(
            mounts.image_findings(policy, spec),
            mounts.mounts(policy, spec),
            containers.containers(policy, spec),
            services.networks(policy, spec, networks),
            services.ports(policy, spec),
            services.runtime(policy, spec),
            services.files(policy, spec),
            services.required_labels(policy, spec),
            services.numbers(policy, spec),
            fields.unknown_fields(policy, spec),
        )
    )


def needs_networks(case: Case) -> bool:
    """Whether a network must be known by name to judge: a new one, or any where others would get at it."""
    if case.after is None:
        return False
    before = case.before or {}
    old = {str(one.get("Target")) for one in services.attachments(before)}
    new = {str(one.get("Target")) for one in services.attachments(case.after)}
    unknown = new - set(case.networks) - LOCAL_NETWORKS
    if not unknown or unknown - old or not before:
        return bool(unknown)
    renamed = container(before).get("Hostname") != container(case.after).get("Hostname")
    return renamed or kept_parts(before) != kept_parts(case.after)


def quota_namespace(policy: Policy, case: Case) -> str | None:
    """The namespace of which the usage must be known; None: no quota is in question."""
    if case.after is None or not policy.quotas:
        return None
    namespace = _namespace(case.after)
    grows = case.before is None or weight(case.after) > weight(case.before)
    return namespace if grows and policy.quota(namespace) else None


def weight(spec: Json) -> int:
    """A service's replicas, as quotas count them: of a job its total completions, of a global one 1."""
    if mode(spec).startswith("global"):
        return 1
    count = replicas(spec)
    return count if count is not None else int(part(spec, "Mode", "ReplicatedJob").get("MaxConcurrent") or 1)


def kept_parts(spec: Json) -> dict[str, str]:
    """What must stay where access is kept, field by field: what is run, where, and who can reach it.

    Of the image the repository: another tag is the same code. Who reaches a proxy of the engine has the engine.
    """
    parts: Json = {key: value for key, value in container(spec).items() if key not in SAME_CODE}
    parts["Networks"] = services.attachments(spec)
    parts["Ports"] = part(spec, "EndpointSpec").get("Ports")
    parts["Constraints"] = part(spec, "TaskTemplate", "Placement").get("Constraints")
    parts["Image"] = _repository(spec)
    return {key: text_of(value) for key, value in parts.items() if value}


def _repository(spec: Json) -> str:
    text = str(container(spec).get("Image") or "")
    try:
        return images.parsed(text).repository
    except ValueError:
        return text


def _namespace(spec: Json) -> str:
    return namespace_of(str(spec.get("Name") or ""), part(spec, "Labels"))


def _exempt(policy: Policy, spec: Json) -> set[Rule]:
    if not policy.exemptions:
        return set()
    name, repository = str(spec.get("Name") or ""), _repository(spec)
    return {
        rule
        for one in policy.exemptions
        if matches(name, one.services) and images.matches(repository, one.images)
        for rule in one.rules
    }


def _protected(policy: Policy, spec: Json, *, exists: bool) -> Refusal | None:
    name = str(spec.get("Name") or "")
    by_label = [key for key in part(spec, "Labels") if matches(key, policy.protected.labels)] if exists else []
    if not (matches(name, policy.protected.services) or by_label):
        return None
    why = f"the service {name!r} is protected" + (f" by its label {by_label[0]!r}" if by_label else "")
    way_out = "change it with docker's own tools, or take it from `protected` of the policy"
    return Refusal("protected-services", why, way_out if exists else "choose another name")


def _given_away(kept: list[Finding], before: Json, after: Json) -> list[Refusal]:
    if not kept:
        return []
    old, new = kept_parts(before), kept_parts(after)
    changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    if not changed:
        return []
    what = f"a change of {', '.join(changed)} would give others what this service keeps ({kept[0].refusal.what})"
    way_out = (
        "change only the image's tag, take that access away, or allow it: `exemptions`, or `kept_access: any-code` of "
        "the policy"
    )
    return [Refusal("kept-access", what, way_out)]


def _over_quota(policy: Policy, case: Case) -> list[Refusal]:
    namespace = quota_namespace(policy, case)
    if namespace is None or case.after is None or case.used is None:
        return []
    quota, used, wanted = policy.quota(namespace), case.used, weight(case.after)
    if quota is None:
        return []
    said, way_out = f"the namespace {namespace!r}", "remove or scale down others, or raise `quotas` of the policy"
    result = []
    if case.before is None and quota.services is not None and used.services + 1 > quota.services:
        what = f"{said} has {used.services} services of {quota.services}"
        result.append(Refusal("quotas", what, way_out))
    if quota.replicas is not None and used.replicas + wanted > quota.replicas:
        what = f"{said} would have {used.replicas + wanted} replicas of {quota.replicas}"
        result.append(Refusal("quotas", what, way_out))
    return result
