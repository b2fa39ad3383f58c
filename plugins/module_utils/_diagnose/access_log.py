# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What the access log of a proxy tells: statuses and how long requests took, whatever its format is.

The format is not known. A line in JSON is read by its usual keys. In any other line the status is the number after the
request in quotes, and the time is what is called ``rt=`` or ``request_time=``, or else a number with exactly three
decimals, which is how nginx writes seconds. Where a line has several, the largest is that of the whole request.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found

_REQUEST = re.compile(r'"(?P<method>[A-Z]{3,10}) (?P<path>[^"\s]*)[^"]*"\s+(?P<status>[1-5]\d\d)\b')
#: A request that was none, as nginx tells it: an empty or a broken line, in quotes, with its status.
_NO_REQUEST = re.compile(r'\] "(?:[^"\\]|\\.)*" (?P<status>[1-5]\d\d) \d+')
_NAMED_TIME = re.compile(r'\b(?:rt|request_time|reqtime)[=:]"?(?P<seconds>\d+\.\d+)')
_QUOTED = re.compile(r'"(?P<inside>(?:[^"\\]|\\.)*)"')
_MSEC = re.compile(r"(?<![\d.])(?P<seconds>\d{1,6}\.\d{3})(?![\d.])")
_STATUS_KEYS = ("status", "status_code", "http_status", "response_code")
_TIME_KEYS = ("request_time", "requesttime", "rt", "duration", "latency", "response_time")
_PATH_KEYS = ("uri", "request_uri", "path", "url", "request")
#: Longer is no request that anybody waited for, but a time of the clock.
_LONGEST = 86400.0
_PATHS = 3
_PATH = 80


class Request(t.NamedTuple):
    """One line: its status, the seconds that it took where the format tells, and its path without the query."""

    status: int
    seconds: t.Optional[float]
    path: str


def parse(line: str) -> t.Optional[Request]:
    """Read a line; ``None`` for one that tells of no request."""
    text = line.strip()
    if text.startswith("{"):
        return _of_json(text)
    match = _REQUEST.search(text)
    if match is not None:
        return Request(int(match.group("status")), _seconds(text), _path(match.group("path")))
    match = _NO_REQUEST.search(text)
    return Request(int(match.group("status")), _seconds(text), "") if match else None


def _of_json(text: str) -> t.Optional[Request]:
    try:
        data = _json.loads(text)
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    fields = {str(key).lower(): value for key, value in data.items()}
    status = next((_number(fields[key]) for key in _STATUS_KEYS if key in fields), None)
    if status is None or not 100 <= status <= 599:
        return None
    seconds = next((_number(fields[key]) for key in _TIME_KEYS if key in fields), None)
    words = str(next((fields[key] for key in _PATH_KEYS if key in fields), "")).split()
    path = next((word for word in words if word.startswith("/")), "")
    return Request(int(status), seconds if seconds is not None and 0 <= seconds < _LONGEST else None, _path(path))


def _number(value: t.Any) -> t.Optional[float]:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(text: str) -> t.Optional[float]:
    named = _NAMED_TIME.search(text)
    if named is not None:
        return float(named.group("seconds"))
    # Of what is in quotes only what is a number and nothing else: a browser's version is no time.
    rest = _QUOTED.sub(lambda one: f" {one.group('inside')} " if _MSEC.fullmatch(one.group("inside")) else " ", text)
    found = [float(one.group("seconds")) for one in _MSEC.finditer(rest)]
    return max(found) if found else None


def _path(path: str) -> str:
    return path.partition("?")[0][:_PATH]


def percentile(ordered: t.Sequence[float], share: float) -> float:
    """Return the value that *share* of the values, which are in order, do not exceed."""
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * int(share * 100) // 100) - 1))]


def summed(requests: t.Sequence[Request]) -> Found:
    """Return counts, shares and percentiles; times are ``None`` where the format does not tell them."""
    statuses: t.Dict[str, int] = {}
    failing: t.Dict[str, int] = {}
    for one in requests:
        statuses[str(one.status)] = statuses.get(str(one.status), 0) + 1
        if one.status >= 500:
            failing[one.path] = failing.get(one.path, 0) + 1
    # One that was upgraded ends when its client leaves, which says nothing of how quick the app is.
    times = sorted(one.seconds for one in requests if one.seconds is not None and one.status != 101)
    worst = sorted(failing.items(), key=lambda pair: (-pair[1], pair[0]))[:_PATHS]
    return {
        "requests": len(requests),
        "statuses": dict(sorted(statuses.items())),
        "server_errors": sum(failing.values()),
        "failing": [{"path": path, "count": count} for path, count in worst],
        "seconds": {f"p{share}": round(percentile(times, share / 100), 3) for share in (50, 95, 99)} if times else None,
    }
