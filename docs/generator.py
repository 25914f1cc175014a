"""`python -m docs.generator` (`make docs`): writes docs/messages.md, docs/settings.md and docs/schemas/*.json.

The models are the source; tests/test_docs.py checks that the files are current. `render` is pure; `main` writes files.
"""

import inspect
import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from funswarm import (
    commands,
    dead,
    decisions,
    gauges,
    holds,
    hooks,
    messages,
    records,
    schedules,
    sessions,
    spec,
    spec_parts,
    state,
)
from funswarm.subjects import Subjects
from services.settings import PREFIX, Settings

FOLDER: Final = Path(__file__).parent

_INTRODUCTION: Final = """\
# Messages

Generated from the models by `make docs`: do not edit. JSON Schemas of all of these: [schemas/](schemas/).

Every body is a JSON object in UTF-8. In commands and questions an unknown field is refused; in what Funswarm publishes
a reader overlooks those it does not know: newer versions add some. `null` and a field left out are the same, but in
`update`, where a `null` takes a key of a map away.

`<p>` is the setting FUNSWARM_PREFIX, `funswarm` where it is not set; `<P>` is the same in capitals, its dots as `_`. In
subjects, characters of a name that NATS would split or refuse are percent-encoded: node `a.example` is `a%2Eexample`.
"""

_SETTINGS: Final = """\
# Settings

Generated from `services/settings.py` by `make docs`: do not edit.

All settings are environment variables. Each may come from a file instead: `FUNSWARM_<NAME>_FILE` is its path, so that a
password can be a Swarm secret. A variable that begins with `FUNSWARM_` and is none of these is named in a warning at
the start; a wrong value ends the start with its name (exit code 2).

The poller, the scheduler and `make run` find the engine by docker's own variables: `DOCKER_HOST`, `DOCKER_TLS_VERIFY`,
`DOCKER_CERT_PATH`; without them at `/var/run/docker.sock`.
"""

