# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What the services of an app wrote around one moment: the last lines, and the errors before and after it."""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _log_lines, _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import stamp, utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container, Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import mask_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import BoundedRunner
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import place_of

Result = t.Dict[str, t.Any]

#: Seconds before the moment that are looked at where nobody said.
BEFORE = 900.0
#: Lines of a container in which errors are counted, from the end of the window.
SCANNED = 20000
#: Steps of a host's journal by which what users reach is changed.
_CHANGES = ("switch", "switch_flag")
_LINE = 4000
_NEW = 10
_NEW_LINE = 300


@dataclass(frozen=True)
class Wanted:
    """Which part of the logs. Times are in seconds since 1970; *tail* counts the lines that are kept of a container."""

    since: float
    until: float
    around: float
    tail: int = 400
    max_bytes: int = 64 * 1024
    max_total: int = 512 * 1024
    timeout: float = 20.0


def wanted_from(params: t.Mapping[str, t.Any], now: t.Optional[float] = None) -> Wanted:
    """Read the options of the module."""
    present = time.time() if now is None else now
    around = moment(params, "around", present)
    until = moment(params, "until", present)
    since = moment(params, "since", around - BEFORE)
    if not since <= around <= until:
        raise BadInputError(
            "The times are not in order: since, around, until.", next_step="correct them, or leave them out."
        )
    numbers = {name: params[name] for name in ("tail", "max_bytes", "max_total", "timeout")}
    for name, value in numbers.items():
        if not 0 < value <= _numbers.LONGEST:
            raise BadInputError(f"{name} is {value}, which is no size.", next_step=f"give a {name} above 0.")
    return Wanted(since, until, around, **numbers)


