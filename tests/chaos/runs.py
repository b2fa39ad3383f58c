# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: an action, a trouble in the middle of it, and the commands that must lead to a good state again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from sandbox import load
from tests.chaos import checker
from tests.chaos.troubles import CUTS_USERS, TROUBLES
from tests.integration.driver import NO_BASELINE, Host, Played, play
from tests.integration.sabotage import zero_downtime

GOOD, NEXT = "v1", "v7"
#: How many lines an action writes to the journal, about: one of them is drawn.
ACTIONS = {"deploy": 34, "rollback": 14, "restart": 22, "flag": 6}
#: Nothing of a switch is journalled by these; and a flag waits for no lease.
NOT_WITH = {
    ("flag", "registry_down"),
    ("rollback", "registry_down"),
    ("restart", "registry_down"),
    ("flag", "lease_stale"),
    ("flag", "image_deleted"),
    ("restart", "image_deleted"),
}


@dataclass(frozen=True)
class Case:
    """What is done, what goes wrong, and at which line of the journal."""

    action: str
    trouble: str
    line: int

    def __str__(self) -> str:
        return f"{self.action}/{self.trouble}/{self.line}"


@dataclass
class Ended:
    """How a run ended. ``recovered`` are the commands that it took; ``problems`` is what was never mended."""

    case: Case
    recovered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    failed: int = 0
    lost_notes: int = 0
    seconds: float = 0.0
    printed: str = ""

    @property
    def good(self) -> bool:
        return not self.problems and not self.lost_notes


def drawn(seed: int, number: int) -> Case:
    """Return the case of this number: the same for the same seed, whatever came before."""
    actions, troubles = sorted(ACTIONS), sorted(TROUBLES)
    for attempt in count():
        dice = hashlib.sha256(f"{seed}/{number}/{attempt}".encode()).digest()
        action, trouble = actions[dice[0] % len(actions)], troubles[dice[1] % len(troubles)]
        if (action, trouble) not in NOT_WITH:
            return Case(action, trouble, 1 + dice[2] % ACTIONS[action])
    raise AssertionError


def case_of(text: str) -> Case:
    """Return the case that a report names, as ``deploy/module_killed/12``."""
    action, trouble, line = text.split("/")
    if action not in ACTIONS or trouble not in TROUBLES:
        raise ValueError(f"{text}: actions are {', '.join(ACTIONS)}; troubles are {', '.join(TROUBLES)}")
    return Case(action, trouble, int(line))


class Place:
    """A host at v1 under management, made anew where a run left it otherwise."""

    def __init__(self, name: str) -> None:
        self.host = Host(name)
        self._limit = ("-l", name)
        self._ready = False

    def prepare(self, case: Case) -> None:
        if not self._ready or checker.problems(self.host, [GOOD]):
            zero_downtime(self.host.name)
        self._ready = False
        if case.action == "rollback":
            self._must(self._play("deploy", "-e", f"version={NEXT}", *NO_BASELINE))

    def words(self, case: Case) -> list[str]:
        given = {
            "deploy": ("deploy", *self._limit, "-e", f"version={NEXT}", *NO_BASELINE),
            "rollback": ("rollback", *self._limit, "-e", "rollback_look=false"),
            "restart": ("restart", *self._limit, "-e", "services=backend"),
            "flag": ("feature_flag", *self._limit, "-e", "flag=COLLABORATIVE_EDITING", "-e", "enabled=false"),
        }
        return list(given[case.action])

    def run(self, case: Case) -> Ended:
        """Make the run; whatever it comes to, the next one finds the host as this one did."""
        self.prepare(case)
        began = time.monotonic()
        ended = Ended(case)
        with load.running(self.host.name, rate=25, sockets=6, slow_seconds=2) as users:
            ended.printed = TROUBLES[case.trouble](self.host, self.words(case), case.line)
            self._recover(case, ended)
        report = users.report()
        ended.requests, ended.failed = report.requests, len(report.failed)
        ended.lost_notes = len(report.lost)
        if ended.failed and case.trouble not in CUTS_USERS:
            ended.problems.append(f"{ended.failed} requests of users failed: {report.text()}")
        ended.seconds = time.monotonic() - began
        self._ready = ended.good and self._back(case)
        return ended

    def _recover(self, case: Case, ended: Ended) -> None:
        """Type what the operator would: the same again; what is down; the way back; a deploy of what was good."""
        backing = ("restart", "-e", "services=postgres,redis", "-e", "force=true", "-e", "takeover=true")
        again = self.words(case)
        ways: Sequence[Sequence[Sequence[str]]] = (
            (again,),
            (backing, again),
            (("rollback", "-e", "takeover=true"),),
            (("deploy", "-e", f"version={GOOD}", "-e", "takeover=true", *NO_BASELINE),),
        )
        versions = [GOOD] if case.action in ("restart", "flag") else [GOOD, NEXT]
        for way in ways:
            for words in way:
                played = play(*words) if words is again else self._play(*words)
                ended.recovered.append(words[0])
                ended.printed += f"\n=== {' '.join(words)}: {played.code}\n{played.raw}"
                if "Traceback" in played.raw:
                    ended.problems.append("a traceback was shown")
                    return
            ended.problems = checker.problems(self.host, versions)
            if played.code == 0 and not ended.problems:
                return
        ended.problems.append(f"the last command ended with {played.code}")

    def _back(self, case: Case) -> bool:
        """Lead the host to v1 again for the next run; tell whether it is there."""
        if case.action == "flag":
            self._play("feature_flag", "-e", "flag=COLLABORATIVE_EDITING", "-e", "enabled=true")
        if self.host.current()["version"] != GOOD and self._play("rollback", "-e", "rollback_look=false").code != 0:
            return False
        return not checker.problems(self.host, [GOOD])

    def _play(self, playbook: str, *arguments: str) -> Played:
        return play(playbook, *self._limit, *arguments)

    def _must(self, played: Played) -> None:
        assert played.code == 0, played.raw
