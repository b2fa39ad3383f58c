# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a program does, it ends in time with all that it started, and what it prints is bounded."""

from __future__ import annotations

import os
import signal
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import BoundedRunner, execute


def shell(script: str, **more: t.Any) -> t.Any:
    return execute(["sh", "-c", script], **{"timeout": 5.0, **more})


def gone(pid: int) -> bool:
    """Tell whether a process has ended; one that was just killed may not be reaped yet."""
    end = time.monotonic() + 2
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_what_it_prints_and_how_it_ends() -> None:
    ran = shell("cat; echo x >&2; exit 3", stdin=b"a" * 300_000)
    assert (ran.code, ran.stdout, ran.stderr, ran.late, ran.cut) == (3, b"a" * 300_000, b"x\n", False, False)
    assert shell("kill -9 $$").code == -signal.SIGKILL
    assert shell('echo "$A"', env={"A": "b"}).stdout == b"b\n"
    # It need not read what it is given.
    assert shell("exec <&-; exit 4", stdin=b"a" * 3_000_000).code == 4
    # It may close its output long before it ends.
    assert shell("exec >&- 2>&-; sleep 0.2; exit 5").code == 5


@pytest.mark.parametrize(
    "script",
    ["sleep 30", "trap '' TERM; sleep 30", "exec >&- 2>&-; sleep 30", "yes", "yes >&2", "sleep 30 & sleep 30 & wait"],
)
def test_its_time_is_over(script: str) -> None:
    started = time.monotonic()
    ran = shell(script, timeout=0.3, kept=1000)
    assert time.monotonic() - started < 1.5
    assert (ran.late, ran.code) == (True, 124)
    assert len(ran.stdout) <= 1000
    assert len(ran.stderr) <= 1000


@pytest.mark.parametrize("timeout", [0.4, 5.0])
def test_what_it_started_ends_with_it(timeout: float) -> None:
    script = "sleep 30 & echo $!; trap '' HUP; " + ("sleep 30" if timeout < 1 else "exit 0")
    started = time.monotonic()
    ran = shell(script, timeout=timeout)
    # The child holds the output open, and is not waited for.
    assert time.monotonic() - started < 1.5
    assert ran.late == (timeout < 1)
    assert gone(int(ran.stdout))


def test_more_output_than_is_kept() -> None:
    ran = shell("head -c 5000 /dev/zero; echo end >&2", kept=1000)
    assert (ran.code, len(ran.stdout), ran.stderr, ran.cut) == (0, 1000, b"end\n", True)


def test_it_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        execute(["no-such-program"], timeout=1)
    code, _stdout, stderr = BoundedRunner()(["no-such-program"], timeout=1)
    assert (code, "failed to run command" in stderr) == (127, True)


def test_the_engine_is_given_no_files() -> None:
    runner = BoundedRunner()
    assert runner(["cat"], timeout=2, stdin="ä", env={"A": "b"}) == (0, "ä", "")
    assert runner(["printf", "\\377"], timeout=2)[1] == "\ufffd"
    assert runner(["sleep", "5"], timeout=0.1)[0] == 124
    with pytest.raises(ValueError, match="no file"):
        runner(["cat"], timeout=2, stdin_file=Path(os.devnull))
