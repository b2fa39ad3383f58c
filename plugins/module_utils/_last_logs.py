# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The last lines of some services of an app, in the order in which they were written."""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _log_lines, _numbers, _service_logs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import mask_of

Result = t.Dict[str, t.Any]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7,9}Z")
#: A longer line is cut: what it is about stands at its beginning.
_LINE = 4000
_MOST = 10000


@dataclass(frozen=True)
class Wanted:
    """Which services, how many last lines of all of them together, and after which moment, as the engine writes it."""

    services: t.Tuple[str, ...]
    lines: int
    since: t.Optional[str] = None
    timeout: float = 20.0


def wanted_from(params: t.Mapping[str, t.Any], now: t.Optional[float] = None) -> Wanted:
    """Read the options of the module."""
    if not 1 <= params["lines"] <= _MOST:
        raise BadInputError(
            f"lines {params['lines']!r} is no number of lines from 1 to {_MOST}.", next_step="give it as lines=100."
        )
    if not 0 < params["timeout"] <= _numbers.LONGEST:
        raise BadInputError(f"timeout {str(params['timeout'])[:40]} is no time.", next_step="give it as 20.")
    services = tuple(dict.fromkeys(one.strip() for one in params["services"] if one.strip()))
    return Wanted(services, params["lines"], _since(params, time.time() if now is None else now), params["timeout"])


def _since(params: t.Mapping[str, t.Any], now: float) -> t.Optional[str]:
    text = str(params.get("since") or "").strip()
    if not text:
        return None
    if _STAMP.fullmatch(text):
        # As we told it before: to the nanosecond, so that no line comes twice and none is left out.
        return text[:-1]
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return _service_logs.text_of(now - float(ago.group(1)) * _UNITS[ago.group(2)])[:-1]
    try:
        return _service_logs.text_of(_service_logs.moment({"since": text}, "since", now))[:-1]
    except BadInputError:
        raise BadInputError(
            f"since {text!r} is no time.", next_step="give it as 15m, 2h, or 2026-01-02T03:04:05Z."
        ) from None


def collect(app: t.Mapping[str, t.Any], wanted: Wanted) -> Result:
    """Return the last lines of the services of *app*, those of containers that run no more among them.

    A service without a container is no error here: on another host it may have one.
    """
    docker, app_dir, project = _service_logs.engine_of(app)
    every = docker.containers(project)
    ours = [one for one in every if not wanted.services or one.service in wanted.services]
    end = time.monotonic() + wanted.timeout
    by_id = {one.id: one for one in ours}
    read = docker.each(lambda name: _read(by_id[name], wanted, end), list(by_id))
    mask = mask_of(app_dir, every)
    found = sorted((line for lines, _problem, _cut in read for line in lines), key=lambda line: (line[0], line[1]))
    kept = found[-wanted.lines :]
    return {
        "outcome": "seen",
        "summary": f"Read {len(kept)} lines of {len(ours)} containers of {project}.",
        "known": sorted({one.service for one in every}),
        "lines": [
            {"at": f"{at}Z", "service": by_id[name].service, "container": by_id[name].name, "text": mask.text(text)}
            for at, name, text in kept
        ],
        "newest": f"{found[-1][0]}Z" if found else None,
        "cut": len(found) > len(kept) or any(cut for _lines, _problem, cut in read),
        "problems": [mask.text(problem) for _lines, problem, _cut in read if problem],
    }


_Lines = t.List[t.Tuple[str, str, str]]


def _read(container: Container, wanted: Wanted, end: float) -> t.Tuple[_Lines, str, bool]:
    """Return time, container and text of each line, why there are none, and whether there were more."""
    since = ("--since", f"{wanted.since}Z") if wanted.since else ()
    left = end - time.monotonic()
    if left <= 0:
        return [], f"{container.name}: its log could not be read in time", False
    ran = _log_lines.read_log(container.id, ("--tail", str(wanted.lines), *since), left)
    if ran.late:
        return [], f"{container.name}: its log could not be read in time", False
    if ran.code != 0:
        return [], f"{container.name}: its log could not be read: {_log_lines.last_line(ran.stderr)}", False
    pairs = _service_logs.stamped(_service_logs.Read(list(_log_lines.lines(ran))))
    lines = [(at, container.id, text[:_LINE]) for at, text in pairs if wanted.since is None or at > wanted.since]
    problem = f"{container.name}: its last lines are longer than what is read at once" if ran.cut else ""
    return lines, problem, len(lines) >= wanted.lines
