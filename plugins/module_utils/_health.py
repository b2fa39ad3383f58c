# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Asks the app for its health, as its users reach it: through the proxy, with the right name."""

from __future__ import annotations

import os
import re
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

if t.TYPE_CHECKING:
    import socket
    import ssl

_BODY_LIMIT = 65536
_KEYS = ("url", "address", "status", "instance_header", "ca_file", "validate_certs", "timeout")


@dataclass(frozen=True)
class Health:
    """A health URL.

    ``address`` (``host:port``) is where to connect when the name in the URL does not lead to this host's own
    proxy. ``instance_header`` is a response header in which the app names the container that answers.
    """

    url: str
    address: t.Optional[str] = None
    status: int = 200
    instance_header: t.Optional[str] = None
    ca_file: t.Optional[str] = None
    validate_certs: bool = True
    timeout: float = 15.0

    @classmethod
    def from_params(cls, params: t.Mapping[str, t.Any]) -> Health:
        """Make it from module parameters; raise for a URL that is none."""
        given = {key: params[key] for key in _KEYS if params.get(key) is not None}
        url = str(given["url"])
        if not _is_http(url):
            raise BadInputError(
                f"health url {url!r} is no http or https URL.",
                next_step="set hotfix_health: {url: 'http://127.0.0.1/api/health'}.",
            )
        if "timeout" in given:
            _numbers.within(given["timeout"], "health timeout", "set hotfix_health.timeout to")
        address = given.get("address")
        if address is not None and not _is_address(str(address)):
            raise BadInputError(f"health address {address!r} is not host:port.", next_step="give it as 127.0.0.1:443.")
        ca_file = given.get("ca_file")
        if ca_file is not None and not os.path.isfile(ca_file):
            raise BadInputError(
                f"health ca_file {ca_file!r} is no file on this host.", next_step="correct hotfix_health.ca_file."
            )
        return cls(**given)


def host_name(health: Health) -> str:
    """Return the name that users use."""
    return str(urllib.parse.urlsplit(health.url).hostname)


def _is_http(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        # A port that cannot be one raises when it is looked at.
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_address(address: str) -> bool:
    match = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})", address)
    return match is not None and 0 < int(match.group(1)) < 65536


@dataclass(frozen=True)
class Answer:
    """What one request found. ``problem`` is ``None`` when it was as it must be."""

    problem: t.Optional[str]
    answered: bool
    status: t.Optional[int] = None
    instance: t.Optional[str] = None


def ask(health: Health, timeout: float) -> Answer:
    """Make one request on a fresh connection."""
    # Loaded when the switch is made already; it takes longer than what comes before that.
    import http.client
    import socket

    parts = urllib.parse.urlsplit(health.url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    name = str(parts.hostname)
    where, at_port = name, port
    if health.address:
        where, _colon, digits = health.address.rpartition(":")
        at_port = int(digits)
    connection = http.client.HTTPConnection(name, port, timeout=timeout)
    try:
        raw = socket.create_connection((where.strip("[]"), at_port), timeout=timeout)
        connection.sock = _tls(health, raw, name) if parts.scheme == "https" else raw
        connection.request("GET", urllib.parse.quote(_target(parts), safe="/%?:@!$&'()*+,;=~"))
        response = connection.getresponse()
        end = time.monotonic() + timeout
        while response.read1(_BODY_LIMIT):
            # Each piece may come in time and the whole never end.
            if time.monotonic() >= end:
                return Answer(f"{health.url} did not end its answer within {timeout:.0f} s", True, response.status)
        instance = response.getheader(health.instance_header) if health.instance_header else None
        if response.status != health.status:
            return Answer(
                f"{health.url} answered {response.status}, not {health.status}", True, response.status, instance
            )
        return Answer(None, True, response.status, instance)
    except (OSError, http.client.HTTPException) as exc:
        return Answer(f"{health.url} did not answer: {str(exc) or type(exc).__name__}", False)
    finally:
        connection.close()


def _target(parts: urllib.parse.SplitResult) -> str:
    return urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))


def _tls(health: Health, raw: socket.socket, name: str) -> ssl.SSLSocket:
    import ssl

    context = ssl.create_default_context(cafile=health.ca_file)
    if not health.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(raw, server_hostname=name)


def wait(
    health: Health,
    clock: Clock,
    still_ours: t.Callable[[], None],
    *,
    good: int = 2,
    accept: t.Optional[t.Callable[[Answer], bool]] = None,
) -> Answer:
    """Ask until *good* requests in a row were as they must be, or the time is over; return the last answer.

    *still_ours* is called before every request and raises when somebody else has taken over. *accept* may turn a
    healthy answer down, as one from a container that is no longer meant to be asked.
    """
    end = clock.steady() + health.timeout
    streak = 0
    while True:
        still_ours()
        answer = ask(health, timeout=max(0.5, min(5.0, end - clock.steady())))
        right = answer.problem is None and (accept is None or accept(answer))
        streak = streak + 1 if right else 0
        if streak >= good or clock.steady() >= end:
            return answer
        if not right:
            clock.sleep(0.05 if answer.problem is None else 0.2)
