# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What containers wrote: logs as the engine tells them, what looks like an error, and what lines have in common."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime, timezone

from ansible_collections.pangeafate.hotfix.plugins.module_utils._programs import Ran, execute

#: What an error looks like where nobody said: words, the last line of a traceback, levels of JSON and of pino.
PATTERN = (
    r"\b(?:\w*(?:error|exception)|fatal|critical|panic|traceback|emerg)\b"
    r'|"level":\s*(?:50|60)\b'
)
#: Of a line, as much is shown.
_SHOWN = 200
#: A line as the engine tells it: its time, and what was written.
STAMPED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)Z ?(.*)", re.DOTALL)

# What differs between two lines of one kind.
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_VARIABLE = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE), "#"),
    (re.compile(r"\b(?:0x)?(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b", re.IGNORECASE), "#"),
    (re.compile(r"\b(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}\b"), "#"),
    (re.compile(r"[0-9]+(?:[.,:][0-9]+)*"), "#"),
    (re.compile(r"\s+"), " "),
)


def signature(line: str) -> str:
    """Return what lines of one kind have in common: numbers, times and IDs are left out."""
    text = _ANSI.sub("", line)
    for pattern, instead in _VARIABLE:
        text = pattern.sub(instead, text)
    return text.strip()[:_SHOWN]


def read_log(container: str, options: t.Sequence[str], timeout: float) -> Ran:
    """Read the log of a container, each line with its time."""
    try:
        return execute(("docker", "logs", "--timestamps", *options, container), timeout=timeout)
    except OSError as exc:
        return Ran(1, stderr=f"docker cannot be run: {exc.strerror or exc}".encode())


def lines(ran: Ran) -> t.Iterator[str]:
    """Yield the lines of stdout, then those of stderr."""
    for stream in (ran.stdout, ran.stderr):
        yield from stream.decode("utf-8", errors="replace").split("\n")


def seconds(stamp: str) -> float:
    """Return the seconds since 1970 of a time as the engine writes it, without its ``Z``."""
    whole, _point, fraction = stamp.partition(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return moment.timestamp() + float(f"0.{fraction or 0}")


def last_line(raw: bytes) -> str:
    """Return the last line of what a program complained about."""
    lines = raw.decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip().rstrip(".")[:_SHOWN] if lines else "docker said nothing"
