# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``command``: a program on the host, or in a container of the app, and how it must end."""

from __future__ import annotations

import re
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Container
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import Mask
from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import Ran, execute
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import regex, show
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.here import HostCheck, mask_of, reached
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import (
    ERROR,
    FAILED,
    PASSED,
    Here,
    Outcome,
    Surroundings,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import Veil, secret_name

HOST = True
KEYS = ("command", "in", "environment", "expect")
_EXPECTATIONS = ("exit_code", "contains", "not_contains", "matches")
#: Bytes of its output that are looked at.
_KEPT = 1024 * 1024
_SHOWN = 60
# docker exec ends with one of these where the program cannot be started.
_NOT_STARTED = (126, 127)
# What a shell says of a program that it cannot become.
_NO_PROGRAM = re.compile(rb"^sh: .*exec: .*: (?:not found|permission denied)", re.IGNORECASE | re.MULTILINE)
_NO_SHELL = re.compile(rb'exec: "(?:/bin/)?sh": ')
#: Says the number of its process group, then becomes the program that its arguments name.
_ANNOUNCED = 'echo "$$"; exec "$@"'
_KILL = 'kill -s KILL -- "-$1" 2>/dev/null || kill -9 "-$1"'


@dataclass(frozen=True)
class CommandCheck(HostCheck):
    """Runs a program without a shell; all that it started ends with it, at the latest when its time is over."""

    command: t.Tuple[str, ...]
    inside: t.Optional[str]
    environment: t.Mapping[str, str]
    exit_code: int
    contains: t.Tuple[str, ...]
    not_contains: t.Tuple[str, ...]
    matches: t.Optional[str]

    @property
    def needs_app(self) -> bool:
        """Tell whether it runs in a container."""
        return self.inside is not None

    @property
    def said(self) -> str:
        """Return the command for the eye; nothing in it is secret."""
        text = " ".join(self.command)
        return cut(text, _SHOWN)

    def look(self, here: Here, around: Surroundings) -> Outcome:
        """Run it, and compare how it ended."""
        timeout = min(self.timeout, around.left())
        if timeout <= 0:
            return Outcome(ERROR, "the time of the whole run was over")
        environment = {
            name: fields.as_text(fields.fill(value, around.values())) for name, value in self.environment.items()
        }
        started = time.monotonic()
        if self.inside is None:
            where, mask = "", mask_of(here)
            try:
                ran = execute(self.command, timeout=timeout, env=environment, kept=_KEPT)
            except (OSError, ValueError) as exc:
                return Outcome(ERROR, f"{self.said} could not be run: {getattr(exc, 'strerror', None) or exc}")
        else:
            found = here.docker.containers(here.project)
            container = next((one for one in _by_name(found) if self._is_there(here, one)), None)
            if container is None:
                return Outcome(ERROR, f"no container of {self.inside} runs")
            where, mask = f" in {container.name}", mask_of(here, [container])
            ran = _inside(container.id, self.command, environment, started + timeout)
        outcome = self._judged(ran, f"{self.said}{where}", mask, timeout, time.monotonic() - started)
        shown = Veil(around.values().values())
        outcome.message = shown.text(mask.text(outcome.message))
        outcome.evidence = {
            "command": shown.text(" ".join(self.command)),
            **({"in": where[4:]} if where else {}),
            "exit_code": None if ran.late else ran.code,
            "stdout": shown.body(mask.text(_text(ran.stdout))),
            "stderr": shown.body(mask.text(_text(ran.stderr))),
        }
        return outcome

    def _is_there(self, here: Here, container: Container) -> bool:
        return container.service == self.inside and container.running and reached(here, container)

    def _judged(self, ran: Ran, said: str, mask: Mask, timeout: float, seconds: float) -> Outcome:
        if ran.late:
            return Outcome(ERROR, f"{said} did not end within {timeout:g} s, and was stopped")
        if self.inside is not None and ran.code in _NOT_STARTED and _not_started(ran):
            return Outcome(ERROR, f"{said} could not be run: {_last_line(mask.text(_text(ran.stderr)))}")
        problem = self._problem(ran, mask)
        if problem:
            return Outcome(FAILED, f"{said} {problem}")
        if ran.cut and (self.not_contains or self.matches):
            return Outcome(
                ERROR, f"{said} printed more than {_KEPT // 1024 // 1024} MB, which is more than is looked at"
            )
        return Outcome(PASSED, f"{said} ended with {ran.code} in {seconds:.3f} s")

    def _problem(self, ran: Ran, mask: Mask) -> t.Optional[str]:
        if ran.code != self.exit_code:
            why = _last_line(mask.text(_text(ran.stderr) or _text(ran.stdout)))
            ended = f"was ended by signal {-ran.code}" if ran.code < 0 else f"ended with {ran.code}"
            return f"{ended}, not {self.exit_code}{f': {why}' if why else ''}"
        printed = _text(ran.stdout) + _text(ran.stderr)
        for wanted in self.contains:
            if wanted not in printed:
                return f"ended with {ran.code}, but did not print {show(wanted)}"
        for unwanted in self.not_contains:
            if unwanted in printed:
                return f"ended with {ran.code}, but printed {show(unwanted)}"
        if self.matches is not None and re.search(self.matches, printed, re.MULTILINE) is None:
            return f"ended with {ran.code}, but printed nothing matching {show(self.matches)}"
        return None


def _not_started(ran: Ran) -> bool:
    return b"OCI runtime" in ran.stderr or _NO_PROGRAM.search(ran.stderr) is not None


def _by_name(containers: t.Sequence[Container]) -> t.List[Container]:
    return sorted(containers, key=lambda one: one.name)


def _inside(container: str, command: t.Sequence[str], environment: t.Mapping[str, str], end: float) -> Ran:
    """Run *command* in a container.

    To end docker's client does not end what it started, so that says which process group it is. In a container
    without a shell it cannot, and runs on should it not end by itself.
    """
    # The client takes the values from its own environment: they stand in no argument.
    names = [word for name in environment for word in ("--env", name)]
    start = ("docker", "exec", *names, container)
    ran = _client((*start, "sh", "-c", _ANNOUNCED, "sh", *command), environment, end)
    if ran.code in _NOT_STARTED and _NO_SHELL.search(ran.stderr):
        return _client((*start, *command), environment, end)
    group, _newline, rest = ran.stdout.partition(b"\n")
    if ran.late and group.isdigit():
        kill = ("docker", "exec", container, "sh", "-c", _KILL, "sh", group.decode())
        _client(kill, {}, time.monotonic() + 5.0)
    return Ran(ran.code, rest if group.isdigit() else ran.stdout, ran.stderr, ran.late, ran.cut)


def _client(arguments: t.Sequence[str], environment: t.Mapping[str, str], end: float) -> Ran:
    try:
        return execute(arguments, timeout=max(0.01, end - time.monotonic()), env=environment, kept=_KEPT)
    except OSError as exc:
        return Ran(_NOT_STARTED[1], stderr=f"OCI runtime: docker cannot be run: {exc.strerror or exc}".encode())


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200].rstrip(".") if lines else ""


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> CommandCheck:
    """Read a check of this type; *secrets* are the names of the values that its environment may have."""
    said = f"Check {common['name']!r}"
    return CommandCheck(
        **common,
        command=_command(raw.get("command"), said, secrets),
        inside=_service(raw, said) if "in" in raw else None,
        environment=_environment(raw, said, secrets),
        **_expect(raw, f"{said}: expect"),
    )


