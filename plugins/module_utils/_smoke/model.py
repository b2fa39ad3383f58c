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
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker

PASSED = "passed"
#: It answered, and not as it must.
FAILED = "failed"
#: Could not look: nothing answered, so nothing is known.
ERROR = "error"
SKIPPED = "skipped"
STATUSES = (PASSED, FAILED, ERROR, SKIPPED)

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

    ``database`` is C(hotfix_database) of the host, as it was given.
    """

    docker: Docker
    project: str
    services: t.Tuple[str, ...] = ()
    database: t.Optional[t.Mapping[str, t.Any]] = None


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
    passes. ``skip`` is the reason for which it is not made. ``timeout`` (for one request) and ``retry_interval`` are
    seconds.
    """

    name: str
    type: str
    scope: str
    service: t.Optional[str]
    port: t.Optional[int]
    timeout: float
    retries: int
    retry_interval: float
    skip: str

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
    """What became of one check at one target. ``phases`` are the seconds of the request that decided."""

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

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it as the module does."""
        return dict(vars(self))


@dataclass
class Report:
    """What became of a suite."""

    results: t.List[Result]
    seconds: float

    @property
    def counts(self) -> t.Dict[str, int]:
        """Return how many results have each status."""
        return {status: sum(1 for one in self.results if one.status == status) for status in STATUSES}

    @property
    def good(self) -> bool:
        """Everything that was looked at was as it must be, and something was looked at."""
        counts = self.counts
        return counts[PASSED] > 0 and not counts[FAILED] and not counts[ERROR]

    @property
    def verdict(self) -> str:
        """Return ``passed``, ``failed`` (something is broken) or ``error`` (not all was seen)."""
        return PASSED if self.good else FAILED if self.counts[FAILED] else ERROR

    @property
    def left(self) -> str:
        """Say in which state everything was left."""
        behind = [text for one in self.results for text in one.leftovers]
        return f"Left behind: {'; '.join(behind)}." if behind else "Nothing was changed."

    @property
    def next_step(self) -> str:
        """Say what to do next."""
        if self.counts[FAILED]:
            return "see what the app's logs say to it; roll back if users are hit."
        if self.counts[ERROR]:
            return "see whether the app runs and can be reached from here, then look again."
        return "make at least one of the checks."

    @property
    def problems(self) -> t.List[str]:
        """Return a line for everything that did not pass, what is broken first."""
        several = len({one.target for one in self.results}) > 1
        return [
            f"{one.name}{f' at {one.target}' if several else ''}: {one.message}"
            for status in (FAILED, ERROR)
            for one in self.results
            if one.status == status
        ]

    @property
    def notes(self) -> t.List[str]:
        """Return what else one should know: what was left behind, skipped, or passed only at a later attempt."""
        found = [f"{one.name}: left behind at {one.target}: {text}." for one in self.results for text in one.leftovers]
        for one in self.results:
            if one.status == SKIPPED:
                found.append(f"{one.name} was skipped: {one.message}.")
            elif one.status == PASSED and len(one.attempts) > 1:
                before = one.attempts[-2]["message"]
                found.append(
                    f"{one.name} passed at {one.target} only at attempt {len(one.attempts)} (before: {before})."
                )
        return found

    @property
    def summary(self) -> str:
        """Say it in one sentence, with which of the two it is: broken, or could not look."""
        counts, problems = self.counts, self.problems
        total = len(self.results)
        if self.good:
            skipped = f", {counts[SKIPPED]} skipped" if counts[SKIPPED] else ""
            return f"{counts[PASSED]} of {total} checks passed{skipped} in {self.seconds:.1f} s."
        if not problems:
            return f"Nothing was looked at: all {total} checks were skipped."
        more = f", and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        said = f"{'; '.join(problems[:_SHOWN_PROBLEMS])}{more}."
        if not counts[FAILED]:
            return f"Could not look ({counts[ERROR]} of {total} checks): {said}"
        unseen = f", {counts[ERROR]} could not look" if counts[ERROR] else ""
        return f"Broken ({counts[FAILED]} of {total} checks failed{unseen}): {said}"

    def as_dict(self) -> t.Dict[str, t.Any]:
        """Return it as the module does. No key is ``failed`` or ``skipped``, which Ansible takes for its own."""
        return {
            "summary": self.summary,
            "notes": [*self.problems, *self.notes] if len(self.problems) > _SHOWN_PROBLEMS else self.notes,
            "counts": self.counts,
            "seconds": round(self.seconds, 3),
            "results": [one.as_dict() for one in self.results],
        }
