# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: an action, a trouble in the middle of it, and the commands that must lead to a good state again."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

from sandbox import acme, load
from sandbox.config import HOSTS, SandboxError
from sandbox.config import host as of_name
from tests.chaos import checker
from tests.chaos.source import Source
from tests.chaos.troubles import CUTS_USERS, DAMAGES, LEAVES_DAMAGE, TROUBLES
from tests.integration import certificates, sabotage
from tests.integration.driver import APP, RECORDS, UNCHECKED, Host, Played, play
from tests.integration.hotfix import hotfix
from tests.integration.sabotage import zero_downtime

GOOD, NEXT = "v1", "v7"
FLAG = "COLLABORATIVE_EDITING"
#: How many lines an action writes to the journal, about: one of them is drawn.
ACTIONS = {"deploy": 34, "rollback": 14, "restart": 22, "flag": 6, "ssl_renew": 16, "hotfix": 34}
#: These troubles are none of the other actions: they have no need of what fails, or wait for no lease.
ONLY_WITH = {
    "registry_down": {"deploy", "rollback"},
    "image_deleted": {"deploy", "rollback", "hotfix"},
    "lease_stale": {"deploy", "rollback", "restart", "hotfix"},
    # A flag and a certificate are no matter of releases: these do not mend what is lost of one.
    "current_dangling": {"deploy", "rollback", "restart", "hotfix"},
    "record_truncated": {"deploy", "rollback", "restart", "hotfix"},
    "authority_down": {"ssl_renew"},
    "origin_down": {"hotfix"},
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
    #: The version that was current before.
    since: str = GOOD
    recovered: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    requests: int = 0
    failed: int = 0
    lost_notes: int = 0
    seconds: float = 0.0
    #: Seconds of the broken run, and of each command after it.
    took: list[int] = field(default_factory=list)
    printed: str = ""

    @property
    def good(self) -> bool:
        return not self.problems and not self.lost_notes


def drawn(seed: int, number: int, among: Sequence[str] = ()) -> Case:
    """Return the case of this number, of these actions: the same for the same seed, whatever came before."""
    actions, troubles = sorted(among or ACTIONS), sorted(TROUBLES)
    for attempt in count():
        dice = hashlib.sha256(f"{seed}/{number}/{attempt}".encode()).digest()
        action, trouble = actions[dice[0] % len(actions)], troubles[dice[1] % len(troubles)]
        if action in ONLY_WITH.get(trouble, ACTIONS):
            return Case(action, trouble, 1 + dice[2] % ACTIONS[action])
    raise AssertionError


def case_of(text: str) -> Case:
    """Return the case that a report names, as ``deploy/module_killed/12``."""
    action, trouble, line = text.split("/")
    if action not in ACTIONS or trouble not in TROUBLES:
        raise ValueError(f"{text}: actions are {', '.join(ACTIONS)}; troubles are {', '.join(TROUBLES)}")
    return Case(action, trouble, int(line))


class Place:
    """A host under management. A run begins with what the one before left, where that was good; else it is made anew.

    A deploy goes to the one of two versions that is not current, and a flag to what it is not. With *whole* all hosts
    of its group are commanded, of which one has the trouble; a certificate is renewed on all of them in any case.
    """

    def __init__(self, name: str, *, whole: bool = False) -> None:
        self.host = Host(name)
        group = of_name(name).group
        #: The others behind the same name.
        self._mates = [Host(one.name) for one in HOSTS if one.group == group and one.name != name]
        self._every = [self.host, *self._mates] if whole else [self.host]
        self._limit = ("-l", group if whole else name)
        self._group = ("-l", group)
        self._ready = self._mates_ready = False
        self._enabled = True
        self._version = GOOD
        self._serial = ""
        self._trusted: tuple[str, ...] = ()
        self._source: Source | None = None

    def prepare(self, case: Case) -> None:
        if not self._ready:
            zero_downtime(*(one.name for one in self._every))
            self._version = GOOD
        self._ready = False
        if case.action == "rollback" and self.host.current()["arrived_by"] != "deploy":
            self._must(self._play("deploy", "-e", f"version={self._other}", *UNCHECKED))
            self._version = self._other
        if case.action == "flag":
            # A backend that was started since has it as it was in the beginning.
            self._enabled = any(flags[FLAG] for flags in checker.look(self.host)["flags"].values())
        if case.action == "ssl_renew":
            self._prepare_renewal()
        if case.action == "hotfix" and self._source is None:
            self._source = Source(self.host.name)

    def _prepare_renewal(self) -> None:
        if not self._trusted:
            acme.up()
            self._trusted = ("-e", f"hotfix_public_ca_file={acme.CA_FILE}")
        if self._mates and not self._mates_ready and len(self._every) == 1:
            zero_downtime(*(mate.name for mate in self._mates))
        self._mates_ready = False
        every = [self.host, *self._mates]
        acme.point(*(one.name for one in every))
        for one in every:
            # Hosts remember every order, and only so many are allowed in a week.
            one.run("truncate", "--size=0", f"{APP}/journal.jsonl")
        self._serial = certificates.on_wire(self.host)

    @property
    def _other(self) -> str:
        return NEXT if self._version == GOOD else GOOD

    def words(self, case: Case) -> list[str]:
        wanted = str(not self._enabled).lower()
        given = {
            "deploy": ("deploy", *self._limit, "-e", f"version={self._other}", *UNCHECKED),
            "rollback": ("rollback", *self._limit, "-e", "rollback_look=false"),
            "restart": ("restart", *self._limit, "-e", "services=backend"),
            "flag": ("feature_flag", *self._limit, "-e", f"flag={FLAG}", "-e", f"enabled={wanted}"),
            "ssl_renew": ("ssl_renew", *self._group, "-e", "force=true"),
            "hotfix": ("hotfix", *self._limit, *UNCHECKED),
        }
        source = self._source.words() if self._source is not None and case.action == "hotfix" else []
        return [*given[case.action], *source, *self._trusted]

    def run(self, case: Case) -> Ended:
        """Make the run; whatever it comes to, the next one finds the host well."""
        self.prepare(case)
        began = time.monotonic()
        ended = Ended(case, since=self._version)
        words = self.words(case)
        try:
            with load.running(self.host.name, rate=8, sockets=4, slow_seconds=2) as users:
                with self._mates_as_they_are(case):
                    ended.printed = TROUBLES[case.trouble](self.host, words, case.line)
                ended.took.append(round(time.monotonic() - began))
                self._recover(case, words, ended)
        except (AssertionError, SandboxError, OSError, ValueError, subprocess.TimeoutExpired) as exc:
            # It says nothing about the runs that come after it.
            ended.problems.append(f"{type(exc).__name__}: {exc}")
            ended.seconds = time.monotonic() - began
            return ended
        report = users.report()
        ended.requests, ended.failed = report.requests, len(report.failed)
        ended.lost_notes = len(report.lost)
        if report.unread:
            ended.problems.append(f"{len(report.unread)} notes could not be read back")
        if ended.failed and case.trouble not in CUTS_USERS:
            ended.problems.append(f"{ended.failed} requests of users failed: {report.text()}")
        ended.seconds = time.monotonic() - began
        self._ready = ended.good and case.trouble not in LEAVES_DAMAGE
        if self._ready:
            self._version = self.host.current()["version"]
            self._mates_ready = True
        return ended

    @contextmanager
    def _mates_as_they_are(self, case: Case) -> Iterator[None]:
        """Give the other hosts of a run the interpreter by which the one is broken; nothing is broken there."""
        with ExitStack() as stack:
            for mate in self._mates if case.action == "ssl_renew" or len(self._every) > 1 else ():
                stack.enter_context(sabotage.at(mate, kill=False, action="nothing"))
            yield

    def _recover(self, case: Case, again: list[str], ended: Ended) -> None:
        """Type what the operator would: the same again; what `hotfix status` says, and the same again; a deploy."""
        shown = ["the broken run showed a traceback"] if "Traceback" in ended.printed else []
        for way in (self._the_same, self._as_recommended, self._what_was_good):
            for words in way(again):
                began = time.monotonic()
                played = play(*words)
                took = time.monotonic() - began
                ended.recovered.append(words[0])
                ended.printed += f"\n=== {' '.join(words)}: {played.code} after {took:.0f} s\n{played.raw}"
                ended.took.append(round(took))
                if "Traceback" in played.raw:
                    ended.problems = ["a traceback was shown"]
                    return
                ended.problems = [f"{words[0]} ended with {played.code}"]
                if played.code == 0:
                    ended.problems = shown + self._problems(case, finished=words is again)
                    if not ended.problems:
                        return
                    ended.printed += "\nStill wrong: " + "; ".join(ended.problems)

    def _problems(self, case: Case, *, finished: bool) -> list[str]:
        """Look at every host; *finished* says that it was the run itself that came to its end."""
        before, after = self._version, self._other
        damaged = case.trouble in DAMAGES
        wanted = {"deploy": [before, after], "rollback": ["*"], "hotfix": [before, "hotfix-*"]}
        versions, but = wanted.get(case.action, [before]), ""
        if damaged and not finished:
            # What was lost of the current release cannot be had again: what is recommended then is another one.
            versions = ["*"]
        if finished and case.action == "deploy":
            versions = [after]
        elif finished and (case.action == "hotfix" or (case.action == "rollback" and not damaged)):
            but = before
        flag = (FLAG, not self._enabled) if case.action == "flag" and finished else None
        found = []
        for host in self._every:
            unreadable = host is self.host and case.trouble in LEAVES_DAMAGE
            said = checker.problems(host, versions, but=but, flag=flag, damaged=unreadable)
            found += [f"{host.name}: {text}" for text in said]
        if not found and len({host.current()["version"] for host in self._every}) > 1:
            found.append("the hosts run different versions")
        if finished and case.action == "ssl_renew":
            found += self._of_certificate()
        return found

    def _of_certificate(self) -> list[str]:
        try:
            serial = certificates.settled(self.host, *self._mates)
        except (AssertionError, SandboxError, OSError, ValueError) as exc:
            return [f"the certificate is not settled: {type(exc).__name__}: {exc}"]
        return ["the certificate is the one of before"] if serial == self._serial else []

    def _the_same(self, again: list[str]) -> Iterator[list[str]]:
        yield again

    def _as_recommended(self, again: list[str]) -> Iterator[list[str]]:
        """What `hotfix status` says first, where that changes anything."""
        folder = RECORDS / "chaos"
        folder.mkdir(parents=True, exist_ok=True)
        said = hotfix(folder, "status", *self._limit, "--output", "json").result["next"]
        command, *words = said[0].partition("    ")[0].split()[1:] if said else [""]
        if command in ("rollback", "confirm"):
            yield [command, *self._limit, *self._trusted]
        elif command == "restart":
            services = ",".join(words[: words.index("-l")])
            yield [command, *self._limit, "-e", f"services={services}", *self._trusted]
            yield again

    def _what_was_good(self, _again: list[str]) -> Iterator[list[str]]:
        yield [
            "deploy",
            *self._limit,
            "-e",
            f"version={self._version}",
            "-e",
            "takeover=true",
            *UNCHECKED,
            *self._trusted,
        ]

    def _play(self, playbook: str, *arguments: str) -> Played:
        return play(playbook, *self._limit, *arguments, *self._trusted)

    def _must(self, played: Played) -> None:
        assert played.code == 0, played.raw
