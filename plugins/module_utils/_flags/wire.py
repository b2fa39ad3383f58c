# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One HTTP request with an end to it, and a sentence for every way in which it goes wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK

_BODY_LIMIT = 4 * 1024 * 1024
_SHOWN = 200
#: How deep in an answer the sentence is looked for that says why.
_DEEPEST = 8
_SHORTEST_SECRET = 3
#: So much of a secret is nothing that anybody could use.
_SHORTEST_BEGINNING = 4
#: Stands where a text was cut.
CUT = "…"
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]+):([0-9]{1,5})")
_APPROVAL = re.compile(r"approv|change.?request|review|four.?eyes", re.IGNORECASE)
# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL.
_NAME_MISMATCH = (62, 64)
_EXPIRED = 10


class TroubleError(HotfixError):
    """A request that did not do what it should. ``retry`` says whether once more may help."""

    def __init__(self, kind: str, what: str, *, next_step: str, retry: bool = False, code: str = "failed") -> None:
        super().__init__(what, next_step=next_step, code=code)
        self.kind = kind
        self.retry = retry


def hide(text: str, secrets: t.Iterable[t.Optional[str]]) -> str:
    """Return *text* without the secrets, in the spellings in which a server may send one back."""
    for secret in sorted({s for s in secrets if s and len(s) >= _SHORTEST_SECRET}, key=len, reverse=True):
        for spelling in (secret, urllib.parse.quote(secret, safe=""), json.dumps(secret)[1:-1]):
            text = _without_beginnings(text.replace(spelling, MASK), spelling)
    return text


def cut(text: str, most: int) -> str:
    """Return the beginning of a text. From the mark :func:`hide` knows that a secret may go on where it ends."""
    return text if len(text) <= most else f"{text[:most]}{CUT}"


def _without_beginnings(text: str, secret: str) -> str:
    """Return *text* without what a cut has left of *secret*."""
    at = text.find(CUT)
    while at >= 0:
        begin = text.find(secret[:_SHORTEST_BEGINNING], max(0, at - len(secret)), at)
        while begin >= 0 and not secret.startswith(text[begin:at]):
            begin = text.find(secret[:_SHORTEST_BEGINNING], begin + 1, at)
        if begin >= 0:
            text = text[:begin] + MASK + text[at:]
            at = begin + len(MASK)
        at = text.find(CUT, at + 1)
    return text


def usable_token(token: t.Optional[str], option: str = "token") -> t.Optional[str]:
    """Return the token when it can be a header's value; an error never shows it."""
    if not token:
        return None
    if not all(" " <= character <= "~" for character in token) or token != token.strip():
        raise BadInputError(
            f"The {option} holds a line break, a blank at an end, or a character that no HTTP header can hold.",
            next_step="look at the file or the variable that it comes from; the token itself is one line.",
        )
    return token


def usable_url(url: str, schemes: t.Sequence[str], option: str = "url") -> urllib.parse.SplitResult:
    """Return the parts of a URL that can be one; passwords do not belong there."""
    try:
        parts = urllib.parse.urlsplit(url)
        fine = (
            parts.scheme in schemes
            and bool(parts.hostname)
            and parts.port != 0
            and not re.search(r"[\s\x00-\x1f]", url)
        )
    except ValueError:
        raise BadInputError(f"The {option} is no URL.", next_step=f"give {option} as {schemes[0]}://host/…") from None
    if parts.password is not None:
        raise BadInputError(
            f"The {option} holds a password, which would be shown wherever the URL is.",
            next_step=f"take it out of {option} and give it as token.",
        )
    if not fine:
        raise BadInputError(
            f"The {option} {url!r} is no URL of {' or '.join(schemes)}.",
            next_step=f"give {option} as {schemes[0]}://host/…",
        )
    return parts


def usable_address(address: t.Optional[str], option: str = "address") -> t.Optional[t.Tuple[str, int]]:
    """Return host and port of ``host:port``."""
    if not address:
        return None
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match.group(1)) < 65536:
        raise BadInputError(f"The {option} {address!r} is not host:port.", next_step="give it as 127.0.0.1:443.")
    return address.rpartition(":")[0].strip("[]"), int(match.group(1))


