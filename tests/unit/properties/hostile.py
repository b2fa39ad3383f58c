# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that nobody should give, and that somebody gives at 3 a.m. all the same."""

from __future__ import annotations

import string
import typing as t

from hypothesis import strategies as st

#: What a shell, Jinja, a path or a parser of options would read as more than a text.
METACHARACTERS = (
    "$(touch {marker})",
    "`touch {marker}`",
    "; touch {marker} ;",
    "| touch {marker}",
    "&& touch {marker}",
    "x\ntouch {marker}\n",
    "'; touch {marker}; '",
    '"; touch {marker}; "',
    "{{{{ lookup('pipe', 'touch {marker}') }}}}",
    "{{% for x in lookup('pipe', 'touch {marker}') %}}{{% endfor %}}",
    "--help",
    "-o=/etc/passwd",
    "../../../../etc/passwd",
    "%n%s%d",
)
TEXTS: t.Sequence[str] = (
    "",
    " ",
    "\0",
    "a\0b",
    "a\nb",
    "\r\n",
    "\x1b[31m",
    "\u202egnp.exe",
    "é",
    "\ufeff",
    "\u2028",
    "²",
    "٣",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1",
    "0",
    "1e9",
    "9" * 400,
    "true",
    "null",
    "~",
    "/",
    "/dev/null",
    "{name}",
    "{0}",
    "%s",
    "https://[::1",
    "http://127.0.0.1:99999/",
    "http://u:p@127.0.0.1:1/",
    "http://\0/",
    "[" * 2000,
    "A" * 70000,
    *(one.format(marker="/nonexistent/marker") for one in METACHARACTERS),
)
#: Without surrogates: what comes over JSON or YAML holds none.
characters = st.characters(exclude_categories=["Cs"])
texts = st.sampled_from(TEXTS) | st.text(characters, max_size=20)
numbers: st.SearchStrategy[t.Any] = st.sampled_from(
    [0, -1, 1, 2**31, 2**63, -(2**64), 10**400, 0.0, -0.5, 1e-300, 1e300, float("nan"), float("inf"), float("-inf")]
)
scalars: st.SearchStrategy[t.Any] = st.none() | st.booleans() | numbers | texts
keys = st.sampled_from(["", "name", "image", "url", "status", "a", "\0", "{{ x }}"]) | st.text(
    string.ascii_lowercase, max_size=6
)
anything: st.SearchStrategy[t.Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=6
)


@st.composite
def changed(draw: st.DrawFn, good: t.Any, *, most: int = 3) -> t.Any:
    """Return *good* with up to *most* of its places taken out, or with something else in them."""
    found = copied(good)
    for _change in range(draw(st.integers(1, most))):
        found = _once(draw, found)
    return found


def copied(value: t.Any) -> t.Any:
    """Return a copy of what JSON can hold."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list) else value


def _once(draw: st.DrawFn, value: t.Any) -> t.Any:
    inside = isinstance(value, (dict, list)) and len(value) > 0
    if not inside or draw(st.integers(0, 5)) == 0:
        return draw(anything)
    if isinstance(value, dict):
        key = draw(st.sampled_from(sorted(value)))
        what = draw(st.sampled_from(["deeper", "deeper", "deeper", "gone", "more"]))
        if what == "gone":
            return {one: inner for one, inner in value.items() if one != key}
        if what == "more":
            return {**value, draw(keys): draw(anything)}
        return {**value, key: _once(draw, value[key])}
    index = draw(st.integers(0, len(value) - 1))
    return [*value[:index], _once(draw, value[index]), *value[index + 1 :]]
