# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Programs that all end within one time."""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Runner


class Bounded:
    """Runs programs like another runner; all of them end within so many seconds from now on."""

    def __init__(self, runner: Runner, seconds: float) -> None:
        self._runner = runner
        self._end = time.monotonic() + seconds

    def __call__(
        self,
        arguments: t.Sequence[str],
        *,
        timeout: float,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        pass_fds: t.Sequence[int] = (),
        stdin_file: t.Optional[Path] = None,
        stdout_file: t.Optional[Path] = None,
    ) -> t.Tuple[int, str, str]:
        """Run *arguments* to their end, or to ours."""
        files = {"stdin_file": stdin_file, "stdout_file": stdout_file}
        return self._runner(
            arguments,
            timeout=max(0.1, min(timeout, self._end - time.monotonic())),
            stdin=stdin,
            env=env,
            pass_fds=pass_fds,
            **{name: path for name, path in files.items() if path is not None},
        )