_SECTIONS: Final[tuple[tuple[str, str, tuple[type[BaseModel], ...]], ...]] = (
    (
        "Events",
        "Every change of the Swarm, on `<p>.event.…` in the stream `<P>_EVENTS`. The header `Nats-Msg-Id` is the "
        "event's `id`; `ce-*` headers are CloudEvents 1.0 in binary mode; `traceparent` continues the trace of the "
        "command that caused it.",
        (messages.Event, messages.Change),
    ),
    (
        "States",
        "`before` and `after` of events, and the values of the bucket `<P>_STATE`, one per object. The header "
        "`Funswarm-Event-Sequence` of a value is the sequence in `<P>_EVENTS` of the event that it reflects.",
        (
            state.ServiceState, state.TaskState, state.NodeState, state.EngineState, state.NetworkState,
            state.SecretState, state.ConfigState, state.Condition, state.UpdateStatus, state.Port, state.Address,
        ),
    ),
    (
        "Commands",
        "Published to `<p>.command.<verb>.<target>` with the header `Nats-Msg-Id` = `id`; or sent as a request to "
        "`<p>.request.<verb>`, which answers with the result.",
        (
            commands.CreateCommand, commands.UpdateCommand, commands.ScaleCommand, commands.RestartCommand,
            commands.RollbackCommand, commands.RemoveCommand, commands.RunCommand, commands.RebalanceCommand,
            commands.PauseCommand, commands.DrainCommand, commands.ActivateCommand,
            commands.BatchCommand, commands.BatchItem, commands.Expect,
        ),
    ),
    (
        "Results and dead letters",
        "Every command ends in one result on `<p>.result.<id>`. Where its `convergence` is pending, a second one takes "
        "its place when the service has settled. What cannot be understood, or is given up, lands on "
        "`<p>.dead.<verb>.<target>` too.",
        (
            messages.Result, messages.BatchItemResult, messages.Preview, messages.Placement,
            messages.Convergence, messages.DeadLetter,
        ),
    ),
    (
        "History and audit",
        "One record of each command that has ended, and of each request that the api denied, on "
        "`<p>.audit.<status>.<verb>.<target>` in the stream `<P>_AUDIT`, at least once: the same `command_id` is the "
        "same record. Fields that say nothing are left out. The values of environment variables are redacted.",
        (records.CommandRecord, records.CommandPage, dead.KeptLetter, dead.LetterPage),
    ),
    (
        "Schedules",
        "On `<p>.schedule.<name>` in the stream `<P>_SCHEDULES`, whose last message is the schedule; an empty one: it "
        "was cancelled. What the SDK and HTTP answer: `Scheduled`, `Cancelled`. See [schedules.md](schedules.md).",
        (schedules.Schedule, schedules.Scheduled, schedules.Firing, schedules.Cancelled),
    ),
    (
        "Problems",
        "What is wrong with a service's labels, as one who reads them says: on `<p>.problem.<source>.<service>` in the "
        "stream `<P>_REPORTS`, whose last message holds. `/health` lists them all.",
        (messages.Problems, messages.Problem),
    ),
    (
        "Decisions and holds",
        "What policies decide, and why, on `<p>.decision.<policy>.<service>` in the stream `<P>_REPORTS`; fields that "
        "say nothing are left out. A hold is the value of the key `hold.<service>.<policy or all>` of the bucket "
        "`<P>_POLICIES`. See [policies.md](policies.md).",
        (decisions.Decision, holds.Hold),
    ),
    (
        "Sessions",
        "Until when somebody wants a service to be awake: the value of the key `<service>` of the bucket "
        "`<P>_SESSIONS`. See [wake.md](wake.md).",
        (sessions.Session,),
    ),
    (
        "Numbers to scale by",
        "On `<p>.gauge.<service>`, which no stream keeps: a bare number, or a `Push`; who asks for an answer hears "
        "whether it was taken. Node agents tell `Usage` on `<p>.usage.<node id>`. See [autoscale.md](autoscale.md).",
        (gauges.Push, gauges.Usage, gauges.TaskUse),
    ),
    (
        "Webhooks",
        "Requests to `<p>.hooks.<list|put|remove|pause|resume|test|replay>` take a `HookQuestion`; the active notifier "
        "answers. What a receiver is sent: [webhooks.md](webhooks.md).",
        (hooks.HookQuestion, hooks.Hook, hooks.Retry, hooks.HookStatus, hooks.HookPage, hooks.Delivered),
    ),
    (
        "Descriptions of services",
        "In `create` and `update`, and in HTTP's bodies.",
        (
            spec.ServiceSpec, spec.ServicePatch, spec_parts.NetworkUse, spec_parts.PortUse, spec_parts.Mount,
            spec_parts.FileUse, spec_parts.Resources, spec_parts.Limits, spec_parts.Reservations,
            spec_parts.RestartPolicy, spec_parts.RolloutConfig, spec_parts.Healthcheck, spec_parts.Dns,
            spec_parts.Ulimit, spec_parts.LogDriver,
        ),
    ),
    (
        "Queries and health",
        "Requests to `<p>.query.<name>` take a `Query` and answer a page. `<p>.part.health` is answered by every copy "
        "of every part, each with its `PartHealth`.",
        (
            messages.Query, messages.SummaryPage, messages.ServicePage, messages.TaskPage, messages.NodePage,
            messages.ServiceSummary, messages.PartHealth, messages.Health,
        ),
    ),
)  # fmt: skip


