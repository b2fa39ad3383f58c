# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Opens a connection to a target, timed by phases, and says why there is none."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import Tls, connection_trouble
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Target

Place = t.Tuple[str, int]

_contexts: t.Dict[t.Tuple[bool, t.Optional[str], bool], ssl.SSLContext] = {}
_contexts_lock = threading.Lock()


@dataclass(frozen=True)
class Foreign(Target):
    """Another origin, which an answer named: the system's authorities are good for it beside those of the target."""


class Cutoff:
    """Ends all waiting on a socket for good: each piece may come in time, and the whole never end."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self.over = False
        self._timer = threading.Timer(max(seconds, 0.01), self._end)
        self._timer.daemon = True

    def __enter__(self) -> Cutoff:
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        with contextlib.suppress(OSError):
            # Not SSLSocket's own method: it pulls the TLS state from under the thread that reads.
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


class Watch:
    """Measures one phase after the other."""

    def __init__(self, phases: t.Dict[str, float]) -> None:
        self._phases = phases

    @contextlib.contextmanager
    def phase(self, name: str) -> t.Iterator[None]:
        """Measure what is done in the block."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._phases[name] = round(time.monotonic() - started, 4)


def place(target: Target) -> Place:
    """Return host and port to connect to."""
    parts = urllib.parse.urlsplit(target.url)
    return target.address or (str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80))


def server_name(target: Target) -> str:
    """Return the name that the certificate is checked for."""
    return target.host_name or str(urllib.parse.urlsplit(target.url).hostname)


def said_of(target: Target) -> str:
    """Return how a target's address is called in messages."""
    if target.address:
        return f"{target.address[0]}:{target.address[1]}"
    return urllib.parse.urlsplit(target.url).netloc.rpartition("@")[2]


def dial(target: Target, end: float, watch: Watch) -> socket.socket:
    """Connect to *target*, with TLS where its URL says so; all of it is over at *end* (monotonic seconds)."""
    raw = reach(place(target), end, watch)
    if urllib.parse.urlsplit(target.url).scheme != "https":
        return raw
    try:
        context = _context(target)
    except HotfixError:
        raw.close()
        raise
    return secure(raw, context, server_name(target), end, watch)


def _context(target: Target) -> ssl.SSLContext:
    """Return how *target* is verified. To read all authorities of a system anew costs more than many a request."""
    key = (target.validate_certs, target.ca_file, isinstance(target, Foreign))
    with _contexts_lock:
        if key not in _contexts:
            context = Tls(target.validate_certs, target.ca_file).context()
            if isinstance(target, Foreign):
                context.load_default_certs()
            _contexts[key] = context
        return _contexts[key]


def reach(where: Place, end: float, watch: Watch) -> socket.socket:
    """Connect, without TLS."""
    with watch.phase("resolve"):
        addresses = _resolve(*where, end)
    with watch.phase("connect"):
        return _connect(addresses, end)


def secure(raw: socket.socket, context: ssl.SSLContext, name: str, end: float, watch: Watch) -> ssl.SSLSocket:
    """Shake hands for TLS on a connection, which is closed when that fails."""
    with watch.phase("tls"):
        try:
            # The wrapped socket takes the descriptor over, so the clock must watch that one.
            wrapped = context.wrap_socket(raw, server_hostname=name, do_handshake_on_connect=False)
        except (OSError, UnicodeError, ValueError):
            raw.close()
            raise
        with Cutoff(wrapped, end - time.monotonic()) as cutoff:
            try:
                wrapped.settimeout(max(0.01, end - time.monotonic()))
                wrapped.do_handshake()
            except OSError as exc:
                wrapped.close()
                if cutoff.over:
                    raise socket.timeout from exc
                raise
        return wrapped


def trouble(target: Target, exc: Exception, end: float, timeout: float) -> str:
    """Say why nothing is known of *target*. What came after *end* came because time was over."""
    return trouble_at(said_of(target), exc, end, timeout)


def trouble_at(said: str, exc: Exception, end: float, timeout: float) -> str:
    """Say why nothing is known of the place that is called *said*."""
    if isinstance(exc, HotfixError):
        return exc.what.rstrip(".")
    late = time.monotonic() >= end
    return connection_trouble(said, socket.timeout() if late else exc, timeout).what.rstrip(".")


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
