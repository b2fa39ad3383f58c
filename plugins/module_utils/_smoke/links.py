# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Where the URLs in an answer lead: redirects, and the files that a page names."""

from __future__ import annotations

import dataclasses
import re
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import Foreign
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Target
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import (
    BODY_LIMIT,
    Exchange,
    Request,
    exchange,
)

#: More than this nobody follows, browsers neither.
MOST_REDIRECTS = 20
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_SHOWN = 120
_SHOWN_HOPS = 5

Origin = t.Tuple[str, str, int]


@dataclass(frozen=True)
class Link:
    """Where a URL leads: whom to ask, and for what. ``own`` tells that it is the target's own origin."""

    url: str
    target: Target
    path: str
    own: bool

    @property
    def said(self) -> str:
        """Return it without what follows '?', which may hold a session or a token."""
        parts = urllib.parse.urlsplit(self.url)
        return cut(parts.path if self.own else f"{parts.scheme}://{parts.netloc}{parts.path}", _SHOWN)


def url_of(target: Target, path: str) -> str:
    """Return the URL of a path of the target, as the app knows itself."""
    parts = urllib.parse.urlsplit(target.url)
    netloc = target.host_name or parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}{path}"


def link(target: Target, base: str, reference: str) -> Link:
    """Return where *reference* leads that stands at the URL *base*; :class:`ValueError` says why it leads nowhere.

    What bears the name of the target stays with it, by its address. Another name is looked up, and knows nothing of us.
    """
    # As browsers do.
    tidy = re.sub(r"[\t\r\n]", "", reference).strip("".join(map(chr, range(33))))
    try:
        url = urllib.parse.urldefrag(urllib.parse.urljoin(base, tidy)).url
    except ValueError:
        raise ValueError("an address that is none") from None
    scheme, host, port = origin(url)
    parts = urllib.parse.urlsplit(url)
    bare = f"[{host}]" if ":" in host else host
    netloc = bare if port == _PORTS[scheme] else f"{bare}:{port}"
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    whole = f"{scheme}://{netloc}{path}"
    home = origin(url_of(target, "/"))
    if (scheme, host, port) == home:
        there = dataclasses.replace(target, url=urllib.parse.urljoin(target.url, "/").rstrip("/"))
    elif host == home[1]:
        there = _beside(target, f"{scheme}://{netloc}", port)
    else:
        there = Foreign(name=netloc, url=f"{scheme}://{netloc}", ca_file=target.ca_file)
    return Link(whole, there, path, (scheme, host, port) == home)


def _beside(target: Target, url: str, port: int) -> Target:
    """Return the same host at another port: one that is reached by its address is not left for another of its name."""
    pinned = target.address[0] if target.address else None
    if target.host_name and not pinned:
        pinned = urllib.parse.urlsplit(target.url).hostname
    return dataclasses.replace(target, url=url, address=(pinned, port) if pinned else None, host_name=None)


def origin(url: str) -> Origin:
    """Return scheme, name and port; :class:`ValueError` says why a URL has none of them."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"an address of {cut(parts.scheme, 20) or 'no scheme'}, not of http or https")
    try:
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        host, port = "", 0
    if not host or not port or re.search(r"[\s\x00-\x20\x7f]", host):
        raise ValueError("an address without a host that can be")
    return parts.scheme, host, port


def follow(target: Target, request: Request, timeout: float, most: int, limit: int = BODY_LIMIT) -> Exchange:
    """Make *request*, and follow at most *most* redirects; *timeout* is the seconds for all of them.

    To another origin go no headers and no body of the check's: they may hold what is nobody else's business.
    """
    found = exchange(target, request, timeout, limit)
    if not most:
        return found
    own, base = True, url_of(target, request.path)
    asked = {(request.method, base)}
    while found.status in _REDIRECTS and not found.silent and not found.broken and found.header("Location"):
        if len(found.hops) >= most:
            found.broken = f"was redirected more than {most} times ({chain(found)})"
            break
        try:
            step = link(target, base, _location(found))
        except ValueError as exc:
            found.broken = f"answered {found.status} and leads to {exc}"
            break
        own = own and step.own
        request = _next(request, step.path, found.status, own=own)
        if request.body is not None and not own:
            found.broken = f"answered {found.status} and leads to {step.said}, to which its body is not sent"
            break
        hops = [*found.hops, f"{found.status} to {step.said}"]
        if (request.method, step.url) in asked:
            found.hops = hops
            found.broken = f"was redirected in a circle ({chain(found)})"
            break
        asked.add((request.method, step.url))
        base = step.url
        found = _after(found, exchange(step.target, request, max(0.01, timeout - found.seconds), limit), hops)
        found.url = base
    return found


def chain(found: Exchange) -> str:
    """Say which redirects there were, the first ones of many."""
    more = f", and {len(found.hops) - _SHOWN_HOPS} more" if len(found.hops) > _SHOWN_HOPS else ""
    return f"{', '.join(found.hops[:_SHOWN_HOPS])}{more}"


def _location(found: Exchange) -> str:
    """Return where it leads. Headers are read as Latin-1, and what is not ASCII in this one is mostly UTF-8."""
    text = next(value for name, value in found.headers if name.lower() == "location")
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _next(request: Request, path: str, status: int, *, own: bool) -> Request:
    method, body = request.method, request.body
    if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
        method, body = "GET", None
    headers = {
        name: value
        for name, value in request.headers.items()
        if own and (body is not None or name.lower() != "content-type")
    }
    return Request(method, path, headers, body)


def _after(before: Exchange, found: Exchange, hops: t.List[str]) -> Exchange:
    """Return *found* with the time and the way of what came before it."""
    found.hops = hops
    found.sent = found.sent or before.sent
    found.seconds = round(before.seconds + found.seconds, 4)
    for name, seconds in before.phases.items():
        found.phases[name] = round(found.phases.get(name, 0.0) + seconds, 4)
    return found
