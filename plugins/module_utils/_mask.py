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
_SECRET_KEY = re.compile(r"TOKEN|SECRET|PASSW|KEY|CREDENTIAL|DSN|_URL$|AUTH", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@")
_SHORTEST = 6


def read_env(path: Path) -> t.Dict[str, str]:
    """Read the assignments of a ``.env`` file; quotes around a value are not part of it."""
    found: t.Dict[str, str] = {}
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return found
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$", line)
        if not match:
            continue
        key, value = match.groups()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        else:
            value = re.sub(r"\s+#.*$", "", value)
        found[key] = value
    return found


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
                values.append(value)
                password = urllib.parse.urlsplit(value).password if "://" in value else None
                if password:
                    values.append(password)
        return cls(values)

    def text(self, text: str) -> str:
        """Return *text* without secrets."""
        for value in self._values:
            text = text.replace(value, MASK)
        return _URL_PASSWORD.sub(r"\1:" + MASK + "@", text)