def _command(given: t.Any, said: str, secrets: t.Collection[str]) -> t.Tuple[str, ...]:
    right = isinstance(given, list) and given and all(isinstance(word, (str, int, float)) for word in given)
    words = tuple(fields.as_text(word) for word in given) if right else ()
    if not words or not words[0] or any("\0" in word for word in words):
        raise BadInputError(
            f"{said}: command is no list of words.",
            next_step="write it as command: [df, -h, /]; a shell is a program like others: [sh, -c, 'a | b'].",
            place=("command",),
        )
    known = sorted(fields.placeholders(words) & set(secrets))
    if known:
        raise BadInputError(
            f"{said}: the secret {{{known[0]}}} would be an argument, which everybody on the host can read.",
            next_step=f"give it as environment: {{NAME: '{{{known[0]}}}'}}.",
            place=("command",),
        )
    return words


def _service(raw: t.Mapping[str, t.Any], said: str) -> str:
    with fields.within("in"):
        return _names.service(fields.text(raw, "in", said))


@fields.within("environment")
def _environment(raw: t.Mapping[str, t.Any], said: str, secrets: t.Collection[str]) -> t.Dict[str, str]:
    found: t.Dict[str, str] = {}
    for name, value in fields.mapping(raw.get("environment", {}), f"{said}: environment").items():
        with fields.within(name):
            _names.env_key(name)
            if not isinstance(value, (str, int, float)):
                raise BadInputError(f"{said}: {name} of its environment is no text.", next_step="correct it.")
            if secret_name(name) and not fields.placeholders(value):
                raise BadInputError(
                    f"{said}: {name} of its environment looks like a credential, and checks are shown and logged.",
                    next_step=f"put the value into the secrets and write {name}: '{{token}}'.",
                )
            unknown = sorted(fields.placeholders(value) - set(secrets))
            if unknown:
                raise BadInputError(
                    f"{said}: nothing gives a value to {{{unknown[0]}}}.",
                    next_step=f"put it into the secrets; there are {', '.join(sorted(secrets)) or 'none'}.",
                )
            found[name] = fields.as_text(value)
    return found


@fields.within("expect")
def _expect(raw: t.Mapping[str, t.Any], said: str) -> t.Dict[str, t.Any]:
    """Read how it must end, as arguments of the class."""
    given = fields.mapping(raw.get("expect", {"exit_code": 0}), said, _EXPECTATIONS)
    if not given:
        raise BadInputError(f"{said} says nothing.", next_step="set expect: {exit_code: 0}, or leave it out for that.")
    for key, value in given.items():
        if value is None or value in ("", []):
            raise BadInputError(
                f"{said}: {key} expects nothing.", next_step="say what it must be, or take it out.", place=(key,)
            )
    pattern = fields.text(given, "matches", said) if "matches" in given else None
    if pattern is not None:
        with fields.within("matches"):
            regex(pattern, f"{said}: matches")
    return {
        "exit_code": fields.whole(given, "exit_code", said, 0, 0, 255),
        "contains": fields.texts(given, "contains", said),
        "not_contains": fields.texts(given, "not_contains", said),
        "matches": pattern,
    }
