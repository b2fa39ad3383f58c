# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The host itself: engine, disks, memory and load."""

from __future__ import annotations

import json
import os
import re
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._diagnose.parts import Found
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host

#: Where the engine keeps everything unless told otherwise: asked for its disk where the engine does not answer.
_ENGINE_ROOT = "/var/lib/docker"
_MEMORY = re.compile(r"^(MemTotal|MemAvailable|SwapTotal|SwapFree):\s+(\d+) kB", re.MULTILINE)


def engine(host: Host) -> Found:
    """Return version and folder of the engine, and the disk of that."""
    raw = json.loads(host.docker.run("info", "--format", "{{json .}}", timeout=20.0))
    root = raw.get("DockerRootDir") or _ENGINE_ROOT
    return {
        "version": raw.get("ServerVersion"),
        "root": root,
        "disks": disks([root]),
        "running": raw.get("ContainersRunning"),
        "warnings": [text for text in raw.get("Warnings") or () if "swap limit" not in text.lower()][:5],
    }


def resources(host: Host) -> Found:
    """Return disks, memory and load; the engine is not asked."""
    return {"disks": disks([str(host.app.app_dir), _ENGINE_ROOT, "/", tempfile.gettempdir()]), **memory(), **load()}


def disks(folders: t.Sequence[str]) -> t.List[Found]:
    """Return each file system on which one of *folders* is, once, with the folders that are on it."""
    found: t.Dict[int, Found] = {}
    for folder in folders:
        try:
            stat, device = os.statvfs(folder), os.stat(folder).st_dev
        except OSError:
            # The engine's folder may be out of sight for this user, or somewhere else.
            continue
        if device in found:
            found[device]["folders"].append(folder)
            continue
        found[device] = {
            "folders": [folder],
            "size": stat.f_blocks * stat.f_frsize,
            "free": stat.f_bavail * stat.f_frsize,
            # A file system without a fixed number of files says that it has none at all.
            "inodes": stat.f_files or None,
            "inodes_free": stat.f_favail if stat.f_files else None,
            "read_only": bool(stat.f_flag & os.ST_RDONLY),
        }
    return list(found.values())


def memory() -> Found:
    """Return the bytes of memory that there are and that can still be had, and those of swap."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    told = {name: int(number) * 1024 for name, number in _MEMORY.findall(text)}
    killed = re.search(r"^oom_kill (\d+)$", Path("/proc/vmstat").read_text(encoding="ascii"), re.MULTILINE)
    return {
        "memory": told.get("MemTotal"),
        "memory_available": told.get("MemAvailable"),
        "swap": told.get("SwapTotal"),
        "swap_free": told.get("SwapFree"),
        "oom_kills_since_boot": int(killed.group(1)) if killed else None,
    }


def load() -> Found:
    """Return the load of the last 1, 5 and 15 minutes, and for how many CPUs."""
    return {"load": [round(one, 2) for one in os.getloadavg()], "cpus": os.cpu_count()}
