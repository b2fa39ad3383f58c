# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a provider of flags can do. Adding one is a file beside this one, its entry in ``setup``, and a test."""

from __future__ import annotations

import abc

from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.instances import Instance
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.values import Flags


class Provider(abc.ABC):
    """Where flags are set.

    ``store`` names the place, outside the instances, that keeps the values; it is empty where every instance
    keeps its own. ``writes_at_instances`` says whether an instance can be told by itself.
    """

    store: str = ""
    writes_at_instances: bool = False

    @abc.abstractmethod
    def read(self, name: str) -> Flags:
        """Return what the store holds; nothing where there is none. ``name`` is for stores asked flag by flag."""

    @abc.abstractmethod
    def write(self, name: str, on: bool) -> None:
        """Set the flag in the store. A good return is what the store says, and proves nothing yet."""

    def write_at(self, instance: Instance, name: str, on: bool) -> None:
        """Set the flag at one instance; asked for only where ``writes_at_instances`` says so."""
        raise AssertionError(f"{type(self).__name__} writes at no instance ({instance.name}, {name}, {on})")