_SCHEMAS: Final[dict[str, TypeAdapter[Any]]] = {
    "Command": commands.COMMANDS,
    "State": state.STATES,
    **{
        model.__name__: TypeAdapter(model)
        for model in (
            messages.Event, messages.Result, messages.DeadLetter, messages.Query, messages.SummaryPage,
            messages.ServicePage, messages.TaskPage, messages.NodePage, messages.PartHealth, messages.Health,
            messages.Problems, decisions.Decision, holds.Hold, spec.ServiceSpec, spec.ServicePatch,
            records.CommandRecord, records.CommandPage, dead.KeptLetter, dead.LetterPage, schedules.Schedule,
            schedules.Scheduled, schedules.Cancelled, hooks.Hook, hooks.HookPage, hooks.Delivered,
        )
    },
}  # fmt: skip


def render() -> dict[Path, str]:
    """What each generated file has to hold."""
    files = {FOLDER / "schemas" / f"{name}.json": _schema(adapter) for name, adapter in _SCHEMAS.items()}
    text = "\n".join([_INTRODUCTION, _names(), *map(_section, _SECTIONS)])
    return files | {FOLDER / "messages.md": text.rstrip() + "\n", FOLDER / "settings.md": _settings()}


def main() -> None:
    """Write the files, and remove schemas of models that are gone."""
    files = render()
    for stale in set((FOLDER / "schemas").glob("*.json")) - set(files):
        stale.unlink()
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _settings() -> str:
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field.default)} | {_one_line(field.description)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_SETTINGS, "| variable | default | |", "|---|---|---|", *rows, ""])


def _default(value: Any) -> str:
    return "" if value in (None, ()) else f"`{value}`"


def _names() -> str:
    names = Subjects()
    examples = [
        (names.event("service", "updated", "web"), "An event of the service `web`."),
        (names.event("task", "running", "web", "1"), "An event of the task in slot 1 of `web`; of a global: its node."),
        (names.event("node", "down", "a.example"), "An event of the node `a.example`."),
        (names.command("scale", "web"), "A command for the service `web`."),
        (names.result("7f9c"), "The result of the command `7f9c`."),
        (names.turned_away("7f9c", "<digest>"), "The result of another command with this id: it was refused."),
        (names.dead("scale", "web"), "A dead letter."),
        (names.schedule("nightly"), "The schedule `nightly`."),
        (names.audit("refused", "scale", "web"), "The record of a command that was refused."),
        (names.request("scale"), "A request: submit a command and wait for its result."),
        (names.query("tasks"), "A question; also `summary`, `services`, `nodes`."),
    ]
    for name, member in inspect.getmembers(Subjects, lambda member: isinstance(member, property)):
        if member.__doc__:
            examples.append((getattr(names, name), _one_line(member.__doc__)))
    rows = [f"| `{name}` | {what} |" for name, what in examples]
    return "\n".join(["## Names", "", "| name, with the prefix `funswarm` | what |", "|---|---|", *rows, ""])


def _section(section: tuple[str, str, tuple[type[BaseModel], ...]]) -> str:
    title, text, models = section
    return "\n".join([f"## {title}", "", text, "", *map(_model, models)])


def _model(model: type[BaseModel]) -> str:
    schema = model.model_json_schema(mode="validation")
    required = schema.get("required", [])
    rows = [
        f"| `{name}` | {_type(field)} | {_presence(name, field, required)} | {_one_line(field.get('description'))} |"
        for name, field in schema["properties"].items()
    ]
    head = [f"### {model.__name__}", "", inspect.cleandoc(model.__doc__ or ""), ""]
    return "\n".join([*head, "| field | type | default | |", "|---|---|---|---|", *rows, ""])


def _presence(name: str, field: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    return f"`{json.dumps(field['default'])}`" if "default" in field else ""


def _type(field: dict[str, Any]) -> str:
    """A JSON Schema's type in words."""
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[-1])
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in field:
            return " or ".join(dict.fromkeys(_type(one) for one in field[several]))
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"map to {_type(field['additionalProperties'])}"
    return str(field.get("format", field.get("type", "any")))


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _schema(adapter: TypeAdapter[Any]) -> str:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter.json_schema(mode="validation")}
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
