"""One usable Docker engine on this machine: the user's own if it answers, otherwise one that we start. I/O only.

`start()` is what every other part begins with; it may be called any number of times, from several processes at once.
The engine that we start belongs to the machine, not to the checkout (see `run_folder`): its data stay in the cache
folder when it is stopped, so images are built once.
"""

import json
import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed import debian
from testbed.shell import SetupError, cache_folder, locked, log_file, run, run_folder, say, succeeds, wait_for

_START_S = 180
_STOP_S = 60
_PROGRAMS = ("dockerd", "containerd")
_ENDED = "testbed: dockerd ended"
_OUTPACED = "update out of sequence"


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers. `host` is its DOCKER_HOST; `owned` means that the testbed started it."""

    host: str
    owned: bool
    version: str
    api_version: str

    def docker(self, *arguments: str, timeout_s: float = 60) -> str:
        """Run the docker command line against this engine and return its output; `SetupError` when it fails."""
        return docker(self.host, *arguments, timeout_s=timeout_s)


def docker(host: str, *arguments: str, timeout_s: float = 60) -> str:
    """Run the docker command line against the engine at that DOCKER_HOST; `SetupError` when it fails."""
    return run("docker", *arguments, timeout_s=timeout_s, env=client_environment(host, os.environ))


def write_services(*command: str, env: Mapping[str, str], timeout_s: float = 120) -> None:
    """Run a docker command that writes services, again as long as another write comes between its reading and writing.

    Swarm itself writes to a service, too: the state of an update. Raises `SetupError` when it fails otherwise.
    """

    def outcome_of_try() -> SetupError | str:
        try:
            run(*command, timeout_s=timeout_s, env=env)
        except SetupError as error:
            if _OUTPACED in str(error):
                raise
            return error
        return "done"

    outcome = wait_for(outcome_of_try, f"{' '.join(command[:3])} without another's write in between", timeout_s)
    if isinstance(outcome, SetupError):
        raise outcome


def remove_stack(host: str, name: str, timeout_s: float = 180) -> None:
    """Remove a stack with its networks; as long as its tasks are there, so are these, and Docker is asked again."""
    wait_for(lambda: docker(host, "stack", "rm", name) is not None, f"the stack {name} to go", timeout_s, 1.0)


def client_environment(host: str, base: Mapping[str, str]) -> dict[str, str]:
    """The environment in which a Docker client talks to `host`. Pure.

    A context would win over the host in some clients, and TLS settings are for a TCP address only.
    """
    dropped = {"DOCKER_CONTEXT"}
    if host.startswith("unix:"):
        dropped |= {"DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"}
    return {**{key: value for key, value in base.items() if key not in dropped}, "DOCKER_HOST": host}


def start() -> Engine:
    """An engine that answers: the one that DOCKER_HOST or the docker context points to, or our own, started if needed.

    Our own needs root and Debian: what is missing is installed. `SetupError` says what to do where that cannot be.
    """
    found = find()
    if found:
        return found
    with locked("engine"):
        return find() or _start_own()


def find() -> Engine | None:
    """The engine that `start` would return if it answers now, else None."""
    for host in (_configured_host(), _own_host()):
        engine = _ask(host) if host else None
        if engine:
            return engine
    return None


def stop() -> bool:
    """Stop our own engine and clean its mounts; False when there is none. A user's engine is never touched."""
    with locked("engine"):
        pid = _own_pid("dockerd")
        if pid is None:
            return False
        os.kill(pid, signal.SIGTERM)
        try:
            wait_for(lambda: not any(map(_own_pid, _PROGRAMS)), "dockerd to stop", _STOP_S, log=log_file(_log()))
        except SetupError as error:
            say(f"killing it: {error}")
            os.kill(pid, signal.SIGKILL)
        else:
            _clean_mounts()
        return True


def _configured_host() -> str | None:
    """The address that a bare `docker` command would use; None where there is no such command.

    A DOCKER_HOST that points to a testbed's node (`testbed env` sets it) does not count: nodes are not in nodes.
    """
    environment = dict(os.environ)
    nodes = f"{run_folder() / 'swarms'}/"
    if environment.get("DOCKER_CERT_PATH", "").startswith(nodes):
        for name in ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
            environment.pop(name, None)
    elif environment.get("DOCKER_HOST", "").startswith(f"unix://{nodes}"):
        del environment["DOCKER_HOST"]
    command = ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    try:
        return run(*command, timeout_s=20, env=environment)
    except SetupError:
        return environment.get("DOCKER_HOST")


