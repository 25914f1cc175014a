"""Admission on the whole way, over a real nats-server to a simulated Swarm: refusals, a file that changes, figures."""

import pytest

from funswarm.how import How
from funswarm.messages import Code, ResultStatus
from funswarm.spec import ServicePatch, ServiceSpec
from tests.nats.scheduler_scene import done, scene
from tests.waiting import until

SOCKET = ["/var/run/docker.sock:/s"]


def _spec(**fields: object) -> ServiceSpec:
    return ServiceSpec.model_validate({"name": "web", "image": "nginx:1", **fields})


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "admission.yml"
    path.write_text("replicas_max: 3")
    return path


@pytest.fixture
async def swarm(policy):
    async with scene() as running:
        running.start(policy=policy)
        await running.active()
        yield running


async def test_what_is_not_allowed_is_refused_with_rule_and_way_out(swarm):
    result = done(await swarm.client.create(_spec(mounts=SOCKET)))
    assert (ResultStatus.REFUSED, Code.ADMISSION) == (result.status, result.code)
    assert "[engine-socket]" in (result.reason or "")
    assert "use a named volume" in (result.reason or "")
    assert swarm.service("web") is None


async def test_an_update_is_judged_by_what_it_comes_to(swarm):
    done(await swarm.client.create(_spec()))
    result = done(await swarm.client.update("web", ServicePatch.model_validate({"mounts": SOCKET})))
    assert Code.ADMISSION is result.code


async def test_a_dry_run_tells_what_admission_would_say(swarm):
    result = done(await swarm.client.create(_spec(replicas=4, mounts=SOCKET), how=How(dry_run=True)))
    assert result.preview is not None
    assert (ResultStatus.SUCCEEDED, ["[engine-socket]", "[replicas]"]) == (
        result.status, [text.partition(" ")[0] for text in result.preview.refusals],
    )  # fmt: skip


async def test_a_changed_policy_holds_without_a_restart(swarm, policy):
    done(await swarm.client.create(_spec()))
    policy.write_text("replicas_max: 5")

    async def scaled() -> bool:
        return done(await swarm.client.scale("web", 5)).status is ResultStatus.SUCCEEDED

    assert Code.ADMISSION is done(await swarm.client.scale("web", 6)).code
    await until(scaled, "the new policy to hold", every_s=0.2)


async def test_a_broken_policy_is_told_and_the_one_before_holds(swarm, policy):
    policy.write_text("replicas_max: many")

    async def told() -> bool:
        return any(
            "replicas_max: Input should be a valid integer" in (part.reason or "") for part in await swarm.parts()
        )

    await until(told, "the health to tell", every_s=0.2)
    assert Code.ADMISSION is done(await swarm.client.create(_spec(replicas=4))).code


async def test_refusals_are_counted_by_rule(swarm):
    done(await swarm.client.create(_spec(replicas=4)))

    async def counted() -> bool:
        return 'funswarm_admission_denied_total{instance="one",rule="replicas"} 1.0' in await swarm.client.metrics()

    await until(counted, "the refusal to be counted")
