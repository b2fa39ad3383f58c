# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, certificates and secrets of one checkout's sandbox, in `.sandbox/`.

They are made once per checkout and never leave it but for the containers that need them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.cli import run
from sandbox.config import APP_NAME, HOSTS, REGISTRY_ADDRESS, REGISTRY_NAME, SSH_PORT, SSH_USER, STATE

_WEEK = 7 * 24 * 3600


@dataclass(frozen=True)
class Certificate:
    """A certificate of the sandbox's CA and its key, in PEM."""

    cert: bytes
    key: bytes


@dataclass(frozen=True)
class Keys:
    """All that the containers are made with."""

    ssh_public: bytes
    ca: bytes
    app: Certificate
    registry: Certificate
    registry_password: str
    admin_token: str
    postgres_password: str


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step, never readable by more than `mode` says."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


@contextmanager
def locked(name: str = "lock") -> Iterator[None]:
    """Hold one of the sandbox's locks, so that two commands do not build the same thing at once."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with (STATE / name).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def ensure_keys() -> Keys:
    """Make what is missing or about to expire, and return everything."""
    for folder in (STATE, STATE / "ssh", STATE / "ca", STATE / "certs"):
        folder.mkdir(mode=0o700, exist_ok=True)
    ssh_key = STATE / "ssh" / "id_ed25519"
    if not ssh_key.exists() or not ssh_key.with_suffix(".pub").exists():
        ssh_key.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "hotfix-sandbox", "-f", str(ssh_key)])
    (STATE / "ssh" / "known_hosts").touch(mode=0o600)
    _write_ssh_config()
    _ensure_ca()
    return Keys(
        ssh_public=ssh_key.with_suffix(".pub").read_bytes(),
        ca=(STATE / "ca" / "ca.crt").read_bytes(),
        app=_certificate("app", [f"DNS:{APP_NAME}"]),
        registry=_certificate("registry", [f"DNS:{REGISTRY_NAME}", f"IP:{REGISTRY_ADDRESS}"]),
        registry_password=_secret("registry-password"),
        admin_token=_secret("admin-token"),
        postgres_password=_secret("postgres-password"),
    )


def acme_certificate() -> Certificate:
    """Return the certificate of the ACME server's own address, once :func:`ensure_keys` made the CA."""
    return _certificate("acme", [f"IP:{REGISTRY_ADDRESS}"])


def _write_ssh_config() -> None:
    """Let `ssh -F .sandbox/ssh/config prod1` work, and all that can be given such a file."""
    folder = STATE / "ssh"
    lines = [
        *("Host *", f"  User {SSH_USER}", f"  Port {SSH_PORT}", f'  IdentityFile "{folder / "id_ed25519"}"'),
        *("  IdentitiesOnly yes", f'  UserKnownHostsFile "{folder / "known_hosts"}"'),
        *("  GlobalKnownHostsFile /dev/null", "  StrictHostKeyChecking yes", "  BatchMode yes", "  ConnectTimeout 5"),
    ]
    for item in HOSTS:
        lines = [f"Host {item.name}", f"  HostName {item.address}", *lines]
    content = "\n".join(lines).encode() + b"\n"
    path = folder / "config"
    if not path.exists() or path.read_bytes() != content:
        write_private(path, content)


def remember_host_key(address: str, public_key: str) -> None:
    """Put the own key of the host at an address into known_hosts, in place of an older one."""
    kind, key = public_key.split()[:2]
    name = f"[{address}]:{SSH_PORT}"
    path = STATE / "ssh" / "known_hosts"
    with locked("known_hosts.lock"):
        old = path.read_text() if path.exists() else ""
        lines = [line for line in old.splitlines() if line.split(" ", 1)[0] != name]
        new = "\n".join([*lines, f"{name} {kind} {key}"]) + "\n"
        if sorted(new.splitlines()) != sorted(old.splitlines()):
            write_private(path, new.encode())


def forget_everything() -> None:
    """Remove `.sandbox/`."""
    shutil.rmtree(STATE, ignore_errors=True)


def _secret(name: str) -> str:
    path = STATE / name
    if not path.exists() or not path.read_text().strip():
        write_private(path, secrets.token_urlsafe(24).encode() + b"\n")
    return path.read_text().strip()


def _good(certificate: Path) -> bool:
    return (
        run(["openssl", "x509", "-noout", "-checkend", str(_WEEK), "-in", str(certificate)], check=False).returncode
        == 0
    )


def _ensure_ca() -> None:
    cert, key = STATE / "ca" / "ca.crt", STATE / "ca" / "ca.key"
    if cert.exists() and key.exists() and _good(cert):
        return
    for old in (STATE / "certs").iterdir():
        old.unlink()
    with _private_umask():
        run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-days", "3650", "-subj", "/CN=hotfix sandbox CA", "-keyout", str(key), "-out", str(cert)),
                *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            ]
        )


def _certificate(name: str, alt_names: list[str]) -> Certificate:
    cert, key = STATE / "certs" / f"{name}.crt", STATE / "certs" / f"{name}.key"
    if not (cert.exists() and key.exists() and _good(cert)):
        request, extensions = STATE / "certs" / f"{name}.csr", STATE / "certs" / f"{name}.ext"
        common_name = alt_names[0].split(":", 1)[1]
        extensions.write_text(
            f"subjectAltName={','.join(alt_names)}\n"
            "basicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\n"
        )
        with _private_umask():
            run(
                [
                    *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                    *("-subj", f"/CN={common_name}", "-keyout", str(key), "-out", str(request)),
                ]
            )
            run(
                [
                    *("openssl", "x509", "-req", "-in", str(request), "-days", "365", "-extfile", str(extensions)),
                    *("-CA", str(STATE / "ca" / "ca.crt"), "-CAkey", str(STATE / "ca" / "ca.key")),
                    *("-set_serial", str(secrets.randbits(120)), "-out", str(cert)),
                ]
            )
        request.unlink()
        extensions.unlink()
    return Certificate(cert.read_bytes(), key.read_bytes())


def expired_certificate() -> tuple[bytes, bytes]:
    """Return key and certificate of the app's name that expired long ago; nothing of it is kept."""
    with tempfile.TemporaryDirectory() as folder:
        key, cert, request = (f"{folder}/{name}" for name in ("key", "crt", "csr"))
        run(
            [
                *("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
                *("-subj", f"/CN={APP_NAME}", "-addext", f"subjectAltName=DNS:{APP_NAME}", "-keyout", key),
                *("-out", request),
            ]
        )
        dates = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
        Path(f"{folder}/index").touch()
        Path(f"{folder}/ca.cnf").write_text(
            f"[ca]\ndefault_ca=it\n[it]\ndatabase={folder}/index\nnew_certs_dir={folder}\nserial={folder}/serial\n"
            "default_md=sha256\npolicy=any\ncopy_extensions=copy\n[any]\ncommonName=supplied\n"
        )
        authority = ("-cert", str(STATE / "ca" / "ca.crt"), "-keyfile", str(STATE / "ca" / "ca.key"))
        run(
            [
                *("openssl", "ca", "-batch", "-notext", "-config", f"{folder}/ca.cnf", "-create_serial", *dates),
                *(*authority, "-in", request, "-out", cert),
            ]
        )
        return Path(key).read_bytes(), Path(cert).read_bytes()


@contextmanager
def _private_umask() -> Iterator[None]:
    old = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(old)
