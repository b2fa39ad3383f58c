# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a report: whole at any moment, of one reading, without secrets, in time."""

from __future__ import annotations

import copy
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import jsonschema
import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import html, markdown, render
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.errors import IncidentError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder

HERE = Path(__file__).parent
ROOT = HERE.parents[4]
EXAMPLE: t.Final[dict[str, t.Any]] = json.loads((HERE / "example_report.json").read_text(encoding="utf-8"))
SCHEMA: t.Final[dict[str, t.Any]] = json.loads(
    (ROOT / "schemas" / "incident-report.schema.json").read_text(encoding="utf-8")
)
NAMES = {"markdown": "report.md", "html": "report.html", "json": "report.json"}
ID = "20260102T030405Z-production-ab12"
RENDER = f"""
import sys
from {render.__name__} import render
render(sys.argv[1])
"""


def event(number: int, kind: str, text: str = "", **data: t.Any) -> dict[str, t.Any]:
    at = f"2026-01-02T{3 + number // 3600 % 20:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
    return {
        "id": f"{number:012x}",
        "at": at,
        "end": at,
        "seconds": 0.0,
        "clock": "controller",
        "recorded": at,
        "mono": float(number),
        "boot": "b",
        "kind": kind,
        "actor": {"kind": "human", "name": "alice@laptop"},
        "host": None,
        "run": None,
        "step": None,
        "outcome": None,
        "text": text or f"event {number}",
        "evidence": [],
        "data": data,
    }


OPENED = {"title": "Saving fails", "environment": "production", "record": "incident", "services": ["backend"]}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    one = Folder(tmp_path / ID)
    one.path.mkdir(mode=0o700)
    write(one, event(0, "opened", "Opened.", **OPENED), event(1, "note", "Looked at the logs."))
    return one


def write(folder: Folder, *events: dict[str, t.Any]) -> None:
    folder.append(*t.cast(list[E.Event], list(events)))


