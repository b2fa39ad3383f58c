# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``logs``: the containers write no error of a kind that they did not write before."""

from __future__ import annotations

import json
import re
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _log_lines
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import KEPT, Ran
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import regex, show
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.here import (
    HostCheck,
    mask_of,
    reached,
    services_of,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Here,
    Outcome,
    Surroundings,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil

HOST = True
KEYS = ("services", "pattern", "ignore", "since", "before")
_SINCE, _BEFORE = 300.0, 3600.0
_DAY = 86400.0
#: Of a line, as much is looked at.
_LINE = 2000
_SHOWN_KINDS = 5
_SHOWN_LINE = 200


@dataclass
class _Kind:
    """Lines of one kind: who wrote them, how many, and the first of them."""

    service: str
    line: str
    count: int = 0


@dataclass
class _Seen:
    """What was read."""

    new: t.Dict[t.Tuple[str, str], _Kind] = field(default_factory=dict)
    before: t.Set[t.Tuple[str, str]] = field(default_factory=set)
    #: Services that wrote a line of any kind before: without one there is nothing to compare with.
    past: t.Set[str] = field(default_factory=set)
    cut: t.List[str] = field(default_factory=list)


@dataclass(frozen=True)
class LogsCheck(HostCheck):
    """Compares the errors of a window with those of the time before it, by kind and service.

    The window of a container that is younger than ``before`` begins with it: a release is what is looked at. Others
    are looked at for the last seconds; ``since`` says how many, of all of them. Containers that users no longer reach
    are of the time before.
    """

    services: t.Tuple[str, ...]
    pattern: str
    ignore: t.Tuple[str, ...]
    since: t.Optional[float]
    before: float

    def look(self, here: Here, around: Surroundings) -> Outcome:
        """Read, and compare."""
        end = time.monotonic() + min(self.timeout, around.left())
        containers = here.docker.containers(here.project)
        wanted = services_of(here, self.services, containers)
        ours = [one for one in containers if one.service in wanted]
        current = [one for one in ours if reached(here, one)]
        missing = sorted(set(wanted) - {one.service for one in current})
        if missing or not current:
            return Outcome(ERROR, f"there is no container of {', '.join(missing) or 'the app'} whose log could be read")
        now = time.time()
        created = _created(here, [one.id for one in current])
        seen = _Seen()
        for one in ours:
            begins = now if one not in current else self._window(created.get(one.id, 0.0), now)
            problem = self._read(one, begins, now, end, seen)
            if problem:
                return Outcome(ERROR, mask_of(here, ours).text(problem))
        return self._judged(seen, len(current), mask_of(here, ours), Veil(around.values().values()))

    def _window(self, created: float, now: float) -> float:
        if self.since is not None:
            return now - self.since
        return created if created > now - self.before else now - _SINCE

    def _read(self, one: Container, begins: float, now: float, end: float, seen: _Seen) -> t.Optional[str]:
        """Read the log of a container into *seen*; return why it could not be read."""
        past = ("--since", f"{begins - self.before:.6f}", "--until", f"{begins:.6f}")
        # Such times are in order as texts too, of which there may be very many.
        border = _stamp(begins)
        for options in (past, ("--since", f"{begins:.6f}")) if begins < now else (past,):
            timeout = end - time.monotonic()
            ran = _log_lines.read_log(one.id, options, timeout) if timeout > 0 else Ran(-1, late=True)
            if ran.late:
                return f"the log of {one.name} could not be read within {self.timeout:g} s"
            if ran.code != 0:
                return f"the log of {one.name} could not be read: {_log_lines.last_line(ran.stderr)}"
            if ran.cut and options is not past:
                seen.cut.append(one.name)
            for line in _log_lines.lines(ran):
                match = _log_lines.STAMPED.match(line)
                # Some logging drivers know whole seconds only, and tell the same line twice.
                if match is not None and (match.group(1) < border) == (options is past):
                    self._sort(one, match.group(2)[:_LINE], options is past, seen)
        return None

    def _sort(self, one: Container, text: str, past: bool, seen: _Seen) -> None:
        if past:
            seen.past.add(one.service)
        if not re.search(self.pattern, text, re.IGNORECASE) or any(re.search(no, text) for no in self.ignore):
            return
        key = (one.service, _log_lines.signature(text))
        if past:
            seen.before.add(key)
        else:
            seen.new.setdefault(key, _Kind(one.service, text)).count += 1

    def _judged(self, seen: _Seen, containers: int, mask: Mask, veil: Veil) -> Outcome:
        unknown = [kind for key, kind in seen.new.items() if key not in seen.before]
        known = sum(kind.count for key, kind in seen.new.items() if key in seen.before)
        # What can be compared is told first; of the rest nobody knows whether it is new.
        new = [kind for kind in unknown if kind.service in seen.past] or unknown
        new.sort(key=lambda kind: -kind.count)
        shown = [
            {"service": kind.service, "count": kind.count, "line": veil.body(mask.text(kind.line))[:_SHOWN_LINE]}
            for kind in new[:_SHOWN_KINDS]
        ]
        evidence = {"new": shown, "new_kinds": len(new), "known_lines": known}
        if new:
            first, counted = new[0], _count(sum(kind.count for kind in new), "line")
            told = f"{first.service}: {show(shown[0]['line'])}"
            if first.service in seen.past:
                return Outcome(
                    FAILED, f"{_count(len(new), 'new kind')} of error ({counted}): {told}", evidence=evidence
                )
            said = f"{counted} with an error, and nothing is left of the time before to compare with"
            return Outcome(ERROR, f"{said}: {told}", evidence=evidence)
        if seen.cut:
            said = f"more than {KEPT // 1024 // 1024} MB were written, which is more than is read"
            return Outcome(ERROR, f"{', '.join(sorted(set(seen.cut)))}: {said}", evidence=evidence)
        told = f", {_count(known, 'line')} of known kinds" if known else ""
        said = f"no new kind of error in the logs of {_count(containers, 'container')}{told}"
        return Outcome(PASSED, said, evidence=evidence)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _created(here: Here, ids: t.Sequence[str]) -> t.Dict[str, float]:
    """Return when each container was made: how often it crashed and was started since does not matter."""
    if not ids:
        return {}
    printed = here.docker.run(
        "inspect", "--type", "container", "--format", "{{json .Created}} {{.Id}}", *ids, timeout=20.0
    )
    found: t.Dict[str, float] = {}
    for line in printed.splitlines():
        created, _blank, name = line.rpartition(" ")
        match = _log_lines.STAMPED.match(str(json.loads(created)))
        found[name] = _log_lines.seconds(match.group(1)) if match else 0.0
    return found


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], _secrets: t.Collection[str]) -> LogsCheck:
    """Read a check of this type."""
    said = f"Check {common['name']!r}"
    pattern = fields.text(raw, "pattern", said, _log_lines.PATTERN)
    ignore = fields.texts(raw, "ignore", said)
    for key, texts in (("pattern", (pattern,)), ("ignore", ignore)):
        with fields.within(key):
            for one in texts:
                regex(one, f"{said}: {key}")
    if re.search(pattern, "", re.IGNORECASE):
        raise BadInputError(
            f"{said}: every line would be an error by pattern {pattern!r}.", next_step="correct it.", place=("pattern",)
        )
    return LogsCheck(
        **common,
        services=services(raw, said),
        pattern=pattern,
        ignore=ignore,
        since=fields.number(raw, "since", said, 0.0, 1.0, _DAY) if "since" in raw else None,
        before=fields.number(raw, "before", said, _BEFORE, 1.0, _DAY),
    )


def services(raw: t.Mapping[str, t.Any], said: str) -> t.Tuple[str, ...]:
    """Return the services that are looked at; none of them means all."""
    found = fields.texts(raw, "services", said)
    if "services" in raw and not found:
        raise BadInputError(
            f"{said}: services names none.", next_step="name one, or leave it out for all.", place=("services",)
        )
    return found
