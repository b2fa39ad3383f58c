# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``tls``: chain, name and days left of the certificate, and the versions that the server takes."""

from __future__ import annotations

import contextlib
import ssl
import time
import typing as t
import urllib.parse
import warnings
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Tls
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import certificate, fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import (
    Watch,
    place,
    reach,
    secure,
    server_name,
    trouble,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    Check,
    Outcome,
    Surroundings,
    Target,
)

HOST = False
KEYS = ("days_left", "min_version")
#: The least version, and the newest of those that the server must refuse then.
_OLDER = {"TLSv1.2": ssl.TLSVersion.TLSv1_1, "TLSv1.3": ssl.TLSVersion.TLSv1_2}
_ORDER = ("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
# Codes of OpenSSL (X509_V_ERR_…).
_NOT_YET, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_CHAIN, _NO_ISSUER, _ONLY_LEAF = 9, 10, 18, 19, (2, 20), 21
_NAME_MISMATCH = (62, 64)

Found = t.Optional[certificate.Certificate]


@dataclass(frozen=True)
class TlsCheck(Check):
    """Verifies the certificate whatever the target says about that, and offers an older version to see it refused."""

    days_left: float
    min_version: str

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Make one attempt."""
        if urllib.parse.urlsplit(target.url).scheme != "https":
            return Outcome(SKIPPED, f"users reach {target.name} without TLS (http)")
        timeout = min(self.timeout, around.left())
        if timeout <= 0:
            return Outcome(ERROR, "the time of the whole run was over")
        return _Attempt(self, target, timeout).made()


class _Attempt:
    """One attempt: a connection that verifies, and another that offers what is too old."""

    def __init__(self, check: TlsCheck, target: Target, timeout: float) -> None:
        self._check = check
        self._target = target
        self._timeout = timeout
        self._end = time.monotonic() + timeout
        self._outcome = Outcome(PASSED, "")

    def made(self) -> Outcome:
        """Return what the attempt found."""
        outcome = self._outcome
        try:
            version, found = self._connect(Tls(True, self._target.ca_file).context(), Watch(outcome.phases))
        except ssl.SSLCertVerificationError as exc:
            outcome.status, outcome.message = FAILED, untrusted(exc, self._presented(), server_name(self._target))
            return outcome
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError) as exc:
            outcome.status, outcome.message = ERROR, trouble(self._target, exc, self._end, self._timeout)
            return outcome
        except ssl.SSLError as exc:
            # It did answer, but nothing that a client of today could talk to.
            outcome.status = FAILED
            outcome.message = f"it does not speak TLS as we do: {exc.reason or exc.strerror or exc}"
            return outcome
        except (OSError, UnicodeError, ValueError, HotfixError) as exc:
            outcome.status, outcome.message = ERROR, trouble(self._target, exc, self._end, self._timeout)
            return outcome
        outcome.evidence["version"] = version
        self._judge(version, found)
        return outcome

    def _judge(self, version: str, found: Found) -> None:
        outcome, check = self._outcome, self._check
        days = None if found is None else found.days_left(utc_now())
        if found is None or days is None:
            outcome.status, outcome.message = FAILED, "its certificate cannot be read"
        elif days < check.days_left:
            outcome.status = FAILED
            outcome.message = (
                f"its certificate expires in {days:.1f} days ({found.not_after:%Y-%m-%d %H:%M} UTC), "
                f"sooner than {check.days_left:g}"
            )
        elif _ORDER.index(version) < _ORDER.index(check.min_version):
            outcome.status, outcome.message = FAILED, f"it speaks {version}, which is older than {check.min_version}"
        else:
            outcome.message = f"{version}, its certificate is trusted, of the right name and good for {days:.0f} days"
            self._refuses_older()

    def _refuses_older(self) -> None:
        """See whether it refuses what is older than the least version, where we can offer that."""
        outcome = self._outcome
        context = _offering(_OLDER[self._check.min_version])
        if context is None:
            outcome.message += (
                f"; what is older than {self._check.min_version} cannot be offered here, so was not tried"
            )
            return
        try:
            version, _found = self._connect(context, Watch({}))
        except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
            outcome.message += f"; it refuses what is older than {self._check.min_version}"
        except (OSError, UnicodeError, ValueError, HotfixError) as exc:
            outcome.status = ERROR
            why = trouble(self._target, exc, self._end, self._timeout)
            outcome.message += f"; whether it refuses older versions is not known: {why}"
        else:
            outcome.status = FAILED
            outcome.message = f"it still takes {version}, which is older than {self._check.min_version}"

    def _connect(self, context: ssl.SSLContext, watch: Watch) -> t.Tuple[str, Found]:
        raw = reach(place(self._target), self._end, watch)
        with secure(raw, context, server_name(self._target), self._end, watch) as connection:
            found = self._keep(connection)
            return str(connection.version()), found

    def _keep(self, connection: ssl.SSLSocket) -> Found:
        found: Found = None
        with contextlib.suppress(ValueError):
            found = certificate.read(connection.getpeercert(binary_form=True) or b"")
            self._outcome.evidence.update(found.as_dict())
        return found

    def _presented(self) -> Found:
        """Return the certificate that cannot be trusted."""
        with contextlib.suppress(OSError, UnicodeError, ValueError, HotfixError):
            return self._connect(Tls(False).context(), Watch({}))[1]
        return None


def untrusted(exc: ssl.SSLCertVerificationError, found: Found, name: str) -> str:
    """Say what is wrong with a certificate."""
    code = exc.verify_code
    if code == _EXPIRED:
        since = "" if found is None else f" {-found.days_left(utc_now()):.1f} days ago ({found.not_after:%Y-%m-%d})"
        # It may be one of those that the chain leads over.
        return (
            f"its certificate expired{since}"
            if found and found.days_left(utc_now()) < 0
            else ("a certificate that its chain leads over has expired")
        )
    if code == _NOT_YET:
        return "its certificate is not valid yet" + ("" if found is None else f" (from {found.not_before:%Y-%m-%d} on)")
    if code in _NAME_MISMATCH:
        return f"its certificate is for another name than {name} ({found.subject if found else 'unknown'})"
    if code == _SELF_SIGNED:
        return "its certificate is signed by itself, and by nobody whom we trust"
    if code == _SELF_SIGNED_CHAIN:
        return f"its chain ends in an authority that is not trusted here (issued by {_issuer(found)})"
    if code in _NO_ISSUER or code == _ONLY_LEAF:
        issuer = _issuer(found)
        return f"its chain is incomplete: it leads to no authority that is trusted here (issued by {issuer})"
    return f"its certificate cannot be trusted: {exc.verify_message.rstrip('.')}"


def _issuer(found: Found) -> str:
    return found.issuer if found is not None else "unknown"


def _offering(newest: ssl.TLSVersion) -> t.Optional[ssl.SSLContext]:
    """Return a context that offers *newest* and what is older; ``None`` where this OpenSSL does not do that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with warnings.catch_warnings():
            # They are old, which is why they are offered.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = newest
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO()).do_handshake()
    except ssl.SSLWantReadError:
        return context
    except (ssl.SSLError, ValueError):
        return None
    return None


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> TlsCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    if common["service"]:
        raise BadInputError(
            f"{said}: containers are asked without TLS.", next_step="take service and port out.", place=("service",)
        )
    return TlsCheck(
        **common,
        days_left=fields.number(raw, "days_left", said, 14.0, 0.0),
        min_version=fields.one_of(raw, "min_version", said, tuple(_OLDER), "TLSv1.2"),
    )
