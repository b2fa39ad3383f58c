# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Keeps secrets out of what is shown: whatever ``.env`` holds under a secret-looking name is masked in any text."""

from __future__ import annotations

import re
import typing as t
import urllib.parse
from pathlib import Path

MASK = "********"
_SECRET_KEY = re.compile(r"TOKEN|SECRET|PASS|PWD|KEY|CREDENTIAL|DSN|_UR[IL]$|AUTH|SALT", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
_SHORTEST = 6
# As Compose reads .env: a quoted value may go over several lines, an unquoted one ends at its line or at ' #'.
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?P<key>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"
    r"(?:'(?P<single>[^']*)'|\"(?P<double>(?:\\.|[^\"\\])*)\"|(?P<plain>[^\n]*))",
    re.MULTILINE | re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_env(path: Path) -> t.Dict[str, str]:
    """Read the assignments of a ``.env`` file; quotes around a value are not part of it.

    A file that we may not read has none: what cannot be read cannot be shown either.
    """
    found: t.Dict[str, str] = {}
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return found
    for match in _ASSIGNMENT.finditer(text.replace("\r\n", "\n")):
        if match.group("single") is not None:
            value = match.group("single")
        elif match.group("double") is not None:
            value = re.sub(
                r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(1)), match.group("double"), flags=re.DOTALL
            )
        else:
            value = re.sub(r"(?:^|\s)\s*#.*$", "", match.group("plain")).strip()
        found[match.group("key")] = value
    return found


def write_env(env: t.Mapping[str, str]) -> str:
    """Return a ``.env`` text that :func:`read_env` reads as *env*."""
    lines = []
    for key, value in env.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f"{key}='{value}'\n" if "'" not in value else f'{key}="{escaped}"\n')
    return "".join(lines)


def _passwords(value: str) -> t.List[str]:
    try:
        password = urllib.parse.urlsplit(value).password if "://" in value else None
    except ValueError:
        return []
    return [password, urllib.parse.unquote(password)] if password else []


class Mask:
    """Replaces known secret values, and passwords inside URLs, in any text."""

    def __init__(self, values: t.Iterable[str]) -> None:
        self._values = sorted({v for v in values if len(v) >= _SHORTEST}, key=len, reverse=True)

    @classmethod
    def of_env(cls, env: t.Mapping[str, str], *more: t.Optional[str]) -> Mask:
        """Make one that knows the secrets of an environment."""
        values = [v for v in more if v]
        for key, value in env.items():
            if _SECRET_KEY.search(key):
                # A log shows a value of several lines line by line.
                values += [value, *value.splitlines(), *_passwords(value)]
        return cls(values)

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        for value in self._values:
            text = text.replace(value, MASK)
        return _URL_PASSWORD.sub(r"\1:" + MASK + "@", text)
