# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Runs programs the way Ansible modules do, with an end to every wait."""

from __future__ import annotations

import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Seconds between the polite and the hard end of a program that ran out of time.
_KILL_AFTER = 5
#: As shells report a program that is there and cannot be run.
_NOT_RUN = 126
#: Becomes the program that the arguments from the third on name; the first two are files, or nothing. They are
#: words to the shell and never code.
_REDIRECT = 'if [ -n "$1" ]; then exec <"$1"; fi; if [ -n "$2" ]; then exec >"$2"; fi; shift 2; exec "$@"'


class ModuleRunner:
    """Runs programs through ``AnsibleModule.run_command``, each under timeout(1)."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

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
        """Run *arguments* and return exit code, stdout and stderr.

        With *stdin_file* the program reads that file, with *stdout_file* it overwrites that one and the returned
        stdout is empty: what passes there is never held in memory.
        """
        if stdin_file is not None or stdout_file is not None:
            arguments = ["sh", "-c", _REDIRECT, "sh", str(stdin_file or ""), str(stdout_file or ""), *arguments]
        try:
            code, stdout, stderr = self._module.run_command(
                ["timeout", "-k", str(_KILL_AFTER), str(timeout), *arguments],
                data=stdin,
                environ_update=dict(env or {}),
                errors="replace",
                expand_user_and_vars=False,
                pass_fds=tuple(pass_fds),
                # It would end the module with an error of its own, and several at once would each do so.
                handle_exceptions=False,
            )
        except BrokenPipeError:
            return _NOT_RUN, "", "it ended before it had read what it was given"
        except (OSError, ValueError) as exc:
            return _NOT_RUN, "", f"it could not be run: {getattr(exc, 'strerror', None) or exc}"
        return int(code), str(stdout), str(stderr)
