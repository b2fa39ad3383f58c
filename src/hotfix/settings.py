# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible is set to, as far as the command has to know it before Ansible is started.

Reading it through ansible-core would take longer than all else that this command does.
"""

from __future__ import annotations

import configparser
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: What is set where neither the environment nor an ansible.cfg says anything: as in the collection's own checkout.
DEFAULTS = {
    ("defaults", "forks", "ANSIBLE_FORKS"): "20",
    ("defaults", "timeout", "ANSIBLE_TIMEOUT"): "10",
    ("defaults", "interpreter_python", "ANSIBLE_PYTHON_INTERPRETER"): "auto_silent",
    # The runner switches it off unless the environment says something.
    ("defaults", "host_key_checking", "ANSIBLE_HOST_KEY_CHECKING"): "True",
    # Modules, with the secrets among their arguments, are then no files on the hosts, which a killed run would leave.
    ("connection", "pipelining", "ANSIBLE_PIPELINING"): "True",
    (
        "ssh_connection",
        "ssh_args",
        "ANSIBLE_SSH_ARGS",
    ): "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=5 -o ServerAliveCountMax=3",
}


@dataclass(frozen=True)
class Settings:
    """The ansible.cfg that counts here; `path` is None where there is none."""

    path: Path | None
    values: Mapping[tuple[str, str], str]

    def get(self, section: str, key: str) -> str | None:
        """Return a setting of the file."""
        return self.values.get((section, key))

    def environment(self) -> dict[str, str]:
        """Return the variables that are to be set beside what the operator has set."""
        found = {}
        for (section, key, variable), default in DEFAULTS.items():
            if variable not in os.environ:
                said = self.get(section, key)
                # What the file says counts, and the runner is told so by the variable that it looks at.
                if said is None or variable == "ANSIBLE_HOST_KEY_CHECKING":
                    found[variable] = default if said is None else said
        return found

    def collections(self) -> list[str]:
        """Return where collections are looked for, without ours."""
        if "ANSIBLE_COLLECTIONS_PATH" in os.environ:
            return [part for part in os.environ["ANSIBLE_COLLECTIONS_PATH"].split(os.pathsep) if part]
        said = self.get("defaults", "collections_path")
        if said is None:
            return [str(Path.home() / ".ansible/collections"), "/usr/share/ansible/collections"]
        return [self._absolute(part) for part in said.split(os.pathsep) if part]

    def has_inventory(self) -> bool:
        """Tell whether an inventory is named anywhere."""
        return bool(os.environ.get("ANSIBLE_INVENTORY") or self.get("defaults", "inventory"))

    def _absolute(self, text: str) -> str:
        here = self.path.parent if self.path else Path.cwd()
        return str(here / Path(os.path.expanduser(os.path.expandvars(text))))


def read() -> Settings:
    """Find the ansible.cfg as Ansible does, and read it."""
    path = _find()
    values: dict[tuple[str, str], str] = {}
    if path is not None:
        parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None, strict=False)
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (OSError, configparser.Error, UnicodeDecodeError):
            # Ansible will say what is wrong with it.
            return Settings(path, {})
        values = {(section, key): parser[section][key] for section in parser.sections() for key in parser[section]}
    return Settings(path, values)


def _find() -> Path | None:
    named = os.environ.get("ANSIBLE_CONFIG")
    candidates = []
    if named:
        path = Path(os.path.expanduser(named))
        candidates.append(path / "ansible.cfg" if path.is_dir() else path)
    here = Path.cwd()
    # Ansible passes over the file of a folder that others may write to.
    if not here.stat().st_mode & stat.S_IWOTH:
        candidates.append(here / "ansible.cfg")
    candidates += [Path.home() / ".ansible.cfg", Path("/etc/ansible/ansible.cfg")]
    return next((path for path in candidates if path.is_file() and os.access(path, os.R_OK)), None)
