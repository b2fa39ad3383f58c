# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the controller may push: an upload is begun for every image, and cancelled. Nothing is pushed.

A token service hands out tokens for more than one may do, so that what a token says proves nothing: the registry itself
is asked.
"""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import hide
from ansible_collections.pangeafate.hotfix.plugins.module_utils._preflight.looks import FAILED, PASSED, Found
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.together import together
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._registry import (
    Account,
    Answer,
    Server,
    parts_of,
    place_of,
    told,
)

_MEND = "use a token with the right to write packages (hotfix_registry_username, hotfix_registry_password)."


def may_push(images: t.Sequence[str], account: Account) -> Found:
    """Begin and cancel an upload to the repository of each of *images*, all at once."""
    names = sorted(set(images))

    def one(number: int) -> str | None:
        try:
            return _upload(names[number], account)
        except HotfixError as exc:
            return exc.what.rstrip(".")

    said = [text for text in together(one, len(names), 8) if text]
    if said:
        shown = "; ".join(dict.fromkeys(said))
        return Found(FAILED, hide(f"{shown}.", (account.password, account.basic)), _MEND)
    return Found(
        PASSED,
        f"An upload to each of {len(names)} repositories was begun as {account.username} and cancelled.",
    )


def _upload(image: str, account: Account) -> str | None:
    """Return why nothing can be pushed to the repository of *image*; None where it can."""
    registry, repository = place_of(image)
    server = Server(registry, account)
    begun = server.request("POST", f"/v2/{repository}/blobs/uploads/", f"repository:{repository}:pull,push")
    if begun.status != 202:
        return _refused(registry, repository, account.username, begun)
    where = parts_of(begun.headers.get("location", ""))
    # Elsewhere nobody gets the password from us: that registry ends the upload by itself in time.
    if where is not None and where.path and where.netloc in ("", registry):
        path = where.path + (f"?{where.query}" if where.query else "")
        server.request("DELETE", path, f"repository:{repository}:pull,push")
    return None


def _refused(registry: str, repository: str, username: str, answer: Answer) -> str:
    if answer.status == 401:
        return f"{registry} does not accept the login of {username} ({answer.status}{told(answer)})"
    if answer.status in (403, 404):
        return f"{registry} does not let {username} push to {repository} ({answer.status}{told(answer)})"
    return f"{registry} began no upload to {repository} ({answer.status}{told(answer)})"
