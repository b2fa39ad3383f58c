# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""One HTTP exchange, timed by phases, that ends in time whatever the other side does."""

from __future__ import annotations

import http.client
import re
import select
import socket
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.dial import Cutoff, Watch, dial, trouble
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Target

#: Bytes of a body that are read; more than that no check needs.
BODY_LIMIT = 4 * 1024 * 1024
_CHUNK = 65536
# What a URL may hold is left as it is.
_PATH_SAFE = "/%?:@!$&'()*+,;=~"
# Asking once more changes nothing.
_SAFE = ("GET", "HEAD")
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
    there is a whole answer. ``sent`` tells whether the other side may have acted on the request. ``hops`` are the
    redirects that led to the answer, and ``url`` is where they led.
    """

    silent: t.Optional[str] = None
    broken: t.Optional[str] = None
    sent: bool = False
    status: t.Optional[int] = None
    headers: t.List[t.Tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    phases: t.Dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    hops: t.List[str] = field(default_factory=list)
    url: str = ""

    def header(self, name: str) -> t.Optional[str]:
        """Return a header, several of one name as one."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def text(self) -> str:
        """Return the body as text; what is none in its charset is replaced."""
        match = _CHARSET.search(self.header("Content-Type") or "")
        try:
            return self.body.decode(match.group(1) if match else "utf-8", errors="replace")
        except (LookupError, UnicodeError):
            # Some codecs, such as idna, cannot leave anything out.
            return self.body.decode("utf-8", errors="replace")


def exchange(target: Target, request: Request, timeout: float, limit: int = BODY_LIMIT) -> Exchange:
    """Make *request* on a connection of its own. It follows no redirect and uses no proxy of the environment."""
    with Session(target) as session:
        return session.exchange(request, timeout, limit)


class Session:
    """Exchanges with one target. With *keep* they share a connection for as long as the other side keeps it."""

    def __init__(self, target: Target, *, keep: bool = False) -> None:
        self._target = target
        self._keep = keep
        self._raw: t.Optional[socket.socket] = None
        #: How many connections it took.
        self.connections = 0

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection up."""
        if self._raw is not None:
            self._raw.close()
        self._raw = None

    def exchange(self, request: Request, timeout: float, limit: int = BODY_LIMIT) -> Exchange:
        """Make *request*; it and its answer, of at most *limit* bytes, take at most *timeout* seconds."""
        found = Exchange()
        started = time.monotonic()
        end = started + timeout
        keep = False
        try:
            keep = self._exchange(request, end, limit, found)
        except (OSError, ValueError, HotfixError) as exc:
            found.silent = trouble(self._target, exc, end, timeout)
        finally:
            found.seconds = round(time.monotonic() - started, 4)
            if not keep:
                self.close()
        return found

    def _exchange(self, request: Request, end: float, limit: int, found: Exchange) -> bool:
        """Return whether the connection is good for another request."""
        if self._raw is not None and not _closed(self._raw):
            try:
                return self._ask(self._raw, request, end, limit, found)
            except ConnectionError:
                # Closed just when we asked, which says nothing about the app: browsers ask once more, too.
                if request.method not in _SAFE or time.monotonic() >= end:
                    raise
        self.close()
        found.phases.clear()
        self._raw = dial(self._target, end, Watch(found.phases))
        self.connections += 1
        return self._ask(self._raw, request, end, limit, found)

    def _ask(self, raw: socket.socket, request: Request, end: float, limit: int, found: Exchange) -> bool:
        kept = _talk(raw, self._target, request, end, found, keep=self._keep, limit=limit)
        return self._keep and kept and found.broken is None


class Pool:
    """Sessions with one target for threads that ask at once. With *keep* each goes on where another one ended."""

    def __init__(self, target: Target, *, keep: bool) -> None:
        self._target = target
        self._keep = keep
        self._all: t.List[Session] = []
        self._free: t.List[Session] = []

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_exception: object) -> None:
        for one in self._all:
            one.close()

    @property
    def connections(self) -> int:
        """Return how many connections it took."""
        return sum(one.connections for one in self._all)

    def exchange(self, request: Request, timeout: float) -> Exchange:
        """Make *request* on a connection that is free."""
        try:
            session = self._free.pop()
        except IndexError:
            session = Session(self._target, keep=self._keep)
            self._all.append(session)
        try:
            return session.exchange(request, timeout)
        finally:
            self._free.append(session)


def _closed(raw: socket.socket) -> bool:
    """Tell whether the other side closed a connection on which nothing was asked: it has nothing else to say."""
    poll = select.poll()
    poll.register(raw, select.POLLIN)
    return bool(poll.poll(0))


def _talk(
    raw: socket.socket, target: Target, request: Request, end: float, found: Exchange, *, keep: bool, limit: int
) -> bool:
    """Ask on a connection, and read the answer; return whether the other side keeps the connection."""
    watch = Watch(found.phases)
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
        "Connection": "keep-alive" if keep else "close",
    }
    given = {name.lower() for name in request.headers}
    headers = {**{name: value for name, value in headers.items() if name.lower() not in given}, **request.headers}
    with Cutoff(raw, end - time.monotonic()) as cutoff:
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
                found.broken = _read(answer, end, found, limit)
            if cutoff.over:
                # Cut off by us, an answer without a length looks as if it had ended.
                raise socket.timeout
            return not answer.will_close
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
    return False


def _read(answer: http.client.HTTPResponse, end: float, found: Exchange, limit: int) -> t.Optional[str]:
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
            if size > limit:
                return f"answered {answer.status} and a body of more than {limit // 1024 // 1024} MB"
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
