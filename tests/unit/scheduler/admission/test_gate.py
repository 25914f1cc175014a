"""Admission on the way of commands: before each write, whatever the verb, and after nothing that was done already."""

import asyncio
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from funswarm.errors import Refused
from funswarm.messages import Code
from funswarm.state import SecretState, ServiceState
from services.scheduler.admission.gate import Admission
from services.scheduler.admission.loading import PolicyFile
from services.scheduler.safe_write import SafeWriter
from tests.unit.scheduler.admission.corpus import CORPUS, STRICT, base, laid_over
from tests.unit.scheduler.fakes import FakeEngine, FakeStore, Killed, command, told
from tests.unit.scheduler.raw import service, spec

WEB = {"name": "web", "image": "nginx:1"}
SOCKET = "/var/run/docker.sock:/s"
SOCKET_MOUNT = {"Type": "bind", "Source": "/var/run/docker.sock", "Target": "/s"}
pytestmark = pytest.mark.usefixtures("no_waits")


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr("services.scheduler.safe_write.RETRY_S", 0)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A function: a file of this text, which is read once."""

    @cache
    def make(text: str) -> PolicyFile:
        path = tmp_path_factory.mktemp("admission") / "admission.yml"
        path.write_text(text)
        return PolicyFile(path)

    return make


@pytest.fixture
def policy(file):
    """A function: an Admission by this text, and the rules that it counts."""

    def make(text: str) -> tuple[Admission, list[str]]:
        counted: list[str] = []
        return Admission(file(text), counted.append), counted

    return make


def _writer(engine: FakeEngine, admission: Admission | None = None, store: FakeStore | None = None) -> SafeWriter:
    return SafeWriter(engine, store or FakeStore(), lambda: True, told("web"), admission)


def _with_socket(**fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = laid_over(spec(**fields), {"TaskTemplate": {"ContainerSpec": {"Mounts": [SOCKET_MOUNT]}}})
    return found


async def _refused(writer: SafeWriter, *asked: Any, **fields: Any) -> str:
    with pytest.raises(Refused) as caught:
        await writer.attempt(command(*asked, **fields), None)
    assert Code.ADMISSION is caught.value.code
    return str(caught.value)


async def test_a_create_is_refused():
    engine = FakeEngine()
    reason = await _refused(_writer(engine), "create", service={**WEB, "mounts": [SOCKET]})
    assert ("admission refuses it: [engine-socket]", []) == (reason[:37], engine.writes)


async def test_an_update_is_refused_for_what_it_adds():
    engine = FakeEngine(service())
    assert "[engine-socket]" in await _refused(_writer(engine), "update", changes={"mounts": [SOCKET]})
    assert [] == engine.writes


async def test_an_update_by_force_is_refused_too():
    engine = FakeEngine(service("updating"))
    assert "[capabilities]" in await _refused(_writer(engine), "update", changes={"cap_add": ["ALL"]}, force=True)


async def test_what_would_wait_for_a_rollout_is_refused_at_once():
    engine = FakeEngine(service("updating"))
    assert "[capabilities]" in await _refused(_writer(engine), "update", changes={"cap_add": ["ALL"]})


@pytest.mark.parametrize(("rule", "change"), [pytest.param(rule, change, id=name) for name, rule, change in CORPUS])
async def test_a_rollback_to_what_is_in_the_corpus_is_refused(policy, rule, change):
    now = {"ID": "s1", "Version": {"Index": 7}, "Spec": base(), "PreviousSpec": laid_over(base(), change)}
    engine = FakeEngine(now)
    engine.networks = {"fun-swarm": "n1"}
    admission, counted = policy(STRICT)
    assert f"[{rule}]" in await _refused(_writer(engine, admission), "rollback")
    assert (True, []) == (rule in counted, engine.writes)


async def test_a_rollback_to_what_is_there_anyway_is_done():
    engine = FakeEngine({**service(), "Spec": _with_socket(), "PreviousSpec": _with_socket(replicas=1)})
    await _writer(engine).attempt(command("rollback"), None)
    assert ["rollback"] == engine.writes


@pytest.mark.parametrize(
    ("verb", "fields"),
    [("scale", {"replicas": 3}), ("restart", {}), ("update", {"changes": {"image": "nginx:2"}}), ("remove", {})],
)
async def test_a_service_with_access_of_old_goes_on(verb, fields):
    engine = FakeEngine({**service(), "Spec": _with_socket()})
    await _writer(engine).attempt(command(verb, **fields), None)
    assert 1 == len(engine.writes)


@pytest.mark.parametrize("verb", ["scale", "restart", "rollback", "remove"])
async def test_a_protected_service_is_left_alone(verb):
    engine = FakeEngine({**service(previous=spec()), "Spec": spec(labels={"funswarm.protected": "true"})})
    fields = {"replicas": 0} if verb == "scale" else {}
    assert "[protected-services]" in await _refused(_writer(engine), verb, **fields)
    assert [] == engine.writes


async def test_what_is_refused_leaves_no_intent():
    store = FakeStore()
    engine = FakeEngine({**service(), "Spec": spec(labels={"funswarm.protected": "true"})})
    await _refused(_writer(engine, store=store), "remove")
    assert {} == store.intents


async def test_a_dry_run_tells_the_refusals(policy):
    admission, counted = policy("replicas_max: 1")
    asked = command("create", service={**WEB, "replicas": 2, "mounts": [SOCKET]}, dry_run=True)
    outcome = await _writer(FakeEngine(), admission).attempt(asked, None)
    assert outcome.preview is not None
    assert (["[engine-s", "[replicas"], [], False) == (
        [text[:9] for text in outcome.preview.refusals], counted, outcome.changed,
    )  # fmt: skip


async def test_a_create_that_was_done_is_not_refused_afterwards(policy):
    engine = FakeEngine()

    def die() -> None:
        raise Killed

    engine.after = die
    asked = command("create", service={**WEB, "replicas": 3})
    with pytest.raises(Killed):
        await _writer(engine).attempt(asked, None)
    engine.after = lambda: None
    outcome = await _writer(engine, policy("replicas_max: 1")[0]).attempt(asked, None)
    assert (True, ["create web"]) == (outcome.changed, engine.writes)


async def test_without_a_usable_policy_nothing_is_written(policy):
    admission, counted = policy("mouns: {}")
    engine = FakeEngine(service())
    for asked in (("scale", "c1"), ("remove", "c2")):
        fields = {"replicas": 3} if asked[0] == "scale" else {}
        assert "mouns: Extra inputs" in await _refused(_writer(engine, admission), *asked, **fields)
    assert (["policy"] * 2, []) == (counted, engine.writes)


async def test_a_network_of_a_rollback_is_known_by_its_name():
    previous = laid_over(spec(), {"TaskTemplate": {"Networks": [{"Target": "n2"}]}})
    engine = FakeEngine(service(previous=previous))
    engine.networks = {"back": "n2"}
    await _writer(engine).attempt(command("rollback"), None)
    assert ["rollback"] == engine.writes


class Counting(FakeEngine):
    """An engine that can list its services, slowly."""

    async def list(self, kind):
        if kind != "service":
            return await super().list(kind)
        found = [
            ServiceState(id=name, name=name, version=1, mode="replicated", image="x", spec=raw["Spec"])
            for name, raw in self.services.items()
        ]
        await asyncio.sleep(0.01)
        return found


async def test_only_as_many_creates_at_once_as_fit_the_quota_are_done(policy):
    engine = Counting()
    writer = _writer(engine, policy("quotas: {a: {services: 3}}")[0])
    asked = [
        command("create", f"c{number}", target=f"a_{number}", service={"name": f"a_{number}", "image": "x"})
        for number in range(8)
    ]
    results = await asyncio.gather(*(writer.attempt(one, None) for one in asked), return_exceptions=True)
    assert (3, 5) == (len(engine.services), sum(isinstance(result, Refused) for result in results))


async def test_who_scales_down_is_not_counted(policy):
    engine = FakeEngine(service(replicas=9))  # it cannot list services
    await _writer(engine, policy("quotas: {'*': {replicas: 1}}")[0]).attempt(command("scale", replicas=8), None)
    assert ["update"] == engine.writes


# What a command can say at all.
ASKED: list[dict[str, Any]] = [
    {"mounts": [SOCKET]},
    {"mounts": [SOCKET + ":ro"]},
    {"mounts": ["/var/run/../run/docker.sock:/s"]},
    {"mounts": [{"type": "bind", "source": "/", "target": "/x", "propagation": "rshared"}]},
    {"mounts": [{"type": "BIND", "source": "/", "target": "/x"}]},
    {"mounts": [{"type": "npipe", "source": "\\\\.\\pipe\\docker_engine", "target": "/x"}]},
    {"mounts": [{"target": "/x", "source": "/etc"}]},
    {"mounts": [{"target": "/x", "source": '{{"/"}}etc'}]},
    {"mounts": [{"target": "/x", "driver": "local", "driver_options": {"type": "none", "o": "bind", "device": "/"}}]},
    {"mounts": [{"target": "/x", "driver_options": {"type": "none", "o": "bind", "device": "/"}}]},
    {"mounts": [{"target": "/x", "driver": "local-persist", "driver_options": {"mountpoint": "/"}}]},
    {"cap_add": ["ALL"]},
    {"cap_add": ["cap_sys_admin"]},
    {"sysctls": {"kernel.msgmax": "1"}},
    {"networks": ["host"]},
    {"networks": [{"name": "fun-swarm", "aliases": ["nats"]}]},
    {"labels": {"funswarm.command": "c9"}},
    {"labels": {"com.docker.stack.namespace": "other"}},
    {"container_labels": {"com.docker.swarm.service.name": "other"}},
    {"secrets": ["funswarm-scheduler-password"]},
    {"log": {"driver": "fluentd", "options": {"fluentd-address": "unix:///var/run/docker.sock"}}},
    {"privileged": True},
    {"pid": "host"},
    {"devices": ["/dev/sda"]},
    {"Mounts": [{"Type": "bind"}]},
]


class Knowing(FakeEngine):
    """An engine with Funswarm's own network and secret."""

    async def list(self, kind):
        if kind == "network":
            return await super().list(kind)
        assert kind == "secret"
        return [SecretState(id="x1", name="funswarm-scheduler-password", version=1)]


@pytest.mark.parametrize("fields", ASKED, ids=str)
@pytest.mark.parametrize("verb", ["create", "update"])
async def test_what_a_command_asks_for_is_refused_without_a_file(verb, fields):
    engine = Knowing(*([] if verb == "create" else [service()]))
    engine.networks = {"fun-swarm": "n1"}
    body = {"service": {**WEB, **fields}} if verb == "create" else {"changes": fields}
    with pytest.raises((Refused, ValidationError)) as caught:
        await _writer(engine).attempt(command(verb, **body), None)
    assert [] == engine.writes
    assert Code.ADMISSION is getattr(caught.value, "code", Code.ADMISSION)
