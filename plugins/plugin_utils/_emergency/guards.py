# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a hotfix must hold before it goes past the usual checks: small, harmless by its paths, and tested.

Each guard passes by itself or by a reason that is recorded. All are looked at before any refuses.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _numbers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency.git import Git

SIZE, PATHS, TESTS = "size", "paths", "tests"
NAMES = (SIZE, PATHS, TESTS)
FILES, LINES = 5, 50
TIMEOUT = 600.0
#: A pattern without a slash matches a name in any folder, as in .gitignore; '**' is any number of folders.
MIGRATIONS = (
    "**/migrations/**",
    "**/migrate/**",
    "**/alembic/versions/**",
    "**/changelog/db.changelog*",
    "schema.prisma",
    "structure.sql",
    "V[0-9]*__*.sql",
)
LOCKS = (
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "poetry.lock",
    "Pipfile.lock",
    "pdm.lock",
    "uv.lock",
    "pylock.toml",
    "conda-lock.yml",
    "Gemfile.lock",
    "composer.lock",
    "Cargo.lock",
    "go.sum",
    "gradle.lockfile",
    "packages.lock.json",
    "paket.lock",
    "mix.lock",
    "pubspec.lock",
    "Podfile.lock",
    "Package.resolved",
    "flake.lock",
    "Chart.lock",
    ".terraform.lock.hcl",
)
_NAMED = 5
_LAST_LINES = 20
_LAST_BYTES = 64 * 1024
#: What a test needs none of, and could show or send away.
_SECRET = re.compile(
    r"TOKEN|SECRET|PASS|PWD|KEY|CREDENTIAL|AUTH|DSN|COOKIE|SALT|SESSION|^ANSIBLE_|^GIT_", re.IGNORECASE
)


@dataclass(frozen=True)
class Limits:
    """What the guards hold a change against.

    Parameters
    ----------
    files, lines:
        How many of them a change may touch; lines are those added and those removed.
    migrations, locks:
        Patterns of the paths that a hotfix does not touch.
    test_command:
        Words, or one text for the shell. None where the project has none.
    test_timeout:
        Seconds.
    """

    files: int = FILES
    lines: int = LINES
    migrations: t.Sequence[str] = MIGRATIONS
    locks: t.Sequence[str] = LOCKS
    test_command: str | t.Sequence[str] | None = None
    test_timeout: float = TIMEOUT

    def __post_init__(self) -> None:
        for name, value in (("files", self.files), ("lines", self.lines), ("test_timeout", self.test_timeout)):
            if not 0 < value <= _numbers.LONGEST:
                raise BadInputError(
                    f"The limit {name} of the guards is {str(value)[:40]}.", next_step="give a number above 0."
                )
        for pattern in (*self.migrations, *self.locks):
            if not pattern.strip("/") or pattern.startswith((":", "/")) or ".." in pattern.split("/"):
                raise BadInputError(
                    f"{pattern!r} is no pattern of paths in the repository.",
                    next_step="give one as in db/migrate/** or yarn.lock.",
                )


@dataclass(frozen=True)
class Guard:
    """What one guard found."""

    name: str
    holds: bool
    detail: str
    reason: str | None = None
    #: Lines that show it.
    evidence: str = ""

    @property
    def passed(self) -> bool:
        """Whether it holds, or was passed with a reason."""
        return self.holds or self.reason is not None

    def as_result(self) -> dict[str, t.Any]:
        """Return it as a result of the module has it."""
        said = {"name": self.name, "passed": self.passed, "detail": self.detail}
        return {**said, **({"reason": self.reason} if self.reason is not None else {})}

    def line(self) -> str:
        """Say it in one line."""
        how = "holds" if self.holds else f"passed with a reason ({self.reason})" if self.passed else "does not hold"
        return f"{self.name}: {how}: {self.detail}"


def parse_reasons(given: t.Mapping[str, t.Any] | None) -> dict[str, str]:
    """Check the reasons with which guards are to be passed.

    Raises
    ------
    BadInputError
        When one is for no guard, or is empty.
    """
    found = {}
    for name, value in (given or {}).items():
        if name not in NAMES:
            raise BadInputError(
                f"guard_reasons has a reason for {str(name)!r}, which is no guard.",
                next_step=f"the guards are {', '.join(NAMES)}.",
            )
        # It becomes one line of the message.
        reason = " ".join(str(value or "").split())
        if not reason:
            raise BadInputError(
                f"The reason for passing the guard {name} is empty.",
                next_step="say why it is passed, or leave it out.",
            )
        found[str(name)] = reason
    return found


def parse_command(given: t.Any) -> str | list[str] | None:
    """Return a command as it is given, a text for the shell or words; None where there is none.

    Raises
    ------
    BadInputError
        When it is anything else.
    """
    if not given:
        return None
    if isinstance(given, str):
        return str(given).strip() or None
    if isinstance(given, (list, tuple)) and all(isinstance(one, (str, int, float)) for one in given):
        return [str(one) for one in given]
    raise BadInputError(
        f"The test command is {type(given).__name__}, and neither words nor a text.",
        next_step="give hotfix_test_command as in [make, test] or 'make test'.",
    )


@dataclass(frozen=True)
class Change:
    """How much a commit changes."""

    files: tuple[str, ...]
    lines: int
    binaries: tuple[str, ...]


