"""Certificates for tests, by openssl: an authority, and what it signs. Files."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from testbed import debian

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Authority:
    """One that signs; `certificate` is what others trust."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str, alternatives: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """(certificate, key) for these names."""
        certificate, key, request = (self.folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternatives}\nauthorityKeyIdentifier=keyid\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(request))
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key"),
            "-CAcreateserial", "-days", "2", "-extfile", str(extensions), "-out", str(certificate),
        )  # fmt: skip
        return certificate, key


def new_authority(folder: Path) -> Authority:
    """An authority of its own in that folder."""
    debian.install({"openssl": "openssl"})
    folder.mkdir(exist_ok=True)
    _openssl(
        "req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=funswarm tests", "-keyout", str(folder / "ca.key"),
        "-addext", "keyUsage=critical,keyCertSign", "-out", str(folder / "ca.pem"),
    )  # fmt: skip
    return Authority(folder)


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
