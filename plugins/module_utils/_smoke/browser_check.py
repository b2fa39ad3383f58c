# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``browser``: a page loads in a real browser, and neither console nor requests show an error."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
import re
import threading
import time
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import dial, fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.cdp import (
    Connection,
    GoneError,
    LateError,
    Params,
    RefusedError,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.chromium import (
    NAMES,
    Chromium,
    find,
    without_sandbox,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import NO_REGEX
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    SKIPPED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.page_watch import PageWatch, Problems
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.pin import pin
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

HOST = False
KEYS = ("path", "budget", "expect", "allow")
_EXPECTATIONS = ("title", "selector", "contains")
_BUDGET = 10.0
# Beyond the budget: the browser's start, its answers to us, the screenshot.
_AROUND = 10.0
#: Browsers of one process at the same time; each takes a few hundred MB.
_AT_ONCE = threading.BoundedSemaphore(4)
# A page is at rest when it has asked for nothing for so long; one that never is, is looked at after the second time.
_QUIET = 0.5
_REST_AT_MOST = 3.0
_ANSWER = 2.0
_POLL = 0.1
_LOADED_ANEW_AT_MOST = 10
_SHOWN = 3
_DOMAINS = ("Page", "Runtime", "Log", "Inspector")
# Something answered there, though not as it must; whatever else the browser says means that nothing is known.
_ANSWERED = re.compile(
    r"net::ERR_(TOO_MANY_REDIRECTS|INVALID_REDIRECT|UNSAFE_REDIRECT|INVALID_HTTP_RESPONSE|INVALID_CHUNKED_ENCODING"
    r"|INCOMPLETE_CHUNKED_ENCODING|CONTENT_LENGTH_MISMATCH|CONTENT_DECODING_FAILED|HTTP2_PROTOCOL_ERROR"
    r"|RESPONSE_HEADERS_\w+|HTTP_RESPONSE_CODE_FAILURE|BLOCKED_BY_RESPONSE|INVALID_RESPONSE|DISALLOWED_URL_SCHEME)"
)
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True)
class BrowserCheck(Check):
    """Opens one page, and judges it when it is at rest. Texts and selectors are waited for until the budget ends."""

    path: str
    budget: float
    allow: t.Tuple[t.Pattern[str], ...]
    title: t.Tuple[str, ...]
    selectors: t.Tuple[str, ...]
    contains: t.Tuple[str, ...]

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Open the page in a browser of its own, and leave nothing of that browser."""
        program = find(around.browser_path)
        if program is None:
            looked = around.browser_path or ", ".join(NAMES)
            return Outcome(SKIPPED, f"no Chromium or Chrome is installed here (looked for {looked})")
        if not _AT_ONCE.acquire(timeout=max(0.0, around.left())):
            return Outcome(ERROR, "the time of the whole run was over before a browser could be started")
        try:
            # From here on there is something to be put back.
            with around.cleaning():
                return _Look(self, target, around, program).made()
        finally:
            _AT_ONCE.release()


class _Look:
    """One look at one page."""

    def __init__(self, check: BrowserCheck, target: Target, around: Surroundings, program: str) -> None:
        self._check = check
        self._target = target
        self._around = around
        self._program = program
        self._end = time.monotonic() + min(check.timeout, around.left())
        self._veil = Veil(around.values().values())
        parts = urllib.parse.urlsplit(target.url)
        host = parts.netloc.rpartition("@")[2]
        self._url = f"{parts.scheme}://{host}{parts.path.rstrip('/')}{check.path}"
        self._watch = PageWatch(self._url, check.allow, self._veil.text)
        self._session = ""
        self._connection: t.Optional[Connection] = None
        self._evidence: t.Dict[str, t.Any] = {"request": f"GET {self._watch.place(self._url)}"}
        self._busy = False
        #: What was expected of the page and is not there.
        self._missing: t.List[str] = []

    def made(self) -> Outcome:
        """Return what was seen."""
        try:
            arguments = self._arguments()
        except (OSError, UnicodeError, ValueError, HotfixError) as exc:
            said = dial.trouble(self._target, exc, self._end, self._check.budget)
            return Outcome(ERROR, f"{self._evidence['request']}: {said}", {}, self._evidence)
        browser = Chromium(self._program, arguments, self._event)
        if without_sandbox():
            self._evidence["sandbox"] = "off: a browser that runs as root cannot have one"
        try:
            with browser as self._connection:
                try:
                    self._open()
                    outcome = self._judged(self._at_rest())
                except (GoneError, LateError, RefusedError) as exc:
                    outcome = Outcome(ERROR, self._interrupted(exc, browser))
                outcome.phases, outcome.evidence = self._watch.phases, self._evidence
                return outcome
        except OSError as exc:
            return Outcome(ERROR, f"{self._program} did not start: {exc.strerror or exc}", {}, self._evidence)

    def _arguments(self) -> t.List[str]:
        """Return what leads the browser to the target, and lets it accept the target's certificate and no other."""
        parts = urllib.parse.urlsplit(self._target.url)
        arguments = []
        if self._target.address:
            name, (host, port) = str(parts.hostname), self._target.address
            name = f"[{name}]" if ":" in name else name.encode("idna").decode()
            host = f"[{host}]" if ":" in host else host
            if not _HOST_NAME.fullmatch(name) or not _HOST_NAME.fullmatch(host):
                raise HotfixError(f"The name {name!r} is none that a browser can be led from.", next_step="correct it.")
            own = parts.port or (443 if parts.scheme == "https" else 80)
            # Another port of the same name is not for another host to answer.
            arguments.append(f"--host-resolver-rules=MAP {name}:{own} {host}:{port},MAP {name} {host}")
        if parts.scheme == "https" and not self._target.validate_certs:
            arguments.append("--ignore-certificate-errors")
        elif parts.scheme == "https":
            # Our own authorities are not the browser's. It is told the one key that we have verified.
            end = min(self._end, time.monotonic() + self._check.budget)
            arguments.append(f"--ignore-certificate-errors-spki-list={pin(self._target, end)}")
        return arguments

    def _event(self, method: str, params: Params, session: str) -> None:
        if session and session != self._session:
            return
        self._watch.handle(method, params)
        if method == "Page.javascriptDialogOpening" and self._connection is not None:
            # Nobody is there to answer it, and until then the page stands still.
            self._connection.send(
                "Page.handleJavaScriptDialog", {"accept": params.get("type") == "beforeunload"}, session, end=self._end
            )

    def _call(self, method: str, params: t.Optional[Params] = None, *, within: float = 0.0) -> Params:
        if self._connection is None:
            raise GoneError
        end = min(self._end, time.monotonic() + within) if within else self._end
        return self._connection.call(method, params, self._session, end=end)

    def _open(self) -> None:
        """Get a page, and listen to all that it says."""
        self._evidence["browser"] = self._watch.text(str(self._call("Browser.getVersion").get("product")))
        self._call("Browser.setDownloadBehavior", {"behavior": "deny"})
        page = self._call("Target.createTarget", {"url": "about:blank"}).get("targetId")
        given = self._call("Target.attachToTarget", {"targetId": page, "flatten": True})
        self._session = str(given.get("sessionId") or "")
        if not self._session:
            # Without one, what it says of other pages would be taken for this one's.
            raise RefusedError("it gives no session with a page")
        self._call("Network.enable", {"maxTotalBufferSize": 1000000, "maxResourceBufferSize": 100000})
        for domain in _DOMAINS:
            self._call(f"{domain}.enable")

    def _at_rest(self) -> t.Optional[Outcome]:
        """Load the page and wait until it is at rest; return the outcome where there is nothing to look at."""
        connection, watch = self._connection, self._watch
        if connection is None:
            raise GoneError
        budget_end = time.monotonic() + self._check.budget
        asked = connection.ask("Page.navigate", {"url": self._url}, self._session, end=self._end)
        answer: t.Optional[Params] = None
        while watch.load_seconds is None and not self._hopeless(answer):
            if time.monotonic() >= min(budget_end, self._end):
                return self._never_loaded(time.monotonic() >= self._end)
            connection.pump(min(budget_end, self._end, time.monotonic() + _POLL))
            answer = answer or connection.answer(asked)
        if answer and answer.get("errorText"):
            return self._no_page(self._watch.text(str(answer["errorText"])))
        rest_end = min(self._end, time.monotonic() + _REST_AT_MOST)
        while watch.quiet < _QUIET and time.monotonic() < rest_end and not watch.crashed:
            connection.pump(min(rest_end, time.monotonic() + _POLL))
        if not watch.crashed:
            self._examine(budget_end)
            self._screenshot()
        return None

    def _hopeless(self, answer: t.Optional[Params]) -> bool:
        return self._watch.crashed or bool(answer and answer.get("errorText"))

    def _never_loaded(self, cut_short: bool) -> t.Optional[Outcome]:
        """Say what a page that has not loaded by now still waits for."""
        watch = self._watch
        if watch.page is None:
            return Outcome(ERROR, f"{self._said}: nothing answered within {self._check.budget:g} s")
        if cut_short:
            return Outcome(ERROR, f"{self._said}: the time was over before it could load")
        self._look_at_it()
        awaited = watch.awaited
        why = "its scripts keep the page busy" if self._busy else f"it still waited for {_listed(awaited)}"
        self._missing.append(
            f"had not loaded after {self._check.budget:g} s" + (f": {why}" if self._busy or awaited else "")
        )
        if not self._busy:
            self._screenshot()
        return None

    def _no_page(self, trouble: str) -> Outcome:
        """Say what came in the place of a page."""
        watch, said = self._watch, self._said
        if watch.page is not None and trouble == "net::ERR_ABORTED":
            kind = f" ({watch.page.kind})" if watch.page.kind else ""
            what = f"a download{kind}" if watch.download or watch.page.status == 200 else "no page"
            return Outcome(FAILED, f"{said} answered {watch.page.status} with {what}")
        if watch.page is not None:
            return Outcome(FAILED, f"{said} answered {watch.page.status} with no page ({trouble})")
        if watch.redirects:
            return Outcome(FAILED, f"{said} redirected {watch.redirects} times and led nowhere ({trouble})")
        return Outcome(
            FAILED if _ANSWERED.match(trouble) else ERROR, f"{said}: the browser could not open it ({trouble})"
        )

    def _examine(self, budget_end: float) -> None:
        """Wait until all that is expected is on the page, or its budget is used up."""
        while True:
            self._missing = self._look_at_it()
            if self._busy or not self._missing or time.monotonic() + _POLL >= min(budget_end, self._end):
                return
            if self._connection is not None:
                self._connection.pump(time.monotonic() + _POLL)

    def _look_at_it(self) -> t.List[str]:
        """Ask the page itself; return what is expected and not there."""
        check = self._check
        wanted = {"title": check.title, "selectors": check.selectors, "contains": check.contains}
        expression = f"({_ASK})({json.dumps(wanted)})"
        try:
            found = self._call("Runtime.evaluate", {"expression": expression, "returnByValue": True}, within=_ANSWER)
        except LateError:
            # A tab that crashed answers nothing either, and is told as that.
            self._busy = True
            return [] if self._watch.crashed else ["its scripts keep the page busy without end"]
        except RefusedError:
            return ["it went elsewhere just when it was looked at"]
        seen = _json.table(found.get("result")).get("value")
        if not isinstance(seen, dict):
            raise RefusedError(_said_by(found))
        self._evidence["title"] = self._watch.text(str(seen.get("title", "")))
        told = (
            ("titles", check.title, f"its title {self._evidence['title']!r} lacks"),
            ("selectors", check.selectors, "nothing on it is"),
            ("contains", check.contains, "it does not show"),
        )
        for key, expected, _said in told:
            # The page's own scripts may have changed what ours calls. What was not looked for is not there.
            if not isinstance(seen.get(key), list) or len(seen[key]) != len(expected):
                raise RefusedError("it gave no answer")
        return [
            f"{said} {self._watch.text(one)!r}"
            for key, expected, said in told
            for one, there in zip(expected, seen[key])
            if not there
        ]

    def _judged(self, outcome: t.Optional[Outcome]) -> Outcome:
        """Say what came of it, from all that was noted."""
        watch = self._watch
        exceptions = watch.exceptions_now()
        self._write_down(exceptions)
        if outcome is not None:
            return outcome
        loaded = f" in {watch.load_seconds:.3f} s" if watch.load_seconds is not None else ""
        problems = [*self._of_the_page()]
        for sort, said in ((exceptions, "uncaught "), (watch.failed, ""), (watch.console, "console: ")):
            problems += [f"{said}{one}" for one in sort.told]
        if problems:
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            return Outcome(FAILED, f"{self._said}: {'; '.join(problems[:_SHOWN])}{more}")
        noted = f", {watch.allowed} allowed" if watch.allowed else ""
        requests = "1 request" if watch.requests == 1 else f"{watch.requests} requests"
        return Outcome(PASSED, f"{self._said} loaded{loaded} with {requests}, and without an error{noted}")

    def _of_the_page(self) -> t.Iterator[str]:
        """Tell what is wrong with the page as a whole."""
        watch, check = self._watch, self._check
        if watch.crashed:
            yield "its tab crashed"
        if watch.page is not None and watch.page.status >= 400:
            yield f"answered {watch.page.status}"
        if watch.load_seconds is not None and watch.load_seconds > check.budget:
            yield f"took {watch.load_seconds:.3f} s to load, more than {check.budget:g} s"
        if watch.navigations > _LOADED_ANEW_AT_MOST:
            yield f"loads itself again and again ({watch.navigations} times)"
        yield from self._missing

    @property
    def _said(self) -> str:
        return str(self._evidence["request"])

    def _write_down(self, exceptions: Problems) -> None:
        watch = self._watch
        if watch.page is not None:
            self._evidence.update(status=watch.page.status, url=watch.page.url)
        if watch.load_seconds is not None:
            self._evidence["load_seconds"] = watch.load_seconds
        self._evidence.update(requests=watch.requests, warnings=watch.warnings, allowed=watch.allowed)
        sorts = {
            "exceptions": exceptions,
            "failed_requests": watch.failed,
            "console_errors": watch.console,
            "dialogs": watch.dialogs,
        }
        self._evidence.update({name: one.as_list() for name, one in sorts.items() if one.total})

    def _interrupted(self, exc: Exception, browser: Chromium) -> str:
        self._write_down(self._watch.exceptions_now())
        if isinstance(exc, LateError):
            return f"{self._said}: the browser was not done after {self._check.timeout:g} s"
        if isinstance(exc, RefusedError):
            return f"{self._said}: the browser refused to look: {self._watch.text(str(exc))}"
        complaint = self._watch.text(browser.complaint())
        did = "ended while it looked" if self._session else "did not start"
        return f"{self._program} {did}{f': {complaint}' if complaint else ''}"

    def _screenshot(self) -> None:
        """Keep a picture of the page where files are wanted. That there is none changes no verdict."""
        folder = self._around.evidence_dir
        if not folder or self._busy:
            return
        try:
            shot = self._call("Page.captureScreenshot", {"format": "png"}, within=_ANSWER)
            picture = base64.b64decode(str(shot.get("data", "")), validate=True)
            path = _kept(folder, f"{self._target.name}-{self._check.name}", picture)
            self._evidence["screenshot"] = {"path": path, "sha256": hashlib.sha256(picture).hexdigest()}
        except (LateError, RefusedError, OSError, ValueError) as exc:
            why = "the browser did not give one in time" if isinstance(exc, LateError) else self._watch.text(str(exc))
            self._evidence["screenshot"] = {"missing": why}


# It is given what is expected, and returns for each part whether it is there.
_ASK = """wanted => {
  const text = document.body ? document.body.innerText : '';
  return {
    title: document.title.slice(0, 300),
    titles: wanted.title.map(one => document.title.includes(one)),
    selectors: wanted.selectors.map(one => document.querySelector(one) !== null),
    contains: wanted.contains.map(one => text.includes(one)),
  };
}"""


def _said_by(found: Params) -> str:
    exception = _json.table(_json.table(found.get("exceptionDetails")).get("exception"))
    return str(exception.get("description") or "it gave no answer").partition("\n")[0]


def _listed(texts: t.Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return f"{', '.join(texts[:_SHOWN])}{more}"


def _kept(folder: str, name: str, content: bytes) -> str:
    """Write a file of its own name that nobody else can read, and return its path."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    path = os.path.join(folder, f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:100].strip('.-')}-{now}.png")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
    return path


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> BrowserCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    if common["scope"] != "public":
        raise BadInputError(
            f"{said}: a browser looks from outside only.",
            next_step="take service and port out, or set scope: public.",
            place=("scope" if "scope" in raw else "service",),
        )
    path = fields.path(raw, said, "/")
    if fields.placeholders(path):
        raise BadInputError(
            f"{said}: nothing gives a value to its path {path!r}.", next_step="give the whole path.", place=("path",)
        )
    budget = fields.number(raw, "budget", said, _BUDGET, 0.1, 300.0)
    timeout = fields.number(raw, "timeout", said, budget + _AROUND, 0.1, 600.0)
    if timeout <= budget:
        raise BadInputError(
            f"{said}: its timeout of {timeout:g} s leaves no time beside the {budget:g} s that the page may take.",
            next_step="set a longer timeout, or a shorter budget.",
            place=("timeout",),
        )
    with fields.within("expect"):
        expected = fields.mapping(raw.get("expect", {}), f"{said}: expect", _EXPECTATIONS)
        if "expect" in raw and not expected:
            raise BadInputError(
                f"{said}: expect says nothing.", next_step="say what the page must show, or take it out."
            )
        title, selectors, contains = (_texts(expected, key, f"{said}: expect") for key in _EXPECTATIONS)
    return BrowserCheck(
        **{**common, "timeout": timeout},
        path=path,
        budget=budget,
        allow=tuple(_patterns(raw, said)),
        title=title,
        selectors=selectors,
        contains=contains,
    )


def _texts(given: t.Mapping[str, t.Any], key: str, said: str) -> t.Tuple[str, ...]:
    found = fields.texts(given, key, said)
    if key in given and not found:
        raise BadInputError(
            f"{said}: {key} names nothing.", next_step=f"name something, or take {key} out.", place=(key,)
        )
    return found


def _patterns(raw: t.Mapping[str, t.Any], said: str) -> t.Iterator[t.Pattern[str]]:
    for one in fields.texts(raw, "allow", said):
        try:
            yield re.compile(one)
        except NO_REGEX as exc:
            raise BadInputError(
                f"{said}: allow has {one[:200]!r}, which is no regular expression: {exc}.",
                next_step="correct it.",
                place=("allow",),
            ) from None
