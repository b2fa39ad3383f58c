# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The impact: what samples say of an outage, at least and at most, through several probes and what nobody saw."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import control
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import events, impact, report
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.store import Store
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.probe.servers import Server, answers, status
from tests.unit.plugins.plugin_utils.incident.reports import (
    at,
    event,
    made,
    opening,
    problems,
    reached,
    row,
    samples,
)


def built(path: Path, *probes: str, more: Any = ()) -> dict[str, Any]:
    found = report.build(made(path, opening(), *more, probes=probes), generated=at(100))
    assert problems(found) == []
    return found


def outage(path: Path, *probes: str) -> dict[str, Any]:
    found: dict[str, Any] = built(path, *probes)["impact"]["outage"]
    return found


def test_an_outage_lasted_at_least_and_at_most(tmp_path: Path) -> None:
    found = outage(tmp_path, samples(row("gggffffggg")))
    assert (found["known"], found["lower"], found["upper"], found["all_down"]) == (True, 0.6, 1.0, None)
    (target,) = found["targets"]
    (span,) = target["spans"]
    assert (span["first"], span["last"]) == (at(0.6), at(1.2))
    assert found["source"] == "evidence/probe-1-samples.jsonl (samples of the probe)"


def test_what_the_probe_saw_no_end_of_has_no_upper_bound(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("gggfff")))
    assert (found["impact"]["outage"]["lower"], found["impact"]["outage"]["upper"]) == (0.4, None)
    assert found["headline"].startswith("Users were not served for at least 0.4 s.")
    assert any("at most is unknown" in one for one in found["remains"])


def test_an_outage_that_ended_between_two_probes(tmp_path: Path) -> None:
    """What was seen is the least; that nobody looked for half a minute lengthens the most."""
    found = outage(tmp_path, samples(row("gggfff")), samples(row("ggg"), began=30.0))
    assert found["lower"] == 0.4
    assert found["upper"] == 29.6
    assert "upper holds time in which nobody looked at p1" in found["source"]
    assert found["targets"][0]["unseen"] == 28.99


def test_an_outage_through_two_probes_is_one(tmp_path: Path) -> None:
    found = outage(tmp_path, samples(row("gff")), samples(row("ffg"), began=30.0))
    (span,) = found["targets"][0]["spans"]
    # 0.2 to 0.41 at first (the last request took 10 ms), 30.0 to 30.2 then.
    assert (span["lower"], span["upper"]) == (0.41, 30.4)


def test_without_an_outage_the_time_in_which_nobody_looked_is_named(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("ggg")), samples(row("ggg"), began=30.0))
    assert (found["impact"]["outage"]["lower"], found["impact"]["outage"]["upper"]) == (0, 0)
    assert "nobody looked for 29.6 s" in found["impact"]["outage"]["source"]
    assert "with times in which nobody looked" in found["headline"]


def test_probes_that_overlap_are_one_view(tmp_path: Path) -> None:
    found = outage(tmp_path, samples(row("ggffffgg")), samples(row("ffg"), began=0.9))
    assert found["targets"][0]["unseen"] == 0
    assert (found["lower"], found["upper"]) == (0.7, 1.0)


def test_any_host_and_all_hosts_are_told_apart(tmp_path: Path) -> None:
    """p1 is down from 0.4 to 1.0, p2 from 0.8 to 1.4."""
    both = samples(row("ggffffgggg"), row("ggggffffgg", "p2"), targets=("p1", "p2"))
    found = outage(tmp_path, both)
    assert (found["lower"], found["upper"]) == (1.0, 1.4)
    assert found["all_down"] == {"lower": 0.2, "upper": 0.6}
    assert "any of p1, p2 down" in found["source"]


def test_hosts_one_after_the_other_were_never_all_down(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("gffggggg"), row("gggggffg", "p2"), targets=("p1", "p2")))
    assert found["impact"]["outage"]["all_down"] == {"lower": 0, "upper": 0}
    assert "never all at once" in found["headline"]


def test_a_host_that_nobody_looked_at_may_have_been_down_too(tmp_path: Path) -> None:
    """Of p2 the first sample is from after p1's outage: nothing speaks against both having been down."""
    both = samples(row("ggffffgggg"), row("gggg", "p2", since=3.0), targets=("p1", "p2"))
    assert outage(tmp_path, both)["all_down"] == {"lower": 0, "upper": 1.0}


