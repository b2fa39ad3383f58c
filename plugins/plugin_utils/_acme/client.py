# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to an authority, each with an end to it.

An authority that says "too often" is never asked again by itself: it says when it may be, and that is told.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
import time
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import one_line, usable_url
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.record import when_said

if t.TYPE_CHECKING:
    import requests

AGENT = "pangeafate.hotfix"
_JOSE = {"Content-Type": "application/jose+json"}
#: How often a nonce may be refused, and how often a request that fails for a moment is made again.
_NONCES, _ATTEMPTS, _PAUSE = 8, 3, 1.0
_LONGEST_ANSWER = 1024 * 1024
#: How deep the parts of a problem are told.
_DEEPEST = 3
_PROBLEM = "urn:ietf:params:acme:error:"
_UNTIL = re.compile(r"[Rr]etry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?: ?UTC|Z)?")


class AcmeError(HotfixError):
    """The authority refused, or could not be asked.

    ``kind`` is the last part of the problem's type, as ``rateLimited``; ``until`` is when it may be asked again.
    """

    def __init__(
        self, what: str, *, next_step: str, kind: str = "", status: int = 0, until: datetime | None = None
    ) -> None:
        super().__init__(what, next_step=next_step, code="refused" if kind == "rateLimited" else "failed")
        self.kind = kind
        self.status = status
        self.until = until


@dataclass(frozen=True)
class Answer:
    """What the authority answered. ``data`` is its JSON, or nothing."""

    status: int
    headers: t.Mapping[str, str]
    text: str
    data: t.Mapping[str, t.Any]


class Client:
    """One account at one authority."""

    def __init__(
        self,
        directory: str,
        key: keys.AccountKey,
        *,
        ca_file: str | None = None,
        timeout: float = 20.0,
        contact: str | None = None,
        eab: t.Mapping[str, str] | None = None,
    ) -> None:
        import requests  # only who asks an authority needs it

        usable_url(directory, ("https", "http"), "ssl_renewal_directory")
        self._url = directory
        self._key = key
        self._timeout = timeout
        self._contact = contact
        self._eab = eab
        self._session = requests.Session()
        self._ca_file = ca_file or True
        self._session.headers["User-Agent"] = AGENT
        self._nonce: str | None = None
        self._places: t.Mapping[str, t.Any] = {}
        self._account: str | None = None

    @property
    def key(self) -> keys.AccountKey:
        """Return the account's key."""
        return self._key

    # ------------------------------------------------------------------------------------------- asking

    def directory(self) -> t.Mapping[str, t.Any]:
        """Return where its parts are; raise when it does not answer as an authority does."""
        if not self._places:
            found = self.get(self._url).data
            missing = [name for name in ("newNonce", "newAccount", "newOrder") if not isinstance(found.get(name), str)]
            if missing:
                raise BadInputError(
                    f"{self._url} is no directory of an ACME authority (it has no {', '.join(missing)}).",
                    next_step="correct ssl_renewal_directory.",
                )
            self._places = found
        return self._places

    def get(self, url: str) -> Answer:
        """Ask without an account."""
        return self._patiently(lambda: self._send("GET", url), again=True)

    def post(self, url: str, payload: t.Any = None, *, again: bool = True) -> Answer:
        """Ask in the account's name; without a payload for what is there. *again*: asking twice does no harm."""
        head = {"kid": self.account()}
        return self._patiently(lambda: self._signed(url, head, payload), again=again)

    def account(self) -> str:
        """Return the account's URL. Where the authority does not know the key yet, it gets an account now."""
        if self._account is None:
            url = str(self.directory()["newAccount"])
            payload: dict[str, t.Any] = {"termsOfServiceAgreed": True}
            if self._contact:
                payload["contact"] = [f"mailto:{self._contact}"]
            if self._eab:
                payload["externalAccountBinding"] = keys.bound(self._key.jwk(), url, self._eab["kid"], self._eab["key"])
            head = {"jwk": self._key.jwk()}
            answer = self._patiently(lambda: self._signed(url, head, payload), again=True)
            self._account = answer.headers.get("location", "")
        return self._account

    def _signed(self, url: str, head: t.Mapping[str, t.Any], payload: t.Any) -> Answer:
        for _attempt in range(_NONCES):
            if self._nonce is None:
                self._nonce = self._send("HEAD", str(self.directory()["newNonce"])).headers.get("replay-nonce")
            protected = {"alg": self._key.algorithm, "nonce": self._nonce, "url": url, **head}
            self._nonce = None
            body = json.dumps(self._key.signed(protected, payload))
            try:
                return self._send("POST", url, body)
            except AcmeError as exc:
                # It hands out new ones with every answer, and refuses some of them on purpose.
                if exc.kind != "badNonce":
                    raise
                last = exc
        raise last

    def _patiently(self, send: t.Callable[[], Answer], *, again: bool) -> Answer:
        for left in reversed(range(_ATTEMPTS)):
            began = time.monotonic()
            try:
                return send()
            except AcmeError as exc:
                # One that said nothing for so long says nothing the next time: whoever waits is to know it now.
                quick = time.monotonic() - began < self._timeout
                passing = exc.status == 0 or (exc.status >= 500 and exc.until is None)
                if not (again and passing and quick and left):
                    raise
                time.sleep(_PAUSE)
        raise AssertionError

    def _send(self, method: str, url: str, body: str | None = None) -> Answer:
        import requests

        try:
            with self._session.request(
                method,
                url,
                data=body,
                headers=_JOSE if body is not None else None,
                timeout=self._timeout,
                # What a session verifies by, the environment would overrule.
                verify=self._ca_file,
                allow_redirects=method != "POST",
                stream=True,
            ) as response:
                text = _body(response).decode("utf-8", "replace")
                headers = {name.lower(): value for name, value in response.headers.items()}
                status = response.status_code
        except requests.exceptions.SSLError as exc:
            raise AcmeError(
                f"The authority at {url} cannot be trusted: {_cause(exc)}.",
                next_step="set ssl_renewal_directory_ca_file where it has a certificate of its own authority.",
                status=-1,
            ) from exc
        # A place that it names and that is none comes as it is.
        except (requests.RequestException, OSError, ValueError) as exc:
            raise AcmeError(
                f"The authority does not answer ({url}): {_cause(exc)}.",
                next_step="see whether it is down (its status page) and whether this machine reaches it, and run this "
                "again later; what is installed stays as it is.",
            ) from exc
        self._nonce = headers.get("replay-nonce") or self._nonce
        data = _document(text)
        if status >= 400:
            raise _refusal(url, status, headers, data, text)
        return Answer(status, headers, text, data)