def _ask(host: str) -> Engine | None:
    try:
        answer = json.loads(docker(host, "version", "--format", "{{json .Server}}", timeout_s=20))
    except SetupError:
        return None
    if not answer:
        return None
    return Engine(host, host == _own_host(), answer["Version"], answer["ApiVersion"])


def _start_own() -> Engine:
    if os.geteuid() != 0:
        raise SetupError(
            "no Docker engine answers, and only root can start one: start Docker, become a member of the group docker, "
            f"or set DOCKER_HOST. {_why_not()}"
        )
    debian.install({"dockerd": "docker.io", "iptables": "iptables"})
    if shutil.which("docker") is None:
        # In newer releases of Debian it is a package of its own.
        debian.install({"docker": "docker-cli"})
    installed = _started_by_installation()
    if installed:
        return installed
    if _own_pid("dockerd") is not None:
        say("our engine runs but does not answer: waiting for it")
        return wait_for(_own_answer, "our engine, which runs already", _START_S, log=log_file(_log()))
    _remove_stale_pids()
    say(f"starting dockerd, log: {_log()}")
    # Detached: it is to outlive this process and its terminal. The shell stays to log how it ends.
    script = f'{shlex.join(_command())}; echo "{_ENDED} with status $?"'
    run("setsid", "--fork", "sh", "-c", f"cd /; exec >{_log()} 2>&1 </dev/null; {script}")
    answer = wait_for(lambda: _own_answer() or _end(), "dockerd to answer", _START_S, log=log_file(_log()))
    if not isinstance(answer, Engine):
        raise SetupError(f"{answer}. The end of its log, {_log()}:\n{log_file(_log())()}")
    return answer


def _why_not() -> str:
    """What a bare `docker` command says where it reaches no engine."""
    try:
        run("docker", "version", timeout_s=20)
    except SetupError as error:
        return str(error).splitlines()[-1]
    return "The engine that answers docker now did not a moment ago"


def _end() -> str | None:
    """The line of the log that says that our dockerd has ended, None while it runs."""
    lines = log_file(_log())().splitlines()[-1:]
    return lines[0] if lines and lines[0].startswith(_ENDED) else None


def _command() -> list[str]:
    return [
        "dockerd",
        f"--data-root={cache_folder() / 'engine'}",
        f"--exec-root={_exec_root()}",
        f"--pidfile={_folder() / 'dockerd.pid'}",
        f"--host={_own_host()}",
    ]


def _started_by_installation() -> Engine | None:
    """The engine that the package's installation has started, as it does on a machine with systemd."""
    if not Path("/run/systemd/system").exists():
        return None
    try:
        return wait_for(find, "the installed Docker service", 20)
    except SetupError:
        return None


def _own_answer() -> Engine | None:
    return _ask(_own_host())


def _own_host() -> str:
    return f"unix://{_folder() / 'docker.sock'}"


def _folder() -> Path:
    folder = run_folder() / "engine"
    folder.mkdir(exist_ok=True)
    return folder


def _exec_root() -> Path:
    return _folder() / "exec"


def _log() -> Path:
    return _folder() / "dockerd.log"


def _pid_file(program: str) -> Path:
    return _folder() / "dockerd.pid" if program == "dockerd" else _exec_root() / "containerd" / "containerd.pid"


def _own_pid(program: str) -> int | None:
    """The process id of our dockerd or containerd if it runs. A pid file alone proves nothing: pids are used again."""
    try:
        pid = int(_pid_file(program).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except (OSError, ValueError):
        return None
    return pid if program in command and str(_exec_root()) in command else None


def _remove_stale_pids() -> None:
    """Remove the pid files of a dead engine, whose numbers may by now be another process's.

    Nothing else: when dockerd was killed its containers run on, and the next one finds them by its exec-root.
    """
    for program in _PROGRAMS:
        if _own_pid(program) is None:
            _pid_file(program).unlink(missing_ok=True)


def _clean_mounts() -> None:
    """Remove what an engine that has stopped in an orderly way, with all its containers, leaves mounted."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    ours = (str(_exec_root()), str(cache_folder() / "engine"))
    for mount in reversed([path for path in mounts if path.startswith(ours)]):
        succeeds("umount", "--lazy", mount)
    shutil.rmtree(_exec_root(), ignore_errors=True)
