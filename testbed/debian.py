"""Debian's packages and root file systems: what a machine without an image registry builds its images from. I/O only.

Used by `engine` (to install one) and by `images`. On other distributions nothing here works, and says so.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.shell import SetupError, cache_folder, locked, run, say, succeeds, wait_for

# Not needed in an image that is rebuilt and never upgraded: a third of a root file system.
_LEFT_OUT = (
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/locale/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./dev/*",
    "./proc/*",
    "./sys/*",
)


def install(needs: dict[str, str]) -> None:
    """Install the packages of those commands that are missing: {command: package}.

    Raises `SetupError` where this cannot be done: not root, or not Debian.
    """
    if not _missing(needs):
        return
    with locked("apt"):
        missing = _missing(needs)
        way_out = f"install {', '.join(missing)} yourself"
        if os.geteuid() != 0:
            raise SetupError(f"not root, so packages cannot be installed: {way_out}")
        if shutil.which("apt-get") is None:
            raise SetupError(f"no apt-get on this machine: {way_out}")
        if missing:
            say(f"installing {' '.join(missing)}")
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", *missing)
        if _missing(needs):
            raise SetupError(f"the package {', '.join(_missing(needs))} does not bring what it should: {way_out}")


def unpack_package(package: str, target: Path) -> None:
    """Download a package and unpack its files into a folder, without installing it."""
    if shutil.which("apt-get") is None:
        raise SetupError(f"no apt-get on this machine to download {package} with")
    with locked("apt"), tempfile.TemporaryDirectory(prefix="funswarm-") as folder:
        if os.geteuid() == 0:
            _apt("update")
        # As user _apt the download would not be allowed to write here.
        script = f"cd {folder} && apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 download {package}"
        run("sh", "-c", script, timeout_s=180)
        (archive,) = Path(folder).glob("*.deb")
        run("dpkg-deb", "--extract", str(archive), str(target))


@dataclass(frozen=True, slots=True)
class RootFiles:
    """A minimal Debian to be made: its packages, and files of ours {path without the first slash: content}."""

    name: str
    suite: str
    packages: tuple[str, ...]
    files: Mapping[str, bytes]

    def digest(self) -> str:
        """A short name of all that goes into it: with another digest it must be made anew. Pure."""
        parts = [self.suite, *self.packages, *(f"{path} {hash_of(self.files[path])}" for path in sorted(self.files))]
        return hash_of("\n".join(parts).encode())


def hash_of(content: bytes) -> str:
    """A short hash, to tell one content from another."""
    return hashlib.sha256(content).hexdigest()[:12]


def make(wanted: RootFiles) -> Path:
    """The tar file of that root file system: from the cache, or made with debootstrap in 30 to 60 s."""
    archive = cache_folder() / f"{wanted.name}-{wanted.digest()}.tar"
    if archive.exists():
        return archive
    if os.geteuid() != 0:
        raise SetupError(
            "no image could be pulled, and only root can build one instead: let the engine reach its registry, or run "
            "`python -m testbed images` as root once"
        )
    install({"debootstrap": "debootstrap"})
    say(f"building the root file system {archive.name}: debootstrap of {wanted.suite}, about a minute")
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache_folder()) as folder:
        try:
            tree = _debootstrap(wanted, Path(folder, "root"))
        except SetupError as error:
            say(f"once more, in case it was the network: {error}")
            tree = _debootstrap(wanted, Path(folder, "again"))
        for path, content in wanted.files.items():
            (tree / path).write_bytes(content)
        packed = Path(folder, "root.tar")
        run(
            "tar", "-C", str(tree), *(f"--exclude={each}" for each in _LEFT_OUT), "-cf", str(packed), ".", timeout_s=300
        )
        for old in cache_folder().glob(f"{wanted.name}-*.tar"):
            old.unlink()
        packed.rename(archive)
    return archive


def pack(files: dict[str, Path], links: dict[str, str], folders: tuple[str, ...], archive: Path) -> None:
    """Write a tar file of programs, symbolic links {path: target} and empty folders, everything owned by root."""
    with tarfile.open(archive, "w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path, source in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = 0o755, source.stat().st_size
            with source.open("rb") as content:
                tar.addfile(entry, content)
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)


def _debootstrap(wanted: RootFiles, tree: Path) -> Path:
    include = f"--include={','.join(wanted.packages)}"
    try:
        run("debootstrap", "--variant=minbase", include, wanted.suite, str(tree), timeout_s=600)
    finally:
        # One that was stopped half-way leaves these mounted, and removing the tree would reach into them.
        for mounted in ("proc", "sys"):
            succeeds("umount", "--recursive", "--lazy", str(tree / mounted))
    return tree


def find_command(command: str) -> str | None:
    """Its path, also where Debian has daemons, which is in root's PATH alone; None: it is not installed."""
    return shutil.which(command, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _missing(needs: dict[str, str]) -> list[str]:
    return sorted({package for command, package in needs.items() if find_command(command) is None})


def _apt(*arguments: str) -> None:
    """Run apt-get. `update` comes before each use: an old list names files that the mirror may no longer have."""
    options = ("-q", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=180")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}

    def outcome_of_try() -> SetupError | str:
        try:
            run("apt-get", *options, *arguments, timeout_s=600, env=env)
        except SetupError as error:
            # Another apt-get may be running on a machine that was just started; its lists' lock has no time-out.
            if "Could not get lock" not in str(error):
                return error
            raise
        return "done"

    outcome = wait_for(outcome_of_try, "another apt-get to release its lock", 180, every_s=1)
    if isinstance(outcome, SetupError):
        raise outcome
