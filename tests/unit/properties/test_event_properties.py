# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever stands in a record of events, the report is made of it, in every form, and counts what it could not read."""

from __future__ import annotations

import json
import tempfile
import typing as t
from pathlib import Path

import jsonschema
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events as E
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import render
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.fold import fold
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Folder
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.plugin_utils.incident.test_incident_render import event as plain_event
from tests.unit.properties.hostile import changed, texts

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = jsonschema.Draft7Validator(
    json.loads((ROOT / "schemas" / "incident-report.schema.json").read_text(encoding="utf-8"))
)
ID = "20260102T030405Z-production-ab12"
HUGE = 10**400


def event(number: int, kind: str, **data: t.Any) -> dict[str, t.Any]:
    # Some kinds have a text or a host of their own among their data.
    made = plain_event(number, kind)
    return {**made, "seconds": 0.5, "host": "app1", "run": "r1", "step": "switch", "outcome": "done", "data": data}


#: One of each kind that a report reads, as they are written.
RECORD = [
    event(0, "opened", title="Saving fails", environment="production", record="incident", services=["backend"]),
    event(1, "fields", fields={"severity": 1, "criterion": "outage", "roles": [{"role": "lead", "name": "a"}]}),
    event(2, "fields", fields={"contacts": {"technical": [{"role": "lead", "phone": "1"}]}, "contributing": ["a"]}),
    event(3, "fields", fields={"detected_at": "2026-01-02T03:00:00Z", "started_at": "2026-01-02T02:00:00Z"}),
    event(4, "clock", host="app1", lower=-0.1, upper=0.1),
    event(5, "release", before={"id": "a", "version": "v1", "images": {"backend": "x"}}, after={"id": "b"}),
    event(6, "smoke", when="before", results=[{"name": "api", "type": "http", "status": "passed", "seconds": 0.1}]),
    event(7, "probe", availability={"began": "2026-01-02T03:04:00Z"}, unmeasured={"app2": "no url"}),
    event(8, "flag", name="NEW", before=True, after=False),
    event(9, "logs", service="backend", errors_before=1, errors_after=2, new=["a"], lines=5),
    event(10, "state", state="mitigated", how="proven", proof=["000000000006"]),
    event(11, "action", item="1", text="do", owner="a", due="2026-02-01", type="prevent", done=False),
    event(12, "notification", channel="ops", status="delivered", moment="opened"),
    event(13, "checklist", item="smoke_passed", done=True, by="alice"),
    event(14, "merged", **{"from": "x"}, events=5),
    event(15, "journal", entry={"step": "switch"}),
    event(16, "run", action="rollback", hosts=["app1"], hosts_outcome={"app1": {"outcome": "done", "summary": "a"}}),
    event(17, "step", action="rollback"),
    event(18, "flag", name="NEW", wanted=False, seconds_to_effect=0.2),
    event(19, "smoke", when="after", verdict="passed", results=[{"name": "api", "status": "passed", "verify": True}]),
    event(20, "state", state="resolved", how="said"),
    event(21, "trouble"),
]
GARBAGE = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"{", b"[" * 100_000, b'{"a":' * 100_000, b"null", b"5", b'"x"', b"\xff\xfe{}", b"\0", b"{}" * 3]),
    texts.map(lambda one: one.encode()),
)


@st.composite
def records(draw: st.DrawFn) -> list[bytes]:
    lines = []
    for one in RECORD:
        found = draw(changed(one, most=2)) if draw(st.integers(0, 2)) == 0 else one
        line = json.dumps(found).encode()
        lines.append(line[: draw(st.integers(0, len(line)))] if draw(st.integers(0, 20)) == 0 else line)
        if draw(st.integers(0, 10)) == 0:
            lines.append(draw(GARBAGE).replace(b"\n", b" "))
    return draw(st.permutations(lines)) if draw(st.booleans()) else lines


