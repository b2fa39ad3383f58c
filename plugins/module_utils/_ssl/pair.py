# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Certificate and key as one pair: both files are links into a folder, and one link more says which pair it is.

Turning that link is one step. Whoever reads the two files at any moment reads a certificate and its own key.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import ssl
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import certificate as x509

#: Beside certificate and key: every pair in a folder of its own, and the link to the one that counts.
KEPT, LIVE, PENDING = "hotfix-pairs", "live", "pending"
STATE = "state.json"
#: How many pairs stay besides the one that counts.
_OLD_PAIRS = 2
_KEY_MODE, _CERTIFICATE_MODE = 0o600, 0o644
_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class BrokenError(Exception):
    """Why a pair cannot be used."""


@dataclass(frozen=True)
class Pair:
    """A pair that can be used: its chain in PEM, and what its first certificate says."""

    chain: str
    leaf: x509.Certificate


class Place:
    """Where the proxy reads certificate and key."""

    def __init__(self, app_dir: Path, certificate: str, key: str) -> None:
        self.certificate = _inside(app_dir, certificate)
        self.key = _inside(app_dir, key)
        self.folder = self.certificate.parent
        self.kept = self.folder / KEPT
        if self.key.parent != self.folder or self.key.name == self.certificate.name:
            raise BadInputError(
                f"{self.certificate} and {self.key} are not two files of one folder.",
                next_step="keep certificate and key beside each other: only so can they be replaced in one step.",
            )

    # ---------------------------------------------------------------------------------------------- looking

    def require(self) -> None:
        """Raise unless the pair is ours to replace."""
        if not self.folder.is_dir():
            raise BadInputError(
                f"There is no folder {self.folder} on this host.",
                next_step="correct ssl_renewal_certificate and ssl_renewal_key.",
            )
        if not os.access(str(self.folder), os.R_OK | os.W_OK | os.X_OK):
            raise BadInputError(
                f"This user may not write to {self.folder}.",
                next_step="chown it to the SSH user, or run with --become.",
            )
        for path in (self.certificate, self.key):
            # One that nobody can look at is not one that is missing.
            if path.exists() and not os.access(str(path), os.R_OK):
                raise BadInputError(
                    f"This user may not read {path}.", next_step="chown it to the SSH user, or run with --become."
                )
            if path.is_symlink() and os.readlink(str(path)) != self._link(path):
                raise BadInputError(
                    f"{path} is a link to {os.readlink(str(path))}: somebody else looks after this certificate.",
                    next_step="renew it with what made that link (certbot, if it leads to its archive), or have the "
                    "proxy read a certificate and a key of the app's own folder.",
                )

    def read(self) -> Pair:
        """Return the pair as the proxy would load it now, or raise :class:`BrokenError`."""
        return read(self.certificate, self.key)

    def live(self) -> t.Optional[str]:
        """Return the name of the pair that counts, where it is one of ours."""
        try:
            return os.path.basename(os.readlink(str(self.kept / LIVE)))
        except OSError:
            return None

    def state(self) -> t.Dict[str, t.Any]:
        """Return what an unfinished renewal left: ``pending``, ``unproven`` and ``tokens``."""
        found = _files.read_json(self.kept / STATE)
        return found if isinstance(found, dict) else {}

    # --------------------------------------------------------------------------------------------- changing

    def prepare(self) -> None:
        """Make the folder of pairs."""
        if not self.kept.is_dir():
            self.kept.mkdir()
            self._like(self.kept, self.folder)
            os.chmod(str(self.kept), (self.folder.stat().st_mode & 0o777) | 0o700)

    def remember(self, **changed: t.Any) -> None:
        """Change what is noted of an unfinished renewal; nothing as a value removes the note."""
        state = {**self.state(), **changed}
        _files.write_json(self.kept / STATE, {key: value for key, value in state.items() if value})

    def stage(self, key: str) -> None:
        """Keep the key of an order until its certificate is there."""
        folder = self._folder(PENDING)
        self._write(folder / self.key.name, key, _KEY_MODE)

    def drop_pending(self) -> None:
        """Remove the key of an order that comes to nothing, or that was installed."""
        shutil.rmtree(str(self.kept / PENDING), ignore_errors=True)

    def keep(self, name: str, chain: str, key: t.Optional[str]) -> None:
        """Keep a pair under *name*; without a *key* with the one that was staged."""
        text = (self.kept / PENDING / self.key.name).read_text(encoding="utf-8") if key is None else key
        folder = self._folder(name)
        self._write(folder / self.key.name, text, _KEY_MODE)
        self._write(folder / self.certificate.name, chain, _CERTIFICATE_MODE)

    def fits(self, name: str) -> Pair:
        """Return a pair that is kept, or raise :class:`BrokenError`."""
        return read(self.kept / name / self.certificate.name, self.kept / name / self.key.name)

    def adopt(self) -> None:
        """Make the two files links to a kept pair. What they lead to stays the same all the time."""
        if self._adopted():
            return
        if self.live() is None or not (self.certificate.is_symlink() or self.key.is_symlink()):
            name = "before"
            with contextlib.suppress(BrokenError):
                name = self.read().leaf.serial
            folder = self._folder(name)
            for path, mode in ((self.key, _KEY_MODE), (self.certificate, _CERTIFICATE_MODE)):
                if path.exists():
                    self._write(folder / path.name, path.read_text(encoding="utf-8"), mode)
            self.turn(name)
        for path in (self.certificate, self.key):
            _files.replace_symlink(path, self._link(path))

    def turn(self, name: str) -> None:
        """Make another pair the one that counts, in one step."""
        _files.replace_symlink(self.kept / LIVE, name)

    def prune(self, needed: t.Collection[str]) -> None:
        """Remove the oldest pairs, but for *needed* and the one that counts."""
        found = [entry for entry in self.kept.iterdir() if entry.is_dir() and not entry.is_symlink()]
        spare = [e for e in found if e.name not in {*needed, self.live(), PENDING}]
        for old in sorted(spare, key=lambda entry: entry.stat().st_mtime)[: max(0, len(spare) - _OLD_PAIRS)]:
            shutil.rmtree(str(old), ignore_errors=True)

    def _adopted(self) -> bool:
        return all(path.is_symlink() for path in (self.certificate, self.key))

    @staticmethod
    def _link(path: Path) -> str:
        return f"{KEPT}/{LIVE}/{path.name}"

    def _folder(self, name: str) -> Path:
        self.prepare()
        folder = self.kept / name
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
            self._like(folder, self.folder)
            os.chmod(str(folder), self.kept.stat().st_mode & 0o777)
        return folder

    def _write(self, path: Path, text: str, mode: int) -> None:
        _files.write_text(path, text, mode=mode)
        source = self.key if path.name == self.key.name else self.certificate
        self._like(path, source if source.exists() else self.folder)

    @staticmethod
    def _like(path: Path, other: Path) -> None:
        """Give *path* the owner of *other*, where we may: a proxy without root's rights reads its key as that user."""
        found = other.stat()
        if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
            with contextlib.suppress(PermissionError):
                os.chown(str(path), found.st_uid, found.st_gid)


