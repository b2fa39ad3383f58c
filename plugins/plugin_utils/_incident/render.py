# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes an incident's report anew: JSON, Markdown, HTML, and the post-mortem for calendars.

Each file is either the old or the new. Whoever renders second reads the events after whoever rendered first has
written, so that the newest report stays.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._files import write_text
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import calendar, html, markdown, report
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import IncidentError, told
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.redact import Redactor
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

# Events must not wait for a report: this lock is not the one that they are appended under.
_LOCK = ".render.lock"
# Who holds it may have been stopped. The files are whole without it, at worst of two renderings.
_WAIT = 20.0
_PAUSE = 0.02
# Texts that come again and again are looked at once; so many of them are remembered.
_REMEMBERED = 5000
# Times, and IDs of events: the most of what a long report holds.
_HARMLESS = re.compile(r"[0-9TZ:.+-]{0,32}|(?:j-)?[0-9a-f]{12,16}")


def render(folder: Folder | str | os.PathLike[str], zone: str | None = None) -> dict[str, Path]:
    """Write the report of the incident in *folder*, and return where; "calendar" only where a post-mortem is due."""
    folder = folder if isinstance(folder, Folder) else Folder(folder)
    if not folder.path.is_dir():
        raise IncidentError(
            f"There is no incident record {folder.path}.",
            next_step="name one that is there (playbooks/incident.yml shows the open one).",
            left="Nothing was written.",
        )
    paths = {
        "markdown": folder.path / "report.md",
        "html": folder.path / "report.html",
        "json": folder.path / "report.json",
        "calendar": folder.path / "post-mortem.ics",
    }
    with told(folder.path), _alone(folder.path):
        document = redacted(report.build(folder, zone=zone))
        # JSON last: a program that waits for it finds the others.
        write_text(paths["markdown"], markdown.render(document))
        write_text(paths["html"], html.render(document))
        meeting = calendar.post_mortem(document)
        if meeting is None:
            paths.pop("calendar").unlink(missing_ok=True)
        else:
            write_text(paths["calendar"], meeting.decode())
        write_text(paths["json"], as_json(document))
    return paths


def as_json(document: dict[str, t.Any]) -> str:
    """Return a report with one row of each list on one line: to be compared, and quick to write.

    It takes the rows out of *document*: of a hundred thousand, text and rows together need not be held.
    """
    pieces = ["{"]
    for key, value in document.items():
        pieces += [",\n  " if len(pieces) > 1 else "\n  ", _line(key), ": "]
        if isinstance(value, list) and value:
            value.reverse()
            before = "[\n    "
            for _left in range(len(value)):
                pieces += [before, _line(value.pop())]
                before = ",\n    "
            pieces.append("\n  ]")
        else:
            pieces.append(_line(value))
    pieces.append("\n}\n")
    return "".join(pieces)


def _line(value: t.Any) -> str:
    # Escaped: what is no text in UTF-8 can be in an event too.
    return json.dumps(value)


def redacted(document: dict[str, t.Any]) -> dict[str, t.Any]:
    """Mask once more what looks like a secret; what is known to be one was masked before it was recorded."""
    redactor = Redactor()
    seen: dict[str, str] = {}

    def text(given: str) -> str:
        if _HARMLESS.fullmatch(given):
            return given
        found = seen.get(given)
        if found is None:
            found = redactor.text(given)
            if len(seen) < _REMEMBERED:
                seen[given] = found
        return found

    def walk(value: t.Any) -> t.Any:
        """Change rows in place: of a hundred thousand no second copy is held."""
        if isinstance(value, str):
            return text(value)
        if isinstance(value, list):
            for place, one in enumerate(value):
                value[place] = walk(one)
        elif isinstance(value, dict):
            for key, one in list(value.items()):
                name = text(key)
                if name != key:
                    del value[key]
                value[name] = walk(one)
        return value

    return t.cast(dict[str, t.Any], walk(document))


@contextlib.contextmanager
def _alone(folder: Path) -> t.Iterator[None]:
    """Keep others from rendering the same record meanwhile."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    end = time.monotonic() + _WAIT
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:
            # A file system that knows no locks.
            return
        else:
            return
