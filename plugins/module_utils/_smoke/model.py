# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The words of a smoke check: what is asked, of whom, and what came of it."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Database

PASSED = "passed"
#: It answered, and not as it must.
FAILED = "failed"
#: Could not look: nothing answered, so nothing is known.
ERROR = "error"
SKIPPED = "skipped"
STATUSES = (PASSED, FAILED, ERROR, SKIPPED)
#: The word for those that are bad, and not held against the app.
KNOWN = "known"

_SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class Target:
    """One address to look at.

    ``url`` is scheme, name and perhaps the beginning of every path. ``address`` (host and port) is where to connect
    when the name leads elsewhere; Host header and TLS keep the name. ``instances`` are the IDs and names of the
    containers that may answer there; none of them means that they should be known and are not.
    """

    name: str
    url: str
    address: t.Optional[t.Tuple[str, int]] = None
    host_name: t.Optional[str] = None
    instances: t.Optional[t.Tuple[str, ...]] = None
    ca_file: t.Optional[str] = None
    validate_certs: bool = True


@dataclass(frozen=True)
class Here:
    """The app on the host on which the checks are made, for those that look at it and not at its answers.

    ``name`` is how the host is called in results. ``project`` is empty where nobody said which app it is. ``services``
    are the switched ones.
    """

    docker: Docker
    name: str = "this host"
    project: str = ""
    services: t.Tuple[str, ...] = ()
    database: t.Optional[Database] = None
    app_dir: t.Optional[Path] = None


@dataclass
class Outcome:
    """What one attempt at a check found."""

    status: str
    message: str
    phases: t.Dict[str, float] = field(default_factory=dict)
    evidence: t.Dict[str, t.Any] = field(default_factory=dict)
    leftovers: t.List[str] = field(default_factory=list)


class Surroundings(t.Protocol):
    """What a running check may use of its run. Seconds throughout."""

    @property
    def here(self) -> t.Optional[Here]:
        """Return the app on this host, where the checks are made on it."""

    @property
    def evidence_dir(self) -> t.Optional[str]:
        """Return the folder for files that show something, such as a screenshot."""

    @property
    def browser_path(self) -> t.Optional[str]:
        """Return the browser to use, where it is not one of the usual name."""

    def left(self) -> float:
        """Return how long the whole run may still take."""

    def values(self) -> t.Dict[str, str]:
        """Return the secrets by name, as a dictionary of the caller's own."""

    def cleaning(self) -> t.ContextManager[None]:
        """Tell the run to wait for us beyond its end: we are putting things back."""


@dataclass(frozen=True)
class Check(abc.ABC):
    """What checks of all types have.

    ``scope`` says from where it is asked: ``public``, ``private`` (every container of ``service``, at ``port``),
    ``both``, or ``host`` (what looks at the app from its own host). It is made up to ``retries`` times more until it
    passed ``success_threshold`` times in a row, or did not ``failure_threshold`` times in a row. ``skip`` is the reason
    for which it is not made. ``verify`` says that it shows an incident: it does not pass before the fix. ``timeout``
    (for one request) and ``retry_interval`` are seconds.
    """

    name: str
    type: str
    scope: str
    service: t.Optional[str]
    port: t.Optional[int]
    timeout: float
    retries: int
    retry_interval: float
    failure_threshold: int
    success_threshold: int
    skip: str
    verify: bool

    @property
    def takes(self) -> float:
        """Return the seconds that it watches by its nature, beyond what the whole run may take."""
        return 0.0

    @property
    def alone(self) -> bool:
        """Tell whether it would disturb others, and so is made when they are over."""
        return False

    @abc.abstractmethod
    def perform(self, target: Target, around: Surroundings) -> Outcome:
        """Make one attempt. It ends within the time that is left, and raises nothing that is expected."""


