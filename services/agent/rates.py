"""What tasks use now, from two readings of what they have used so far. Pure."""

from collections.abc import Mapping

from funswarm.gauges import TaskUse, Usage
from services.engine.usage import Counters

NANO = 1e9


def usage_of(before: Mapping[str, Counters], now: Mapping[str, Counters]) -> Usage:
    """Of the tasks that are in both; of one that began anew in between nothing is said."""
    found = {}
    for task, counters in now.items():
        last = before.get(task)
        if last is None or counters.read_at <= last.read_at or counters.cpu_nano < last.cpu_nano:
            continue
        seconds = (counters.read_at - last.read_at).total_seconds()
        processors = (counters.cpu_nano - last.cpu_nano) / NANO / seconds
        found[task] = TaskUse(processors=processors, memory_bytes=counters.memory_bytes)
    return Usage(tasks=found)