def _inside(app_dir: Path, given: str) -> Path:
    if not str(given).strip():
        raise BadInputError(
            "The place of the certificate or of its key is not set.",
            next_step="set ssl_renewal_certificate and ssl_renewal_key, relative to hotfix_app_dir.",
        )
    # Links are not followed: they may be ours.
    return Path(os.path.normpath(str(app_dir / given)))


def read(certificate: Path, key: Path) -> Pair:
    """Return a pair of files, or raise :class:`BrokenError` where a proxy could not load it."""
    for path in (certificate, key):
        try:
            if not path.read_bytes().strip():
                raise BrokenError(f"{path.name} is empty")
        except FileNotFoundError:
            raise BrokenError(f"there is no {path.name}") from None
        except OSError as exc:
            raise BrokenError(f"{path.name} cannot be read: {exc.strerror}") from exc
    try:
        # It asks on the terminal for a password that it is not given.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(str(certificate), str(key), password=lambda: "")
    except ssl.SSLError as exc:
        why = "is not the key of" if "MISMATCH" in (exc.reason or "") else "cannot be loaded with"
        raise BrokenError(f"{key.name} {why} {certificate.name} ({exc.reason or exc})") from exc
    chain = certificate.read_text(encoding="utf-8", errors="replace")
    return Pair(chain, leaf_of(chain))


def leaf_of(chain: str) -> x509.Certificate:
    """Read the first certificate of a chain; raise :class:`BrokenError` where there is none."""
    match = _FIRST.search(chain)
    try:
        return x509.read(ssl.PEM_cert_to_DER_cert(match.group() if match else ""))
    except ValueError as exc:
        raise BrokenError("it holds no certificate") from exc


def shake_hands(certificate: Path, key: Path, name: str, authorities: t.Optional[str]) -> None:
    """Shake hands with ourselves over a pair, as a client will; raise where that client would not trust it.

    *authorities* are those that it trusts, in PEM; without them the host's own, where it has any.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(str(certificate), str(key), password=lambda: "")
    client = ssl.create_default_context(cadata=authorities or None)
    if not authorities and not client.cert_store_stats()["x509_ca"]:
        return
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    try:
        for _turn in range(4):
            for side in (ours, theirs):
                with contextlib.suppress(ssl.SSLWantReadError):
                    side.do_handshake()
    except ssl.SSLError as exc:
        why = getattr(exc, "verify_message", "") or exc.reason or str(exc)
        raise HotfixError(
            f"Clients would not trust the new certificate for {name}: {why}.",
            next_step="see which authority ssl_renewal_directory is (a staging one is trusted by nobody), and set "
            "ssl_renewal_ca_file where the clients have an authority of their own.",
        ) from exc
