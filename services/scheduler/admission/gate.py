"""The one place that every write passes: what the plan comes to, judged by the policy that holds. I/O by the engine.

`SafeWriter` asks it between the plan and the write. Writes that a quota counts take turns, so that two of them cannot
both be the last that fits.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import Final

from funswarm.commands import Command
from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.namespaces import namespace_of
from funswarm.state import ServiceState
from services.scheduler.admission.finding import Refusal
from services.scheduler.admission.loading import PolicyFile
from services.scheduler.admission.policy import Policy
from services.scheduler.admission.rules import Case, Usage, judge, needs_networks, quota_namespace, texts, weight
from services.scheduler.plan import Action, Create, Nothing, Remove, Situation, Write
from services.scheduler.ports import EngineCalls

WAY_OUT: Final = "FUNSWARM_ADMISSION_FILE names the file: repair it, it is read again by itself"


class Admission:
    """Judges actions. `count`: called with the rule of each refusal that ends a command."""

    def __init__(self, file: PolicyFile | None = None, count: Callable[[str], None] = lambda _: None) -> None:
        self._file = file or PolicyFile()
        self._count = count
        self._turns = asyncio.Lock()

    @property
    def policy(self) -> Policy | None:
        """That holds now; None: there is none that is understood, and all is refused."""
        return self._file.look()

    @asynccontextmanager
    async def judged(
        self, engine: EngineCalls, command: Command, action: Action, situation: Situation
    ) -> AsyncIterator[tuple[Refusal, ...]]:
        """The refusals; what they were judged by holds until the context ends.

        Raises:
            Unavailable: what a rule has to know could not be asked.
        """
        policy = self._file.look()
        if policy is None and not isinstance(action, Nothing):
            yield (Refusal("policy", self._file.trouble or "there is no policy", WAY_OUT),)
            return
        case = _case(command, action, situation)
        if policy is None or case is None:
            yield ()
            return
        namespace = quota_namespace(policy, case)
        async with self._turns if namespace is not None else nullcontext():
            if namespace is not None:
                case = replace(case, used=await _usage(engine, namespace, case))
            yield await _refusals(engine, policy, case)

    def denied(self, refusals: tuple[Refusal, ...]) -> Refused:
        """The error that a command ends with."""
        for refusal in refusals:
            self._count(refusal.rule)
        return Refused(f"admission refuses it: {'; '.join(texts(refusals))}", Code.ADMISSION)


def _case(command: Command, action: Action, situation: Situation) -> Case | None:
    """None: nothing of a service would be written."""
    networks = {object_id: name for name, object_id in situation.names.network.items()}
    service = situation.service or {}
    match action:
        case Create():
            return Case(command.verb, None, action.spec, networks)
        case Write():
            after = action.spec if action.intent is None else service.get("PreviousSpec")
            return Case(command.verb, service.get("Spec"), after, networks)
        case Remove():
            return Case(command.verb, service.get("Spec"), None)
    return None


async def _refusals(engine: EngineCalls, policy: Policy, case: Case) -> tuple[Refusal, ...]:
    if needs_networks(case):
        case = await _with_networks(engine, case)
        if needs_networks(case):
            # An engine whose Swarm does not answer leaves the networks out. For a service it says that it cannot tell.
            await engine.service_json(str((case.after or {}).get("Name")))
            case = await _with_networks(engine, case)
    return judge(policy, case)


async def _with_networks(engine: EngineCalls, case: Case) -> Case:
    return replace(case, networks={state.id: state.name for state in await engine.list("network")})


async def _usage(engine: EngineCalls, namespace: str, case: Case) -> Usage:
    own = (case.after or {}).get("Name")
    others = [
        one
        for one in await engine.list("service")
        if isinstance(one, ServiceState) and one.name != own and namespace_of(one.name, one.labels) == namespace
    ]
    return Usage(len(others), sum(weight(one.spec) for one in others))