def measure(git: Git, before: str, after: str) -> Change:
    """Count what lies between two trees."""
    text = git.run("diff-tree", "-r", "-z", "--no-renames", "--numstat", before, after).stdout
    files, lines, binaries = [], 0, []
    for one in filter(None, text.split("\0")):
        added, removed, path = one.split("\t", 2)
        files.append(_readable(path))
        if added == "-":
            binaries.append(_readable(path))
        else:
            lines += int(added) + int(removed)
    return Change(tuple(files), lines, tuple(binaries))


def size(change: Change, limits: Limits, reasons: t.Mapping[str, str]) -> Guard:
    """Look at whether the change is small."""
    detail = f"{_count(len(change.files), 'file')} of {limits.files}, {_count(change.lines, 'line')} of {limits.lines}"
    if change.binaries:
        detail += f", and {_listed(change.binaries)} is binary and has no lines to count"
    small = len(change.files) <= limits.files and change.lines <= limits.lines and not change.binaries
    return _guard(SIZE, small, detail, reasons)


def paths(git: Git, before: str, after: str, limits: Limits, reasons: t.Mapping[str, str]) -> Guard:
    """Look at whether the change touches a migration or a lock file."""
    said = []
    for about, patterns in (("migration", limits.migrations), ("lock file", limits.locks)):
        touched = _touched(git, before, after, patterns)
        if touched:
            said.append(f"{_listed(touched)} ({about}{'s' if len(touched) > 1 else ''})")
    return _guard(PATHS, not said, f"touches {' and '.join(said)}" if said else "no migration, no lock file", reasons)


def untested(limits: Limits, reasons: t.Mapping[str, str], *, planned: bool) -> Guard | None:
    """Return what is to be said of the tests without running them; None where they are to be run."""
    if TESTS in reasons:
        # Who passes them by hand has no time to wait for them.
        return Guard(TESTS, False, "the test command was not run", reasons[TESTS])
    if not limits.test_command:
        return Guard(TESTS, False, "no test command is configured (hotfix_test_command)")
    if planned:
        return Guard(TESTS, True, f"would run {_command_shown(limits.test_command)}")
    return None


def tests(folder: Path, limits: Limits, git: Git) -> Guard:
    """Run the test command in *folder* and look at whether it succeeds."""
    command = limits.test_command
    if not command:
        raise ValueError("there is no test command")
    words = ["sh", "-c", command] if isinstance(command, str) else [str(one) for one in command]
    shown = _command_shown(command)
    # A file and no pipe: what a test leaves running may hold that open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                words,
                cwd=folder,
                env=environment(git),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as exc:
            return Guard(TESTS, False, f"{shown} cannot be run: {exc.strerror}")
        try:
            code: int | None = process.wait(limits.test_timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code == 0:
            return Guard(TESTS, True, f"{shown} ran green")
        why = f"took longer than {limits.test_timeout:g} s and was ended" if code is None else f"failed with {code}"
        return Guard(TESTS, False, f"{shown} {why}", evidence=git.masked(_last(output)))


def environment(git: Git) -> dict[str, str]:
    """Return this process's environment without what looks like a secret, by its name or by its value."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _SECRET.search(name) and git.masked(f"{name}={value}") == f"{name}={value}"
    }
    # Test runners that would wait for changes or ask somebody do neither then.
    return {**kept, "CI": "true"}


def refuse(guards: t.Sequence[Guard]) -> None:
    """Raise unless every guard was passed; all of them are shown."""
    failed = [one for one in guards if not one.passed]
    if not failed:
        return
    names = ", ".join(one.name for one in failed)
    lines = [f"  {one.line()}" for one in guards]
    lines += [f"Last lines of the tests:\n{one.evidence}" for one in failed if one.evidence]
    words = ", ".join(f"{one.name}: '...'" for one in failed)
    raise HotfixError(
        f"The change does not pass {_count(len(failed), 'guard')}: {names}.",
        next_step=f"make the change smaller or correct it, or pass with a reason that is recorded: "
        f"guard_reasons: {{{words}}}.",
        code="refused",
        left="Nothing was pushed, and the checkout is as it was.",
        evidence="\n".join(lines),
    )


def _guard(name: str, holds: bool, detail: str, reasons: t.Mapping[str, str]) -> Guard:
    return Guard(name, holds, detail, None if holds else reasons.get(name))


def _touched(git: Git, before: str, after: str, patterns: t.Sequence[str]) -> list[str]:
    if not patterns:
        return []
    wanted = [f":(top,glob,icase){one if '/' in one.rstrip('/') else f'**/{one}'}" for one in patterns]
    found = git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after, "--", *wanted).stdout
    return [_readable(one) for one in found.split("\0") if one]


def _last(output: t.IO[bytes]) -> str:
    end = output.seek(0, os.SEEK_END)
    output.seek(max(0, end - _LAST_BYTES))
    return "\n".join(output.read().decode("utf-8", "replace").strip().splitlines()[-_LAST_LINES:])


def _readable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _command_shown(command: str | t.Sequence[str]) -> str:
    return f"'{command if isinstance(command, str) else ' '.join(map(str, command))}'"


def _listed(names: t.Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
