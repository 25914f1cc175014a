"""Every NATS name of Funswarm, written once: subjects, streams, buckets.

Pure. `<prefix>` is the setting FUNSWARM_PREFIX (default `funswarm`): one prefix per Swarm, so one NATS serves many.
A part of a subject that NATS would split or refuse is percent-encoded (`token`): a node `a.example` is `a%2Eexample`.
One that is longer than NATS takes ends in a hash instead.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

DEFAULT_PREFIX: Final = "funswarm"
TOKEN_MAX: Final = 1600  # NATS takes lines of 4096, with up to two names in them; Swarm's names are far shorter

_UNSAFE = re.compile(r"[^A-Za-z0-9_~!$&'()+,:;=@/|^{}\[\]-]")  # NATS: no dot, star, greater-than, white space, controls
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def token(name: str) -> str:
    """`name` as one token of a subject: unsafe characters (and `%`) percent-encoded as UTF-8, empty as `%00`.

    What is longer than TOKEN_MAX is cut, and ends in `~` and a hash of the name.
    """
    plain = name.isascii() and name.isalnum()  # an id, like most: ten times as fast
    text = name if plain else _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), name)
    if len(text) <= TOKEN_MAX:
        return text or "%00"
    return f"{text[: TOKEN_MAX - 17]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def untoken(text: str) -> str:
    """The name that `token` made `text` of, unless that was cut."""
    return "" if text == "%00" else unquote(text)


@dataclass(frozen=True, slots=True)
class Subjects:
    """The names under one prefix.

    Raises:
        ValueError: the prefix is not made of letters, digits, `_`, `-`, in parts joined by dots.
    """

    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"{self.prefix!r} cannot be a prefix: use letters, digits, '_' and '-', joined by dots")

    # Streams and buckets: NATS allows no dot in their names.
    def _stream(self, name: str) -> str:
        return f"{self.prefix.upper().replace('.', '_')}_{name}"

    @property
    def events_stream(self) -> str:
        """Limits: every change of the Swarm."""
        return self._stream("EVENTS")

    @property
    def state_bucket(self) -> str:
        """Key-value: one value per object, key `<kind>.<id>`."""
        return self._stream("STATE")

    @property
    def commands_stream(self) -> str:
        """Work queue: what is to be done."""
        return self._stream("COMMANDS")

    @property
    def results_stream(self) -> str:
        """Last per subject: how each command ended."""
        return self._stream("RESULTS")

    @property
    def dead_stream(self) -> str:
        """Limits: what could not be done or understood, with the original."""
        return self._stream("DEAD")

    @property
    def audit_stream(self) -> str:
        """Limits: who asked for what, when, and how it ended."""
        return self._stream("AUDIT")

    @property
    def schedules_stream(self) -> str:
        """Last per subject: the schedules, their alarms and their firings."""
        return self._stream("SCHEDULES")

    @property
    def reports_stream(self) -> str:
        """Limits, some per subject: what is wrong with labels, and what policies decided."""
        return self._stream("REPORTS")

    @property
    def hooks_bucket(self) -> str:
        """Key-value: the webhooks, by name."""
        return self._stream("HOOKS")

    @property
    def policies_bucket(self) -> str:
        """Key-value: what policies remember of services (the scheduler's own), and holds."""
        return self._stream("POLICIES")

    @property
    def sessions_bucket(self) -> str:
        """Key-value: until when services shall be awake, by name."""
        return self._stream("SESSIONS")

    @property
    def notified_bucket(self) -> str:
        """Key-value: what Docker Flow's receivers were told last."""
        return self._stream("NOTIFIED")

    @property
    def lease_bucket(self) -> str:
        """Key-value: who is the active copy of `poller`, `scheduler`, `notifier` and `docker-flow`."""
        return self._stream("LEASES")

    # Events and state.
    def event(self, kind: str, action: str, *names: str) -> str:
        """`<p>.event.<kind>.<action>.<name>`; a task has two names: its service's, and its slot or node."""
        return ".".join([self.prefix, "event", kind, action, *(token(name) for name in names)])

    def events(self, kind: str = "*", action: str = "*") -> str:
        """The filter for all events of a kind and action."""
        return f"{self.prefix}.event.{kind}.{action}.>"

    @property
    def all_events(self) -> str:
        return f"{self.prefix}.event.>"

    def parts_of_event(self, subject: str) -> list[str]:
        """Kind, action and names, as tokens, of an event's subject."""
        return subject.removeprefix(f"{self.prefix}.event.").split(".")

    @staticmethod
    def state_key(kind: str, object_id: str) -> str:
        """The key in the state bucket."""
        return f"{kind}.{token(object_id)}"

    def state(self, kind: str, object_id: str) -> str:
        """The subject under which the bucket keeps a key."""
        return f"$KV.{self.state_bucket}.{self.state_key(kind, object_id)}"

    # Commands.
    def command(self, verb: str, target: str) -> str:
        return f"{self.prefix}.command.{verb}.{token(target)}"

    def commands_of(self, verb: str | None = None, target: str | None = None) -> str:
        """The filter for the commands of a verb and target; None: of all."""
        return ".".join([self.prefix, "command", verb or "*", "*" if target is None else token(target)])

    @property
    def all_commands(self) -> str:
        return f"{self.prefix}.command.>"

    def result(self, command_id: str) -> str:
        return f"{self.prefix}.result.{token(command_id)}"

    def turned_away(self, command_id: str, digest: str) -> str:
        """The result of another command that came with the same id, by what it asks: it was not done."""
        return f"{self.result(command_id)}.{digest}"

    @property
    def all_results(self) -> str:
        return f"{self.prefix}.result.>"

    def intent(self, command_id: str) -> str:
        """What the scheduler is about to do where the effect itself leaves no mark (remove, rollback)."""
        return f"{self.prefix}.intent.{token(command_id)}"

    @property
    def all_intents(self) -> str:
        return f"{self.prefix}.intent.>"

    def dead(self, verb: str, target: str) -> str:
        return f"{self.prefix}.dead.{token(verb)}.{token(target)}"

    @property
    def all_dead(self) -> str:
        return f"{self.prefix}.dead.>"

    def audit(self, status: str, verb: str, target: str) -> str:
        """`<p>.audit.<status>.<verb>.<target>`; of what the api denied: HTTP's method and path."""
        return ".".join([self.prefix, "audit", status, token(verb), token(target)])

    def audited(self, status: str | None = None, verb: str | None = None, target: str | None = None) -> str:
        """The filter for the records of a status, verb and target; None: of all."""
        parts = [status or "*", *("*" if name is None else token(name) for name in (verb, target))]
        return ".".join([self.prefix, "audit", *parts])

    @property
    def all_audited(self) -> str:
        return f"{self.prefix}.audit.>"

    # Reports.
    def problem(self, source: str, service: str) -> str:
        """What is wrong with a service's labels as `source` reads them; the last of a subject holds."""
        return f"{self.prefix}.problem.{source}.{token(service)}"

    def problems_of(self, source: str | None) -> str:
        """The filter for what a source tells; None: all do."""
        return f"{self.prefix}.problem.{source or '*'}.*"

    @property
    def all_problems(self) -> str:
        return f"{self.prefix}.problem.>"

    def decision(self, policy: str, service: str) -> str:
        """What a policy decided for a service, and why."""
        return f"{self.prefix}.decision.{policy}.{token(service)}"

    @property
    def all_decisions(self) -> str:
        return f"{self.prefix}.decision.>"

    # Policies: keys of their bucket, as subjects.
    def memory(self, service: str) -> str:
        """What policies remember of a service, by its name."""
        return f"$KV.{self.policies_bucket}.memory.{token(service)}"

    def hold(self, service: str, policy: str | None) -> str:
        """A hold of a policy, None: of all."""
        return f"$KV.{self.policies_bucket}.hold.{token(service)}.{policy or 'all'}"

    def holds_of(self, service: str) -> str:
        """The filter for all holds of a service."""
        return f"$KV.{self.policies_bucket}.hold.{token(service)}.*"

    @property
    def all_holds(self) -> str:
        return f"$KV.{self.policies_bucket}.hold.*.*"

    def session(self, service: str | None) -> str:
        """Until when a service shall be awake, as a key of its bucket; None: the filter for all."""
        return f"$KV.{self.sessions_bucket}.{'*' if service is None else token(service)}"

    # Schedules; a name of one is a token.
    def schedule(self, name: str) -> str:
        """What is to be done, and when; an empty body: it was cancelled."""
        return f"{self.prefix}.schedule.{name}"

    @property
    def all_schedules(self) -> str:
        return f"{self.prefix}.schedule.*"

    def alarm(self, name: str) -> str:
        """NATS's own scheduled message, for the next time only."""
        return f"{self.prefix}.alarm.{name}"

    def firing(self, name: str) -> str:
        """Where NATS stores it when its time has come."""
        return f"{self.prefix}.firing.{name}"

    @property
    def all_firings(self) -> str:
        return f"{self.prefix}.firing.*"

    def fired(self, name: str) -> str:
        """The command that was made of a firing, on its way to the commands."""
        return f"{self.prefix}.fired.{name}"

    @property
    def all_fired(self) -> str:
        return f"{self.prefix}.fired.*"

    @property
    def all_alarms(self) -> str:
        return f"{self.prefix}.alarm.*"

    # Requests (NATS micro services): captured by no stream, else JetStream's PubAck answers before the service does.
    def query(self, name: str) -> str:
        """A question to the active poller: `health`, `services`, `service`, `tasks`, `nodes`."""
        return f"{self.prefix}.query.{name}"

    def request(self, verb: str) -> str:
        """Submit a command and wait for its result, in one request to the active scheduler."""
        return f"{self.prefix}.request.{verb}"

    def hooks(self, verb: str) -> str:
        """A question to the active notifier: `list`, `put`, `remove`, `pause`, `resume`, `test`, `replay`."""
        return f"{self.prefix}.hooks.{verb}"

    def handout(self, consumer: str) -> str:
        """Where NATS hands out what a durable consumer of events is due."""
        return f"{self.prefix}.handout.{consumer}"

    # Numbers for the autoscaler; captured by no stream.
    def gauge(self, service: str | None) -> str:
        """A number, or a step, for a service; None: the filter for all."""
        return f"{self.prefix}.gauge.{'*' if service is None else token(service)}"

    def usage(self, node_id: str | None) -> str:
        """What the tasks of a node use, as its agent tells; None: the filter for all."""
        return f"{self.prefix}.usage.{'*' if node_id is None else token(node_id)}"

    @property
    def part_health(self) -> str:
        """Asked of all copies of all parts at once; each answers with its `PartHealth`."""
        return f"{self.prefix}.part.health"

    def part_docker_flow(self, group: str) -> str:
        """Asked of the copy that tells Docker Flow's receivers: to tell of services again, by name; `all`: of all."""
        return f"{self.prefix}.part.docker-flow.{group}"

    @property
    def part_metrics(self) -> str:
        """Asked of all copies of all parts at once; each answers with its metrics in Prometheus' text format."""
        return f"{self.prefix}.part.metrics"
