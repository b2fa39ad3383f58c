# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Which services are restarted, in which order, and which others notice."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError, HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

#: Asked for instead of names: those that use more than they should.
HIGH_USAGE = "high_usage"
_DURATION = re.compile(r"([0-9.]+)(h|ms|us|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}


class Groups(t.NamedTuple):
    """What is restarted, in this order: what the switched services need, these themselves, and all others."""

    before: t.Tuple[str, ...]
    switched: t.Tuple[str, ...]
    after: t.Tuple[str, ...]

    @property
    def all(self) -> t.Tuple[str, ...]:
        """Return all of them, in order."""
        return (*self.before, *self.switched, *self.after)


def model_of(host: Host) -> t.Tuple[_compose.Model, t.Optional[str]]:
    """Return the app's Compose model; and what is to be told where it is not that of the app's own file."""
    try:
        return _compose.read(host.docker, host.app), None
    except HotfixError as exc:
        current = host.releases.current()
        model = _compose.load(host.releases.compose_file(current.id)) if current is not None else None
        if current is None or model is None:
            raise
        return model, f"{exc.what} What depends on what was taken from the record of {current.id}."


def checked(model: _compose.Model, names: t.Sequence[str]) -> t.List[str]:
    """Return *names* without repetitions, or raise where one is no service of the app."""
    known = sorted(model["services"])
    listed = f"{', '.join(known)}; or {HIGH_USAGE}, for those that use more than they should"
    if not names:
        raise BadInputError("No service is named.", next_step=f"name one or more, as in -e services={known[0]}.")
    if HIGH_USAGE in names:
        raise BadInputError(
            f"{HIGH_USAGE} stands beside names of services ({', '.join(names)}).",
            next_step=f"give either {HIGH_USAGE} or names.",
        )
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise BadInputError(
            f"Unknown service {', '.join(map(repr, unknown))}: the app has {listed}.",
            next_step="name services that the app has.",
        )
    return list(dict.fromkeys(names))


def _direct(model: _compose.Model, service: str) -> t.List[str]:
    found = model["services"][service].get("depends_on") or {}
    return [name for name in found if name in model["services"]]


def needs(model: _compose.Model, service: str) -> t.Set[str]:
    """Return what *service* depends on, near and far."""
    found: t.Set[str] = set()
    waiting = _direct(model, service)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _direct(model, name)
    return found


def dependants(model: _compose.Model, names: t.Collection[str]) -> t.List[str]:
    """Return the other services that depend on any of *names*, near or far."""
    return sorted(s for s in model["services"] if s not in names and needs(model, s) & set(names))


def _in_order(model: _compose.Model, names: t.Iterable[str]) -> t.Tuple[str, ...]:
    # What needs fewer cannot need what needs more. Compose refuses circles.
    return tuple(sorted(names, key=lambda name: (len(needs(model, name)), name)))


def groups(model: _compose.Model, names: t.Collection[str], switched: t.Collection[str]) -> Groups:
    """Put *names* into the order in which they are restarted; *switched* are all the switched services."""
    ours = [name for name in names if name in switched]
    others = [name for name in names if name not in switched]
    late = [name for name in others if needs(model, name) & set(switched)]
    early = [name for name in others if name not in late]
    return Groups(_in_order(model, early), _in_order(model, ours), _in_order(model, late))


def grace(model: _compose.Model, service: str) -> float:
    """Return the seconds that the Compose file gives *service* to stop; 0 where it says nothing of it."""
    text = str(model["services"][service].get("stop_grace_period") or "")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(text))
