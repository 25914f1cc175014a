"""All policies, in the order of their rank: of two that want to write the same service the earlier one does. Pure.

docs/decisions/0013 says why in this order. Before all of them come a hold, and whoever wrote the service by hand.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from services.bus.connection import Bus
from services.bus.sessions import SessionBucket
from services.scheduler.policies.autoscale.gauges import NatsGauges
from services.scheduler.policies.autoscale.policy import Autoscale
from services.scheduler.policies.autoscale.readers import Readers
from services.scheduler.policies.contract import Policy
from services.scheduler.policies.crash_loop import CrashLoop
from services.scheduler.policies.cron import Cron
from services.scheduler.policies.daily import daily
from services.scheduler.policies.depends_on import DependsOn
from services.scheduler.policies.drain import Drain
from services.scheduler.policies.group import Group
from services.scheduler.policies.keep import Keep
from services.scheduler.policies.rebalance import Rebalance
from services.scheduler.policies.wake import Wake
from services.scheduler.policies.wake_sessions import SessionBook
from services.scheduler.settings import SchedulerSettings


def policies(
    bus: Bus, settings: SchedulerSettings, may_follow: Callable[[str, str], bool]
) -> tuple[Policy[Any, Any], ...]:
    """New ones, for one time of being active: a policy may have I/O of its own. `may_follow`: as `Known.may_follow`."""
    sessions = SessionBook(SessionBucket(bus))
    gauges = NatsGauges(bus, Readers(bus, settings.prometheus_url), may_follow=partial(may_follow, Autoscale.name))
    return (
        Drain(),
        Rebalance(daily(settings.rebalance_window), settings.rebalance_at_once),
        CrashLoop(),
        DependsOn(),
        Group(),
        Cron(),
        Wake(sessions),
        Autoscale(gauges, sessions),
        Keep(bus),
    )
