# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A YAML file with checks: on which line everything in it is, and what YAML itself would let pass."""

from __future__ import annotations

import typing as t

import yaml

Place = t.Sequence[str | int]

_LOADER: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE = "tag:yaml.org,2002:merge"
KEY = "checks"


class SuiteFileError(Exception):
    """The file cannot be read as a suite, from this line on."""

    def __init__(self, line: int, what: str, next_step: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what
        self.next_step = next_step


class SuiteFile:
    """Its nodes. They are composed and never constructed, so that no tag in the file means anything here."""

    def __init__(self, text: str) -> None:
        try:
            # As bytes: libyaml does not take the kind of text that Ansible makes of a file.
            root = yaml.compose(text.encode(), Loader=_LOADER)
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            said = " ".join(part for part in (exc.context, exc.problem) if part)
            raise SuiteFileError(mark.line + 1 if mark else 1, f"This is no YAML ({said}).", "correct it.") from exc
        except yaml.YAMLError as exc:
            raise SuiteFileError(1, f"This is no YAML ({exc}).", "correct it.") from exc
        except RecursionError as exc:
            raise SuiteFileError(1, "It is nested too deeply.", "write the checks as a plain list.") from exc
        except UnicodeError as exc:
            raise SuiteFileError(1, "This is no text in UTF-8.", "save it as UTF-8.") from exc
        if root is None:
            raise SuiteFileError(1, "The file is empty.", f"write a list of checks, or {KEY}: and the list.")
        _refuse_duplicates(root)
        self._checks = _checks(root)

    def line(self, place: Place) -> int:
        """Return the line of what is at *place* in the list of checks, or of the last that is there on the way."""
        node = self._checks
        line = node.start_mark.line
        for step in place:
            found = _step(node, step)
            if found is None:
                break
            line, node = found
        return int(line) + 1


def _checks(root: yaml.Node) -> yaml.Node:
    if not isinstance(root, yaml.MappingNode):
        return root
    for key, value in root.value:
        if key.value != KEY:
            raise SuiteFileError(
                key.start_mark.line + 1,
                f"Unknown key {key.value!r}.",
                f"the only key is {KEY}, with the list of checks.",
            )
        return t.cast(yaml.Node, value)
    raise SuiteFileError(root.start_mark.line + 1, "There is no check.", f"write {KEY}: and the list of checks.")


def _step(node: yaml.Node, step: str | int) -> tuple[int, yaml.Node] | None:
    """Return the line and the node of one step on the way; of a key, it is the line where the key stands."""
    if isinstance(node, yaml.SequenceNode):
        inside = isinstance(step, int) and 0 <= step < len(node.value)
        return (node.value[step].start_mark.line, node.value[step]) if inside else None
    if isinstance(node, yaml.MappingNode):
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif isinstance(key, yaml.ScalarNode) and key.value == str(step):
                return key.start_mark.line, value
        return next((found for found in (_step(one, step) for one in merged) if found), None)
    return None


def _refuse_duplicates(root: yaml.Node) -> None:
    """Raise where a dictionary has a key twice: YAML would take the last one, and a check would vanish silently."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        # An alias is the same node once more, and may even be inside of itself.
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                name = (key.tag, str(key.value))
                if name in lines:
                    raise SuiteFileError(
                        line, f"The key {key.value!r} is there twice (first on line {lines[name]}).", "take one out."
                    )
                lines[name] = line
                waiting += [key, value]
