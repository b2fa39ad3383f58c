# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run is: the step, and each host in it. Shared by what shows it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from hotfix.events import Event, is_failure

WORKING = "working"


@dataclass
class Current:
    """A step that runs, by this machine's steady clock."""

    name: str
    began: float
    hosts: dict[str, tuple[str, float, float | None]] = field(default_factory=dict)

    def seconds(self, now: float) -> float:
        return now - self.began


@dataclass
class Finished:
    """A step that is over."""

    name: str
    seconds: float
    bad: tuple[str, ...]


class Progress:
    """Follows the events of a run."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.step: Current | None = None
        self.finished: list[Finished] = []

    def take(self, event: Event) -> None:
        """Note one event."""
        now = time.monotonic()
        if event.quiet:
            return
        if event.kind in ("task", "stats"):
            self._finish(now)
            self.step = Current(event.task, now) if event.kind == "task" else None
        elif self.step is not None and event.kind == "host_start":
            self.step.hosts[event.host] = (WORKING, now, None)
        elif self.step is not None and event.of_host:
            began = self.step.hosts.get(event.host, (WORKING, self.step.began, None))[1]
            self.step.hosts[event.host] = (said(event), began, now)

    def _finish(self, now: float) -> None:
        if self.step is not None and any(word != "skipped" for word, _began, _ended in self.step.hosts.values()):
            bad = tuple(f"{host} {word}" for host, (word, _b, _e) in self.step.hosts.items() if is_bad(word))
            self.finished.append(Finished(self.step.name, self.step.seconds(now), bad))


def said(event: Event) -> str:
    """Return what became of a host in a step, in a word or two."""
    if event.kind == "unreachable":
        return "unreachable"
    if event.kind == "skipped":
        return "skipped"
    word = str(event.result.get("outcome") or "")
    if event.kind == "failed" or is_failure(event.result):
        return word.replace("_", " ") if word and word != "failed" else "failed"
    return word.replace("_", " ") or "ok"


def is_bad(word: str) -> bool:
    """Tell whether a host's word is one that the operator has to see."""
    return word not in (WORKING, "ok", "done", "unchanged", "seen", "planned", "skipped", "nothing to do")
