# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator's own command, which puts the answer to a challenge into the DNS and takes it out again."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError

PRESENT, CLEANUP = "present", "cleanup"


def record_of(name: str) -> str:
    """Return the name of the record for a name; a wildcard's is that of what it stands below."""
    return f"_acme-challenge.{name.removeprefix('*.')}"


def value_of(authorization: str) -> str:
    """Return what the record is to hold."""
    digest = hashlib.sha256(authorization.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def run(hook: t.Sequence[str], what: str, name: str, value: str, seconds: float) -> None:
    """Run the command for one record, ``present`` or ``cleanup``; raise unless it ends well."""
    words = [*hook, what, record_of(name), value]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except OSError as exc:
        raise HotfixError(
            f"The DNS hook {hook[0]!r} cannot be run: {exc.strerror or exc}.",
            next_step="correct ssl_renewal_dns_hook: a command and its first arguments, as a list.",
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise HotfixError(
            f"The DNS hook did not end within {seconds:.0f} s ({what} {record_of(name)}).",
            next_step="see what it waits for, or raise ssl_renewal_dns_timeout.",
        ) from exc
    if done.returncode != 0:
        said = " ".join((done.stderr.strip() or done.stdout.strip()).split())[-400:]
        raise HotfixError(
            f"The DNS hook failed ({what} {record_of(name)}, exit code {done.returncode}): "
            f"{said or 'it said nothing'}.",
            next_step="mend what it says, then run this again.",
        )
