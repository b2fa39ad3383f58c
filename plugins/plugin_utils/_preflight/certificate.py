# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate that users get from each host, and what the authority would still issue."""

from __future__ import annotations

import contextlib
import json
import typing as t
import urllib.parse
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import (
    FAILED,
    PASSED,
    SKIPPED,
    WARNING,
    Found,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import PASSED as GOOD
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import SKIPPED as LEFT_OUT
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Here, Outcome, Target
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.tls_check import TlsCheck

_MEND = "renew it (playbooks/ssl_renew.yml) and have every host load it."
#: What Let's Encrypt issues: certificates of the very same names in seven days, and attempts that fail in an hour.
_SAME_NAMES = (5, timedelta(days=7))
_FAILURES = (5, timedelta(hours=1))


class _Alone:
    """What a check may use of a run that consists of it alone."""

    here: Here | None = None
    evidence_dir: str | None = None
    browser_path: str | None = None

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def left(self) -> float:
        """Return the seconds that it may take."""
        return self._seconds

    def values(self) -> dict[str, str]:
        """Return no secrets: a certificate is public."""
        return {}

    def cleaning(self) -> t.ContextManager[None]:
        """Wait for nothing: there is nothing to put back."""
        return contextlib.nullcontext()


def on_the_wire(public: t.Mapping[str, t.Any], days: float, timeout: float) -> Found:
    """Look at the certificate that a host presents at its public address."""
    outcome = presented(public, days, timeout)
    if outcome is None:
        return Found(SKIPPED, "hotfix_public_url is not set.")
    said = f"{outcome.message[:1].upper()}{outcome.message[1:].rstrip('.')}."
    if outcome.status == LEFT_OUT:
        return Found(SKIPPED, said)
    return Found(PASSED, said) if outcome.status == GOOD else Found(FAILED, said, _MEND)


def presented(public: t.Mapping[str, t.Any], days: float, timeout: float) -> Outcome | None:
    """Return what the check finds that wants it to be good for so many *days*; ``None`` where no URL is known."""
    url = str(public.get("url") or "")
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname:
        return None
    target = Target(
        name=url,
        url=url,
        address=_place(str(public.get("address") or ""), parts.port or 443),
        ca_file=public.get("ca_file") or None,
    )
    return TlsCheck(
        name="certificate",
        type="tls",
        scope="public",
        service=None,
        port=None,
        timeout=timeout,
        retries=0,
        retry_interval=0.0,
        failure_threshold=1,
        success_threshold=1,
        skip="",
        verify=False,
        days_left=days,
        min_version="TLSv1.2",
    ).perform(target, _Alone(timeout))


def _place(address: str, port: int) -> tuple[str, int] | None:
    if not address:
        return None
    if address.count(":") > 1 and not address.startswith("["):
        return address, port
    parts = urllib.parse.urlsplit(f"//{address}")
    return str(parts.hostname), parts.port or port


def budget(path: str | None, now: datetime) -> Found:
    """Say how many more orders the authority would take, by the orders that were noted in a file."""
    if not path:
        return Found(SKIPPED, "preflight_acme_orders is not set: no orders are noted.")
    file = Path(path).expanduser()
    if not file.is_file():
        return Found(SKIPPED, f"No order was noted yet (there is no {file}).")
    made = list(_orders(file.read_text(encoding="utf-8")))
    for names in sorted({names for _at, names, _failed in made}):
        listed = ", ".join(names)
        failed = [at for at, of, bad in made if of == names and bad and now - at < _FAILURES[1]]
        if len(failed) >= _FAILURES[0]:
            again = min(failed) + _FAILURES[1]
            return Found(
                FAILED, f"{len(failed)} orders for {listed} failed within an hour.", f"wait until {_when(again)}."
            )
        issued = sorted(at for at, of, bad in made if of == names and not bad and now - at < _SAME_NAMES[1])
        if len(issued) >= _SAME_NAMES[0]:
            again = issued[-_SAME_NAMES[0]] + _SAME_NAMES[1]
            said = f"{len(issued)} certificates for {listed} were issued within 7 days."
            return Found(FAILED, said, f"wait until {_when(again)}, or order for one name more or less.")
        if len(issued) == _SAME_NAMES[0] - 1:
            return Found(WARNING, f"One more certificate for {listed} is left in these 7 days.", "keep it.")
    return Found(PASSED, f"{len(made)} orders are noted, and more would be taken.")


def _orders(text: str) -> t.Iterator[tuple[datetime, tuple[str, ...], bool]]:
    """Yield time, names and whether it failed of every order; a line that is none is left out."""
    for line in text.splitlines():
        try:
            order = json.loads(line)
            at = datetime.fromisoformat(str(order["at"]).replace("Z", "+00:00"))
            names = tuple(sorted(str(name) for name in order["names"]))
        except (ValueError, KeyError, TypeError):
            continue
        yield (at if at.tzinfo else at.replace(tzinfo=UTC)), names, bool(order.get("failed"))


def _when(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
