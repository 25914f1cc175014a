"""What streams and buckets there are, as JetStream's API takes them. Pure.

Everything is on disk. `allow_atomic`: the journal writes batches that are stored whole or not at all (NATS 2.12).
`allow_direct`: reading needs no consumer. A bucket is a stream `KV_<bucket>` over `$KV.<bucket>.>` (ADR-8 of NATS).
"""

from typing import Any, Final

from funswarm.subjects import Subjects
from services.bus.settings import NatsSettings

SERVER_MIN: Final = (2, 12, 1)  # atomic batches of messages with ids; messages for a moment (docs/decisions/0010)
COMMANDS_CONSUMER: Final = "scheduler"
COMMANDS_LIMIT: Final = 500
COMMANDS_MAX: Final = 100_000
SCHEDULES_CONSUMER: Final = "scheduler"
SCHEDULES_LIMIT: Final = 100
DEAD_PER_SUBJECT: Final = 2000  # a webhook whose receiver is gone leaves room for others' letters
REPORTS_PER_SUBJECT: Final = 100  # decisions about one service
ACK_WAIT_S: Final = 5.0  # a dead scheduler's commands come to its successor about when it takes over

_NS: Final = 10**9
_MINUTE_S: Final = 60
_DAY_S: Final = 24 * 3600


def bucket_stream(bucket: str) -> str:
    """The stream behind a key-value bucket."""
    return f"KV_{bucket}"


def bucket_subject(bucket: str, key: str) -> str:
    """The subject of a key in a bucket."""
    return f"$KV.{bucket}.{key}"


def streams(subjects: Subjects, settings: NatsSettings) -> list[dict[str, Any]]:
    """The configuration of each stream, of the buckets' too."""
    events = _stream(subjects.events_stream, [subjects.all_events], settings)
    events |= {"max_age": _ns(settings.events_max_age_s), "max_bytes": settings.events_max_bytes}
    events |= {"duplicate_window": _ns(min(2 * _MINUTE_S, settings.events_max_age_s)), "allow_atomic": True}

    commands = _stream(subjects.commands_stream, [subjects.all_commands], settings)
    commands |= {"retention": "workqueue", "discard": "new", "max_msgs": COMMANDS_MAX}
    commands |= {"duplicate_window": _ns(5 * _MINUTE_S)}

    results = _stream(subjects.results_stream, [subjects.all_results, subjects.all_intents], settings)
    results |= {"max_msgs_per_subject": 1, "duplicate_window": _ns(5 * _MINUTE_S)}
    results |= {"max_age": _ns(settings.results_max_age_s), "max_bytes": settings.results_max_bytes}

    audit = _stream(subjects.audit_stream, [subjects.all_audited], settings)
    audit |= {"max_age": _ns(settings.audit_max_age_s), "max_bytes": settings.audit_max_bytes, "allow_atomic": True}
    audit |= {"duplicate_window": _ns(5 * _MINUTE_S)}

    dead = _stream(subjects.dead_stream, [subjects.all_dead], settings)
    dead |= {"max_age": _ns(30 * _DAY_S), "max_bytes": 2**26, "max_msgs_per_subject": DEAD_PER_SUBJECT}
    dead |= {"duplicate_window": _ns(5 * _MINUTE_S)}

    reports = _stream(subjects.reports_stream, [subjects.all_problems, subjects.all_decisions], settings)
    reports |= {"max_age": _ns(30 * _DAY_S), "max_bytes": 2**26, "max_msgs_per_subject": REPORTS_PER_SUBJECT}
    reports |= {"duplicate_window": _ns(2 * _MINUTE_S)}

    on_schedules = [subjects.all_schedules, subjects.all_alarms, subjects.all_firings, subjects.all_fired]
    schedules = _stream(subjects.schedules_stream, on_schedules, settings)
    schedules |= {"max_msgs_per_subject": 1, "allow_msg_schedules": True, "allow_msg_ttl": True}
    schedules |= {"duplicate_window": _ns(5 * _MINUTE_S)}

    state = _bucket(subjects.state_bucket, settings) | {"allow_atomic": True}
    names = (subjects.lease_bucket, subjects.hooks_bucket, subjects.policies_bucket, subjects.sessions_bucket)
    buckets = [_bucket(bucket, settings) for bucket in (*names, subjects.notified_bucket)]
    return [events, commands, results, audit, dead, schedules, reports, state, *buckets]


def commands_consumer(limit: int) -> dict[str, Any]:
    """The consumer of the commands; `limit`: how many may be out at once."""
    # Made anew by each who takes over, so nothing of it is worth a write to the disk.
    return _consumer(COMMANDS_CONSUMER, limit) | {"mem_storage": True, "num_replicas": 1}


def schedules_consumer(subjects: Subjects) -> dict[str, Any]:
    """The consumer of what is to be done for schedules: all but the alarms, which NATS itself turns into firings."""
    filters = [subjects.all_schedules, subjects.all_firings, subjects.all_fired]
    return _consumer(SCHEDULES_CONSUMER, SCHEDULES_LIMIT) | {"filter_subjects": filters}


def _consumer(name: str, limit: int) -> dict[str, Any]:
    return {
        "durable_name": name,
        "ack_policy": "explicit",
        "ack_wait": _ns(ACK_WAIT_S),
        "max_deliver": -1,  # counted by the scheduler, which then writes a dead letter
        "max_ack_pending": limit,
        "deliver_policy": "all",
        "replay_policy": "instant",
    }


def _stream(name: str, subjects: list[str], settings: NatsSettings) -> dict[str, Any]:
    return {
        "name": name,
        "subjects": subjects,
        "retention": "limits",
        "storage": "file",
        "discard": "old",
        "num_replicas": settings.replicas,
        "allow_direct": True,
    }


def _bucket(bucket: str, settings: NatsSettings) -> dict[str, Any]:
    return _stream(bucket_stream(bucket), [bucket_subject(bucket, ">")], settings) | {
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_msg_ttl": True,
        "duplicate_window": _ns(2 * _MINUTE_S),
    }


def _ns(seconds: float) -> int:
    return int(seconds * _NS)
