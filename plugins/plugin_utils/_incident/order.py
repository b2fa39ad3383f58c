# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the process that sends is told, as one line of JSON over a pipe."""

from __future__ import annotations

import typing as t


class Order(t.TypedDict):
    """All that it needs."""

    folder: str
    about: str
    channels: list[dict[str, t.Any]]
    facts: dict[str, t.Any]
    #: By the channel's name: the file that keeps its place.
    tickets: dict[str, str]
    environment: dict[str, str]
    paths: list[str]
