"""The parts of a service's description as the Engine's JSON; None (not said) stays None. Pure."""

from typing import Any

from funswarm.spec_parts import (
    Amounts,
    FileUse,
    Healthcheck,
    Limits,
    Mount,
    PortUse,
    Reservations,
    Resources,
    RolloutConfig,
)
from funswarm.units import nanoseconds
from services.scheduler.merge import sparse
from services.scheduler.names import Names


def resources(given: Resources | None) -> dict[str, Any] | None:
    """Limits and reservations."""
    if given is None:
        return None
    limits, reservations = given.limits or Limits(), given.reservations or Reservations()
    return sparse(
        Limits={**_amounts(limits), **sparse(Pids=limits.pids)},
        Reservations={**_amounts(reservations), **sparse(GenericResources=_generic(reservations))},
    )


def _amounts(amounts: Amounts) -> dict[str, Any]:
    return sparse(NanoCPUs=None if amounts.cpus is None else round(amounts.cpus * 1e9), MemoryBytes=amounts.memory)


def _generic(reservations: Reservations) -> list[dict[str, Any]] | None:
    if reservations.generic is None:
        return None
    result: list[dict[str, Any]] = []
    for kind, wanted in reservations.generic.items():
        if isinstance(wanted, int):
            result.append({"DiscreteResourceSpec": {"Kind": kind, "Value": wanted}})
        else:
            result += [{"NamedResourceSpec": {"Kind": kind, "Value": value}} for value in wanted]
    return result


def rollout(config: RolloutConfig | None) -> dict[str, Any] | None:
    """UpdateConfig or RollbackConfig."""
    if config is None:
        return None
    return sparse(
        Parallelism=config.parallelism,
        Delay=ns(config.delay),
        Monitor=ns(config.monitor),
        FailureAction=config.failure_action,
        MaxFailureRatio=config.max_failure_ratio,
        Order=config.order,
    )


def healthcheck(check: Healthcheck | None) -> dict[str, Any] | None:
    """Healthcheck; an empty `test` is the image's own."""
    if check is None:
        return None
    if check.disable:
        return {"Test": ["NONE"]}
    test = check.test
    if isinstance(test, str):
        words = ["CMD-SHELL", test] if test else []
    else:
        words = list(test or ())
        if words and words[0] not in ("CMD", "CMD-SHELL", "NONE"):
            words.insert(0, "CMD")
    return sparse(
        Test=None if test is None else words,
        Interval=ns(check.interval),
        Timeout=ns(check.timeout),
        Retries=check.retries,
        StartPeriod=ns(check.start_period),
        StartInterval=ns(check.start_interval),
    )


def port_json(port: PortUse) -> dict[str, Any]:
    """An entry of EndpointSpec.Ports."""
    return sparse(Protocol=port.protocol, TargetPort=port.target, PublishedPort=port.published, PublishMode=port.mode)


def mount_json(mount: Mount) -> dict[str, Any]:
    """An entry of Mounts."""
    driver = mount.driver and sparse(Name=mount.driver, Options=mount.driver_options)
    return sparse(
        Type=mount.type,
        Source=mount.source,
        Target=mount.target,
        ReadOnly=mount.read_only or None,
        BindOptions=sparse(Propagation=mount.propagation),
        VolumeOptions=sparse(NoCopy=mount.no_copy, Labels=mount.labels, DriverConfig=driver),
        TmpfsOptions=sparse(SizeBytes=mount.size, Mode=mount.file_mode),
    )


def files(kind: str, uses: tuple[FileUse, ...] | None, names: Names) -> list[dict[str, Any]] | None:
    """Secrets or Configs.

    Raises:
        Refused: one is not there.
    """
    if uses is None:
        return None
    result = []
    for use in uses:
        object_id, name = names.find(kind.lower(), use.name)
        # Swarm puts a secret's relative target under /run/secrets, a config's under /.
        file = {"Name": use.target or name, "UID": use.uid, "GID": use.gid, "Mode": use.mode}
        result.append({"File": file, f"{kind}ID": object_id, f"{kind}Name": name})
    return result


def items(values: tuple[str, ...] | None) -> list[str] | None:
    """A list of texts."""
    return None if values is None else list(values)


def ns(seconds: float | None) -> int | None:
    """Nanoseconds."""
    return None if seconds is None else nanoseconds(seconds)
