"""The cron policy: runs a service when its labels say so, once for each time, and tells what became of it. Pure.

Whether a time had its turn is in the memory, which the frame writes (over exactly the one that was read) before the
command of the run is sent, and the command's id is made of the service and the time: so there is one run for each time,
with any number of schedulers, and over any crash (docs/decisions/0014).
"""

from funswarm.cronjobs import SOURCE, CronJob, read_job
from funswarm.messages import Problem
from funswarm.state import ServiceState
from services.scheduler.policies.contract import Parsed, Policy, Situation, Verdict
from services.scheduler.policies.cron_look import Look
from services.scheduler.policies.cron_memory import Memory


class Cron(Policy[CronJob, Memory]):
    """`swarm.cronjob.*` and `funswarm.cron.*`."""

    name = SOURCE
    memory = Memory
    needs_tasks = True

    def parse(self, service: ServiceState) -> Parsed[CronJob]:
        job, problems = read_job(service.name, service.labels)
        if job is not None and _runs_for_ever(service):
            reason = (
                "its restart policy starts tasks again when they end, so that a run has no end: set "
                "restart_policy.condition to none (or on-failure); it runs"
            )
            problems = (*problems, Problem(source=SOURCE, service=service.name, reason=reason))
        return Parsed(job, problems)

    def decide(self, situation: Situation[CronJob, Memory]) -> Verdict[Memory]:
        return Look(situation).verdict()


def _runs_for_ever(service: ServiceState) -> bool:
    restart = (service.spec.get("TaskTemplate") or {}).get("RestartPolicy") or {}
    return not service.mode.endswith("job") and restart.get("Condition", "any") == "any"
