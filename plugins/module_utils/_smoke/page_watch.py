# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Notes what a browser tells of a page: its requests, its errors, and how far it has loaded."""

from __future__ import annotations

import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut

Params = t.Mapping[str, t.Any]

#: Things of one sort that are kept; the rest is counted.
KEPT = 20
_SHOWN = 300
#: Characters of a text that are looked at at all.
_LOOKED_AT = _SHOWN * 20
#: No number of seconds, lines or requests is ever larger.
_MOST = 1e15
_OPEN_AT_MOST = 5000
# They stay open by their nature, or are nothing that a page waits for.
_NEVER_OVER = ("EventSource", "WebSocket", "Ping", "Preflight")
_PHASES = (("resolve", "dnsStart", "dnsEnd"), ("tls", "sslStart", "sslEnd"))


@dataclass
class Problems:
    """Problems of one sort: the first of them, and how many there were."""

    told: t.List[str] = field(default_factory=list)
    total: int = 0

    def add(self, text: str) -> None:
        """Add one."""
        self.total += 1
        if len(self.told) < KEPT and text not in self.told:
            self.told.append(text)

    def as_list(self) -> t.List[str]:
        """Return the first of them, and how many there were if that is more."""
        return [*self.told, *([f"{self.total} in all"] if self.total > len(self.told) else [])]


@dataclass
class _Request:
    said: str
    kind: str
    main: bool


@dataclass
class MainAnswer:
    """The answer that became the page."""

    url: str
    status: int
    kind: str
    timing: Params
    redirects: int = 0