def test_it_writes_the_report_in_every_form(folder: Folder) -> None:
    paths = render.render(folder)
    assert {name: path.name for name, path in paths.items()} == NAMES
    for path in paths.values():
        assert path.stat().st_mode & 0o777 == 0o600
    document = json.loads(paths["json"].read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(SCHEMA).validate(document)
    assert document["title"] == "Saving fails"
    assert "Saving fails" in paths["html"].read_text(encoding="utf-8")
    assert paths["markdown"].read_text(encoding="utf-8").startswith("# Incident: Saving fails\n")
    # What is shown is what report.json holds.
    assert paths["html"].read_text(encoding="utf-8") == html.render(document)
    assert paths["markdown"].read_text(encoding="utf-8") == markdown.render(document)
    assert not [one.name for one in folder.path.iterdir() if one.name.startswith(".report")]


def test_a_path_will_do_and_the_zone_is_heard(folder: Folder) -> None:
    paths = render.render(str(folder.path), zone="America/New_York")
    assert json.loads(paths["json"].read_text(encoding="utf-8"))["zone"]["name"] == "America/New_York"
    assert "America/New_York" in paths["html"].read_text(encoding="utf-8")


def test_there_is_a_post_mortem_once_users_are_back_and_none_after_a_mistake(folder: Folder) -> None:
    stale = folder.path / "post-mortem.ics"
    stale.write_text("old", encoding="utf-8")
    assert "calendar" not in render.render(folder)
    assert not stale.exists()
    write(folder, event(30, "state", "Users are back.", state="mitigated", how="asked", proof=[]))
    paths = render.render(folder)
    raw = paths["calendar"].read_bytes()
    assert raw.startswith(b"BEGIN:VCALENDAR\r\n") and b"\r\r" not in raw


def test_what_looks_like_a_secret_is_masked_in_every_form(folder: Folder) -> None:
    token = "ghp_" + "a1B2" * 9
    # Past the store, as a hand or another tool would.
    with folder.log.open("ab") as handle:
        handle.write(json.dumps(event(5, "note", f"used {token} for it")).encode() + b"\n")
    for path in render.render(folder).values():
        assert token not in path.read_text(encoding="utf-8")
    assert "used ******** for it" in (folder.path / "report.json").read_text(encoding="utf-8")


def test_masking_changes_nothing_else() -> None:
    assert render.redacted(copy.deepcopy(EXAMPLE)) == EXAMPLE


def test_json_is_the_document_with_a_row_a_line() -> None:
    text = render.as_json(copy.deepcopy(EXAMPLE))
    assert json.loads(text) == EXAMPLE
    assert list(json.loads(text)) == list(EXAMPLE)
    lines = text.splitlines()
    for one in EXAMPLE["timeline"]:
        assert any(json.loads(line.strip().rstrip(",")) == one for line in lines if line.startswith("    {"))


def test_half_characters_and_torn_lines_hinder_nothing(folder: Folder) -> None:
    with folder.log.open("ab") as handle:
        handle.write(json.dumps(event(5, "note", "half \ud83d of it \x1b[31m\u202e")).encode() + b'\n{"id": "torn')
    paths = render.render(folder)
    document = json.loads(paths["json"].read_text(encoding="utf-8"))
    assert document["record_health"]["damaged"] == 1
    for name in ("markdown", "html"):
        text = paths[name].read_text(encoding="utf-8")
        assert "\u202e" not in text and "\x1b" not in text


def test_a_record_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(IncidentError) as caught:
        render.render(tmp_path / "nowhere")
    assert "nowhere" in caught.value.what and caught.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_where_there_is_no_room_the_old_report_stays_whole(folder: Folder) -> None:
    paths = render.render(folder)
    before = {name: path.read_bytes() for name, path in paths.items()}
    write(folder, event(50, "note", "one more"))
    # No file may be larger than this: to the writer it is what a full disk is.
    small = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    done = subprocess.run(
        [sys.executable, "-c", small + RENDER, str(folder.path)],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "IncidentError" in done.stderr and "hotfix_incident_dir" in done.stderr
    assert paths["html"].read_bytes() == before["html"]
    assert paths["json"].read_bytes() == before["json"]
    assert not [one.name for one in folder.path.iterdir() if one.name.startswith(".report")]


def test_a_link_where_the_lock_should_be_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    (folder.path / ".render.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IncidentError):
        render.render(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_whoever_renders_at_once_leaves_files_of_one_reading(folder: Folder) -> None:
    """Events come while three processes render; afterwards every file tells of the same events."""
    processes = [
        subprocess.Popen([sys.executable, "-c", _twice(), str(folder.path)], env=_environment()) for _each in "123"
    ]
    for number in range(10, 60):
        write(folder, event(number, "note", f"meanwhile {number}"))
        time.sleep(0.005)
    assert [one.wait(60) for one in processes] == [0, 0, 0]
    document = json.loads((folder.path / "report.json").read_text(encoding="utf-8"))
    assert (folder.path / "report.html").read_text(encoding="utf-8") == html.render(document)
    assert (folder.path / "report.md").read_text(encoding="utf-8") == markdown.render(document)
    assert not [one.name for one in folder.path.iterdir() if re.match(r"\.report|\.post", one.name)]


def _twice() -> str:
    return RENDER + "for _ in range(3): render(sys.argv[1])\n"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def test_who_is_stopped_while_rendering_stops_nobody_for_good(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_WAIT", 0.2)
    holds = threading.Event()
    over = threading.Event()

    def hold() -> None:
        with render._alone(folder.path):
            holds.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert holds.wait(10)
        assert render.render(folder)["json"].is_file()
    finally:
        over.set()
        holder.join()


def test_a_kill_at_any_moment_leaves_whole_files(folder: Folder) -> None:
    render.render(folder)
    for number in range(6):
        write(folder, event(100 + number, "note", f"kill {number}"))
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                RENDER.replace("render(sys", "print(1, flush=True)\nwhile True: render(sys"),
                str(folder.path),
            ],
            env=_environment(),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(0.01 + number * 0.013)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        json.loads((folder.path / "report.json").read_text(encoding="utf-8"))
        assert (folder.path / "report.html").read_text(encoding="utf-8").endswith("</html>")
        assert (folder.path / "report.md").read_text(encoding="utf-8").endswith("report.json.\n")
    # The lock died with its holder.
    assert render.render(folder)["html"].is_file()


@pytest.mark.slow
def test_a_hundred_thousand_events_fit_into_memory(folder: Folder) -> None:
    with folder.log.open("a", encoding="utf-8") as handle:
        for number in range(100_000):
            handle.write(json.dumps(event(number, "step", f"step {number} of many, made and written down")) + "\n")
    # The most that this program held; what is told of children counts ourselves, too.
    measured = RENDER + "print(open('/proc/self/status').read())\n"
    done = subprocess.run(
        [sys.executable, "-c", measured, str(folder.path)],
        env=_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    peak = re.search(r"^VmHWM:\s+(\d+) kB$", done.stdout, re.MULTILINE)
    assert peak is not None
    assert int(peak[1]) < 300 * 1024
    document = json.loads((folder.path / "report.json").read_text(encoding="utf-8"))
    assert len(document["timeline"]) >= 99_999
    page = (folder.path / "report.html").read_bytes()
    assert len(page) <= html.MOST_BYTES
    assert re.search(rb"[\d,]+ of (?:99,9\d\d|100,0\d\d) rows are not shown here", page)