def _body(response: requests.Response) -> bytes:
    """Return a body, of one that is too long the beginning."""
    found = b""
    for piece in response.iter_content(65536):
        found += piece
        if len(found) >= _LONGEST_ANSWER:
            break
    return found[:_LONGEST_ANSWER]


def _document(text: str) -> t.Mapping[str, t.Any]:
    try:
        return _json.table(_json.loads(text))
    except ValueError:
        return {}


def _refusal(url: str, status: int, headers: t.Mapping[str, str], data: t.Mapping[str, t.Any], text: str) -> AcmeError:
    kind = str(data.get("type") or "").removeprefix(_PROBLEM)
    if status == 429:
        kind = "rateLimited"
    said = said_of(data) or one_line(text) or "it said nothing"
    until = _until(headers.get("retry-after"), said, utc_now()) if kind == "rateLimited" or status == 503 else None
    if kind == "rateLimited":
        when = when_said(until) if until else "a time that it does not say"
        return AcmeError(
            f"The authority takes no more of this before {when} ({url} answered {status}: {said}).",
            next_step=f"run this again after {when}. Until then every attempt is refused, and may count as one more.",
            kind=kind,
            status=status,
            until=until,
        )
    if status >= 500:
        when = f" before {when_said(until)}" if until else " now"
        return AcmeError(
            f"The authority does not work{when} ({url} answered {status}: {said}).",
            next_step="see its status page, and run this again later; what is installed stays as it is.",
            kind=kind,
            status=status,
            until=until,
        )
    return AcmeError(
        f"The authority refused ({url} answered {status}, {kind or 'no ACME problem'}): {said}.",
        next_step="mend what it says, then run this again.",
        kind=kind,
        status=status,
    )


def said_of(problem: t.Any, deepest: int = _DEEPEST) -> str:
    """Return the words of a problem document, those of its parts too."""
    if not isinstance(problem, t.Mapping) or not deepest:
        return ""
    parts = [one_line(str(problem.get("detail") or problem.get("title") or ""))]
    parts += [said_of(one, deepest - 1) for one in _json.tables(problem.get("subproblems"))]
    return " ".join(part for part in parts if part)[:600]


def _until(header: str | None, said: str, now: datetime) -> datetime | None:
    """Return when it may be asked again: the later one of what its header and its words say."""
    found: list[datetime] = []
    # What is said may be no time at all, or none that a calendar knows.
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if header and header.strip().isdecimal():
            found.append(now + timedelta(seconds=int(header)))
        elif header:
            found.append(email.utils.parsedate_to_datetime(header).astimezone(UTC))
    match = _UNTIL.search(said)
    if match is not None:
        with contextlib.suppress(ValueError):
            found.append(datetime.fromisoformat(f"{match.group(1)}T{match.group(2)}+00:00"))
    return max(found, default=None)


def _cause(exc: BaseException) -> str:
    text = str(exc)
    for pattern, word in (
        (r"Connection refused", "connection refused"),
        (r"Name or service not known|Temporary failure in name resolution|NameResolutionError", "the name is unknown"),
        (r"timed out", "it was silent for too long"),
        (r"certificate verify failed: ([^(\n]*)", ""),
    ):
        match = re.search(pattern, text)
        if match is not None:
            return word or match.group(1).strip()
    return " ".join(text.split())[:200] or type(exc).__name__
