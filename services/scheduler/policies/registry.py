"""All policies, in the order of their rank: of two that want to write the same service the earlier one does. Pure.

docs/decisions/0013 says why in this order. Before all of them come a hold, and whoever wrote the service by hand.
"""

from typing import Any

from services.bus.connection import Bus
from services.scheduler.policies.autoscale.gauges import NatsGauges
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.autoscale.readers import Readers
from services.scheduler.policies.contract import Policy
from services.scheduler.policies.crash_loop import CrashLoop
from services.scheduler.policies.cron import Cron
from services.scheduler.policies.depends_on import DependsOn
from services.scheduler.policies.group import Group
from services.scheduler.policies.keep import Keep


def policies(bus: Bus, prometheus_url: str | None = None) -> tuple[Policy[Any, Any], ...]:
    """New ones, for one time of being active: a policy may have I/O of its own."""
    autoscale = Autoscale(NatsGauges(bus, Readers(bus, prometheus_url)))
    return (CrashLoop(), DependsOn(), Group(), Cron(), autoscale, Keep(bus))
