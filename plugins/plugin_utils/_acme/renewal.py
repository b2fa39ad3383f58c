# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a certificate is due, by what the authority suggests (RFC 9773) or else by its days."""

from __future__ import annotations

import hashlib
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.client import AcmeError, Client
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.keys import Leaf
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme.record import when_said


@dataclass(frozen=True)
class Suggested:
    """When the authority wants a certificate renewed. ``moment`` is ours within its window; ``page`` says why."""

    moment: datetime
    start: datetime
    end: datetime
    page: str = ""

    def says(self) -> str:
        """Return it in words."""
        why = f" ({self.page})" if self.page else ""
        return f"the authority suggests {when_said(self.moment)}{why}"


def suggested(client: Client, leaf: Leaf) -> tuple[Suggested | None, str]:
    """Ask the authority when to renew a certificate; nothing and why, where it does not say."""
    base = client.directory().get("renewalInfo")
    if not isinstance(base, str):
        return None, "the authority does not say when to renew"
    if leaf.ari is None:
        return None, "the certificate does not say who issued it"
    try:
        found = client.get(f"{base.rstrip('/')}/{leaf.ari}").data
        window = found["suggestedWindow"]
        start, end = (datetime.fromisoformat(str(window[key])).astimezone(UTC) for key in ("start", "end"))
    except HotfixError as exc:
        if isinstance(exc, AcmeError) and exc.status in (400, 404):
            return None, "the authority does not know this certificate"
        return None, f"the authority did not say when to renew it: {exc.what.rstrip('.')}"
    except (KeyError, TypeError, ValueError, OverflowError):
        return None, "what the authority says of when to renew cannot be read"
    # All who renew are to be spread over the window. Ours is always the same moment of it: nobody waits for chance.
    share = int.from_bytes(hashlib.sha256(leaf.serial.encode("ascii")).digest()[:4], "big") / 2**32
    return Suggested(start + (end - start) * share, start, end, str(found.get("explanationURL") or "")), ""


def due(leaf: Leaf | None, names: t.Sequence[str], now: datetime, days: float, ari: Suggested | None) -> str:
    """Return why a certificate is due; nothing where it is not."""
    if leaf is None:
        return "it has no certificate that can be used"
    missing = [name for name in names if not leaf.covers(name)]
    left, life = leaf.days_left(now), (leaf.not_after - leaf.not_before).total_seconds() / 86400
    if leaf.own:
        return "its certificate is signed by itself"
    if missing:
        return f"its certificate is not for {', '.join(missing)}"
    if left <= 0:
        return f"its certificate expired {-left:.1f} days ago"
    if ari is not None and now >= ari.moment:
        return ari.says()
    # Of one that lives a week, thirty days are no measure. Near the end no suggestion counts any more.
    least = min(days, life / 3) if ari is None else min(days, life / 10)
    return f"its certificate is good for {left:.1f} days, which is less than {least:.1f}" if left < least else ""
