# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the controller may push: an upload is begun for every image, and cancelled. Nothing is pushed.

A token service hands out tokens for more than one may do, so that what a token says proves nothing: the registry itself
is asked.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import (
    Deadline,
    Tls,
    TroubleError,
    connect,
    connection_trouble,
    hide,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import FAILED, PASSED, Found
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.together import together

_HUB = ("docker.io", "registry-1.docker.io")
_LIMIT = 1024 * 1024
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_MEND = "use a token with the right to write packages (hotfix_registry_username, hotfix_registry_password)."


@dataclass(frozen=True)
class Account:
    """Who pushes, and how the registry is reached. ``address`` is where to connect when its name leads elsewhere."""

    username: str
    password: str = field(repr=False)
    address: tuple[str, int] | None = None
    ca_file: str | None = None
    timeout: float = 10.0

    @property
    def basic(self) -> str:
        """Return the value of the header that carries name and password."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


class _Answer(t.NamedTuple):
    status: int
    headers: t.Mapping[str, str]
    body: bytes


def may_push(images: t.Sequence[str], account: Account) -> Found:
    """Begin and cancel an upload to the repository of each of *images*, all at once."""
    names = sorted(set(images))

    def one(number: int) -> str | None:
        try:
            return _upload(names[number], account)
        except HotfixError as exc:
            return exc.what.rstrip(".")

    said = [text for text in together(one, len(names), 8) if text]
    if said:
        shown = "; ".join(dict.fromkeys(said))
        return Found(FAILED, hide(f"{shown}.", (account.password, account.basic)), _MEND)
    return Found(
        PASSED,
        f"An upload to each of {len(names)} repositories was begun as {account.username} and cancelled.",
    )


def place_of(image: str) -> tuple[str, str]:
    """Return registry and repository of an image's name, as Docker reads it."""
    first, slash, rest = image.partition("/")
    if slash and (any(sign in first for sign in ".:") or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = _HUB[0], image if slash else f"library/{image}"
    return (_HUB[1] if registry == _HUB[0] else registry), repository


def _upload(image: str, account: Account) -> str | None:
    """Return why nothing can be pushed to the repository of *image*; None where it can."""
    registry, repository = place_of(image)
    server = _Server(registry, account)
    begun = server.request("POST", f"/v2/{repository}/blobs/uploads/", f"repository:{repository}:pull,push")
    if begun.status != 202:
        return _refused(registry, repository, account.username, begun)
    where = urllib.parse.urlsplit(begun.headers.get("location", ""))
    # Elsewhere nobody gets the password from us: that registry ends the upload by itself in time.
    if where.path and where.netloc in ("", registry):
        path = where.path + (f"?{where.query}" if where.query else "")
        server.request("DELETE", path, f"repository:{repository}:pull,push")
    return None


def _refused(registry: str, repository: str, username: str, answer: _Answer) -> str:
    if answer.status == 401:
        return f"{registry} does not accept the login of {username} ({answer.status}{_told(answer)})"
    if answer.status in (403, 404):
        return f"{registry} does not let {username} push to {repository} ({answer.status}{_told(answer)})"
    return f"{registry} began no upload to {repository} ({answer.status}{_told(answer)})"


def _told(answer: _Answer) -> str:
    try:
        first = json.loads(answer.body)["errors"][0]
        text = str(first.get("message") or first.get("code") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())[:120]
    return f": {plain}" if plain else ""


class _Server:
    """One registry, and the login that it asks for."""

    def __init__(self, registry: str, account: Account) -> None:
        self._registry = registry
        self._account = account
        self._login: str | None = None
        parts = urllib.parse.urlsplit(f"//{registry}")
        self._name = str(parts.hostname)
        self._port = parts.port
        # Docker takes any certificate, or none at all, from a registry on this machine.
        self._loopback = self._name == "localhost" or self._name.startswith("127.")
        self._plain = False

    def request(self, method: str, path: str, scope: str) -> _Answer:
        """Make a request, and log in when the registry wants that."""
        answer = self._ask(method, path)
        if answer.status == 401 and self._login is None:
            self._login = self._log_in(answer.headers.get("www-authenticate", ""), scope)
            answer = self._ask(method, path)
        return answer

    def _ask(self, method: str, path: str) -> _Answer:
        headers = {"Authorization": self._login} if self._login else {}
        where = self._account.address or (self._name, self._port or 443)
        if self._plain:
            return _exchange(self._registry, where, None, self._account.timeout, method, path, headers)
        tls = Tls(not self._loopback, self._account.ca_file)
        try:
            return _exchange(self._registry, where, (tls, self._name), self._account.timeout, method, path, headers)
        except TroubleError as exc:
            if not self._loopback or exc.kind not in ("tls", "broken"):
                raise
        self._plain = True
        return self._ask(method, path)

    def _log_in(self, challenge: str, scope: str) -> str:
        """Return the header that the registry wants: name and password, or a token for them."""
        kind, _blank, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            return self._account.basic
        said = dict(_PARAMETER.findall(rest))
        realm = urllib.parse.urlsplit(said.get("realm", ""))
        if not realm.hostname or not (realm.scheme == "https" or (self._plain and realm.scheme == "http")):
            raise HotfixError(
                f"{self._registry} names no token service that a password may be sent to.",
                next_step="check the registry.",
            )
        query = urllib.parse.urlencode({"service": said.get("service", ""), "scope": scope})
        path = f"{realm.path or '/'}?{realm.query + '&' if realm.query else ''}{query}"
        secure = realm.scheme == "https"
        where = (realm.hostname, realm.port or (443 if secure else 80))
        if realm.hostname == self._name and self._account.address:
            where = (self._account.address[0], where[1])
        answer = _exchange(
            realm.netloc,
            where,
            (Tls(not self._loopback, self._account.ca_file), realm.hostname) if secure else None,
            self._account.timeout,
            "GET",
            path,
            {"Authorization": self._account.basic},
        )
        try:
            found = json.loads(answer.body) if answer.status == 200 else {}
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise HotfixError(
                f"{realm.netloc} refuses the login of {self._account.username} ({answer.status}{_told(answer)}).",
                next_step=_MEND,
            )
        return f"Bearer {token}"


def _exchange(
    said: str,
    where: tuple[str, int],
    tls: tuple[Tls, str] | None,
    timeout: float,
    method: str,
    path: str,
    headers: t.Mapping[str, str],
) -> _Answer:
    """Make one request on a connection of its own; nothing is followed."""
    raw = connect(said, where, timeout, *(tls or ()))
    connection = http.client.HTTPConnection(*where, timeout=timeout)
    connection.sock = raw
    try:
        with Deadline(raw, timeout) as deadline:
            try:
                connection.request(
                    method,
                    path,
                    headers={"Host": said, "User-Agent": "pangeafate.hotfix", "Connection": "close", **headers},
                )
                answer = connection.getresponse()
                body = answer.read(_LIMIT)
            except (OSError, http.client.HTTPException, ValueError) as exc:
                trouble: Exception = TimeoutError() if deadline.over else exc
                raise connection_trouble(said, trouble if isinstance(trouble, OSError) else OSError(), timeout) from exc
    finally:
        connection.close()
    return _Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
