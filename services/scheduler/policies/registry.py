"""All policies, in the order of their rank: of two that want to write the same service the earlier one does. Pure.

docs/decisions/0013 says why in this order. Before all of them come a hold, and whoever wrote the service by hand.
"""

from typing import Any

from services.scheduler.policies.contract import Policy
from services.scheduler.policies.cron import Cron


def policies() -> tuple[Policy[Any, Any], ...]:
    """New ones, for one time of being active: a policy may have I/O of its own."""
    return (Cron(),)
