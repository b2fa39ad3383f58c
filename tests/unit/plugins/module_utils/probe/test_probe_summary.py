# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a probe was measured, and what was not measured is not said."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import records, spans, summary

Record = t.Dict[str, t.Any]

BEGIN: Record = {"kind": "begin", "wall": 1767323045.0, "mono": 100.0, "pid": 1}
END: Record = {"kind": "end", "at": 10.0, "why": "stopped"}


def target(name: str = "p1", **more: t.Any) -> Record:
    return {"kind": "target", "at": 0.0, "name": name, "slow": 1.0, "websocket": "", **more}


def sample(at: float, verdict: str = "good", name: str = "p1", **more: t.Any) -> Record:
    return {"kind": "sample", "target": name, "at": at, "seconds": 0.01, "how": "fresh", "verdict": verdict, **more}


def row(text: str, name: str = "p1") -> t.List[Record]:
    """One sample each 0.2 s: g(ood), s(low), f(ailed), l(imited), b(lind), u(nanswered)."""
    by = {verdict[0]: verdict for verdict in records.VERDICTS}
    made = []
    for number, letter in enumerate(text):
        at = round(number * 0.2, 1)
        if letter == "f":
            made.append(sample(at, "failed", name, why="connection refused"))
        elif letter == "s":
            made.append(sample(at, "good", name, seconds=1.5))
        elif letter != " ":
            made.append(sample(at, by[letter], name))
    return made


def told(*every: t.Any, end: t.Optional[Record] = None) -> t.Dict[str, t.Any]:
    flat = [one for some in every for one in (some if isinstance(some, list) else [some])]
    return summary.summarise([BEGIN, *flat, end or END])


def test_all_is_well() -> None:
    found = told(target(), row("gggggggggg"))
    assert (found["samples"], found["failures"]) == (10, 0)
    assert found["began"] == "2026-01-02T03:04:05.000Z"
    assert found["targets"]["p1"]["outages"] == []
    assert found["targets"]["p1"]["down"] == {"spans": 0, "samples": 0, "lower": 0, "upper": 0}
    assert found["lines"] == ["0 of 10 samples failed, no outage seen in 10.0 s; latency p50/p95 10/10 ms (10)."]


def test_an_outage_lasted_at_least_and_at_most() -> None:
    found = told(target(), row("gggffffggg"))
    (outage,) = found["targets"]["p1"]["outages"]
    assert (outage["lower"], outage["upper"], outage["samples"]) == (0.6, 1.0, 4)
    assert (outage["first"], outage["last"]) == ("2026-01-02T03:04:05.600Z", "2026-01-02T03:04:06.200Z")
    assert found["lines"] == [
        "4 of 10 samples failed (4 connection refused) in 10.0 s; latency p50/p95 10/10 ms (6).",
        "down for 0.6 to 1.0 s from 2026-01-02T03:04:05.600Z.",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fffggg", "down for at least 0.4 s, since before the first sample."),
        ("gggfff", "down for at least 0.4 s from 2026-01-02T03:04:05.600Z, and still so at the end."),
        ("ffffff", "down for at least 1.0 s, from the first sample to the last."),
    ],
)
def test_what_began_or_ended_unseen_has_no_upper_bound(text: str, said: str) -> None:
    found = told(target(), row(text))
    assert found["targets"]["p1"]["outages"][0]["upper"] is None
    assert found["targets"]["p1"]["down"]["upper"] is None
    assert said in found["lines"]


def test_one_failure_is_degraded_and_two_are_down() -> None:
    one = told(target(), row("ggfggsggg"))["targets"]["p1"]
    assert one["outages"] == []
    assert (one["degraded"]["spans"], one["degraded"]["lower"], one["degraded"]["upper"]) == (2, 0, 0.8)
    assert one["degraded"]["samples"] == 2
    two = told(target(), row("gfgffgfg"))["targets"]["p1"]
    assert (len(two["outages"]), two["degraded"]["samples"]) == (1, 2)


def test_a_host_that_flaps_is_summed_up() -> None:
    found = told(target(), row("gffgffgffffgffg"))
    assert len(found["targets"]["p1"]["outages"]) == 4
    assert found["lines"][1:] == [
        "down 4 times, for 1.2 to 2.8 s in all.",
        "down for longest for 0.6 to 1.0 s from 2026-01-02T03:04:06.400Z.",
    ]


def test_of_a_fleet_the_worst_are_told_and_the_others_named() -> None:
    names = [f"p{number}" for number in range(1, 10)]
    rows = [row("g" + "f" * number + "g", name) for number, name in enumerate(names)]
    found = told([target(name) for name in names], *rows)
    assert len(found["targets"]) == 9
    assert [line.partition(" for ")[0] for line in found["lines"][1:-1]] == [f"down at p{n}" for n in range(5, 10)]
    assert found["lines"][-1] == (
        "3 more hosts fared no worse (2 of them down, for 0.4 s at least where it was longest): p2, p3, p4."
    )


