# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Keeps secrets out of what a check returns: those it was given, and what looks like one in an answer."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import cut, hide
from ansible_collections.pangeafate.hotfix.plugins.module_utils._mask import MASK

_WORDS = r"token|secret|passw|pwd|api[_-]?key|authorization|credential|cookie|session|jwt|signature"
SECRET_NAME = re.compile(_WORDS, re.IGNORECASE)
_IN_JSON = re.compile(
    r'("(?:[^"\\]|\\.)*(?:' + _WORDS + r')(?:[^"\\]|\\.)*"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,{}\[\]"]+)', re.IGNORECASE
)
_HEADERS_SHOWN = 30
_HEADER_SHOWN = 200
_BODY_SHOWN = 400
# Long before anything is shown, and still more than any evidence needs.
_LOOKED_AT = 20000


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def secret_name(name: str) -> bool:
    """Tell whether what bears this name is better not shown."""
    return SECRET_NAME.search(name) is not None


class Veil:
    """Hides known secrets in any text."""

    def __init__(self, secrets: t.Iterable[str]) -> None:
        self._secrets = [value for value in secrets if value]

    def text(self, text: str) -> str:
        """Return *text* without them."""
        return hide(text, self._secrets)

    def anything(self, value: t.Any) -> t.Any:
        """Return *value* without them, and without what would move a terminal's cursor, however deep."""
        if isinstance(value, str):
            return _printable(self.text(value))
        if isinstance(value, dict):
            return {self.anything(str(key)): self.anything(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.anything(one) for one in value]
        return value

    def body(self, text: str) -> str:
        """Return the beginning of a body. What is cut off is hidden before, lest half of a secret stay."""
        hidden = _IN_JSON.sub(lambda match: f'{match.group(1)}"{MASK}"', self.text(cut(text, _LOOKED_AT)))
        return _printable(cut(hidden, _BODY_SHOWN))

    def headers(self, headers: t.Sequence[t.Tuple[str, str]]) -> t.Dict[str, str]:
        """Return the first headers."""
        shown: t.Dict[str, str] = {}
        for name, value in headers[:_HEADERS_SHOWN]:
            if secret_name(name):
                value = MASK
            elif name.lower() in ("location", "refresh", "link"):
                # What follows '?' may hold a session or a token.
                value = value.partition("?")[0]
            shown[self.text(name)[:_HEADER_SHOWN]] = self.text(value)[:_HEADER_SHOWN]
        return shown
