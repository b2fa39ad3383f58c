# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Runs programs the way Ansible modules do, with an end to every wait."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

#: Seconds between the polite and the hard end of a program that ran out of time.
_KILL_AFTER = 5


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
    ) -> t.Tuple[int, str, str]:
        """Run *arguments* and return exit code, stdout and stderr."""
        code, stdout, stderr = self._module.run_command(
            ["timeout", "-k", str(_KILL_AFTER), str(timeout), *arguments],
            data=stdin,
            environ_update=dict(env or {}),
            errors="replace",
            expand_user_and_vars=False,
            pass_fds=tuple(pass_fds),
        )
        return int(code), str(stdout), str(stderr)
