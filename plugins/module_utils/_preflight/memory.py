# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What containers use of the memory, asked of the engine's socket: ``docker stats`` takes two seconds for it."""

from __future__ import annotations

import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _engine_socket
from ansible_collections.pangeafate.hotfix.plugins.module_utils._headroom import used_by_stats
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host


def used(host: Host, ids: t.Sequence[str]) -> int:
    """Return the bytes of memory that containers use together."""
    path = _engine_socket.path()
    if path is None:
        return used_by_stats(host, ids)
    try:
        return sum(host.docker.each(lambda one: _engine_socket.memory_of(_engine_socket.stats(path, one)), ids))
    except _engine_socket.ERRORS:
        return used_by_stats(host, ids)
