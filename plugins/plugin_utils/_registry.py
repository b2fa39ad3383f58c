# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Speaks to an image registry from the controller, with the login that it asks for: name and password, or a token.

Docker itself pushes and pulls; this is for what it does not tell, or tells only once an image was transferred.
"""

from __future__ import annotations

import base64
import http.client
import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import (
    Deadline,
    Tls,
    TroubleError,
    connect,
    connection_trouble,
    hide,
    one_line,
)

_HUB = ("docker.io", "registry-1.docker.io")
_LIMIT = 4 * 1024 * 1024
_TOLD = 120
_PARAMETER = re.compile(r'([a-zA-Z]+)="([^"]*)"')
_MEND = "use a token with the right to write packages (hotfix_registry_username, hotfix_registry_password)."
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"[A-Za-z0-9_+.-]+:[A-Za-z0-9=_-]+")
_MOVED = (301, 302, 303, 307, 308)


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


class Answer(t.NamedTuple):
    """What a registry answered. Names of headers are in lower case; ``secrets`` are what it may send back of ours."""

    status: int
    headers: t.Mapping[str, str]
    body: bytes
    secrets: tuple[str, ...] = ()


class Held(t.NamedTuple):
    """An image as a registry holds it: its digest, that of its configuration, which is its ID, and its labels."""

    digest: str
    image_id: str
    labels: t.Mapping[str, str]


def place_of(image: str) -> tuple[str, str]:
    """Return registry and repository of an image's name, as Docker reads it."""
    first, slash, rest = image.partition("/")
    if slash and (any(sign in first for sign in ".:") or first == "localhost"):
        registry, repository = first, rest
    else:
        registry, repository = _HUB[0], image if slash else f"library/{image}"
    return (_HUB[1] if registry == _HUB[0] else registry), repository


def parts_of(url: str) -> urllib.parse.SplitResult | None:
    """Return the parts of a URL that a registry named; None where it is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        # A port that cannot be one raises when it is looked at.
        return parts if parts.port != 0 and url.isascii() and url.isprintable() and " " not in url else None
    except ValueError:
        return None


def told(answer: Answer) -> str:
    """Return what the registry says of a refusal, in one short line that begins with a colon; empty where nothing."""
    try:
        first = _json.loads(answer.body)["errors"][0]
        text = str(first.get("message") or first.get("code") or "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    # Hidden first: of a secret that is cut nothing would be recognised.
    plain = one_line(hide(text, answer.secrets))[:_TOLD]
    return f": {plain}" if plain else ""


class Server:
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

    def request(self, method: str, path: str, scope: str, accept: str = "*/*") -> Answer:
        """Make a request, and log in when the registry wants that."""
        answer = self._ask(method, path, accept)
        if answer.status == 401 and self._login is None:
            self._login = self._log_in(answer.headers.get("www-authenticate", ""), scope)
            answer = self._ask(method, path, accept)
        return answer

    def held(self, repository: str, tag: str) -> Held | None:
        """Return what is there under a tag, or None where there is nothing; raise when the registry says neither."""
        scope = f"repository:{repository}:pull"

        def manifest(reference: str) -> tuple[Answer, dict[str, t.Any]]:
            accept = ", ".join((*_MANIFESTS, *_INDEXES))
            answer = self.request("GET", f"/v2/{repository}/manifests/{reference}", scope, accept)
            return answer, self._read(answer, repository) if answer.status != 404 else {}

        answer, found = manifest(tag)
        if not found:
            return None
        digest = answer.headers.get("docker-content-digest", "")
        if "manifests" in found:
            listed = _json.tables(found["manifests"])
            real = [one for one in listed if _json.table(one.get("platform")).get("os") != "unknown"]
            named = str(real[0].get("digest")) if real else ""
            _answer, found = manifest(named) if _DIGEST.fullmatch(named) else (answer, {})
        image_id = str(_json.table(found.get("config")).get("digest") or "")
        if not digest or not _DIGEST.fullmatch(image_id):
            return None
        config = self._read(self._blob(f"/v2/{repository}/blobs/{image_id}", scope), repository)
        return Held(digest, image_id, _json.table(_json.table(config.get("config")).get("Labels")))

    def _blob(self, path: str, scope: str) -> Answer:
        """Get a blob, from where the registry has it: that gets no login of ours."""
        answer = self.request("GET", path, scope)
        where = parts_of(answer.headers.get("location", ""))
        if answer.status not in _MOVED or where is None or not where.hostname or where.scheme != "https":
            return answer
        rest = (where.path or "/") + (f"?{where.query}" if where.query else "")
        place, tls = (where.hostname, where.port or 443), Tls(True, None)
        return self._exchanged(where.netloc, place, (tls, where.hostname), self._account.timeout, "GET", rest, {})

    def _read(self, answer: Answer, repository: str) -> dict[str, t.Any]:
        if answer.status in (401, 403):
            raise HotfixError(
                f"{self._registry} does not let {self._account.username or 'us'} read {repository} "
                f"({answer.status}{told(answer)}).",
                code="refused",
                next_step=_MEND,
            )
        try:
            found = _json.loads(answer.body) if answer.status == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise HotfixError(
                f"{self._registry} says nothing usable of {repository} ({answer.status}{told(answer)}).",
                next_step="check the registry.",
            )
        return found

    def _ask(self, method: str, path: str, accept: str = "*/*") -> Answer:
        headers = {"Accept": accept, **({"Authorization": self._login} if self._login else {})}
        where = self._account.address or (self._name, self._port or 443)
        if self._plain:
            return self._exchanged(self._registry, where, None, self._account.timeout, method, path, headers)
        tls = Tls(not self._loopback, self._account.ca_file)
        try:
            return self._exchanged(
                self._registry, where, (tls, self._name), self._account.timeout, method, path, headers
            )
        except TroubleError as exc:
            if not self._loopback or exc.kind not in ("tls", "broken"):
                raise
        self._plain = True
        return self._ask(method, path, accept)

    def _exchanged(self, *asked: t.Any) -> Answer:
        """Make a request, and know of the answer what must not be told of it."""
        ours = (self._account.password, self._account.basic.partition(" ")[2], (self._login or "").partition(" ")[2])
        return _exchange(*asked)._replace(secrets=tuple(one for one in ours if one))

    def _log_in(self, challenge: str, scope: str) -> str:
        """Return the header that the registry wants: name and password, or a token for them."""
        kind, _blank, rest = challenge.partition(" ")
        if kind.lower() != "bearer":
            return self._account.basic
        said = dict(_PARAMETER.findall(rest))
        realm = parts_of(said.get("realm", ""))
        if (
            realm is None
            or not realm.hostname
            or not (realm.scheme == "https" or (self._plain and realm.scheme == "http"))
        ):
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
        answer = self._exchanged(
            realm.netloc,
            where,
            (Tls(not self._loopback, self._account.ca_file), realm.hostname) if secure else None,
            self._account.timeout,
            "GET",
            path,
            {"Authorization": self._account.basic},
        )
        try:
            found = _json.loads(answer.body) if answer.status == 200 else {}
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise HotfixError(
                f"{realm.netloc} refuses the login of {self._account.username} ({answer.status}{told(answer)}).",
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
) -> Answer:
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
    return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)
