# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of ansible-playbook, through ansible-runner, without what ansible-runner would do by default.

Each run has a folder of its own in memory, so that nothing of another run (env/cmdline, env/passwords, old artifacts)
gets into it. Its events are handed on and not kept. Variables go by a named pipe. Host keys are checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfix import collection, private, processes, settings
from hotfix.handover import Pipe, as_yaml
from hotfix.stopping import Stop

#: The runner looks every tenth of a second whether the run is to end, and keeps no output.
_SETTINGS = {"pexpect_timeout": 0.1, "suppress_output_file": True}
#: A result that is longer than this would come without its content.
_LONGEST_RESULT = 50_000_000
#: What marks the processes of a run on its hosts. SSH servers accept LC_* as they come on Debian and Ubuntu.
MARK = "LC_HOTFIX_RUN"


@dataclass(frozen=True)
class Job:
    """What is to be run. `playbook` is a file or a full name, `variables` are extra variables, secrets among them."""

    playbook: str
    limit: str | None = None
    inventory: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    check: bool = False
    diff: bool = False
    verbosity: int = 0
    mark: str = field(default_factory=lambda: secrets.token_hex(8))


def play(
    job: Job, stop: Stop, handle: Callable[[dict[str, Any]], None], started: Callable[[], None] = lambda: None
) -> str:
    """Run it to its end, or until *stop* says so, and return the runner's status.

    *handle* gets each event and may not block. Whatever it raises is dropped: left alone, it would kill the run in the
    middle of a task. *started* is called once ansible-playbook was started: threads begin no earlier, as one that holds
    a lock while the runner forks would have it held for ever in the child.
    """
    # Only here: it takes longer to import than all that shows a help page.
    from ansible_runner.interface import run

    def on_event(event: dict[str, Any]) -> bool:
        with contextlib.suppress(Exception):
            handle(event)
        # True would have the runner keep it in a file.
        return False

    def on_status(status: Mapping[str, Any], runner_config: Any) -> None:
        if status.get("status") == "running":
            # By then it holds the whole environment.
            Path(runner_config.artifact_dir, "command").unlink(missing_ok=True)

    begin: list[Callable[[], None]] = [started]

    def is_over() -> bool:
        while begin:
            with contextlib.suppress(Exception):
                begin.pop()()
        if stop.reason is None:
            return False
        processes.end(os.getpid())
        return True

    with private.folder() as folder, contextlib.ExitStack() as stack:
        # Given as an argument they would be forgotten where no files are written.
        (folder / "env").mkdir(mode=0o700)
        (folder / "env/settings").write_text(json.dumps(_SETTINGS), encoding="utf-8")
        words = [name for name, wanted in (("--check", job.check), ("--diff", job.diff)) if wanted]
        for path in job.files:
            words += ["--extra-vars", f"@{path}"]
        if job.variables:
            pipe = stack.enter_context(Pipe(folder / "variables", as_yaml(job.variables)))
            words += ["--extra-vars", f"@{pipe.path}"]
            begin.append(pipe.serve)
        done = run(
            private_data_dir=str(folder),
            project_dir=str(Path.cwd()),
            playbook=job.playbook,
            inventory=list(job.inventory) or None,
            limit=job.limit,
            cmdline=shlex.join(words) or None,
            verbosity=job.verbosity or None,
            envvars=environment(job, folder),
            fact_cache_type="",
            suppress_env_files=True,
            quiet=True,
            event_handler=on_event,
            status_handler=on_status,
            # With one of our own the runner leaves the signal handlers alone.
            cancel_callback=is_over,
        )
    return str(done.status)


def environment(job: Job, folder: Path) -> dict[str, str]:
    """Return what ansible-playbook gets beside this command's own environment."""
    found = settings.read()
    said = os.environ.get("ANSIBLE_SSH_EXTRA_ARGS", found.get("ssh_connection", "ssh_extra_args") or "")
    temporary = folder / "tmp"
    temporary.mkdir(mode=0o700)
    more = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_COLLECTIONS_PATH": collection.paths(found.collections()),
        # What a killed ansible-playbook leaves there goes with the folder.
        "ANSIBLE_LOCAL_TEMP": str(temporary),
        "ANSIBLE_NOCOLOR": "1",
        "MAX_EVENT_RES": str(_LONGEST_RESULT),
        MARK: job.mark,
        "ANSIBLE_SSH_EXTRA_ARGS": f"{said} -o SendEnv={MARK}".strip(),
        **found.environment(),
    }
    if not os.environ.get("LC_ALL", "").upper().endswith(("UTF-8", "UTF8")):
        # Ansible does not start in another locale.
        more["LC_ALL"] = "C.UTF-8"
    return more
