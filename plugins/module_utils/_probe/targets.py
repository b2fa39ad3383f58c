# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""From what the inventory says to a target. It imports little: a rollback waits for it."""

from __future__ import annotations

import os
import re
import typing as t
import urllib.parse

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target

_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[^\s:/\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_PATH_SAFE = "/%?:@!$&'()*+,;=~"
#: Samples per second, and seconds, where nothing else is said.
RATE = 5.0
TIMEOUT = 5.0
SLOW = 1.0
#: More samples per second than that are a load, and no probe.
MOST = 50.0


class UnusableError(Exception):
    """An option that cannot be right, said in one fragment."""


def target_of(options: t.Mapping[str, t.Any], name: str) -> Target:
    """Return the target that *options* of the action describe, or raise :class:`UnusableError`.

    What is missing has its default; what comes from the inventory may be text where it should be a number.
    """
    if not _is_on(options, "enabled"):
        raise UnusableError("it is switched off (hotfix_probe)")
    url = str(options.get("url") or "")
    if not url:
        raise UnusableError("hotfix_public_url is not set")
    parts = _parts(url)
    tls = parts.scheme == "https"
    default = parts.port or (443 if tls else 80)
    host, port = _address(str(options.get("address") or ""), default) or (str(parts.hostname), default)
    ca_file = str(options.get("ca_file") or "")
    if ca_file and not os.path.isfile(os.path.expanduser(ca_file)):
        raise UnusableError(f"ca_file {ca_file!r} is no file here")
    websocket = str(options.get("websocket") or "")
    return Target(
        name=str(options.get("name") or name),
        tls=tls,
        server=_ascii(parts.netloc.rpartition("@")[2]),
        server_name=str(parts.hostname),
        host=host,
        port=port,
        path=_path(parts, str(options.get("path") or "/")),
        websocket=_path(parts, websocket) if websocket else "",
        rate=_number(options, "rate", RATE, MOST),
        timeout=_number(options, "timeout", TIMEOUT),
        slow=_number(options, "slow", SLOW),
        ca_file=os.path.abspath(os.path.expanduser(ca_file)) if ca_file else None,
        validate_certs=_is_on(options, "validate_certs"),
    )


def _is_on(options: t.Mapping[str, t.Any], name: str) -> bool:
    value = options.get(name)
    return True if value is None else bool(boolean(value, strict=False))


def _number(options: t.Mapping[str, t.Any], name: str, default: float, most: float = 3600.0) -> float:
    value = options.get(name)
    try:
        number = default if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if not 0 < number <= most:
        raise UnusableError(f"{name} {repr(value)[:40]} cannot be; set a number of more than 0 and at most {most:g}")
    return number


def _parts(url: str) -> urllib.parse.SplitResult:
    try:
        parts = urllib.parse.urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or re.search(r"[\s\x00-\x1f]", url):
        raise UnusableError("hotfix_public_url is no URL of http or https")
    if parts.password is not None or parts.query or parts.fragment:
        raise UnusableError("hotfix_public_url has more than scheme, name and path")
    return parts


def _address(address: str, port: int) -> t.Optional[t.Tuple[str, int]]:
    if not address:
        return None
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match["port"] or port) < 65536:
        raise UnusableError(f"address {address!r} is not host:port")
    return match["host"].strip("[]"), int(match["port"] or port)


def _path(parts: urllib.parse.SplitResult, path: str) -> str:
    whole = parts.path.rstrip("/") + (path if path.startswith("/") else f"/{path}")
    try:
        return urllib.parse.quote(whole, safe=_PATH_SAFE)
    except UnicodeError:
        raise UnusableError("its path holds what is no character") from None


def _ascii(text: str) -> str:
    try:
        text.encode("ascii")
    except UnicodeError:
        raise UnusableError("hotfix_public_url holds a character that no Host header can hold") from None
    return text
