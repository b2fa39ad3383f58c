# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``page``: an HTML page loads, and so does every script and stylesheet that it names."""

from __future__ import annotations

import base64
import hashlib
import time
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields, markup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import Step, asked, read_plain
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.links import Link, chain, follow, link, url_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Check,
    Outcome,
    Surroundings,
    Target,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.together import together
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.transport import Exchange, Request
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

HOST = False
KEYS = ("path", "headers", "budget", "contains", "assets", "scripts_at_least", "follow_redirects")
_ALL, _SAME_ORIGIN = "all", "same_origin"
_PAGE_TYPES = ("text/html", "application/xhtml+xml")
_FITTING = {
    markup.SCRIPT: (
        "text/javascript",
        "application/javascript",
        "application/x-javascript",
        "text/ecmascript",
        "application/ecmascript",
    ),
    markup.STYLESHEET: ("text/css",),
}
# Built for the eye of nobody, they are larger than any answer of an API.
_FILE_LIMIT = 16 * 1024 * 1024
_MOST_FILES = 200
# Browsers open six connections to one host, and pages often name two hosts.
_AT_ONCE = 8
_SHOWN = 20
_SHOWN_PROBLEMS = 3
_SHOWN_URL = 120
_DIGESTS = ("sha512", "sha384", "sha256")


@dataclass
class Loaded:
    """A file that the page names, and what came of it. ``unseen`` tells that nothing is known of it."""

    kind: str
    url: str
    problem: t.Optional[str] = None
    unseen: bool = False
    found: Exchange = field(default_factory=Exchange)

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it as evidence."""
        shown: t.Dict[str, t.Any] = {"url": self.url, "kind": self.kind, "seconds": self.found.seconds}
        if self.found.status is not None:
            shown.update(status=self.found.status, bytes=len(self.found.body))
        if self.problem:
            shown["problem"] = self.problem
        return shown


@dataclass(frozen=True)
class PageCheck(Check):
    """Loads a page as a browser does that has nothing cached, but for what its scripts would do."""

    page: Step
    budget: float
    only_own: bool
    scripts_at_least: int

    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Load the page, then all that it names, at once."""
        started = time.monotonic()
        values: t.Dict[str, t.Any] = dict(around.values())
        found, outcome = asked(self.page, target, around, self.timeout, values)
        if found is None or outcome.status != PASSED:
            return outcome
        said = f"{self.page.said}{f' ({chain(found)})' if found.hops else ''}"
        if _media_type(found) not in _PAGE_TYPES:
            outcome.status = FAILED
            outcome.message = f"{said} is no HTML page, but {_media_type(found) or 'something without a content type'}"
            return outcome
        request = self.page.request(values)
        base = found.url or url_of(target, request.path)
        named = markup.read(found.text())
        links = self._links(target, _against(base, named.base), named.files)
        headers = dict(request.headers)

        def load(index: int) -> Loaded:
            return self._load(*links[index], headers, around, secure=base.startswith("https:"))

        files = together(load, len(links), _AT_ONCE)
        took = time.monotonic() - started
        _tell(outcome, files, Veil(around.values().values()))
        self._judge(outcome, said, files, took, len(named.files))
        return outcome

    def _links(
        self, target: Target, base: str, named: t.Sequence[markup.Named]
    ) -> t.List[t.Tuple[markup.Named, t.Union[Link, str]]]:
        """Return where the files are, or why they are nowhere."""
        found: t.List[t.Tuple[markup.Named, t.Union[Link, str]]] = []
        for one in named[:_MOST_FILES]:
            try:
                if not one.reference:
                    raise ValueError("no address")
                leads = link(target, base, one.reference)
            except ValueError as exc:
                found.append((one, f"has {exc}"))
                continue
            if leads.own or not self.only_own:
                found.append((one, leads))
        return found

    def _load(
        self,
        named: markup.Named,
        leads: t.Union[Link, str],
        headers: t.Mapping[str, str],
        around: Surroundings,
        *,
        secure: bool,
    ) -> Loaded:
        if isinstance(leads, str):
            return Loaded(named.kind, f"a {named.kind} ({cut(named.reference, _SHOWN_URL)!r})", leads)
        loaded = Loaded(named.kind, leads.said)
        left = around.left()
        if left <= 0:
            loaded.problem, loaded.unseen = "was not asked for, the time of the whole run was over", True
        elif secure and leads.url.startswith("http:"):
            loaded.problem = "is named by http, which browsers block on a page of https"
        else:
            # Other origins get nothing that the check has for its own.
            request = Request("GET", leads.path, headers if leads.own else {})
            loaded.found = follow(
                leads.target, request, min(self.timeout, left), self.page.follow_redirects, _FILE_LIMIT
            )
            loaded.problem = _problem(named, loaded.found)
            # That somebody else's server does not answer us says nothing of what it answers to users.
            loaded.unseen = loaded.found.silent is not None and not leads.own
        return loaded

    def _judge(self, outcome: Outcome, said: str, files: t.Sequence[Loaded], took: float, named: int) -> None:
        wrong = [one for one in files if one.problem]
        scripts = sum(1 for one in files if one.kind == markup.SCRIPT)
        counted = f"its {len(files)} files" if len(files) != 1 else "its one file"
        if wrong:
            outcome.status = ERROR if all(one.unseen for one in wrong) else FAILED
            # What is known to be broken first.
            wrong.sort(key=lambda one: one.unseen)
            shown = "; ".join(f"{one.url} {one.problem}" for one in wrong[:_SHOWN_PROBLEMS])
            more = f"; and {len(wrong) - _SHOWN_PROBLEMS} more" if len(wrong) > _SHOWN_PROBLEMS else ""
            outcome.message = f"{said} loaded, but {len(wrong)} of {counted} did not: {shown}{more}"
        elif named > _MOST_FILES:
            outcome.status = FAILED
            outcome.message = f"{said} names {named} files, more than the {_MOST_FILES} that are loaded"
        elif scripts < self.scripts_at_least:
            outcome.status = FAILED
            outcome.message = f"{said} loaded, but names {scripts} scripts, not at least {self.scripts_at_least}"
        elif took > self.budget:
            outcome.status = FAILED
            outcome.message = f"{said} and {counted} took {took:.3f} s, not at most {self.budget:g} s"
        else:
            outcome.message = f"{said} and {counted} loaded in {took:.3f} s"