class PageWatch:
    """What happened in one page since it was asked for. ``hide`` takes secrets out of a text."""

    def __init__(self, url: str, allow: t.Sequence[t.Pattern[str]], hide: t.Callable[[str], str]) -> None:
        self._origin = _origin(url)
        self._allow = allow
        self._hide = hide
        self._open: t.Dict[str, _Request] = {}
        #: By number, as one may turn out to be handled after all.
        self._thrown: t.Dict[int, str] = {}
        self._first: t.Optional[float] = None
        self._quiet_since = time.monotonic()
        self.requests = 0
        self.redirects = 0
        self.page: t.Optional[MainAnswer] = None
        self.main_over: t.Optional[float] = None
        self.main_trouble = ""
        self.load_seconds: t.Optional[float] = None
        self.navigations = 0
        self.crashed = False
        self.download = ""
        self.warnings = 0
        self.allowed = 0
        self.failed = Problems()
        self.console = Problems()
        self.exceptions = Problems()
        self.dialogs = Problems()

    def handle(self, method: str, params: Params) -> None:
        """Take a note of an event. What is not of its kind in it is as good as not there."""
        handler = _HANDLERS.get(method)
        if handler is not None:
            handler(self, params)

    @property
    def quiet(self) -> float:
        """Return for how many seconds nothing has been requested or awaited."""
        waiting = any(one.kind not in _NEVER_OVER for one in self._open.values())
        return 0.0 if waiting else time.monotonic() - self._quiet_since

    @property
    def awaited(self) -> t.List[str]:
        """Return the requests that are not over."""
        return [one.said for one in self._open.values() if one.kind not in _NEVER_OVER][:KEPT]

    @property
    def phases(self) -> t.Dict[str, float]:
        """Return the seconds of the page's own request, by phase."""
        timing = self.page.timing if self.page else {}
        if not timing:
            return {}
        found = {name: _span(timing, start, end) for name, start, end in _PHASES}
        found["connect"] = max(0.0, _span(timing, "connectStart", "connectEnd") - found["tls"])
        found["processing"] = _span(timing, "sendStart", "receiveHeadersEnd")
        if self.main_over is not None:
            begun = _number(timing.get("requestTime")) + _number(timing.get("receiveHeadersEnd")) / 1000
            found["transfer"] = max(0.0, self.main_over - begun)
        order = ("resolve", "connect", "tls", "processing", "transfer")
        return {name: round(found[name], 4) for name in order if name in found and (name != "tls" or found[name])}

    def exceptions_now(self) -> Problems:
        """Return the exceptions that nobody caught."""
        found = Problems(list(self.exceptions.told), self.exceptions.total)
        for text in self._thrown.values():
            found.add(text)
        return found

    def place(self, url: str) -> str:
        """Return a URL as it is told: of our own origin the path only, and no query, which may hold a token."""
        bare, question, _query = url.partition("?")
        bare = bare.partition("#")[0] or bare
        said = bare[len(self._origin) :] if bare.startswith(f"{self._origin}/") else bare
        return self.text(f"{said}{question and '?…'}")

    def text(self, text: str) -> str:
        """Return what a page said, on one line and not long. Secrets go first, lest half of one stay."""
        return cut(" ".join(self._hide(cut(text, _LOOKED_AT)).split()), _SHOWN)

    def _add(self, to: Problems, text: str) -> None:
        if any(one.search(text) for one in self._allow):
            self.allowed += 1
        else:
            to.add(text)

    def _requested(self, params: Params) -> None:
        request, number = _json.table(params.get("request")), str(params.get("requestId"))
        url, kind = str(request.get("url", "")), str(params.get("type", ""))
        if url.startswith(("data:", "blob:")) or (kind == "Other" and url == f"{self._origin}/favicon.ico"):
            # The icon of this name is asked for by the browser, without being told to.
            return
        before = self._open.get(number)
        main = self._first is None or (before is not None and before.main)
        if self._first is None:
            self._first = _number(params.get("timestamp"))
        if params.get("redirectResponse"):
            self.redirects += main
        else:
            self.requests += 1
        self._opened(number, _Request(f"{self.text(str(request.get('method', 'GET')))} {self.place(url)}", kind, main))
        self._quiet_since = time.monotonic()

    def _opened(self, number: str, request: _Request) -> None:
        if len(self._open) < _OPEN_AT_MOST or number in self._open:
            self._open[number] = request

    def _answered(self, params: Params) -> None:
        one = self._open.get(str(params.get("requestId")))
        answer = _json.table(params.get("response"))
        status = int(_number(answer.get("status")))
        if one is None:
            return
        if one.main:
            kind = self.text(str(answer.get("mimeType", "")))
            timing = _json.table(answer.get("timing"))
            self.page = MainAnswer(self.place(str(answer.get("url", ""))), status, kind, timing, self.redirects)
        elif status >= 400:
            self._add(self.failed, f"{one.said} answered {status}")

    def _over(self, params: Params) -> None:
        one = self._open.pop(str(params.get("requestId")), None)
        if one is not None and one.main:
            self.main_over = _number(params.get("timestamp"))
        self._quiet_since = time.monotonic()

    def _broken(self, params: Params) -> None:
        one = self._open.pop(str(params.get("requestId")), None)
        self._quiet_since = time.monotonic()
        why = self.text(str(params.get("errorText") or "it failed"))
        reason = params.get("blockedReason") or _json.table(params.get("corsErrorStatus")).get("corsError")
        if one is None:
            return
        if one.main:
            self.main_trouble = why
        elif not params.get("canceled") or reason:
            self._add(self.failed, f"{one.said} failed ({self.text(str(reason)) if reason else why})")

    def _socket_made(self, params: Params) -> None:
        self.requests += 1
        request = _Request(self.place(str(params.get("url", ""))), "WebSocket", False)
        self._opened(str(params.get("requestId")), request)

    def _socket_broken(self, params: Params) -> None:
        one = self._open.get(str(params.get("requestId")))
        said = one.said if one else "a WebSocket"
        self._add(self.failed, f"{said} failed ({self.text(str(params.get('errorMessage', '')))})")

    def _said(self, params: Params) -> None:
        kind = params.get("type")
        if kind == "warning":
            self.warnings += 1
        if kind in ("error", "assert"):
            words = [_value(one) for one in _json.tables(params.get("args"))[:10]]
            frames = _json.tables(_json.table(params.get("stackTrace")).get("callFrames"))
            self._add(self.console, self._at(" ".join(words) or "(nothing)", frames[0] if frames else {}))

    def _logged(self, params: Params) -> None:
        entry = _json.table(params.get("entry"))
        text = str(entry.get("text", ""))
        # Requests and WebSockets are told by themselves, and by their own names.
        known = entry.get("source") == "network" or text.startswith("WebSocket connection to ")
        if entry.get("level") == "warning":
            self.warnings += 1
        if entry.get("level") == "error" and not known:
            self._add(self.console, self._at(text, entry))

    def _threw(self, params: Params) -> None:
        details = _json.table(params.get("exceptionDetails"))
        thrown = _json.table(details.get("exception"))
        said = _without_stack(str(thrown.get("description") or "")) or _value(thrown) or str(details.get("text", ""))
        text = self._at(said, details)
        if any(one.search(text) for one in self._allow):
            self.allowed += 1
        elif len(self._thrown) < KEPT:
            self._thrown[int(_number(details.get("exceptionId"), -1))] = text
        else:
            self.exceptions.total += 1

    def _caught(self, params: Params) -> None:
        self._thrown.pop(int(_number(params.get("exceptionId"), -1)), None)

    def _at(self, text: str, where: Params) -> str:
        url = str(where.get("url") or "")
        if not url:
            return self.text(text)
        line = _number(where.get("lineNumber"), -1)
        return f"{self.text(text)} ({self.place(url)}{f':{int(line) + 1}' if line >= 0 else ''})"

    def _loaded(self, params: Params) -> None:
        if self._first is not None and self.load_seconds is None:
            self.load_seconds = round(max(0.0, _number(params.get("timestamp")) - self._first), 3)

    def _navigated(self, params: Params) -> None:
        if not _json.table(params.get("frame")).get("parentId"):
            self.navigations += 1

    def _crashed(self, _params: Params) -> None:
        self.crashed = True

    def _asked(self, params: Params) -> None:
        self.dialogs.add(self.text(f"{params.get('type')}: {params.get('message')}"))

    def _downloads(self, params: Params) -> None:
        self.download = self.text(str(params.get("suggestedFilename") or "a file"))