def rendered(lines: list[bytes], where: str) -> dict[str, t.Any]:
    folder = Folder(Path(where) / ID)
    folder.path.mkdir(mode=0o700)
    (folder.path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    paths = render.render(folder)
    document: dict[str, t.Any] = json.loads(paths["json"].read_text(encoding="utf-8"))
    SCHEMA.validate(document)
    health = document["record_health"]
    whole = [one for one in map(E.read, (line.strip() for line in lines)) if one is not None]
    assert health["events"] == len({one["id"] for one in whole})
    assert health["damaged"] == len([line for line in lines if line.strip()]) - len(whole)
    return document


def odd(number: int, **changes: t.Any) -> list[bytes]:
    return [json.dumps({**one, **changes} if n == number else one).encode() for n, one in enumerate(RECORD)]


def odd_data(number: int, **changes: t.Any) -> list[bytes]:
    return odd(number, data={**RECORD[number]["data"], **changes})


def nested(depth: int) -> t.Any:
    found: t.Any = 1
    for _level in range(depth):
        found = [found]
    return found


def test_a_record_as_it_is_written() -> None:
    with tempfile.TemporaryDirectory() as where:
        assert rendered(odd(0), where)["title"] == "Saving fails"


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(lines=records())
@example(lines=odd(5, seconds=HUGE))
@example(lines=odd(5, mono=HUGE))
@example(lines=odd(5, mono=-HUGE, seconds=-1e300))
@example(lines=odd(5, at="0001-01-01T00:00:00.000Z"))
@example(lines=odd(5, at="9999-12-31T23:59:59.999Z"))
@example(lines=odd(5, at="0001-01-01T00:00:00+14:00"))
@example(lines=odd(5, recorded="0001-01-01T00:00:00.000Z", end="9999-12-31T23:59:59.999Z"))
@example(lines=odd_data(4, lower=-HUGE, upper=HUGE))
@example(lines=odd_data(4, lower=-1e300, upper=1e300))
@example(lines=odd_data(6, results=[{"name": "a", "status": [], "seconds": HUGE}]))
@example(lines=odd_data(9, errors_before=HUGE, lines=1e300))
@example(lines=odd_data(1, fields={"severity": HUGE}))
@example(lines=odd_data(1, fields={"severity": 1e300, "criterion": [], "zone": "../../etc/passwd", "record": []}))
@example(lines=odd_data(1, fields={"zone": "Europe/Berlin\0", "roles": [{"role": {}, "name": []}]}))
@example(lines=odd_data(3, fields={"detected_at": "0001-01-01T00:00:00Z", "started_at": "9999-12-31T23:59:59Z"}))
@example(lines=odd_data(5, before={"images": {"a": [], "b": HUGE}}, after={"images": {"a": {}}}))
@example(lines=odd_data(10, state=[], proof={}))
@example(lines=odd_data(11, item=[], type=[], due=HUGE))
@example(lines=odd_data(19, verdict=[], results=[{"name": [], "target": {}, "status": {}}]))
@example(lines=odd_data(16, hosts_outcome={"app1": 5}, hosts={}, action=[]))
@example(lines=odd_data(18, seconds_to_effect=HUGE, name={}))
@example(lines=odd(5, actor={"kind": "", "name": "a"}))
@example(lines=odd(5, actor={"kind": ["human"], "name": "a"}))
@example(lines=odd(9, evidence=[{"path": "evidence/a", "sha256": "a" * 64, "bytes": True, "about": ""}]))
@example(lines=odd(9, evidence=[{"path": "evidence/a", "sha256": "a" * 64, "bytes": -1, "about": []}]))
@example(lines=odd_data(8, before=nested(400), after=nested(3000)))
@example(lines=[one.replace(b'"seconds": 0.5', b'"seconds": 1e400') for one in odd(0)])
@example(lines=[one.replace(b'"lower": -0.1', b'"lower": -1e400') for one in odd(0)])
@example(lines=[one.replace(b'"errors_after": 2', b'"errors_after": 1e400') for one in odd(0)])
@example(lines=[one.replace(b'"severity": 1', b'"severity": 1e400') for one in odd(0)])
@example(lines=[b"[" * 100_000, b'{"a":' * 20_000, b"\xff"])
@example(lines=[json.dumps({"id": "a", "kind": "smoke", "at": "2026-01-02T03:04:05Z"}).encode()])
@example(lines=[b""])
def test_a_report_is_made_of_any_record(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as where:
        rendered(lines, where)


@settings(max_examples=200)
@given(line=GARBAGE | changed(RECORD[0]).map(lambda one: json.dumps(one).encode()))
@example(line=json.dumps({**RECORD[0], "seconds": HUGE}).encode())
def test_a_line_is_an_event_or_none(line: bytes) -> None:
    found = E.read(line)
    if found is not None:
        assert isinstance(found["text"], str)
        assert set(found) >= set(RECORD[0])
        fold([found])
        # What is written again is the same, or it would count twice.
        assert E.read(E.canonical(found)) == found