def _tell(outcome: Outcome, files: t.Sequence[Loaded], veil: Veil) -> None:
    """Add the files to what is shown, those with a problem first, and their time to that of the page."""
    first = sorted(files, key=lambda one: one.problem is None)
    outcome.evidence["files"] = [veil.anything(one.as_dict()) for one in first[:_SHOWN]]
    for one in files:
        for name, seconds in one.found.phases.items():
            outcome.phases[name] = round(outcome.phases.get(name, 0.0) + seconds, 4)


def _problem(named: markup.Named, found: Exchange) -> t.Optional[str]:
    """Say what is wrong with a file."""
    if found.silent or found.broken:
        return f"did not come: {found.silent}" if found.silent else found.broken
    if found.status != 200:
        return f"answered {found.status}, not 200"
    if not found.body:
        return "is empty"
    fitting = _FITTING.get(named.kind)
    kind = _media_type(found)
    if fitting and (kind in _PAGE_TYPES or _looks_like_html(found.body)):
        return f"is an HTML page in the place of a {named.kind}"
    if fitting and kind and kind not in fitting:
        return f"has the content type {cut(kind, _SHOWN_URL)}, with which no browser takes it for a {named.kind}"
    return None if _intact(named.integrity, found.body) else "is not what its digest on the page says (integrity)"


def _media_type(found: Exchange) -> str:
    return (found.header("Content-Type") or "").partition(";")[0].strip().lower()


def _looks_like_html(body: bytes) -> bool:
    return body[:200].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def _intact(integrity: str, body: bytes) -> bool:
    """Compare a file with the digests that the page has for it: one of the strongest kind must fit."""
    given: t.Dict[str, t.List[str]] = {}
    for one in integrity.split():
        name, _dash, digest = one.partition("?")[0].partition("-")
        given.setdefault(name.lower(), []).append(digest)
    for name in _DIGESTS:
        if name in given:
            return base64.b64encode(hashlib.new(name, body).digest()).decode() in given[name]
    return True


def _against(base: str, given: str) -> str:
    """Return what the addresses on a page stand against: its own address, or what its <base> says."""
    try:
        return urllib.parse.urljoin(base, given)
    except ValueError:
        return base


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> PageCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    contains = fields.texts(raw, "contains", said) if "contains" in raw else ("</html>",)
    expect = Expect(status=(200,), contains=contains)
    return PageCheck(
        **common,
        page=read_plain(raw, said, secrets, expect, path="/", follow_redirects=5),
        budget=fields.number(raw, "budget", said, 3.0, 0.001, 600.0),
        only_own=fields.one_of(raw, "assets", said, (_ALL, _SAME_ORIGIN), _ALL) == _SAME_ORIGIN,
        scripts_at_least=fields.whole(raw, "scripts_at_least", said, 0, 0, _MOST_FILES),
    )