@dataclass
class Result:
    """What became of one check at one target. ``phases`` are the seconds of the request that decided.

    ``before`` is the status that it had in the baseline. ``known`` says that it is bad and not held against the app:
    it was so before, or it shows an incident that is not mended yet.
    """

    name: str
    type: str
    target: str
    status: str
    message: str
    seconds: float = 0.0
    phases: t.Dict[str, float] = field(default_factory=dict)
    attempts: t.List[t.Dict[str, t.Any]] = field(default_factory=list)
    evidence: t.Dict[str, t.Any] = field(default_factory=dict)
    leftovers: t.List[str] = field(default_factory=list)
    verify: bool = False
    before: t.Optional[str] = None
    known: bool = False

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it as the module does."""
        return dict(vars(self))


@dataclass
class Report:
    """What became of a suite. ``compared`` tells that there was a baseline."""

    results: t.List[Result]
    seconds: float
    compared: bool = False

    @property
    def counts(self) -> t.Dict[str, int]:
        """Return how many results have each status, and how many bad ones are known, which are in no other number."""
        new = [one for one in self.results if not one.known]
        found = {status: sum(1 for one in new if one.status == status) for status in STATUSES}
        return {**found, KNOWN: len(self.results) - len(new)}

    @property
    def good(self) -> bool:
        """Everything that was looked at was as it must be, and something was looked at."""
        counts = self.counts
        return counts[PASSED] > 0 and not counts[FAILED] and not counts[ERROR]

    @property
    def verdict(self) -> str:
        """Return ``passed``, ``failed`` (something is broken) or ``error`` (not all was seen)."""
        counts = self.counts
        if self.good:
            return PASSED
        if not counts[FAILED] and not counts[ERROR]:
            return FAILED if any(one.status == FAILED for one in self.results) else ERROR
        return FAILED if counts[FAILED] else ERROR

    @property
    def left(self) -> str:
        """Say in which state everything was left."""
        behind = [text for one in self.results for text in one.leftovers]
        return f"Left behind: {'; '.join(behind)}." if behind else "Nothing was changed."

    @property
    def next_step(self) -> str:
        """Say what to do next."""
        if self.counts[FAILED]:
            return "see what the app's logs say to it; go back to a release that is good if users are hit."
        if self.counts[ERROR]:
            return "see whether the app runs and can be reached from here, then look again."
        if self.counts[KNOWN]:
            return "mend what was broken before; nothing shows that anything works."
        return "make at least one of the checks."

    @property
    def problems(self) -> t.List[str]:
        """Return a line for everything that did not pass, what is broken first."""
        several = len({one.target for one in self.results}) > 1
        return [
            f"{one.name}{f' at {one.target}' if several else ''}: {one.message}"
            for status in (FAILED, ERROR)
            for one in self.results
            if one.status == status and not one.known
        ]

    @property
    def notes(self) -> t.List[str]:
        """Return what else one should know: what was left behind, skipped, or passed only at a later attempt."""
        found = [f"{one.name}: left behind at {one.target}: {text}." for one in self.results for text in one.leftovers]
        for one in self.results:
            bad = [attempt["message"] for attempt in one.attempts if attempt["status"] != PASSED]
            if one.status == SKIPPED:
                found.append(f"{one.name} was skipped: {one.message}.")
            elif one.status == PASSED and bad:
                found.append(
                    f"{one.name} passed at {one.target} only at attempt {len(one.attempts)} (before: {bad[-1]})."
                )
            told = self._of_incident(one) if one.verify else _of_before(one)
            if told:
                found.append(told)
        return found

    def _of_incident(self, one: Result) -> t.Optional[str]:
        """Say what a check of an incident shows; where it must pass and does not, it is a problem, and told as one."""
        if one.status == PASSED and not self.compared:
            return f"{one.name} passes at {one.target}: it does not show the incident."
        if one.status == PASSED and one.before == PASSED:
            return f"{one.name} passed at {one.target} before as well, so it proves nothing."
        if one.status == PASSED and one.before == FAILED:
            return f"{one.name} failed at {one.target} before and passes now: the fix resolves the incident."
        if one.status == PASSED:
            return f"{one.name} passes at {one.target}; whether it failed before is not known."
        if one.known and one.status == FAILED:
            return f"{one.name} fails now at {one.target}, as the incident says: {one.message}."
        if one.known:
            return f"{one.name} could not look at {one.target}, so it shows nothing yet: {one.message}."
        return None

    @property
    def summary(self) -> str:
        """Say it in one sentence, with which of the two it is: broken, or could not look."""
        counts, problems = self.counts, self.problems
        total = len(self.results)
        known = f", {counts[KNOWN]} {self._known_words}" if counts[KNOWN] else ""
        if self.good:
            skipped = f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else ""
            return f"{counts[PASSED]} of {total} checks passed{skipped}{known} in {self.seconds:.1f} s."
        if not problems and counts[KNOWN]:
            return f"Nothing passed: of {total} checks {counts[SKIPPED]} were skipped{known}."
        if not problems:
            return f"Nothing was looked at: all {total} checks were skipped."
        more = f", and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        said = f"{'; '.join(problems[:_SHOWN_PROBLEMS])}{more}."
        if not counts[FAILED]:
            return f"Could not look ({counts[ERROR]} of {total} checks{known}): {said}"
        unseen = f", {counts[ERROR]} could not look" if counts[ERROR] else ""
        return f"Broken ({counts[FAILED]} of {total} checks failed{unseen}{known}): {said}"

    @property
    def _known_words(self) -> str:
        kinds = {one.verify for one in self.results if one.known}
        return {
            frozenset({False}): "as bad as before we began",
            frozenset({True}): "failing as the incident says",
        }.get(frozenset(kinds), "failing as is known")

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it as the module does. No key is ``failed`` or ``skipped``, which Ansible takes for its own."""
        return {
            "summary": self.summary,
            "notes": [*self.problems, *self.notes] if len(self.problems) > _SHOWN_PROBLEMS else self.notes,
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            "results": [one.as_dict() for one in self.results],
        }


def _of_before(one: Result) -> t.Optional[str]:
    """Say what is as bad as it was, and what became good by the way."""
    if one.known:
        words = "was already failing" if one.before == FAILED else "could not be looked at already"
        return f"{one.name} {words} at {one.target} before we began: {one.message}."
    if one.status == PASSED and one.before in (FAILED, ERROR):
        words = "failed" if one.before == FAILED else "could not be looked at"
        return f"{one.name} {words} at {one.target} before we began, and passes now."
    return None
