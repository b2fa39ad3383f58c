# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The scripts and stylesheets that an HTML page names, as a browser would load them.

The tags are found by a reader of our own: html.parser takes hours over some pages that mean no good.
"""

from __future__ import annotations

import html
import re
import typing as t
from dataclasses import dataclass

SCRIPT = "script"
STYLESHEET = "stylesheet"
OTHER = "file"
# What they hold is text. With scripts on, <noscript> is one of them.
_TEXT_ONLY = ("script", "style", "textarea", "title", "noscript", "iframe", "noembed", "noframes", "xmp")
# Other types of <script> are data.
_SCRIPT_TYPES = (
    "",
    "module",
    "text/javascript",
    "application/javascript",
    "application/x-javascript",
    "text/ecmascript",
    "application/ecmascript",
)
_KINDS_OF_PRELOAD = {"": SCRIPT, "script": SCRIPT, "worker": SCRIPT, "style": STYLESHEET}

_NAME = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_ATTRIBUTE = re.compile(r"[\s/]*(?:(>)|([^\s/>][^\s/>=]*)(\s*=\s*)?)")
_BARE_VALUE = re.compile(r"[^\s>]*")

Attributes = t.Dict[str, str]


@dataclass(frozen=True)
class Named:
    """A file that a page names: where it is, and of what digest, when the page says so."""

    kind: str
    reference: str
    integrity: str = ""


@dataclass(frozen=True)
class Markup:
    """What a page names, in its order and each once; ``base`` is what their addresses stand against."""

    base: str
    files: t.Tuple[Named, ...]


def read(text: str) -> Markup:
    """Return what the page *text* names. A browser is lenient, and so is this."""
    base = ""
    hidden = 0
    files: t.Dict[t.Tuple[str, str], Named] = {}
    for closing, tag, given in _tags(text):
        if tag == "template":
            # It is not part of the page until a script makes it so.
            hidden = max(0, hidden - 1) if closing else hidden + 1
        elif hidden or closing:
            continue
        elif tag == "base":
            base = base or given.get("href", "")
        else:
            named = _named(tag, given)
            if named is not None and not named.reference.lower().startswith(("data:", "blob:")):
                files.setdefault((named.kind, named.reference), named)
    return Markup(base, tuple(files.values()))


def _named(tag: str, given: Attributes) -> t.Optional[Named]:
    integrity = given.get("integrity", "")
    if tag == "script" and "src" in given:
        script = given.get("type", "").partition(";")[0].strip().lower() in _SCRIPT_TYPES
        return Named(SCRIPT, given["src"], integrity) if script else None
    if tag == "link" and given.get("href"):
        words = given.get("rel", "").lower().split()
        if "stylesheet" in words and "disabled" not in given:
            return Named(STYLESHEET, given["href"], integrity)
        if "modulepreload" in words:
            return Named(_KINDS_OF_PRELOAD.get(given.get("as", "").lower(), OTHER), given["href"], integrity)
    return None


def _tags(text: str) -> t.Iterator[t.Tuple[bool, str, Attributes]]:
    """Tell the tags in their order: whether it closes, its name, its attributes. No piece is looked at twice."""
    position = text.find("<")
    while position >= 0:
        match = _NAME.match(text, position)
        if match is not None:
            tag = match.group(2).lower()
            given, position = _attributes(text, match.end())
            if position < 0:
                return
            yield bool(match.group(1)), tag, given
            if tag in _TEXT_ONLY and not match.group(1):
                position = _end_of_text(text, tag, position)
        elif text.startswith("<!--", position):
            # "<!-->" is a whole comment.
            position = _after(text, "-->", position + 2)
        elif text.startswith(("<!", "<?", "</"), position):
            position = _after(text, ">", position)
        else:
            position += 1
        position = text.find("<", position) if position >= 0 else -1


def _after(text: str, wanted: str, position: int) -> int:
    found = text.find(wanted, position)
    return found + len(wanted) if found >= 0 else -1


def _end_of_text(text: str, tag: str, position: int) -> int:
    found = re.compile(rf"</{tag}(?=[\s/>])", re.IGNORECASE).search(text, position)
    return found.start() if found else -1


def _attributes(text: str, position: int) -> t.Tuple[Attributes, int]:
    """Return the attributes of a tag, and where it ends; -1 for one that never does."""
    given: Attributes = {}
    while True:
        match = _ATTRIBUTE.match(text, position)
        if match is None:
            return given, -1
        position = match.end()
        if match.group(1):
            return given, position
        value = ""
        if match.group(3):
            quote = text[position : position + 1]
            if quote and quote in "\"'":
                end = text.find(quote, position + 1)
                if end < 0:
                    return given, -1
                value, position = text[position + 1 : end], end + 1
            else:
                bare = _BARE_VALUE.match(text, position)
                value, position = (bare.group(0), bare.end()) if bare else ("", position)
        # Of two of one name the first counts.
        given.setdefault(match.group(2).lower(), html.unescape(value).strip())