def with_port(address: str, parts: urllib.parse.SplitResult) -> str:
    """Return host and port of an address; the port of the URL where it has none."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if address.count(":") > 1 and not address.startswith("["):
        return f"[{address}]:{port}"
    bare = address.endswith("]") if address.startswith("[") else ":" not in address
    return f"{address}:{port}" if bare else address


@dataclass(frozen=True)
class Tls:
    """How certificates are checked."""

    validate: bool = True
    ca_file: t.Optional[str] = None

    def context(self) -> ssl.SSLContext:
        """Make the context; an unreadable CA file is a bad input."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as exc:
            raise BadInputError(
                f"ca_file {self.ca_file!r} cannot be used on this host: {exc.strerror or exc}.",
                next_step="correct ca_file: a PEM file on the host.",
            ) from exc
        if not self.validate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True)
class Endpoint:
    """Where the requests of one API go. ``said`` names it in messages."""

    url: str
    said: str
    address: t.Optional[t.Tuple[str, int]] = None
    token: t.Optional[str] = None
    token_header: str = "Authorization"
    token_prefix: str = ""
    timeout: float = 5.0
    tls: Tls = field(default_factory=Tls)
    secrets: t.Tuple[str, ...] = ()
    host_name: str = ""
    headers: t.Mapping[str, str] = field(default_factory=dict)

    def hide(self, text: str) -> str:
        """Return *text* without our secrets."""
        return hide(text, (self.token, *self.secrets))


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    endpoint: Endpoint
    status: int
    content_type: str
    location: str
    body: bytes

    def text(self) -> str:
        """Return the body as text, as far as it is one."""
        return self.body.decode("utf-8", errors="replace")

    def looks_like_html(self) -> bool:
        """Tell a page for people from data."""
        return "html" in self.content_type.lower() or self.text().lstrip()[:1] == "<"

    def data(self) -> t.Any:
        """Return the JSON of a good answer, or raise with what it is instead."""
        self.require_good()
        if self.looks_like_html():
            raise TroubleError(
                "html",
                f"{self.endpoint.said} answered {self.status} with an HTML page instead of JSON"
                f"{_title(self.endpoint.hide(self.text()))}.",
                next_step="check url and paths: something else answers there, a login page or the app's own home page.",
            )
        try:
            return _json.loads(self.text())
        except ValueError:
            shown = self.endpoint.hide(one_line(self.text())) or "nothing"
            raise TroubleError(
                "not_json",
                f"{self.endpoint.said} answered {self.status} and no JSON, but: {shown}.",
                next_step="check url and paths.",
            ) from None

    def require_good(self) -> None:
        """Raise for every status that does not mean done."""
        said, status = self.endpoint.said, self.status
        if status in (200, 201, 204):
            return
        why = self.endpoint.hide(self._why())
        told = f": {why}" if why else ""
        if status == 202:
            raise TroubleError(
                "approval",
                f"{said} took the change but has not made it (202){told}: it waits for somebody's approval.",
                next_step="have it approved, or use a token that may skip approvals; then run this again.",
                code="refused",
            )
        if 300 <= status < 400:
            # What follows '?' may hold a session or a token.
            target = self.endpoint.hide(self.location.partition("?")[0]) or "nowhere"
            raise TroubleError(
                "redirect",
                f"{said} redirects to {target} ({status}): something else answers for it, such as a login page.",
                next_step="give the API's own address. A redirect is not followed: it would carry the token away.",
            )
        if status == 401:
            sent = (
                "does not accept the token (401)" if self.endpoint.token else "wants a token (401), and none was given"
            )
            header = self.endpoint.token_header
            raise TroubleError(
                "unauthorized",
                f"{said} {sent}{told}.",
                next_step=f"check the token and the name of its header, which is {header!r} now."
                if self.endpoint.token
                else "give token: from the environment, a vault or a file.",
                code="refused",
            )
        if status == 403:
            if _APPROVAL.search(why):
                raise TroubleError(
                    "approval",
                    f"{said} wants an approval before it makes the change (403){told}.",
                    next_step="have it approved there, or use a token that may skip approvals; then run this again.",
                    code="refused",
                )
            raise TroubleError(
                "forbidden",
                f"{said} knows the token but does not allow this (403){told}.",
                next_step="use a token with the right to change this flag, and to skip approvals if there are any.",
                code="refused",
            )
        if status == 404:
            raise TroubleError("not_found", f"{said} has nothing there (404){told}.", next_step="check url and paths.")
        if status == 429:
            raise TroubleError(
                "busy",
                f"{said} takes no more requests now (429){told}.",
                next_step="run this again in a moment.",
                retry=True,
            )
        if status >= 500:
            raise TroubleError(
                "server",
                f"{said} failed ({status}){told}.",
                next_step="look at its log, then run this again.",
                retry=True,
            )
        raise TroubleError(
            "rejected", f"{said} refused the request ({status}){told}.", next_step="check paths, method and body."
        )

    def _why(self) -> str:
        if self.looks_like_html():
            return _title(self.text()).strip(" ()'")
        with contextlib.suppress(ValueError):
            found = _message(_json.loads(self.text()))
            if found:
                return one_line(found)
        return one_line(self.text())