def test_failures_are_counted_and_said_to_be_samples(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("ggfflbu")), samples(row("gf"), began=10.0))["impact"]["failed_requests"]
    assert (found["value"], found["of"], found["why"]) == (3, 6, {"connection refused": 3})
    assert found["source"].startswith("3 of 6 samples by the probe, not requests of users")


def test_degraded_is_no_outage(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("ggsssggfgg")))["impact"]
    assert (found["outage"]["lower"], found["outage"]["upper"]) == (0, 0)
    # Three slow ones from 0.4 to 0.8, and one failure by itself.
    assert (found["degraded"]["lower"], found["degraded"]["upper"]) == (0.4, 1.2)


@pytest.mark.parametrize("text", ["", "lbu"])
def test_what_nobody_measured_is_unknown_and_not_zero(tmp_path: Path, text: str) -> None:
    found = built(tmp_path, samples(row(text)))
    hit = found["impact"]
    assert hit["outage"]["known"] is False
    assert (hit["outage"]["lower"], hit["outage"]["upper"]) == (None, None)
    assert (hit["failed_requests"]["value"], hit["failed_requests"]["of"]) == (None, None)
    assert (hit["degraded"]["lower"], hit["degraded"]["upper"]) == (None, None)
    assert found["availability"] is None
    assert found["headline"].startswith("How long users were hit is unknown")


def test_without_a_probe_the_reason_is_named(tmp_path: Path) -> None:
    why = {"p1": "hotfix_public_url is not set"}
    found = built(tmp_path, more=[event("probe", 1, 1.0, data={"unmeasured": why})])
    assert found["impact"]["outage"]["source"] == "not measured (p1: hotfix_public_url is not set)"
    assert "p1 was not sampled: hotfix_public_url is not set." in found["remains"]


def test_samples_that_were_changed_do_not_count(tmp_path: Path) -> None:
    folder = made(tmp_path, opening(), probes=[samples(row("gfffg"))])
    (file,) = (folder.path / "evidence").iterdir()
    file.write_text(file.read_text().replace("failed", "good"))
    found = report.build(folder)
    assert problems(found) == []
    assert found["impact"]["outage"]["known"] is False
    assert [one["intact"] for one in found["evidence"]] == [False]
    assert "Evidence is missing or was changed since: evidence/probe-1-samples.jsonl." in found["remains"]


def test_the_samples_of_one_probe_count_once(tmp_path: Path) -> None:
    """Two records of one incident, merged, hold the same samples twice."""
    text = samples(row("ggffgg"))
    found = built(tmp_path, text, text)["impact"]["failed_requests"]
    assert (found["value"], found["of"]) == (2, 6)


def test_torn_samples_lose_what_was_torn(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("ggffgg")) + '{"kind":"sample","target":"p1","at":9')
    assert found["impact"]["failed_requests"]["of"] == 6


def test_latency_before_the_first_run_and_after_the_last(tmp_path: Path) -> None:
    def probe(began: float, *seconds: float) -> str:
        marks = [{"kind": "mark", "phase": "during", "at": 0.3}, {"kind": "mark", "phase": "after", "at": 0.5}]
        taken = row("gggg")
        for one, took in zip(taken, seconds, strict=True):
            one["seconds"] = took
        return samples(taken, marks, began=began)

    found = built(tmp_path, probe(0.0, 0.01, 0.02, 0.1, 0.15), probe(30.0, 0.2, 0.3, 0.4, 0.03))["impact"]["latency"]
    assert found["before"] == {"p50": 0.01, "p95": 0.02, "samples": 2}
    # What came after the first run and before the second is part of the incident.
    assert found["during"] == {"p50": 0.2, "p95": 0.4, "samples": 5}
    assert found["after"] == {"p50": 0.03, "p95": 0.03, "samples": 1}


# ------------------------------------------------------------------ true outages


@st.composite
def watches(draw: st.DrawFn) -> tuple[float, float, list[tuple[float, list[float]]]]:
    """Return one outage, and when one to three probes asked."""
    probes, since = [], 0.0
    for _number in range(draw(st.integers(1, 3))):
        pauses = draw(st.lists(st.floats(0.05, 0.6), min_size=3, max_size=25))
        times, now = [], 0.0
        for pause in pauses:
            times.append(now)
            now += pause
        probes.append((since, times))
        since += now + draw(st.floats(0.5, 40.0))
    begin = draw(st.floats(-2.0, since + 2.0))
    return begin, begin + draw(st.floats(0.0, 30.0)), probes


