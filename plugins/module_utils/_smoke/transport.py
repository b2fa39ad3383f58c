# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One HTTP exchange, timed by phases, that ends in time whatever the other side does."""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
import socket
import threading
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Tls, connection_trouble
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Target

#: Bytes of a body that are read; more than that no check needs.
BODY_LIMIT = 4 * 1024 * 1024
_CHUNK = 65536
# What a URL may hold is left as it is.
_PATH_SAFE = "/%?:@!$&'()*+,;=~"
_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9_.:-]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """One request; ``path`` is complete and quoted."""

    method: str
    path: str
    headers: t.Mapping[str, str] = field(default_factory=dict)
    body: t.Optional[bytes] = None


@dataclass
class Exchange:
    """What came of a request.

    ``silent`` says why nothing is known, ``broken`` what is wrong with an answer that is none; with neither of them
    there is a whole answer. ``sent`` tells whether the other side may have acted on the request.
    """

    silent: t.Optional[str] = None
    broken: t.Optional[str] = None
    sent: bool = False
    status: t.Optional[int] = None
    headers: t.List[t.Tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    phases: t.Dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def header(self, name: str) -> t.Optional[str]:
        """Return a header, several of one name as one."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def text(self) -> str:
        """Return the body as text; what is none in its charset is replaced."""
        match = _CHARSET.search(self.header("Content-Type") or "")
        try:
            return self.body.decode(match.group(1) if match else "utf-8", errors="replace")
        except LookupError:
            return self.body.decode("utf-8", errors="replace")


class _Cutoff:
    """Ends all waiting on a socket for good: each piece may come in time, and the whole never end."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.over = False
        self._timer = threading.Timer(max(seconds, 0.01), self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Cutoff:
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):
            # Not SSLSocket's own method: it pulls the TLS state from under the thread that reads.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


class _Watch:
    """Measures one phase after the other."""

    def __init__(self, phases: t.Dict[str, float]) -> None:
        self._phases = phases

    @contextlib.contextmanager
    def phase(self, name: str) -> t.Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._phases[name] = round(time.monotonic() - started, 4)


def exchange(target: Target, request: Request, timeout: float) -> Exchange:
    """Make *request* on a connection of its own. It follows no redirect and uses no proxy of the environment."""
    found = Exchange()
    started = time.monotonic()
    try:
        _exchange(target, request, started + timeout, timeout, found)
    finally:
        found.seconds = round(time.monotonic() - started, 4)
    return found


def _exchange(target: Target, request: Request, end: float, timeout: float, found: Exchange) -> None:
    parts = urllib.parse.urlsplit(target.url)
    name = target.host_name or str(parts.hostname)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host, at_port = target.address or (str(parts.hostname), port)
    said = f"{host}:{at_port}" if target.address else parts.netloc.rpartition("@")[2]
    watch = _Watch(found.phases)
    raw: t.Optional[socket.socket] = None
    over = False
    try:
        with watch.phase("resolve"):
            addresses = _resolve(host, at_port, end)
        with watch.phase("connect"):
            raw = _connect(addresses, end)
        if parts.scheme == "https":
            with watch.phase("tls"):
                # The wrapped socket takes the descriptor over, so the clock must watch that one.
                raw = (
                    Tls(target.validate_certs, target.ca_file)
                    .context()
                    .wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)
                )
                with _Cutoff(raw, end - time.monotonic()) as cutoff:
                    try:
                        raw.do_handshake()
                    finally:
                        over = cutoff.over
        _talk(raw, target, request, end, watch, found)
    except (OSError, UnicodeError) as exc:
        late = over or time.monotonic() >= end
        trouble = connection_trouble(said, socket.timeout() if late else exc, timeout)
        found.silent = trouble.what.rstrip(".")
    except HotfixError as exc:
        found.silent = exc.what.rstrip(".")
    finally:
        if raw is not None:
            raw.close()


