# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The last lines of every service with its errors counted, and the proxy's requests: one reading for both."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _log_lines, _service_logs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._at_once import Once
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose import access_log
from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found, SkippedError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask

#: Seconds before the window from which errors are known to be no new ones.
_BEFORE = 900.0
#: A line as it is told: the rest of a long one is in the log.
_LINE = 300


class Logs:
    """The logs of the containers of *host*, read once. *window* and *timeout* are in seconds."""

    def __init__(self, host: Host, services: t.Sequence[str], window: float, timeout: float) -> None:
        self._host = host
        self._services = services
        self._window = window
        now = time.time()
        self._wanted = _service_logs.Wanted(now - window - _BEFORE, now, now - window, timeout=timeout)
        self._read = Once(self._read_now)

    def _read_now(self) -> t.List[t.Tuple[Container, _service_logs.Read]]:
        containers = self._host.docker.containers(self._host.app.project)
        return list(zip(containers, _service_logs.read_all(self._host.docker, containers, self._wanted)))

    def errors(self, lines: int, mask: t.Callable[[], Mask]) -> Found:
        """Return the last *lines* of every service, and its errors of the window."""
        pairs = [(c, read) for c, read in self._read() if not self._services or c.service in self._services]
        proxy = self._host.app.proxy_service
        told = []
        for name in dict.fromkeys([*self._services, *sorted({c.service for c, _read in pairs})]):
            ours = [(c, read) for c, read in pairs if c.service == name]
            # A request that failed is counted among the requests, and a path may be called like an error.
            (one,) = _service_logs.told(
                [name],
                [c for c, _read in ours],
                [read for _c, read in ours],
                mask(),
                self._wanted,
                no_error=(lambda line: access_log.parse(line) is not None) if name == proxy else (lambda _line: False),
            )
            told.append(one)
        return {"seconds": self._window, "services": [_short(one, lines) for one in told]}

    def requests(self) -> Found:
        """Return what the proxy's access log tells of the window."""
        proxy = self._host.app.proxy_service
        if not proxy:
            raise SkippedError("hotfix_proxy_service is not set.")
        pairs = [(c, read) for c, read in self._read() if c.service == proxy]
        problems = [f"{c.name}: {read.problem}" for c, read in pairs if read.problem]
        border = _service_logs.text_of(self._wanted.around)[:-1]
        lines = [pair for _c, read in pairs for pair in _service_logs.stamped(read) if pair[0] >= border]
        found = [one for one in (access_log.parse(line) for _at, line in lines) if one is not None]
        cut = any(read.cut for _c, read in pairs)
        seconds = self._window
        if cut and lines:
            # The log of a busy proxy is longer than what is read of it.
            seconds = self._wanted.until - _log_lines.seconds(min(at for at, _line in lines))
        summed = access_log.summed(found)
        return {"service": proxy, "window": round(seconds, 1), "cut": cut, "problems": problems, **summed}


def _short(one: Found, lines: int) -> Found:
    keys = ("service", "errors_before", "errors_after", "new", "last_error", "problems")
    text = [line[:_LINE] for line in one["text"].splitlines()]
    return {**{key: one[key] for key in keys}, "lines": text[-lines:] if lines else []}
