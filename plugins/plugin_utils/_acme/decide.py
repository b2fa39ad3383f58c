# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done about the certificate of some hosts, before any of them is touched."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import parse
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import keys, record, renewal
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.client import AcmeError, Client
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.order import Order

#: Authorities forget orders after a week.
_FRESH = timedelta(days=6)
NOTHING, ORDER, FINISH, LOAD = "nothing", "order", "finish", "load"

Seen = t.Mapping[str, t.Any]


@dataclass
class Decision:
    """What to do and why. ``replaces`` is the ID of the certificate that is renewed, for which no limit counts."""

    do: str
    why: str
    replaces: str | None = None
    order: str = ""
    csr: str = ""
    chain: str = ""
    stand_in: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Wish:
    """What the operator set: for which names, how many days are too few, and whether it is to be done anyway."""

    names: t.Sequence[str]
    days: float
    force: bool
    challenge: str


def decide(
    hosts: t.Mapping[str, Seen], wish: Wish, client: Client, made: t.Sequence[record.Made], now: datetime
) -> Decision:
    """Return what to do; raise where it is due and cannot be done now.

    *hosts* is what was seen on each, *made* what was ordered before.
    """
    leaves = {host: keys.leaf_of(seen["chain"]) if seen["chain"] else None for host, seen in hosts.items()}
    notes: list[str] = []
    if not wish.force:
        try:
            found = _unfinished(hosts, leaves, wish.names, client, now)
        except AcmeError as exc:
            found = None
            notes.append(f"An order of an earlier run cannot be finished now: {exc.what}")
        if found is not None:
            return found
    suggestions = _suggestions(leaves, client, notes)
    whys = {
        host: renewal.due(leaf, wish.names, now, wish.days, suggestions.get(leaf.serial) if leaf else None)
        for host, leaf in leaves.items()
    }
    due = {host: why for host, why in whys.items() if why}
    if not due and not wish.force:
        return _not_due(hosts, leaves, suggestions, now, notes)
    why = "; ".join(f"{host}: {said}" for host, said in due.items()) or "it was asked for by force"
    decision = Decision(ORDER, why[:1].upper() + why[1:] + ".", notes=notes)
    # One that crashes for lack of it runs at moments, and one that runs would refuse to be tested without it.
    decision.stand_in = [host for host in hosts if leaves[host] is None]
    known = [leaf for leaf in leaves.values() if leaf is not None and leaf.serial in suggestions]
    if known:
        decision.replaces = max(known, key=lambda leaf: leaf.not_after).ari
    _require_possible(decision, leaves, wish.names, client, made, now)
    return decision


def _suggestions(
    leaves: t.Mapping[str, keys.Leaf | None], client: Client, notes: list[str]
) -> dict[str, renewal.Suggested]:
    """Ask the authority about every certificate once. Where it does not answer, days decide."""
    found: dict[str, renewal.Suggested] = {}
    for leaf in {leaf.serial: leaf for leaf in leaves.values() if leaf is not None and not leaf.own}.values():
        try:
            one, why = renewal.suggested(client, leaf)
        except HotfixError as exc:
            one, why = None, exc.what.rstrip(".")
        if one is not None:
            found[leaf.serial] = one
        else:
            notes.append(f"By days alone: {why}.")
    return found


def _unfinished(
    hosts: t.Mapping[str, Seen],
    leaves: t.Mapping[str, keys.Leaf | None],
    names: t.Sequence[str],
    client: Client,
    now: datetime,
) -> Decision | None:
    """Return how to finish what an earlier run began, where it can be finished without another order."""
    pending = {host: seen["state"].get("pending") for host, seen in hosts.items()}
    pending = {host: one for host, one in pending.items() if isinstance(one, t.Mapping) and _fresh(one, now)}
    begun = list(pending.values())
    if not begun or any(one["order"] != begun[0]["order"] or sorted(one["names"]) != sorted(names) for one in begun):
        return None
    csr, order = str(begun[0]["csr"]), str(begun[0]["order"])
    ours = {host for host, leaf in leaves.items() if leaf is not None and keys.belongs(leaf, csr)}
    if any(host not in ours and host not in pending for host in hosts):
        # One of them has neither the certificate nor its key.
        return None
    why = "An earlier run ended before every host had the certificate of its order."
    if ours:
        return Decision(FINISH, why, order=order, csr=csr, chain=hosts[min(ours)]["chain"])
    found = Order.found(client, order)
    if found is None or found.status not in ("ready", "processing", "valid"):
        return None
    return Decision(FINISH, why, order=order, csr=csr)


def _fresh(pending: t.Mapping[str, t.Any], now: datetime) -> bool:
    """Tell whether an order is new enough to be finished: what came of an old one may be about to expire."""
    try:
        return bool(pending["csr"]) and now - parse(str(pending["at"])) < _FRESH
    except (KeyError, ValueError):
        return False


def _not_due(
    hosts: t.Mapping[str, Seen],
    leaves: t.Mapping[str, keys.Leaf | None],
    suggestions: t.Mapping[str, renewal.Suggested],
    now: datetime,
    notes: list[str],
) -> Decision:
    stale = {
        host: one["serial"] or "none"
        for host, seen in hosts.items()
        for one in seen["wire"]
        if not one["blind"] and one["serial"] != seen.get("serial")
    }
    if stale:
        said = ", ".join(f"{host} presents {serial}" for host, serial in stale.items())
        return Decision(LOAD, f"The proxy was not reloaded since the certificate was replaced: {said}.", notes=notes)
    serials = {leaf.serial: leaf for leaf in leaves.values() if leaf is not None}
    if len(serials) > 1:
        notes.append("The hosts have different certificates. With -e force=true all get the same one.")
    worst = min(serials.values(), key=lambda leaf: leaf.not_after)
    said = worst.says(now)
    if worst.serial in suggestions:
        said += f"; {suggestions[worst.serial].says()}"
    return Decision(NOTHING, f"Not due: {said}.", notes=notes)


def _require_possible(
    decision: Decision,
    leaves: t.Mapping[str, keys.Leaf | None],
    names: t.Sequence[str],
    client: Client,
    made: t.Sequence[record.Made],
    now: datetime,
) -> None:
    """Raise where an order would come to nothing: the authority is down, or takes no more for now."""
    good = [leaf.not_after for leaf in leaves.values() if leaf is not None and leaf.not_after > now]
    until = f"What is installed is good until {min(good):%Y-%m-%d %H:%M} UTC." if good else "Nothing good is installed."
    try:
        client.directory()
    except HotfixError as exc:
        exc.left = f"No order was made. {until}"
        raise
    standing = record.standing(made, names, now)
    spent = standing.kind == record.SPENT and decision.replaces is None
    if spent or standing.kind in (record.FAILING, record.TOLD):
        raise HotfixError(
            f"The authority would refuse: {standing.says}",
            code="refused",
            next_step=f"run this again after {standing.when}. Until then an order would be wasted.",
            left=f"No order was made. {until}",
        )
    if standing.kind == record.LAST:
        decision.notes.append(standing.says)