def _resolve(host: str, port: int, end: float) -> t.List[t.Tuple[t.Any, ...]]:
    """Look a name up; a name server that is silent is not waited for longer than the rest."""
    answers: queue.Queue[t.Any] = queue.Queue()

    def look() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as exc:
            answers.put(exc)

    threading.Thread(target=look, daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.01, end - time.monotonic()))
    except queue.Empty:
        raise socket.timeout from None
    if isinstance(answer, BaseException):
        raise answer
    return list(answer)


def _connect(addresses: t.Sequence[t.Tuple[t.Any, ...]], end: float) -> socket.socket:
    last: OSError = OSError("the name has no address")
    for family, kind, protocol, _name, address in addresses:
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(max(0.01, end - time.monotonic()))
            raw.connect(address)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return raw
        except OSError as exc:
            raw.close()
            last = exc
    raise last


def _talk(raw: socket.socket, target: Target, request: Request, end: float, watch: _Watch, found: Exchange) -> None:
    parts = urllib.parse.urlsplit(target.url)
    connection = http.client.HTTPConnection(str(parts.hostname), timeout=max(0.01, end - time.monotonic()))
    connection.sock = raw
    raw.settimeout(max(0.01, end - time.monotonic()))
    path = parts.path.rstrip("/") + (request.path if request.path.startswith("/") else f"/{request.path}")
    headers = {
        "Host": target.host_name or parts.netloc.rpartition("@")[2],
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "pangeafate.hotfix smoke_check",
        "Connection": "close",
    }
    given = {name.lower() for name in request.headers}
    headers = {**{name: value for name, value in headers.items() if name.lower() not in given}, **request.headers}
    with _Cutoff(raw, end - time.monotonic()) as cutoff:
        try:
            with watch.phase("processing"):
                connection.putrequest(
                    request.method, urllib.parse.quote(path, safe=_PATH_SAFE), skip_host=True, skip_accept_encoding=True
                )
                for name, value in headers.items():
                    connection.putheader(name, value)
                if request.body is not None:
                    connection.putheader("Content-Length", str(len(request.body)))
                found.sent = True
                connection.endheaders(request.body)
                answer = connection.getresponse()
            found.status, found.headers = answer.status, answer.getheaders()
            with watch.phase("transfer"):
                found.broken = _read(answer, end, found)
            if cutoff.over:
                # Cut off by us, an answer without a length looks as if it had ended.
                raise socket.timeout
        except (OSError, http.client.HTTPException, ValueError) as exc:
            if found.status is not None:
                found.broken = (
                    f"answered {found.status} and did not end its answer in time"
                    if cutoff.over or isinstance(exc, (socket.timeout, TimeoutError))
                    else f"answered {found.status} and broke off after {len(found.body)} bytes"
                )
            elif cutoff.over:
                raise socket.timeout from exc
            elif isinstance(exc, OSError):
                # http.client's RemoteDisconnected is one too: nothing was said.
                raise
            else:
                # http.client quotes what came in its messages, which may be anything.
                found.broken = f"does not speak HTTP as it should ({type(exc).__name__})"


def _read(answer: http.client.HTTPResponse, end: float, found: Exchange) -> t.Optional[str]:
    """Read the body into *found*; return what is wrong with it."""
    pieces: t.List[bytes] = []
    size = 0
    try:
        while True:
            piece = answer.read1(_CHUNK)
            if not piece:
                break
            pieces.append(piece)
            size += len(piece)
            if size > BODY_LIMIT:
                return f"answered {answer.status} and a body of more than {BODY_LIMIT // 1024 // 1024} MB"
            if time.monotonic() >= end:
                raise socket.timeout
    finally:
        found.body = b"".join(pieces)
        missing = answer.length or 0
        answer.close()
    # What is known to be missing; at the end of a connection it is told by nothing else.
    if missing:
        return f"answered {answer.status} and broke off after {size} of {size + missing} bytes"
    return None