@settings(max_examples=150, deadline=None)
@given(watches())
def test_the_true_outage_is_between_the_bounds(tmp_path_factory: Any, found: Any) -> None:
    begin, end, probes = found
    texts, failures = [], 0
    for since, times in probes:
        taken = []
        for one in times:
            down = begin <= round(since + one, 3) < end
            failures += down
            taken += row("f" if down else "g", since=round(since + one, 3) - round(since, 3))
        texts.append(samples(taken, began=round(since, 3)))
    told = outage(tmp_path_factory.mktemp("record"), *texts)
    assert told["known"]
    if failures < 2:
        # One failure by itself is no outage, and what no sample met cannot be known.
        assert told["targets"][0]["spans"] == []
        return
    (span,) = told["targets"][0]["spans"]
    upper = math.inf if told["upper"] is None else told["upper"]
    assert told["lower"] - 0.002 <= end - begin <= upper + 0.002
    assert span["lower"] == told["lower"]


# ------------------------------------------------------------------------ times


def run_of(action: str, seconds: float, took: float | None, outcome: str | None = "done", **more: Any) -> Any:
    name = f"run-{action}"
    return event("run", seconds, took, run=name, outcome=outcome, data={"action": action}, event_id=f"r-{name}", **more)


def budgets(path: Path, *more: Any) -> dict[str, Any]:
    return {one["what"]: one for one in built(path, more=more)["impact"]["budgets"]}


def test_a_flag_counts_from_the_start_of_its_run_until_it_was_proven_off(tmp_path: Path) -> None:
    flag = event(
        "flag",
        2.5,
        1.5,
        run="run-feature_flag",
        outcome="done",
        data={"name": "editing", "wanted": "disabled"},
        event_id="f1",
    )
    found = budgets(tmp_path, run_of("feature_flag", 1.0, 5.0), flag)["flag"]
    assert (found["took"], found["budget"], found["kept"]) == (3.0, 30, True)
    assert "f1" in found["source"] and "r-run-feature_flag" in found["source"]


def test_a_flag_that_is_not_proven_off_has_no_time(tmp_path: Path) -> None:
    flag = event("flag", 2.5, 1.5, run="run-feature_flag", outcome="failed", data={"name": "editing", "wanted": "off"})
    found = budgets(tmp_path, run_of("feature_flag", 1.0, 5.0, "failed"), flag)["flag"]
    assert (found["took"], found["kept"]) == (None, None)


def test_a_flag_switched_on_has_no_budget(tmp_path: Path) -> None:
    flag = event("flag", 2.5, 1.5, outcome="done", data={"name": "editing", "wanted": "enabled"})
    assert budgets(tmp_path, flag)["flag"]["source"] == "no feature flag was switched off"


def test_a_rollback_counts_until_the_last_host_is_switched(tmp_path: Path) -> None:
    run = run_of("rollback", 10.0, 250.0)
    steps = [
        event("step", 11.0, took, host=host, run="run-rollback", outcome="done")
        for host, took in (("p1", 20), ("p2", 190))
    ]
    found = budgets(tmp_path, run, *steps)["rollback"]
    assert (found["took"], found["kept"]) == (191.0, False)


@pytest.mark.parametrize("outcome", ["failed", None])
def test_a_rollback_that_did_not_end_well_has_no_time(tmp_path: Path, outcome: str | None) -> None:
    run = run_of("rollback", 10.0, None if outcome is None else 5.0, outcome)
    found = budgets(tmp_path, run)["rollback"]
    assert (found["took"], found["kept"]) == (None, None)
    assert "did not end well" in found["source"]


def test_of_several_the_slowest_counts(tmp_path: Path) -> None:
    runs = [
        event("run", n * 2000.0, took, run=f"d{n}", outcome="done", data={"action": "deploy"})
        for n, took in ((0, 60.0), (1, 950.0))
    ]
    found = budgets(tmp_path, *runs)["code_deploy"]
    assert (found["took"], found["kept"]) == (950.0, False)
    assert "the slowest of 2" in found["source"]


def test_nothing_done_has_no_time(tmp_path: Path) -> None:
    assert {one["took"] for one in budgets(tmp_path).values()} == {None}


