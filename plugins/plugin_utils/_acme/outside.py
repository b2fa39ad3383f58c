# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host gives to those who ask it by the app's name: answers to challenges, and the certificate on the wire."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
import typing as t
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Tls
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import certificate
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import (
    Place,
    Watch,
    reach,
    secure,
    trouble_at,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.tls_check import untrusted

PATH = "/.well-known/acme-challenge/"
_REDIRECTS = 4
_LONGEST = 4096
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Address:
    """Where a host is reached: its ports 80 and 443 as they are from here. Nothing goes where the name leads."""

    host: str
    http: Place | None
    https: Place | None
    ca_file: str | None = None

    def of(self, scheme: str, name: str, port: int) -> Place:
        """Return where a URL of one of the app's names leads on this host."""
        found = self.https if scheme == "https" else self.http
        return found or (name, port)


def place_of(address: str, port: int) -> Place | None:
    """Read ``host`` or ``host:port``; an empty one is none."""
    if not address:
        return None
    if address.count(":") > 1 and not address.startswith("["):
        return address, port
    parts = urllib.parse.urlsplit(f"//{address}")
    return str(parts.hostname), parts.port or port


# ------------------------------------------------------------------------------------------------------ challenges


def answers(addresses: t.Sequence[Address], wanted: t.Sequence[tuple[str, str, str]], timeout: float) -> list[str]:
    """Fetch tokens from every host as the authority will; return what is wrong.

    *wanted* are name, token and the text that is to be answered.
    """
    asked = [(address, *one) for address in addresses for one in wanted]
    with ThreadPoolExecutor(max(1, min(8, len(asked)))) as pool:
        return [problem for problem in pool.map(lambda one: _fetched(*one, timeout=timeout), asked) if problem]


def _fetched(address: Address, name: str, token: str, text: str, *, timeout: float) -> str:
    place = address.of("http", name, 80)
    said = f"{address.host} ({place[0]}:{place[1]}, as {name})"
    try:
        status, body, url = _get(address, name, PATH + token, time.monotonic() + timeout)
    except (OSError, http.client.HTTPException, ValueError, HotfixError) as exc:
        return f"{said}: {trouble_at('it', exc, time.monotonic() + 1, timeout)}"
    if status != 200:
        return f"{said} answers {status} for {url}"
    if body.strip() != text:
        return f"{said} answers something else for {url}: {body.strip()[:60]!r}"
    return ""


def _get(address: Address, name: str, path: str, end: float) -> tuple[int, str, str]:
    """Follow redirects as authorities do: whatever the certificate is, it may be the one that is to be replaced."""
    url = f"http://{name}{path}"
    for _hop in range(_REDIRECTS):
        parts = urllib.parse.urlsplit(url)
        host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
        place = address.of(parts.scheme, host, port) if host == name else (host, port)
        raw = reach(place, end, Watch({}))
        if parts.scheme == "https":
            raw = secure(raw, Tls(False).context(), host, end, Watch({}))
        connection = http.client.HTTPConnection(host, port)
        connection.sock = raw
        try:
            raw.settimeout(max(0.1, end - time.monotonic()))
            connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""))
            answer = connection.getresponse()
            if answer.status not in _MOVED or not answer.getheader("location"):
                return answer.status, answer.read(_LONGEST).decode("utf-8", "replace"), url
            url = urllib.parse.urljoin(url, str(answer.getheader("location")))
        finally:
            connection.close()
    raise HotfixError(f"it redirects more than {_REDIRECTS} times, last to {url}", next_step="")


# -------------------------------------------------------------------------------------------------------- the wire


@dataclass(frozen=True)
class Seen:
    """What one host presents for one name. ``problem`` says why that is no good, ``blind`` that nobody could look."""

    name: str
    serial: str = ""
    days: float | None = None
    problem: str = ""
    blind: bool = False


def on_the_wire(address: Address, name: str, timeout: float) -> Seen:
    """Look at the certificate that a host presents for a name, its chain, and its days."""
    end = time.monotonic() + timeout
    place = address.of("https", name, 443)
    try:
        found = _presented(place, name, Tls(True, address.ca_file).context(), end)
        problem = ""
    except ssl.SSLCertVerificationError as exc:
        found = None
        with contextlib.suppress(OSError, ValueError):
            found = _presented(place, name, Tls(False).context(), end)
        problem = untrusted(exc, found, name)
    except (OSError, ValueError, HotfixError) as exc:
        said = trouble_at(f"{place[0]}:{place[1]}", exc, end, timeout)
        return Seen(name, problem=said, blind=True)
    if found is None:
        return Seen(name, problem=problem or "its certificate cannot be read")
    return Seen(name, found.serial, round(found.days_left(utc_now()), 2), problem)


def _presented(place: Place, name: str, context: ssl.SSLContext, end: float) -> certificate.Certificate:
    raw = reach(place, end, Watch({}))
    # Nobody has the name *: any below it is answered alike.
    with secure(raw, context, name.replace("*", "wildcard", 1), end, Watch({})) as connection:
        return certificate.read(connection.getpeercert(binary_form=True) or b"")


def proven(address: Address, names: t.Sequence[str], serial: str, timeout: float) -> list[str]:
    """Return what is wrong on one host's wire after it was told to present *serial*; nothing once it does.

    Workers of before may take a connection for a moment still, so it is looked again until *timeout* is over.
    """
    end = time.monotonic() + timeout
    while True:
        seen = [on_the_wire(address, name, max(1.0, end - time.monotonic())) for name in names]
        wrong = [f"{one.name}: {_wrong(one, serial)}" for one in seen if _wrong(one, serial)]
        if not wrong or time.monotonic() >= end:
            return wrong
        time.sleep(0.2)


def _wrong(seen: Seen, serial: str) -> str:
    if seen.problem:
        return seen.problem
    if seen.serial != serial:
        return f"{seen.serial} is on the wire, not {serial}"
    return "it has expired" if seen.days is not None and seen.days <= 0 else ""
