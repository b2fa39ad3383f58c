# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module on the host, and looks from outside at what the host presents afterwards.

Private keys pass through here: they are unsealed or made in memory, and handed to the module and nobody else.
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import utc_now
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import RecordedAction, Result

#: What only the controller needs, and no host is told.
_HERE = ("account_key", "sealed_key", "stand_in", "http_address", "public_address", "ca_file", "timeout")
#: Days for which a stand-in is good: until the certificate is there, and to be seen as what it is.
_STAND_IN_DAYS = 2.0
_TIMEOUT = 10.0


class ActionModule(RecordedAction):
    """Action plugin of M(pangeafate.hotfix.ssl_renewal)."""

    TRANSFERS_FILES = False

    def recorded(self, arguments: Result, task_vars: Result) -> Result:
        """Keep what is ours, and run the module."""
        self._here = {name: arguments.pop(name, None) for name in _HERE}
        try:
            return super().recorded(arguments, task_vars)
        except HotfixError as exc:
            return {"failed": True, "changed": False, **exc.as_result()}

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        """Run the module with what it needs of ours; after an installation prove it, or have it put back."""
        state = str(arguments.get("state"))
        if state == "prepared" and self._here["stand_in"]:
            self._add_stand_in(arguments)
        if state == "answered":
            arguments["private_key"] = self._key().unseal(str(self._here["sealed_key"]))
        if state == "installed":
            return self._installed(arguments, task_vars)
        result = super().run_module(arguments, task_vars)
        if state == "looked_at" and isinstance(result.get("seen"), dict):
            result["seen"].update(self._from_outside(arguments))
        return result

    # ------------------------------------------------------------------------------------------------------- secrets

    def _key(self) -> t.Any:
        # What it needs takes a moment to load, which a look does without.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.keys import AccountKey

        return AccountKey(self._here["account_key"])

    def _add_stand_in(self, arguments: Result) -> None:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.keys import stand_in

        chain, key = stand_in(list(arguments["names"]), utc_now(), _STAND_IN_DAYS)
        arguments["stand_in_certificate"], arguments["stand_in_key"] = chain, key

    # --------------------------------------------------------------------------------------------------------- looks

    def _address(self) -> t.Any:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.outside import Address, place_of

        def place(name: str, port: int) -> tuple[str, int] | None:
            given = str(self._here[name] or "")
            try:
                return place_of(given, port)
            except ValueError as exc:
                raise BadInputError(
                    f"The {name} {given!r} is neither host nor host:port.", next_step="give it as 192.0.2.7:80."
                ) from exc

        return Address(self._host, place("http_address", 80), place("public_address", 443), self._ca_file())

    def _ca_file(self) -> str | None:
        given = self._here["ca_file"]
        if not given:
            return None
        path = Path(os.path.expanduser(str(given)))
        if not path.is_file():
            raise BadInputError(
                f"The file of authorities {path} is none on this machine.", next_step="correct ssl_renewal_ca_file."
            )
        return str(path)

    def _from_outside(self, arguments: Result) -> Result:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.outside import on_the_wire

        address = self._address()
        seen = [on_the_wire(address, str(name), self._seconds()) for name in arguments["names"]]
        return {
            "address": {"http": address.http, "https": address.https},
            "wire": [
                {"name": one.name, "serial": one.serial, "problem": one.problem, "blind": one.blind} for one in seen
            ],
        }

    def _seconds(self) -> float:
        return float(self._here["timeout"] or _TIMEOUT)

    def _installed(self, arguments: Result, task_vars: Result) -> Result:
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.outside import proven

        ca_file = self._ca_file()
        if ca_file:
            arguments["ca"] = Path(ca_file).read_text(encoding="utf-8")
        made = super().run_module(arguments, task_vars)
        if made.get("failed") or made.get("outcome") != "done":
            return made
        serial = str(made["serial"])
        wrong = proven(self._address(), [str(name) for name in arguments["names"]], serial, self._seconds())
        after = {**arguments, "state": "put_back" if wrong else "proven", "serial": serial}
        then = super().run_module(after, task_vars)
        steps = [*(made.get("steps") or []), *(then.get("steps") or [])]
        if then.get("failed"):
            return {**then, "steps": steps}
        if wrong:
            # What it was put back to is said with the rest: a summary of its own would be told in place of that.
            return {
                **{name: value for name, value in then.items() if name != "summary"},
                **HotfixError(
                    f"Certificate {serial} was loaded, but is not on the wire of {self._host} as it has to be: "
                    f"{'; '.join(wrong)}.",
                    next_step="mend what it says, then run this again: it goes on with the same certificate.",
                    left=str(then.get("summary")),
                ).as_result(),
                "failed": True,
                "changed": False,
                "steps": steps,
            }
        names = ", ".join(str(name) for name in arguments["names"])
        return {
            **made,
            **{key: then[key] for key in ("journal", "clock") if key in then},
            "steps": steps,
            "notes": [*(made.get("notes") or []), *(then.get("notes") or [])],
            "summary": f"{made['summary']} It is on the wire for {names}, and its chain is trusted.",
        }