def test_times_to_mitigate_and_resolve(tmp_path: Path) -> None:
    said = event("fields", 5.0, data={"fields": {"detected_at": at(-60.0), "started_at": at(-90.0)}}, event_id="said")
    found = built(tmp_path, samples(row("gffg")), more=[said, reached("mitigated", 120.0), reached("resolved", 600.0)])
    assert found["impact"]["time_to_mitigate"]["seconds"] == 180.0
    assert found["impact"]["time_to_resolve"]["seconds"] == 660.0
    assert found["times"]["first_sign"] == {"at": at(-90.0), "source": "event said: said by an operator"}
    quick = next(one for one in found["impact"]["budgets"] if one["what"] == "quick_fix")
    assert (quick["took"], quick["kept"]) == (180.0, True)


def test_the_first_sign_is_the_earliest(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("gggffg")), more=[event("smoke", 20.0, 1.0, data={"verdict": "failed"})])
    assert found["times"]["first_sign"]["at"] == at(0.6)


def test_without_a_state_the_times_are_unknown(tmp_path: Path) -> None:
    found = built(tmp_path)["impact"]["time_to_mitigate"]
    assert (found["seconds"], found["to"], found["source"]) == (None, None, "not mitigated yet")


# ------------------------------------------------------------------ availability


def test_bins_hold_every_sample(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("g" * 40 + "f" * 30 + "l" + "g" * 29)))["availability"]
    assert found["bin_seconds"] == 1.0
    (target,) = found["targets"]
    total = {name: sum(one[name] for one in target["bins"]) for name in ("good", "failed", "limited")}
    assert total == {"good": 69, "failed": 30, "limited": 1}
    assert target["bins"][0]["unseen"] == 0


def test_there_are_never_too_many_bins(tmp_path: Path) -> None:
    found = built(tmp_path, samples(row("gg")), samples(row("gg"), began=100_000.0))["availability"]
    (target,) = found["targets"]
    assert 2 <= len(target["bins"]) <= 240
    unseen = sum(one["unseen"] for one in target["bins"])
    assert unseen >= 99_000
    assert target["bins"][100]["p50"] is None


# -------------------------------------------------------------- the probe itself


@pytest.fixture
def server() -> Iterator[Server]:
    made_here = Server(answers(status(200)))
    yield made_here
    made_here.close()


def test_a_real_probe_of_a_server_that_goes_down(tmp_path: Path, server: Server) -> None:
    """The bounds hold the time for which it surely was down, and for which it may have been."""
    probe = control.Probe(str(tmp_path), "20260102T030405Z-4f2a")
    target = server.target(rate=20.0, timeout=1.0)
    folder = Path(probe.begin(target))
    wait_for(folder, "good", 4)
    before = time.time()
    server.close()
    closed = time.time()
    wait_for(folder, "failed", 6)
    opens = time.time()
    again = Server(answers(status(200)), target.port)
    try:
        opened = time.time()
        wait_for(folder, "good", 4, since=opened)
        probe.end()
    finally:
        again.close()
    record = Store(tmp_path / "incidents").create("production", "incident-1")
    reference = record.add_evidence("probe-samples.jsonl", folder / "samples.jsonl", "every sample of the probe")
    record.append(events.event("probe", text="Probed.", actor=events.probe(), end=events.now(), evidence=[reference]))
    found = report.build(record)
    assert problems(found) == []
    hit = found["impact"]["outage"]
    assert hit["lower"] <= opened - before
    assert hit["upper"] >= opens - closed
    assert found["times"]["first_sign"]["at"] is not None
    failed = (folder / "samples.jsonl").read_text().count('"verdict":"failed"')
    assert found["impact"]["failed_requests"]["value"] == failed


def wait_for(folder: Path, verdict: str, count: int, since: float = 0.0) -> None:
    """Wait until so many samples that were begun since had this verdict."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        wall, found = 0.0, 0
        file = folder / "samples.jsonl"
        for line in file.read_text().splitlines() if file.exists() else []:
            one = json.loads(line) if line.endswith("}") else {}
            wall = one.get("wall", wall)
            found += one.get("verdict") == verdict and wall + one["at"] >= since
        if found >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"there were not {count} samples that were {verdict}")


def test_intervals() -> None:
    assert impact.union([(3, 4), (0, 1), (1, 2), (3.5, 5)]) == [(0, 2), (3, 5)]
    assert impact.common([(0, 2), (3, 5)], [(1, 4)]) == [(1, 2), (3, 4)]
    assert impact.without([(0, 5)], [(1, 2), (4, 9)]) == [(0, 1), (2, 4)]
    assert impact.length([(-math.inf, 1)]) is None