def _message(data: t.Any, deepest: int = _DEEPEST) -> str:
    """Find the sentence in an error of unknown shape."""
    if not deepest:
        return ""
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return _message(data[0], deepest - 1) if data else ""
    if isinstance(data, dict):
        for key in ("message", "detail", "details", "error", "reason", "name"):
            found = _message(data.get(key), deepest - 1)
            if found:
                return found
    return ""


def one_line(text: str) -> str:
    """Return a text of others as one short line that a terminal shows as it is."""
    return cut(" ".join("".join(c if c.isprintable() else " " for c in text).split()), _SHOWN).rstrip(".")


def _title(text: str) -> str:
    match = re.search(r"<title[^>]*>(.*?)</title>", text[:20000], re.IGNORECASE | re.DOTALL)
    found = one_line(re.sub(r"<[^>]*>", " ", match.group(1))) if match else ""
    return f" ({found!r})" if found else ""


class Deadline:
    """Ends a socket's waiting for good: each piece of an answer may come in time and the whole never end."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)


def connect(
    said: str, where: t.Tuple[str, int], timeout: float, tls: t.Optional[Tls] = None, name: str = ""
) -> socket.socket:
    """Open a connection, with TLS for the host *name* where *tls* is given."""
    try:
        raw = socket.create_connection(where, timeout=timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as exc:
        raise connection_trouble(said, exc, timeout) from exc
    except (ValueError, OverflowError) as exc:
        raise _no_place(said) from exc
    if tls is None:
        return raw
    try:
        with Deadline(raw, timeout):
            return tls.context().wrap_socket(raw, server_hostname=name)
    except HotfixError:
        raw.close()
        raise
    except OSError as exc:
        raw.close()
        raise connection_trouble(said, exc, timeout) from exc
    except ValueError as exc:
        raw.close()
        raise _no_place(said) from exc


def _no_place(said: str) -> TroubleError:
    """Say that a name or a port cannot be one at all."""
    return TroubleError(
        "no_name", f"{said} has a name or a port that cannot be one.", next_step="check url, or set address."
    )


def connection_trouble(said: str, exc: Exception, timeout: float) -> TroubleError:
    """Say why a connection could not be made or did not hold."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        if exc.verify_code in _NAME_MISMATCH:
            return TroubleError(
                "tls_name",
                f"{said} has a certificate of another name: {exc.verify_message.rstrip('.')}.",
                next_step="use the name that the certificate has (in url, and where to connect in address); "
                "the other side may also be somebody else.",
            )
        if exc.verify_code == _EXPIRED:
            return TroubleError(
                "tls",
                f"{said} has a certificate that has expired.",
                next_step="renew it, or set validate_certs: false.",
            )
        return TroubleError(
            "tls",
            f"{said} has a certificate that cannot be trusted: {exc.verify_message.rstrip('.')}.",
            next_step="set ca_file to the authority that issued it, or validate_certs: false.",
        )
    if isinstance(exc, (socket.timeout, TimeoutError)):
        return TroubleError(
            "timeout",
            f"{said} did not answer within {timeout:g} s.",
            next_step="see whether it runs and is not overloaded, or set a longer timeout.",
            retry=True,
        )
    # One that hangs up has said nothing at all: so do proxies in front of a port where nobody listens.
    hung_up = isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError))
    if isinstance(exc, ssl.SSLError) and not hung_up:
        return TroubleError(
            "tls",
            f"{said} does not speak TLS as we do: {exc.reason or exc}.",
            next_step="check scheme and port of url.",
        )
    if isinstance(exc, socket.gaierror):
        return TroubleError(
            "no_name", f"{said} has a name that leads nowhere: {exc.strerror}.", next_step="check url, or set address."
        )
    if isinstance(exc, ConnectionRefusedError):
        return TroubleError(
            "refused", f"{said} refuses connections.", next_step="see whether it runs, and check the port.", retry=True
        )
    why = "it hung up" if hung_up else getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return TroubleError("broken", f"{said} did not answer: {why}.", next_step="see whether it runs.", retry=True)