def test_degraded_is_told_apart() -> None:
    said = told(target(), row("ggsssggg"))["lines"]
    assert said[1:] == ["degraded for 0.4 to 0.8 s (slow, or failed by itself: 3 samples)."]


def test_what_tells_nothing_counts_neither_way() -> None:
    found = told(target(), row("glgbgufulfbg"))
    assert (found["samples"], found["failures"]) == (6, 2)
    assert (found["limited"], found["blind"], found["unanswered"]) == (2, 2, 2)
    # It bridges no outage and begins none: the failures on both sides of it are one.
    (outage,) = found["targets"]["p1"]["outages"]
    assert (outage["samples"], outage["lower"], outage["upper"]) == (2, 0.6, 1.4)
    assert found["lines"][-3:] == [
        "2 samples met a rate limit (429) and count neither way.",
        "2 samples were not answered yet when the probe ended; they count neither way.",
        "2 samples could not be made from this machine and count neither way.",
    ]


def test_without_a_sample_that_tells_something_nothing_is_known() -> None:
    assert told(target(), row("lllb"))["lines"][0] == "unknown: not one sample told anything in 10.0 s."
    assert told(target())["lines"] == ["unknown: not one sample told anything in 10.0 s."]
    assert told()["lines"] == ["availability was not measured: nothing was sampled."]
    unusable = {"kind": "unusable", "target": "p1", "why": "ca_file '/x' cannot be used"}
    assert told(unusable)["lines"] == [
        "availability was not measured: p1 was not measured: ca_file '/x' cannot be used."
    ]


def test_hosts_are_told_apart() -> None:
    found = told(target("p1"), target("p2"), row("gggggg"), row("gffggg", "p2"))
    assert (found["samples"], found["failures"]) == (12, 2)
    assert found["targets"]["p1"]["failures"] == 0
    assert "down at p2 for 0.2 to 0.6 s from 2026-01-02T03:04:05.200Z." in found["lines"]


def test_before_during_and_after() -> None:
    marks = [{"kind": "mark", "phase": "during", "at": 0.5}, {"kind": "mark", "phase": "after", "at": 1.1}]
    slow = [sample(0.7, seconds=0.3), sample(0.9, "failed", why="answered 502")]
    found = told(target(), row("ggg"), slow, sample(1.2), sample(1.4, seconds=0.02), marks)
    assert found["phases"] == {
        "before": {"samples": 3, "failures": 0, "p50": 0.01, "p95": 0.01},
        "during": {"samples": 2, "failures": 1, "p50": 0.3, "p95": 0.3},
        "after": {"samples": 2, "failures": 0, "p50": 0.01, "p95": 0.02},
    }
    assert "latency p50/p95 before 10/10 ms (3), during 300/300 ms (1), after 10/20 ms (2)." in found["lines"][0]


def test_a_phase_may_come_twice_and_one_without_samples_has_no_percentile() -> None:
    marks = [{"kind": "mark", "phase": p, "at": at} for p, at in (("during", -0.1), ("after", 0.3), ("during", 0.7))]
    found = told(target(), row("ggggg"), marks)["phases"]
    assert [found[phase]["samples"] for phase in summary.PHASES] == [0, 3, 2]
    assert found["before"]["p50"] is None


def test_the_samplers_own_gaps_are_no_outage() -> None:
    gap = {"kind": "gap", "target": "p1", "at": 0.6, "seconds": 2.0}
    late = [sample(0.6, "failed", seconds=2.1, why="no answer within 5 s"), sample(2.5, seconds=3.0)]
    found = told(target(), row("ggg"), late, gap, sample(2.8))
    one = found["targets"]["p1"]
    assert one["outages"] == []
    assert one["degraded"]["samples"] == 0
    assert one["gaps"] == [{"at": 0.6, "seconds": 2.0}]
    assert "nothing was sampled for 2.0 s: this machine was busy." in found["lines"]


def test_a_gap_is_not_part_of_what_an_outage_surely_lasted() -> None:
    gap = {"kind": "gap", "target": "p1", "at": 0.5, "seconds": 1.0}
    failed = [sample(at, "failed", why="answered 502") for at in (0.2, 0.4, 1.6, 1.8)]
    (outage,) = told(target(), sample(0.0), failed, gap, sample(2.0))["targets"]["p1"]["outages"]
    assert (outage["lower"], outage["upper"]) == (0.6, 2.0)


