# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a run does with its probe: begin it, mark moments, end it. The run's processes share nothing but a folder."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import processes, records
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target

#: Seconds that the sampler goes on once the run is gone: what a run that was killed leaves behind is seen as well.
LINGER = 5.0
LONGEST = 4 * 3600.0
#: Seconds that a stopped sampler gets for requests under way and its sums.
_ENDS_WITHIN = 5.0
_CLAIM = "sampler"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What a Python process needs of ours; everything else is none of its business.
_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class NotMeasuredError(Exception):
    """Why there is no probe. It never stops a run."""


class Probe:
    """The probe of one run. Another one of the same run begins where the one before has ended."""

    def __init__(self, base: str, run: str) -> None:
        if not _RUN_ID.fullmatch(run):
            raise NotMeasuredError(f"{run!r} is no ID of a run")
        self._base = os.path.join(os.path.abspath(os.path.expanduser(base)), f"probe-{run}")

    def begin(self, target: Target) -> str:
        """Have *target* sampled, by the run's sampler if there is one already; return the folder."""
        folder = self.folder or self._base
        if _ended(folder):
            folder = self._folder(self._number(folder) + 1)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            self._order(folder, "target", **target._asdict())
            # Each host of the run comes by, in a process of its own; the first one starts the sampler.
            claim = os.open(os.path.join(folder, _CLAIM), os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return folder
        except OSError as exc:
            raise NotMeasuredError(
                f"{folder} cannot be written ({exc.strerror or type(exc).__name__}); set hotfix_probe_dir to a folder "
                "that can"
            ) from exc
        with os.fdopen(claim, "w", encoding="utf-8") as handle:
            handle.write(str(_start(folder)))
        return folder

    @property
    def folder(self) -> t.Optional[str]:
        """Return the folder of the run's newest probe."""
        found = None
        number = 1
        while os.path.isdir(self._folder(number)):
            found = self._folder(number)
            number += 1
        return found

    def mark(self, phase: str) -> bool:
        """Have *phase* begin with this moment; return whether there is a probe that can note it."""
        folder = self.folder
        if folder is None or _ended(folder):
            return False
        self._order(folder, "mark", phase=phase, mono=time.monotonic())
        return True

    def end(self) -> t.Optional[t.Dict[str, t.Any]]:
        """End the sampler, and return its numbers; those of before where it has ended already, None without any."""
        folder = self.folder
        if folder is None:
            return None
        if not _ended(folder):
            self._order(folder, "stop")
            until = time.monotonic() + _ENDS_WITHIN
            while not _ended(folder) and time.monotonic() < until:
                time.sleep(0.01)
        with (
            contextlib.suppress(OSError, ValueError),
            open(os.path.join(folder, records.SUMMARY), encoding="utf-8") as handle,
        ):
            return {**json.load(handle), "folder": folder}
        # Only where the sampler could not: a run that begins need not wait for this import.
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import summary

        return {**summary.of_folder(folder), "folder": folder}

    def _folder(self, number: int) -> str:
        return self._base if number == 1 else f"{self._base}-{number}"

    def _number(self, folder: str) -> int:
        return 1 if folder == self._base else int(folder.rpartition("-")[2])

    @staticmethod
    def _order(folder: str, kind: str, **values: t.Any) -> None:
        records.append(os.path.join(folder, records.CONTROL), {"kind": kind, **values})


def _ended(folder: str) -> bool:
    """Tell whether a sampler has summed up, or was ended before it could."""
    if os.path.exists(os.path.join(folder, records.SUMMARY)):
        return True
    try:
        with open(os.path.join(folder, _CLAIM), encoding="utf-8") as handle:
            pid = handle.read()
    except OSError:
        return False
    return pid.isdigit() and processes.gone(int(pid))


def _start(folder: str) -> int:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "program.py")
    pid = os.getppid() if multiprocessing.parent_process() is not None else os.getpid()
    descriptor = os.open(
        os.path.join(folder, records.LOG), os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(descriptor, "ab") as log:
        try:
            # On the controller, where there is no AnsibleModule that would run it.
            return subprocess.Popen(  # pylint: disable=ansible-bad-function
                # Without site packages and the environment's settings it starts in a fraction of the time.
                [
                    sys.executable,
                    "-I",
                    "-S",
                    program,
                    folder,
                    str(pid),
                    processes.start_of(pid),
                    str(LINGER),
                    str(LONGEST),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            ).pid
        except OSError as exc:
            raise NotMeasuredError(f"the sampler could not be started ({exc.strerror})") from exc
