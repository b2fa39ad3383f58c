# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate that users get from each host, and what the authority would still issue."""

from __future__ import annotations

import contextlib
import os
import typing as t
from datetime import datetime
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import (
    usable_address,
    usable_url,
    with_port,
)
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
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._acme import record

_MEND = "renew it (playbooks/ssl_renew.yml) and have every host load it."


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
    if not isinstance(public, t.Mapping):
        raise BadInputError("public is no dictionary.", next_step="give url, address and ca_file, as in its options.")
    url, address, ca_file = (str(public.get(key) or "") for key in ("url", "address", "ca_file"))
    if not url:
        return None
    parts = usable_url(url, ("https", "http"), "public url")
    if ca_file and not os.path.isfile(ca_file):
        raise BadInputError(f"ca_file {ca_file!r} is no file here.", next_step="correct ca_file: a PEM file.")
    place = usable_address(with_port(address, parts), "public address") if address else None
    target = Target(name=url, url=url, address=place, ca_file=ca_file or None)
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


def budget(path: str | None, now: datetime) -> Found:
    """Say how many more orders the authority would take, by the orders that were noted in a file."""
    if not path:
        return Found(SKIPPED, "preflight_acme_orders is not set: no orders are noted.")
    file = Path(os.path.expanduser(path))
    if not file.is_file():
        return Found(SKIPPED, f"No order was noted yet (there is no {file}).")
    made = record.read(path)
    for names in sorted({one.names for one in made}):
        found = record.standing(made, names, now)
        if found.kind == record.SPENT:
            return Found(FAILED, found.says, f"wait until {found.when}, or order for one name more or less.")
        if found.kind in (record.FAILING, record.TOLD):
            return Found(FAILED, found.says, f"wait until {found.when}.")
        if found.kind == record.LAST:
            return Found(WARNING, found.says, "keep it.")
    return Found(PASSED, f"{len(made)} orders are noted, and more would be taken.")