_HANDLERS: t.Mapping[str, t.Callable[[PageWatch, Params], None]] = {
    "Network.requestWillBeSent": PageWatch._requested,
    "Network.responseReceived": PageWatch._answered,
    "Network.loadingFinished": PageWatch._over,
    "Network.loadingFailed": PageWatch._broken,
    "Network.webSocketCreated": PageWatch._socket_made,
    "Network.webSocketFrameError": PageWatch._socket_broken,
    "Runtime.consoleAPICalled": PageWatch._said,
    "Runtime.exceptionThrown": PageWatch._threw,
    "Runtime.exceptionRevoked": PageWatch._caught,
    "Log.entryAdded": PageWatch._logged,
    "Page.loadEventFired": PageWatch._loaded,
    "Page.frameNavigated": PageWatch._navigated,
    "Page.javascriptDialogOpening": PageWatch._asked,
    "Page.downloadWillBegin": PageWatch._downloads,
    "Inspector.targetCrashed": PageWatch._crashed,
}


def _origin(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _span(timing: Params, start: str, end: str) -> float:
    """Return the seconds of a phase; -1 stands for one that there was not."""
    first, last = _number(timing.get(start), -1), _number(timing.get(end), -1)
    return max(0.0, last - first) / 1000 if first >= 0 else 0.0


def _value(remote: Params) -> str:
    """Return a value of the page's scripts in words."""
    if "value" in remote:
        return str(remote["value"])
    return _without_stack(str(remote.get("description") or remote.get("unserializableValue") or ""))


def _without_stack(text: str) -> str:
    """Return what an error says, without where it came from. A page may say as much as it likes, and blanks only."""
    kept: t.List[str] = []
    for line in cut(text, _LOOKED_AT).split("\n"):
        if kept and line[:1].isspace() and line.lstrip().startswith("at "):
            break
        kept.append(line)
    return "\n".join(kept).rstrip()


def _number(value: t.Any, otherwise: float = 0.0) -> float:
    """Return a number that can be computed with; *otherwise* where it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return otherwise
    return float(value) if -_MOST < value < _MOST else otherwise