def moment(params: t.Mapping[str, t.Any], name: str, default: float) -> float:
    """Return the time that a parameter names, in seconds since 1970; *default* where it names none."""
    text = params.get(name)
    if not text:
        return default
    try:
        found = datetime.fromisoformat(re.sub("[Zz]$", "+00:00", str(text)))
    except ValueError:
        raise BadInputError(
            f"{name} {text!r} is no time.", next_step="give it as in 2026-01-02T03:04:05.678Z."
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


@dataclass
class _Service:
    """What was read of one service: lines with their time and container, errors by kind."""

    name: str
    containers: t.List[Container] = field(default_factory=list)
    lines: t.List[t.Tuple[str, str, str]] = field(default_factory=list)
    before: int = 0
    after: int = 0
    known: t.Set[str] = field(default_factory=set)
    new: t.Dict[str, str] = field(default_factory=dict)
    last: str = ""
    cut: bool = False
    problems: t.List[str] = field(default_factory=list)


def collect(app: t.Mapping[str, t.Any], wanted: Wanted) -> Result:
    """Return what the services of *app* wrote, also those of its containers that run no more."""
    return _collected(*engine_of(app), app.get("services") or [], wanted)


def around_change(app: t.Mapping[str, t.Any], run: str, journal: t.Sequence[t.Mapping[str, t.Any]]) -> Result:
    """Return what all services of *app* wrote around the change that *run* made, by the host's *journal*.

    The change is made by then: what cannot be read is told and never raised.
    """
    began = utc_now()
    ends = [str(one.get("at")) for one in journal if one.get("run") == run and _is_change(one)]
    try:
        now = began.timestamp()
        # A clock that was set back since has the change in its future.
        around = min(moment({"around": max(ends, default="")}, "around", now), now)
        docker, app_dir, project = _app_of(app)
        found = _collected(docker, app_dir, project, (), Wanted(around - BEFORE, now, around))
    except HotfixError as exc:
        return exc.as_result()
    except (OSError, ValueError) as exc:
        return {"outcome": "failed", "msg": str(exc)}
    return {**found, "clock": {"began": stamp(began), "ended": stamp(utc_now())}}


def _is_change(entry: t.Mapping[str, t.Any]) -> bool:
    return entry.get("phase") == "end" and entry.get("step") in _CHANGES


def _collected(
    docker: Docker, app_dir: t.Optional[Path], project: str, chosen: t.Sequence[str], wanted: Wanted
) -> Result:
    containers = [c for c in docker.containers(project) if not chosen or c.service in chosen]
    reads = read_all(docker, containers, wanted)
    found = told(chosen, containers, reads, mask_of(app_dir, containers), wanted)
    return {
        "outcome": "seen",
        "summary": _summary(project, found),
        "since": text_of(wanted.since),
        "around": text_of(wanted.around),
        "until": text_of(wanted.until),
        "services": found,
    }


def engine_of(app: t.Mapping[str, t.Any]) -> t.Tuple[Docker, t.Optional[Path], str]:
    """Return the engine, which answers, with folder and project of *app*; raise where nobody said which app."""
    docker, app_dir, project = _app_of(app)
    docker.require_engine()
    return docker, app_dir, project


def _app_of(app: t.Mapping[str, t.Any]) -> t.Tuple[Docker, t.Optional[Path], str]:
    app_dir, project = place_of(app)
    if not project:
        raise BadInputError("Nobody said which app of the host.", next_step="set hotfix_app_dir, or hotfix_project.")
    return Docker(BoundedRunner()), app_dir, project


def read_all(docker: Docker, containers: t.Sequence[Container], wanted: Wanted) -> t.List[Read]:
    """Read the logs of all *containers* at once, in their order."""
    end = time.monotonic() + wanted.timeout
    return docker.each(lambda name: _read(name, wanted, end), [c.id for c in containers])


def stamped(read: Read) -> t.List[t.Tuple[str, str]]:
    """Return the lines of both streams in one order, each as its time (without ``Z``) and its text."""
    matches = [_log_lines.STAMPED.match(line) for line in read.lines]
    return sorted(((match.group(1), match.group(2)) for match in matches if match), key=lambda pair: pair[0])


def told(
    names: t.Sequence[str],
    containers: t.Sequence[Container],
    reads: t.Sequence[Read],
    mask: Mask,
    wanted: Wanted,
    *,
    no_error: t.Callable[[str], bool] = lambda _line: False,
) -> t.List[Result]:
    """Return what was read of each service, of *names* first. What *no_error* knows is not taken for an error."""
    services = {name: _Service(name) for name in [*names, *sorted({c.service for c in containers})]}
    for one, read in zip(containers, reads):
        services[one.service].containers.append(one)
        _sort(services[one.service], one, read, wanted, no_error)
    left = wanted.max_total
    found = []
    for service in services.values():
        result = _told(service, mask, min(wanted.max_bytes, left), wanted.tail)
        left -= result["bytes"]
        found.append(result)
    return found


def _summary(project: str, found: t.Sequence[Result]) -> str:
    lines = sum(one["lines"] for one in found)
    before, after = (sum(one[key] for one in found) for key in ("errors_before", "errors_after"))
    return (
        f"Read {lines} lines of {len(found)} services of {project}; "
        f"{before} errors before the moment, {after} after it."
    )


class Read(t.NamedTuple):
    """The lines of a container's log, those of stdout first; why there are none; and whether there were more."""

    lines: t.List[str]
    problem: str = ""
    cut: bool = False


def _read(container: str, wanted: Wanted, end: float) -> Read:
    """Read the end of the window; an engine that is slow or a driver that keeps nothing is a problem to be told."""
    window = ("--since", f"{wanted.since:.6f}", "--until", f"{wanted.until:.6f}")
    for tail in (SCANNED, wanted.tail):
        left = end - time.monotonic()
        if left <= 0:
            return Read([], "its log could not be read in time")
        ran = _log_lines.read_log(container, (*window, "--tail", str(tail)), left)
        if ran.late:
            return Read([], "its log could not be read in time")
        if ran.code != 0:
            return Read([], f"its log could not be read: {_log_lines.last_line(ran.stderr)}")
        if not ran.cut or tail == wanted.tail:
            break
    lines = [line for line in _log_lines.lines(ran) if line]
    return Read(lines, "", ran.cut or len(lines) >= tail)


def _sort(
    service: _Service, container: Container, read: Read, wanted: Wanted, no_error: t.Callable[[str], bool]
) -> None:
    if read.problem:
        service.problems.append(f"{container.name}: {read.problem}")
    service.cut = service.cut or read.cut
    border = text_of(wanted.around)[:-1]
    errors = re.compile(_log_lines.PATTERN, re.IGNORECASE)
    # Both streams in one order; the one that is told first counts as the first of its kind.
    for at, text in stamped(read):
        service.lines.append((at, container.name, text))
        if no_error(text) or not errors.search(text[:_LINE]):
            continue
        kind = _log_lines.signature(text[:_LINE])
        if at < border:
            service.before += 1
            service.known.add(kind)
        else:
            service.after += 1
            service.last = text
            service.new.setdefault(kind, text)


def _told(service: _Service, mask: Mask, room: int, tail: int) -> Result:
    """Return a service as the result shows it: its last lines, masked, in no more bytes than there is room for."""
    kept: t.List[str] = []
    size = 0
    by_container: t.Dict[str, int] = {}
    cut = service.cut
    for at, name, text in sorted(service.lines, key=lambda line: line[0], reverse=True):
        by_container[name] = by_container.get(name, 0) + 1
        if by_container[name] > tail:
            cut = True
            continue
        line = f"{at}Z {name} | {mask.text(text)[:_LINE]}\n"
        length = len(line.encode("utf-8", "replace"))
        if size + length > room:
            cut = True
            break
        kept.append(line)
        size += length
    new = [mask.text(text)[:_NEW_LINE] for kind, text in service.new.items() if kind not in service.known]
    return {
        "service": service.name,
        "containers": [
            {"name": c.name, "status": c.status, "slot": c.slot, "release": c.release, "restarts": c.restarts}
            for c in service.containers
        ],
        "text": "".join(reversed(kept)),
        "lines": len(kept),
        "bytes": size,
        "cut": cut,
        "errors_before": service.before,
        "errors_after": service.after,
        "new": new[:_NEW],
        "last_error": mask.text(service.last)[:_NEW_LINE],
        "problems": [mask.text(text) for text in service.problems]
        or ([] if service.containers else ["it has no container"]),
    }


def text_of(seconds: float) -> str:
    """Return a time as the engine writes it, with microseconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
