# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Who else renews certificates on this host: they are named, and nothing of theirs is touched."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

#: Where certbot keeps its lock files, unless it was told other folders.
_CERTBOT = ("/etc/letsencrypt", "/var/lib/letsencrypt", "/var/log/letsencrypt")
_LOCK = ".certbot.lock"
_PROGRAMS = ("certbot", "certbot-auto", "letsencrypt", "lego", "acme.sh", "dehydrated", "getssl", "simp_le")
_INTERPRETERS = ("python", "sh", "bash", "dash")
_DEAD = "ZX"


def holders(proc: str = "/proc", folders: t.Sequence[str] = _CERTBOT) -> t.List[str]:
    """Return in words who is at work."""
    held: t.Dict[int, str] = {}
    for folder in folders:
        path = Path(folder) / _LOCK
        for process in _lockers(path, proc):
            held.setdefault(process, f"{_name(process, proc)} (process {process}) holds {path}")
    found = [text for _process, text in sorted(held.items())]
    for entry in sorted(Path(proc).glob("[0-9]*"), key=lambda one: int(one.name)):
        process = int(entry.name)
        program = _program(entry)
        if program and process not in held and process != os.getpid():
            found.append(f"{program} runs (process {process})")
    return found


def _lockers(path: Path, proc: str) -> t.List[int]:
    """Return which processes hold a lock on a file. To see that, nobody has to be able to read the file."""
    try:
        about = path.stat()
        lines = (Path(proc) / "locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    found = []
    for line in lines:
        # As in "1: POSIX ADVISORY WRITE 4711 08:01:1234 0 EOF"; one that waits has "->" before its kind.
        words = line.split()
        if len(words) >= 6 and "->" not in words and words[5] == place and words[4].isdigit():
            found.append(int(words[4]))
    return found


def _name(process: int, proc: str) -> str:
    try:
        return (Path(proc) / str(process) / "comm").read_text(encoding="utf-8", errors="replace").strip() or "a process"
    except OSError:
        return "a process"


def _program(entry: Path) -> str:
    """Return which ACME client a process is, if it is one."""
    try:
        words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        state = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
    names = [os.path.basename(word) for word in words[:2]]
    # What a shell was told to run is a text, and names much that does not run.
    ours = names[:1] if not names[0].startswith(_INTERPRETERS) else names
    return next((name for name in ours if name in _PROGRAMS), "") if state not in _DEAD else ""
