# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: suite
short_description: Read smoke checks from a file of their own
version_added: 0.1.0
description:
  - Reads a YAML file with a list of checks, or with the key C(checks) and the list, for C(hotfix_checks) or the option
    O(pangeafate.hotfix.smoke_check#module:checks).
  - Variables and expressions of Ansible in the file are rendered as they are in a playbook, for each host.
  - Everything is looked at before it is used. An empty file, an unknown key, a key that is there twice, a check that
    expects nothing and a value that cannot be right are errors that name the file, the line and the check.
author:
  - pangeafate.hotfix contributors (@pangeafate)
options:
  _terms:
    description:
      - The files. A relative path is looked for in C(files/) of the role and beside the playbook. The checks of
        several files become one list, in which no two have the same name.
    type: list
    elements: str
    required: true
  secrets:
    description:
      - Names of the values that checks name as C({name}).
      - Those of C(hotfix_check_secrets) are known without it. The values themselves are not looked at.
    type: list
    elements: str
    default: []
  validate:
    description:
      - Whether the checks are judged here. The modules that make them judge them in any case, without knowing the line.
      - The role C(pangeafate.hotfix.rollback) sets it to V(false), because seconds count there, and a mistake in the
        suite must not hold up the way back.
    type: bool
    default: true
    vars:
      - name: hotfix_suite_validate
notes:
  - The files may be encrypted with ansible-vault, as a whole or value by value.
  - In an editor with the YAML language server, C(schemas/smoke-checks.schema.json) completes and explains the keys.
seealso:
  - module: pangeafate.hotfix.smoke_check
"""

EXAMPLES = r"""
# inventories/production/group_vars/production/hotfix.yml
hotfix_checks: "{{ lookup('pangeafate.hotfix.suite', inventory_dir ~ '/../checks.yml') }}"

# inventories/checks.yml
# - name: the API is healthy
#   type: http
#   path: /api/health
#   expect: {status: 200, duration: "{{ slowest_answer | default(0.5) }}"}
"""

RETURN = r"""
_raw:
  description: The checks, as one list.
  type: list
  elements: list
"""

import hashlib  # pylint: disable=wrong-import-position
import json
import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible.template import trust_as_template

if t.TYPE_CHECKING:
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar

    _Line = t.Callable[[t.Sequence[str | int]], int]

KEY = "checks"
_SECRETS = "hotfix_check_secrets"


class LookupModule(LookupBase):
    """Reads the files; what is in them is judged by the same code that makes the checks."""

    # Whoever loads a lookup to run it gives both.
    _loader: DataLoader
    _templar: Templar

    def run(
        self, terms: t.Sequence[str], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any
    ) -> list[list[t.Any]]:
        """Return one list of checks."""
        self.set_options(var_options=variables, direct=kwargs)
        if not terms:
            raise AnsibleLookupError("No file is named. Next: name one, as in inventory_dir ~ '/checks.yml'.")
        files = [self._path(term, variables) for term in terms]
        if not self.get_option("validate"):
            return [[check for path in files for check in self._as_it_is(path)]]
        secrets = self._secret_names(variables or {})
        found: list[t.Any] = []
        named: dict[str, str] = {}
        for path in files:
            checks = self._judged(path, secrets)
            _refuse_same_names(checks, named, path)
            found += checks
        return [found]

    def _path(self, term: str, variables: t.Any) -> str:
        path = self.find_file_in_search_path(variables, "files", term, ignore_missing=True)
        if not path:
            raise AnsibleLookupError(f"There is no file {term!r} with checks. Next: correct the path.")
        return str(path)

    def _loaded(self, path: str, text: str) -> t.Any:
        # Its templates are as trusted as those of a playbook: it is a file of the controller.
        loaded = self._loader.load(trust_as_template(text), path)
        return loaded.get(KEY) if isinstance(loaded, dict) else loaded

    def _as_it_is(self, path: str) -> list[t.Any]:
        checks = self._templar.template(self._loaded(path, self._loader.get_text_file_contents(path)))
        return checks if isinstance(checks, list) else [checks]

    def _judged(self, path: str, secrets: t.Mapping[str, str]) -> list[t.Any]:
        # Here, because a rollback goes without.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._suite_file import SuiteFile, SuiteFileError

        text = self._loader.get_text_file_contents(path)
        try:
            file = SuiteFile(text)
        except SuiteFileError as exc:
            raise AnsibleLookupError(f"{path}:{exc.line}: {exc.what} Next: {exc.next_step}") from None
        checks = self._rendered(self._loaded(path, text), path, file.line)
        # Every task of every host asks anew, in a process of its own. Judging takes longer than all the rest, because
        # what judges has to be loaded, so what was found good is remembered for this run of Ansible.
        seen = json.dumps([path, text, sorted(secrets), checks], default=str)
        mark = Path(vars(C)["DEFAULT_LOCAL_TMP"]) / f"hotfix-suite-{hashlib.sha256(seen.encode()).hexdigest()}"
        if not mark.exists():
            _judge(checks, secrets, path, file.line)
            mark.touch(mode=0o600)
        return t.cast("list[t.Any]", checks)

    def _rendered(self, checks: t.Any, path: str, line: _Line) -> t.Any:
        """Return the checks with the variables in their places, one by one, so that a line can be named."""
        if not isinstance(checks, list):
            return self._templar.template(checks)
        rendered = []
        for index, check in enumerate(checks):
            try:
                rendered.append(self._templar.template(check))
            except AnsibleError as exc:
                raise AnsibleLookupError(f"{path}:{line([index])}: A template cannot be rendered.") from exc
        return rendered

    def _secret_names(self, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
        """Return the names; a value is a token of some vault or environment, and is not for this to see."""
        given = variables.get(_SECRETS) or {}
        if isinstance(given, str):
            given = self._templar.template(given) or {}
        names = [*(given if isinstance(given, t.Mapping) else []), *self.get_option("secrets")]
        return {str(name): "known by its name" for name in names}


def _judge(checks: t.Any, secrets: t.Mapping[str, str], path: str, line: _Line) -> None:
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
    from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.checks import parse

    try:
        parse(checks, secrets)
    except BadInputError as exc:
        raise AnsibleLookupError(f"{path}:{line(exc.place)}: {exc.what} Next: {exc.next_step}") from None


def _refuse_same_names(checks: t.Sequence[t.Mapping[str, t.Any]], named: dict[str, str], path: str) -> None:
    for check in checks:
        name = check["name"]
        if name in named:
            raise AnsibleLookupError(
                f"{path}: A check of {named[name]} is named {name!r} too. Next: give each a name of its own."
            )
        named[name] = path
