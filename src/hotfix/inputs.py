# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what was typed: inventories, variables, secrets, times. Each error names the input and the next step."""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hotfix import settings
from hotfix.exits import UsageError

#: More is a mistake, and not a time that anybody waits.
_LONGEST = 1e9
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def inventories(given: Iterable[str]) -> tuple[str, ...]:
    """Return the inventories of -i or HOTFIX_INVENTORY; empty where ansible.cfg names one."""
    named = [item for item in given if item]
    origin = "-i"
    if not named:
        origin = "HOTFIX_INVENTORY"
        named = [item for item in os.environ.get(origin, "").split(os.pathsep) if item]
    if not named:
        if settings.read().has_inventory() or Path("/etc/ansible/hosts").exists():
            return ()
        raise UsageError(
            "No inventory is named. Next: name it with -i, with HOTFIX_INVENTORY, or as 'inventory' in ansible.cfg."
        )
    return tuple(_inventory(item, origin) for item in named)


def _inventory(item: str, origin: str) -> str:
    path = Path(os.path.expanduser(item))
    if os.path.exists(path):
        return str(path.absolute())
    if "," in item:
        # A list of hosts, as Ansible takes it.
        return item
    raise UsageError(f"{origin} names {item!r}, and there is no such inventory. Next: see that the path is right.")


def limit(given: str | None) -> str:
    """Return the environment, or refuse."""
    if not given or not given.strip():
        raise UsageError("No environment is named. Nothing was touched. Next: name one, as in '-l production'.")
    return given


def variables(given: Iterable[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read -e: `name=value`, a JSON object, or `@FILE`. Returns variables and files."""
    found: dict[str, Any] = {}
    files = []
    for text in given:
        if text.startswith("@"):
            path = Path(os.path.expanduser(text[1:]))
            if not os.path.isfile(path):
                raise UsageError(
                    f"-e names the file {text[1:]!r}, which is not there. Next: see that the path is right."
                )
            files.append(str(path.absolute()))
        elif text.startswith("{"):
            try:
                found.update(json.loads(text))
            except (ValueError, RecursionError) as exc:
                why = str(exc) if isinstance(exc, ValueError) else "it is nested too deeply"
                raise UsageError(f"-e {text[:200]!r} is no JSON ({why}). Next: write name=value, or mend it.") from None
        else:
            name, equals, value = text.partition("=")
            if not equals or not _NAME.fullmatch(name):
                raise UsageError(
                    f"-e {text!r} is not of the form name=value. Next: write it as in -e title='it is slow'."
                )
            found[name] = value
    return found, tuple(files)


def secrets(given: Iterable[str]) -> dict[str, str]:
    """Read --secret: NAME asks for it, NAME=FILE reads a file, NAME=- the standard input.

    NAME=env:VARIABLE takes it out of the environment, so that no program that is started gets it.
    """
    return dict(_secret(text) for text in given)


def _secret(text: str) -> tuple[str, str]:
    name, equals, source = text.partition("=")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--secret {name!r} is no name of a variable. Next: write NAME, NAME=FILE or NAME=env:VARIABLE."
        )
    if not equals:
        if not sys.stdin.isatty():
            raise UsageError(
                f"--secret {name} is to be asked for, and there is no terminal. Next: write --secret {name}=FILE, "
                f"--secret {name}=- or --secret {name}=env:VARIABLE."
            )
        return name, getpass.getpass(f"{name}: ")
    if source.startswith("env:"):
        variable = source.removeprefix("env:")
        if variable not in os.environ:
            raise UsageError(f"--secret {name} is to come from {variable}, which is not set. Next: set it.")
        return name, os.environ.pop(variable)
    try:
        value = sys.stdin.read() if source == "-" else Path(os.path.expanduser(source)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = getattr(exc, "strerror", None) or "it is no text"
        raise UsageError(f"--secret {name} cannot be read from {source!r} ({why}). Next: see to the file.") from None
    return name, value.rstrip("\n")


def seconds(text: str | None) -> float | None:
    """Read a time such as 90, 90s, 10m or 1h."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or not 0 < float(found[1]) <= _LONGEST:
        raise UsageError(f"--timeout {text!r} is no time. Next: write it as in 90s, 10m or 1h.")
    return float(found[1]) * _SECONDS[found[2] or "s"]