def ask(
    endpoint: Endpoint,
    path: str,
    *,
    method: str = "GET",
    body: t.Optional[bytes] = None,
    content_type: str = "application/json",
) -> Reply:
    """Make one request on a connection of its own. It follows no redirect and uses no proxy of the environment."""
    parts = urllib.parse.urlsplit(endpoint.url)
    tls = endpoint.tls if parts.scheme == "https" else None
    name = str(parts.hostname)
    port = parts.port or (443 if tls else 80)
    headers = {
        "Host": endpoint.host_name or parts.netloc.rpartition("@")[2],
        "Accept": "application/json",
        "User-Agent": "pangeafate.hotfix",
        "Connection": "close",
        **endpoint.headers,
    }
    if endpoint.token:
        headers[endpoint.token_header] = endpoint.token_prefix + endpoint.token
    if body is not None:
        headers["Content-Type"] = content_type
    end = time.monotonic() + endpoint.timeout
    connection = http.client.HTTPConnection(name, port, timeout=endpoint.timeout)
    raw = connect(endpoint.said, endpoint.address or (name, port), endpoint.timeout, tls, endpoint.host_name or name)
    try:
        connection.sock = raw
        with Deadline(raw, max(0.05, end - time.monotonic())) as deadline:
            try:
                connection.request(method, _target(parts, path), body=body, headers=headers)
                answer = connection.getresponse()
                read = answer.read(_BODY_LIMIT)
                if deadline.over:
                    raise socket.timeout
            except (OSError, http.client.HTTPException, ValueError) as exc:
                raise _answer_trouble(endpoint, exc, deadline.over) from exc
    finally:
        connection.close()
    return Reply(
        endpoint, answer.status, answer.getheader("Content-Type") or "", answer.getheader("Location") or "", read
    )


def _answer_trouble(endpoint: Endpoint, exc: Exception, over: bool) -> TroubleError:
    if over:
        return connection_trouble(endpoint.said, socket.timeout(), endpoint.timeout)
    if isinstance(exc, http.client.BadStatusLine) and not isinstance(exc, http.client.RemoteDisconnected):
        return TroubleError(
            "no_http", f"{endpoint.said} does not speak HTTP.", next_step="check scheme and port of url."
        )
    if isinstance(exc, OSError):
        return connection_trouble(endpoint.said, exc, endpoint.timeout)
    # http.client quotes a header's value in its messages.
    return TroubleError(
        "broken", f"{endpoint.said} broke off: {type(exc).__name__}.", next_step="see whether it runs.", retry=True
    )


def _target(parts: urllib.parse.SplitResult, path: str) -> str:
    return parts.path.rstrip("/") + (path if path.startswith("/") else f"/{path}")


def again(retries: int, call: t.Callable[[], t.Any], sleep: t.Callable[[float], None] = time.sleep) -> t.Any:
    """Call until it works, at most *retries* times more, where once more may help."""
    for attempt in range(retries + 1):
        try:
            return call()
        except TroubleError as exc:
            if not exc.retry or attempt == retries:
                raise
            sleep(min(0.1 * 2**attempt, 2.0))
    raise AssertionError("a range that is never empty")
