# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program named docker that has containers with logs."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

#: Answers as docker does, from files: the list of containers, and the log of each.
PROGRAM = """#!/bin/sh
case " $* " in
  *" compose version "*) echo 2.26.1 ;;
  *" version "*) echo 26.1.0 ;;
  *" ps "*) cat "{folder}/ps" ;;
  *" inspect "*) cat "{folder}/inspect" ;;
  *" logs "*) echo "$*" >>"{folder}/asked"
    for name; do :; done
    if [ -f "{folder}/$name" ]; then cat "{folder}/$name"; else echo "configured logging driver" >&2; exit 1; fi ;;
  *) exit 0 ;;
esac
"""


class Engine:
    """A program named docker that has containers with logs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._containers: list[dict[str, t.Any]] = []

    def add(self, service: str, lines: t.Sequence[tuple[str, str]] | None, status: str = "running") -> None:
        number = len(self._containers) + 1
        name = f"{service}{number}".ljust(64, "0")
        self._containers.append(
            {
                "Id": name,
                "Name": f"/app-{service}-{number}",
                "Image": "sha256:1",
                "Config": {
                    "Labels": {"com.docker.compose.project": "app", "com.docker.compose.service": service},
                    "Image": "x",
                    "Env": ["DB_PASSWORD=hunter2-of-the-container"],
                },
                "State": {"Status": status, "ExitCode": 0},
                "RestartCount": 0,
            }
        )
        (self._folder / "ps").write_text("".join(f"{one['Id']} app app\n" for one in self._containers))
        (self._folder / "inspect").write_text(json.dumps(self._containers))
        if lines is not None:
            (self._folder / name).write_text("".join(f"2026-01-02T{at}.000000000Z {text}\n" for at, text in lines))

    @property
    def asked(self) -> str:
        return (self._folder / "asked").read_text()


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Make one, and put it where programs are looked for."""
    folder = tmp_path / "engine"
    folder.mkdir()
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(folder=folder))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return Engine(folder)
