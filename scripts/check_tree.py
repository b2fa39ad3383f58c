#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the rules of this tree that no other linter knows: layers, roles, licences, what must not be committed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

COLLECTION = "ansible_collections.pangeafate.hotfix"
MODULE_UTILS = f"{COLLECTION}.plugins.module_utils"
# What runs on a managed host has to be read by the oldest Python there.
TARGET_PYTHON = (3, 9)
TARGET_CODE = ("plugins/modules/", "plugins/module_utils/")

# Where a file lies, and what it may import beside the standard library; the first prefix that fits counts.
# None: everything but what FORBIDDEN says.
ALLOWED: tuple[tuple[str, tuple[str, ...] | None], ...] = (
    ("plugins/modules/", ("ansible.module_utils", MODULE_UTILS)),
    ("plugins/module_utils/", ("ansible.module_utils", MODULE_UTILS)),
    ("plugins/", ("ansible", "cryptography", "jinja2", "requests", "yaml", f"{COLLECTION}.plugins")),
    ("src/hotfix/", ("ansible_runner", "click", "hotfix", "rich")),
    ("sandbox/app/src/", None),
    ("sandbox/", None),
)
FORBIDDEN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("sandbox/app/src/", ("ansible", "ansible_collections", "hotfix", "sandbox")),
    ("sandbox/", ("ansible_collections", "hotfix")),
)

LICENSED = (".py", ".yml", ".yaml", ".sh", ".toml", ".cfg")
# The patterns are written so that they do not match themselves.
UNWANTED: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "a path of somebody's machine",
        re.compile(r"(?<![\w.-])/(?:[h]ome/(?!deploy\b)[a-z]|[U]sers/[A-Za-z]|[r]oot/\.(?:pyenv|cache|local|ansible))"),
    ),
    ("the host of a package index", re.compile(r"py[p]i\.org|pythonhoste[d]\.org|npm[j]s\.org|deb\.debia[n]\.org")),
    ("a mark of unfinished work", re.compile(r"\b(?:T[O]DO|F[I]XME|X[X]X)\b|NotImplemente[d]Error")),
    ("a switched-off check", re.compile(r"#\s*n[o]qa|#\s*type:\s*i[g]nore|ignore_er[r]ors:\s*(?:true|yes)")),
)
# Text that is not ours to word.
VERBATIM = re.compile(r"^(?:COPYING|LICENSES/.*)$")


def tracked(root: Path) -> list[str]:
    """Return every file that Git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return sorted(name for name in listed.split("\0") if name and (root / name).is_file())


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of every import; a relative one stays inside its own package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


def check_python(name: str, text: str) -> Iterator[str]:
    """Check that the code can be read where it runs, and imports in one direction only."""
    on_target = name.startswith(TARGET_CODE)
    try:
        tree = ast.parse(text, name, feature_version=TARGET_PYTHON if on_target else None)
    except SyntaxError as error:
        where = f" for Python {TARGET_PYTHON[0]}.{TARGET_PYTHON[1]}" if on_target else ""
        yield f"{name}:{error.lineno}: is no valid Python{where}: {error.msg}"
        return
    allowed = next((packages for prefix, packages in ALLOWED if name.startswith(prefix)), None)
    forbidden = next((packages for prefix, packages in FORBIDDEN if name.startswith(prefix)), ())
    for line, module in imported(tree):
        own = module.partition(".")[0] in sys.stdlib_module_names
        outside = allowed is not None and not own and not within(module, allowed)
        if outside or within(module, forbidden):
            yield f"{name}:{line}: must not import {module} (the direction is playbooks, roles, modules, module_utils)"


def options_of(specs: Any) -> dict[str, dict[str, Any]]:
    """Return the options of all entry points; variables of one name mean the same in each."""
    options: dict[str, dict[str, Any]] = {}
    for entry in (specs or {}).get("argument_specs", {}).values():
        options.update(entry.get("options") or {})
    return options


def check_role(role: Path) -> Iterator[str]:
    """Check that a role says what it takes, and says it once: defaults and argument_specs must agree."""
    name = f"roles/{role.name}"
    specs_file = role / "meta" / "argument_specs.yml"
    if not (role / "README.md").is_file():
        yield f"{name}: has no README.md"
    if not specs_file.is_file():
        yield f"{name}: has no meta/argument_specs.yml"
        return
    options = options_of(yaml.safe_load(specs_file.read_text(encoding="utf-8")))
    defaults_file = role / "defaults" / "main.yml"
    text = defaults_file.read_text(encoding="utf-8") if defaults_file.is_file() else ""
    defaults: dict[str, Any] = yaml.safe_load(text) or {}
    prefixes = ("hotfix_", f"{role.name.strip('_')}_")
    for variable in sorted({*options, *defaults}):
        if not variable.startswith(prefixes):
            yield f"{name}: {variable} starts with none of {', '.join(prefixes)}"
    yield from check_defaults(name, defaults, options)


def check_defaults(name: str, defaults: dict[str, Any], options: dict[str, dict[str, Any]]) -> Iterator[str]:
    for variable, value in defaults.items():
        option = options.get(variable)
        if option is None:
            yield f"{name}: {variable} has a default and no entry in argument_specs"
        elif option.get("required"):
            yield f"{name}: {variable} has a default and is required"
        elif isinstance(value, str) and "{{" in value:
            # A template cannot stand in the specs, where Ansible would take it for the value.
            if "default" in option:
                yield f"{name}: {variable} is a template in defaults and must have no default in argument_specs"
        elif option.get("default") != value:
            yield f"{name}: {variable} is {value!r} in defaults and {option.get('default')!r} in argument_specs"
    for variable, option in options.items():
        if "default" in option and variable not in defaults:
            yield f"{name}: {variable} has a default in argument_specs and none in defaults"


def check_text(name: str, text: str) -> Iterator[str]:
    """Check one file's licence header, and that it holds nothing that must not be committed."""
    if name.endswith(LICENSED) and text and "SPDX-License-Identifier:" not in "\n".join(text.splitlines()[:12]):
        yield f"{name}: has no licence header"
    for line, content in enumerate(text.splitlines(), 1):
        for what, pattern in UNWANTED:
            if pattern.search(content):
                yield f"{name}:{line}: holds {what}: {content.strip()[:100]}"


def check(root: Path) -> Iterator[str]:
    for name in tracked(root):
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if not VERBATIM.match(name):
            yield from check_text(name, text)
        if name.endswith(".py"):
            yield from check_python(name, text)
    for role in sorted(path.parent for path in root.glob("roles/*/tasks")):
        yield from check_role(role)


def main() -> int:
    problems = list(check(Path(__file__).resolve().parent.parent))
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
