# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody could be told of an incident: every channel is connected to, and nothing is sent."""

from __future__ import annotations

import os
import typing as t
import urllib.parse
import urllib.request

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Tls, TroubleError, connect
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    SKIPPED,
    Found,
    Look,
)
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels import Channel, parse
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.email import Email
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import origin
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import BadInputError

PART = "notifications"
_BREAKS = "Nobody is told of an incident over this channel."
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def looks(raw: t.Any, timeout: float) -> list[Look]:
    """Return a look for every channel, or one that says why there is none."""
    try:
        channels = parse(raw)
    except BadInputError as exc:
        wrong = Found(FAILED, exc.what, exc.next_step)
        return [Look(PART, PART, "Nobody is told of an incident.", lambda: wrong)]
    if not channels:
        return [Look(PART, PART, "", lambda: Found(SKIPPED, "hotfix_notifications is not set."))]
    return [Look(f"notify {one.name}", PART, _BREAKS, _work(one, timeout)) for one in channels]


def _work(channel: Channel, timeout: float) -> t.Callable[[], Found]:
    seconds = min(timeout, channel.timeout)
    if isinstance(channel, Email):
        return lambda: _mail(channel, seconds)
    endpoint = t.cast(t.Any, channel).endpoint
    return lambda: _web(str(endpoint.url), endpoint.verify, seconds)


def _mail(channel: Email, timeout: float) -> Found:
    said = f"{channel.host}:{channel.port}"
    tls = Tls(channel.validate_certs, channel.ca_file) if channel.encryption == "tls" else None
    with connect(said, (channel.host, channel.port), timeout, tls, channel.host) as connection:
        connection.settimeout(timeout)
        greeting = connection.recv(512)
    if not greeting.startswith(b"220"):
        raise TroubleError("no_smtp", f"{said} does not greet as a mail server does.", next_step="check host and port.")
    return Found(PASSED, f"{said} greets; nothing was sent.")


def _web(url: str, verify: bool | str, timeout: float) -> Found:
    parts = urllib.parse.urlsplit(url)
    said, host = origin(url), str(parts.hostname)
    proxy = _proxy(parts.scheme, host)
    if proxy is not None:
        # What is behind it cannot be seen without asking it for something.
        with connect(f"the proxy {proxy[0]}:{proxy[1]}", proxy, timeout):
            return Found(PASSED, f"The proxy to {said} can be connected to; nothing was sent.")
    bundle = verify if isinstance(verify, str) else next((os.environ[n] for n in _BUNDLES if os.environ.get(n)), None)
    tls = Tls(verify is not False, bundle) if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    with connect(said, (host, port), timeout, tls, host):
        return Found(PASSED, f"{said} can be connected to; nothing was sent.")


def _proxy(scheme: str, host: str) -> tuple[str, int] | None:
    """Return the proxy that the environment names for a host, as the one who sends would take it."""
    proxies = urllib.request.getproxies()
    found = proxies.get(scheme) or proxies.get("all")
    if not found or urllib.request.proxy_bypass(host):
        return None
    parts = urllib.parse.urlsplit(found if "://" in found else f"http://{found}")
    return (parts.hostname, parts.port or 80) if parts.hostname else None
