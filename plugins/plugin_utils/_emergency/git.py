# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs Git in an operator's checkout: it never asks, never runs a hook of theirs, and every wait has an end."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor

#: What would make Git work on another repository than the one that is named, as in a hook of somebody's.
_OF_ANOTHER = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)
#: Settings that hold for every command. Whatever else the operator has configured counts.
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.splitIndex=false",
    "core.quotePath=false",
    "color.ui=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "push.recurseSubmodules=no",
    "fetch.recurseSubmodules=false",
    "push.followTags=false",
)
_SSH_OPTIONS = "-o BatchMode=yes -o ConnectTimeout=15"
_LAST_LINES = 15
_REFUSED = re.compile(
    r"Permission denied|Authentication failed|could not read (?:Username|Password)|terminal prompts disabled|"
    r"returned error: 40[13]|Invalid username or|access denied|not authori[sz]ed",
    re.IGNORECASE,
)
_HOST_KEY = re.compile(r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED")
_AWAY = re.compile(
    r"Could not resolve host|Connection (?:refused|timed out|reset|closed)|No route to host|Network is unreachable|"
    r"Failed to connect|Couldn't connect|Operation timed out|unable to access|kex_exchange_identification",
    re.IGNORECASE,
)
_NONE_THERE = re.compile(r"does not appear to be a git repository|repository .*not found|no such file", re.IGNORECASE)


class GitError(HotfixError):
    """A Git command failed.

    ``output`` is the end of what it printed, without secrets; ``returncode`` is None where it ran out of time.
    """

    def __init__(self, what: str, *, output: str, returncode: int | None) -> None:
        super().__init__(what, next_step="look at what Git says, correct that and run the same again.", evidence=output)
        self.output = output
        self.returncode = returncode


class Said(t.NamedTuple):
    """How a command ended, as :class:`subprocess.CompletedProcess` tells it."""

    returncode: int
    stdout: str
    stderr: str


class Git:
    """Git in one folder.

    Parameters
    ----------
    path:
        The checkout, or a bare repository.
    env:
        What the environment has besides that of this process, such as what :func:`deploy_key` gives.
    secrets:
        Values that are masked in whatever Git says; passwords in URLs and tokens of known forms always are.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, env: t.Mapping[str, str] | None = None, secrets: t.Iterable[str] = ()
    ) -> None:
        self.path = Path(path)
        self._secrets = tuple(secrets)
        self._redactor = Redactor(self._secrets)
        self._given = dict(env or {})
        self._ssh: str | None = None

    def also(self, env: t.Mapping[str, str]) -> Git:
        """Return the same with more in its environment."""
        return Git(self.path, env={**self._given, **env}, secrets=self._secrets)

    def at(self, path: str | os.PathLike[str]) -> Git:
        """Return the same in another folder."""
        return Git(path, env=self._given, secrets=self._secrets)

    def run(self, *args: str, timeout: float = 60.0, stdin: str | None = None, check: bool = True) -> Said:
        """Run ``git`` with *args* and return how it ended.

        *timeout* is in seconds; after it Git and what it started are killed. *stdin* is what it reads.

        Raises
        ------
        GitError
            When it ran out of time, or with *check* when it failed.
        BadInputError
            When there is no Git, or no such folder.
        """
        return self._run(args, timeout, stdin, check, self._environment(self._ssh_command()))

    def out(self, *args: str, timeout: float = 60.0, stdin: str | None = None) -> str:
        """Run it and return what it printed, without the last line break."""
        return self.run(*args, timeout=timeout, stdin=stdin).stdout.rstrip("\n")

    def masked(self, text: str) -> str:
        """Return *text* without secrets."""
        return self._redactor.text(text)

    def _run(
        self, args: t.Sequence[str], timeout: float, given: str | None, check: bool, environment: dict[str, str]
    ) -> Said:
        command = ["git", *(part for one in _SETTINGS for part in ("-c", one)), *args]
        try:
            process = subprocess.Popen(
                command,
                cwd=self.path,
                env=environment,
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as exc:
            if not self.path.is_dir():
                raise BadInputError(
                    f"{self.path} is no folder of this machine ({exc.strerror}).",
                    next_step="name the folder of the checkout (hotfix_repository).",
                ) from exc
            raise BadInputError(
                f"Git cannot be run here: {exc.strerror}.", next_step="install git on the controller."
            ) from exc
        try:
            # As bytes: a patch of a file with line breaks of Windows keeps them, and a path may be in any encoding.
            data = None if given is None else given.encode("utf-8", "surrogateescape")
            stdout, stderr = (_text(one) for one in process.communicate(data, timeout=timeout))
        except subprocess.TimeoutExpired:
            _kill(process)
            stdout, stderr = (_text(one) for one in process.communicate())
            raise GitError(
                f"git {_shown(args)} took longer than {timeout:g} s and was ended.",
                output=self._last(stderr or stdout),
                returncode=None,
            ) from None
        except BaseException:
            _kill(process)
            process.communicate()
            raise
        if check and process.returncode:
            raise GitError(
                f"git {_shown(args)} failed in {self.path} (exit code {process.returncode}).",
                output=self._last(stderr or stdout),
                returncode=process.returncode,
            )
        return Said(process.returncode, stdout, stderr)

    def _last(self, text: str) -> str:
        readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return self.masked("\n".join(readable.strip().splitlines()[-_LAST_LINES:]))

    def _environment(self, ssh: str | None) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
        always = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "LC_ALL": "C", "GIT_EDITOR": "false"}
        return {**kept, **always, **self._given, **({"GIT_SSH_COMMAND": ssh} if ssh else {})}

    def _ssh_command(self) -> str | None:
        """Return how SSH is called: as the operator has it, but so that it never asks."""
        if self._ssh is None:
            environment = self._environment(None)
            given = environment.get("GIT_SSH_COMMAND")
            if not given and environment.get("GIT_SSH"):
                # A program, which takes no options of ours.
                self._ssh = ""
            else:
                if not given:
                    given = self._run(["config", "core.sshCommand"], 10, None, False, environment).stdout.strip()
                self._ssh = f"{given or 'ssh'} {_SSH_OPTIONS}"
        return self._ssh or None


def _text(output: bytes) -> str:
    return output.decode("utf-8", "surrogateescape")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _shown(args: t.Sequence[str]) -> str:
    return next((one for one in args if not one.startswith("-")), "")


def remote_fault(error: GitError, remote: str, doing: str) -> HotfixError:
    """Return what *error* of a command that speaks to *remote* means for the operator.

    *doing* says what was wanted, as in "be read".
    """
    said = error.output
    if error.returncode is None:
        why, todo = f"it did not answer in time ({error.what})", "see whether it is up and reached from here"
    elif _HOST_KEY.search(said):
        why, todo = "its host key is not the one that is known here", "compare the key, and put it into known_hosts"
    elif _REFUSED.search(said):
        why, todo = "it refuses these credentials", "give a key that may do it (DEPLOY_KEY), or log in to it"
    elif _AWAY.search(said):
        why, todo = "it cannot be reached from here", "see whether it is up, and whether its address is right"
    elif _NONE_THERE.search(said):
        why, todo = "there is no repository at its address", "correct it with git remote set-url"
    else:
        why, todo = "Git failed", "look at what Git says"
    return HotfixError(
        f"The remote {remote!r} cannot {doing}: {why}.",
        next_step=f"{todo}, then run the same again.",
        evidence=said,
    )


@contextlib.contextmanager
def deploy_key(text: str | None, known_hosts: str | None = None) -> t.Iterator[dict[str, str]]:
    """Give the environment in which SSH uses this private key and no other, for as long as the block lasts.

    *text* is the key itself; with none the environment is empty and the operator's own keys count. *known_hosts* are
    lines of such a file, for a machine that knows no hosts. How strictly host keys are checked is as the user's
    configuration says.

    Raises
    ------
    BadInputError
        When it is no private key, or one with a passphrase.
    """
    if not (text or "").strip():
        yield {}
        return
    folder = Path(tempfile.mkdtemp(prefix="hotfix-key-"))
    try:
        key = folder / "key"
        # A variable of a CI often has lost the last line break, without which it is no key to OpenSSH.
        _write(key, str(text).replace("\r\n", "\n").strip() + "\n")
        _check(key)
        words = ["ssh", "-i", str(key), "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]
        if (known_hosts or "").strip():
            hosts = folder / "known_hosts"
            _write(hosts, str(known_hosts).strip() + "\n")
            words += ["-o", f"UserKnownHostsFile={hosts}"]
        yield {"GIT_SSH_COMMAND": shlex.join(words)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)


def _check(key: Path) -> None:
    try:
        # The empty passphrase makes it fail where it would ask.
        command = ["ssh-keygen", "-y", "-P", "", "-f", str(key)]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        # SSH itself says it later, in worse words.
        return
    if done.returncode:
        locked = b"passphrase" in done.stderr
        raise BadInputError(
            f"The deploy key (DEPLOY_KEY) {'has a passphrase' if locked else 'is no private key that SSH can read'}.",
            next_step="give the whole text of a private key without a passphrase.",
        )