def test_a_machine_that_slept_says_so() -> None:
    asleep = {"kind": "clock", "at": 1.0, "seconds": 300.0}
    found = told(target(), row("ggg"), sample(0.8, "failed", why="connection broke off"), asleep, sample(1.2))
    assert found["clock_jumps"] == [{"at": 1.0, "seconds": 300.0}]
    assert found["targets"]["p1"]["degraded"]["samples"] == 0
    assert "this machine slept, or its clock was set, while it was measured." in found["lines"]


def socket_events(*events: t.Tuple[float, str, t.Any]) -> t.List[Record]:
    made = []
    for at, what, detail in events:
        more = {"code": detail} if what == "closed" else {"why": detail} if what == "refused" else {}
        made.append({"kind": "websocket", "target": "p1", "at": at, "what": what, **more})
    return made


@pytest.mark.parametrize(
    ("events", "away", "is_open", "said"),
    [
        ([(0.1, "opened", None)], 0, True, None),
        (
            [(0.1, "opened", None), (2.0, "closed", 1012), (2.3, "opened", None)],
            0.3,
            True,
            "the WebSocket was closed (1012), away for 0.3 s at most.",
        ),
        (
            [(0.1, "opened", None), (2.0, "closed", 1006), (2.1, "refused", "answered 502"), (5.0, "closed", 1006)],
            5.0,
            False,
            "the WebSocket was closed (1006 x 2), still away after 5.0 s.",
        ),
        ([(0.1, "refused", "answered 404")], 10.0, False, "the WebSocket could not be opened (answered 404)."),
    ],
)
def test_the_websocket(events: t.Any, away: float, is_open: bool, said: t.Optional[str]) -> None:
    found = told(target(websocket="/ws"), row("ggg"), socket_events(*events))
    one = found["targets"]["p1"]["websocket"]
    assert (one["away"], one["open"]) == (away, is_open)
    assert [line for line in found["lines"] if "WebSocket" in line] == ([said] if said else [])


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ({"kind": "end", "at": 3.0, "why": "stopped"}, None),
        (
            {"kind": "end", "at": 3.0, "why": "the run that started it was gone"},
            "the probe ended early: the run that started it was gone.",
        ),
        ({"kind": "nothing"}, "the sampler ended without a word: what came after its last sample is unknown."),
    ],
)
def test_how_the_probe_ended(end: Record, said: t.Optional[str]) -> None:
    lines = told(target(), row("ggg"), end=end)["lines"]
    assert lines[1:] == ([said] if said else [])


def test_torn_lines_and_foreign_ones_cost_nothing_but_themselves(tmp_path: Path) -> None:
    path = tmp_path / records.SAMPLES
    lines = [json.dumps(one) for one in (BEGIN, target(), *row("ggg"))]
    path.write_text("\n".join([*lines[:3], "[1]", '{"kind": 7}', "torn {", *lines[3:], '{"kind": "samp']) + "\n")
    assert summary.of_folder(str(tmp_path))["samples"] == 3
    summary.write(str(tmp_path))
    assert json.loads((tmp_path / records.SUMMARY).read_text())["samples"] == 3


def test_a_record_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / records.CONTROL
    tail = records.Tail(str(path))
    assert tail.read() == []
    records.append(str(path), {"kind": "stop"})
    with path.open("a") as handle:
        handle.write('{"kind": "ma')
    assert tail.read() == [{"kind": "stop"}]
    with path.open("a") as handle:
        handle.write('rk"}\n')
    assert tail.read() == [{"kind": "mark"}]
    assert tail.read() == []
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_a_disk_that_is_full_costs_records_and_says_so() -> None:
    writer = records.Writer("/dev/full")
    writer.write("sample")
    writer.write("sample")
    assert writer.lost == 2
    writer.close()
    found = told(target(), row("ggg"), end={**END, "lost": 2})
    assert "2 records could not be written: what they held is unknown." in found["lines"]


def test_a_torn_record_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = records.Writer(str(tmp_path / "samples"))
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: whole(descriptor, line[:10]))
    writer.write("first")
    monkeypatch.setattr(os, "write", whole)
    writer.write("second")
    writer.write("third")
    writer.close()
    writer.write("late")
    assert [one["kind"] for one in records.read(str(tmp_path / "samples"))] == ["second", "third"]
    assert writer.lost == 1


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [([], 0.5, None), ([3.0], 0.95, 3.0), ([1.0, 2.0], 0.5, 1.0), ([5, 1, 4, 2, 3], 0.5, 3), (range(1, 101), 0.95, 95)],
)
def test_percentiles_by_nearest_rank(values: t.Sequence[float], share: float, found: t.Optional[float]) -> None:
    assert spans.percentile(values, share) == found
