# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Percentiles are one of the values, a part that is not well is always seen, and no URL leads where it should not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import checks, markup
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.health_check import (
    HEALTHY,
    HealthCheck,
    parts_of,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.latency_check import (
    PERCENTILES,
    figures,
    needed,
    percentile,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.links import link, origin, url_of
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.model import Target
from hypothesis import given
from hypothesis import strategies as st

seconds = st.lists(st.floats(0, 1000, allow_nan=False), min_size=1, max_size=250)


@given(seconds, st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(1 for one in values if one <= found) * 100 >= percent * len(values)
    assert sum(1 for one in values if one < found) * 100 < percent * len(values)


@given(seconds)
def test_figures_are_in_their_order(values: list[float]) -> None:
    found = figures(values)
    named = [found[name] for name in ("min", *PERCENTILES, "max") if name in found]
    assert named == sorted(named)
    # Of the sum, the last digit may be off.
    assert found["min"] - 0.001 <= found["avg"] <= found["max"] + 0.001
    assert {name for name in PERCENTILES if name in found} == {
        name for name in PERCENTILES if len(values) >= needed(name)
    }


@given(st.sampled_from(sorted(PERCENTILES)), st.integers(0, 400))
def test_a_percentile_needs_one_value_above_it(name: str, more: int) -> None:
    count = needed(name)
    values = [float(number) for number in range(count + more)]
    assert percentile(values, PERCENTILES[name]) < max(values)
    assert percentile(values[: count - 1] or [0.0], PERCENTILES[name]) == max(values[: count - 1] or [0.0])


@given(st.integers(1, 200), st.sampled_from(sorted(PERCENTILES)))
def test_too_few_requests_are_refused(requests: int, name: str) -> None:
    raw = [{"name": "a", "type": "latency", "path": "/", "requests": requests, "expect": {name: 1}}]
    if requests >= needed(name):
        assert checks.parse(raw)
    else:
        with pytest.raises(BadInputError):
            checks.parse(raw)


names = st.text(min_size=1, max_size=6)
well = st.sampled_from(HEALTHY) | st.just(True)
health = st.recursive(
    well | well.map(lambda word: {"status": word}),
    lambda inner: st.fixed_dictionaries(
        {"status": well},
        optional={
            "services": st.dictionaries(names, inner, max_size=3),
            "checks": st.lists(st.tuples(names, inner), max_size=3).map(
                lambda pairs: [
                    {"name": name, **(one if isinstance(one, dict) else {"status": one})} for name, one in pairs
                ]
            ),
            "components": st.dictionaries(names, inner, max_size=2),
        },
    ),
    max_leaves=8,
)


def leaves(data: Any) -> list[tuple[Any, Any]]:
    """Every place in an answer that says how a part is: its container and its key there."""
    found: list[tuple[Any, Any]] = []
    if isinstance(data, dict):
        found += [(data, key) for key in ("status",) if key in data]
        for key in ("services", "components"):
            for name, one in data.get(key, {}).items():
                found += leaves(one) if isinstance(one, dict) else [(data[key], name)]
        for one in data.get("checks", []):
            found += leaves(one)
    return found


@given(
    health.filter(lambda one: isinstance(one, dict)), st.data(), st.sampled_from(["down", "error", "", False, None, 0])
)
def test_a_part_that_is_not_well_is_always_seen(answer: Any, data: Any, sick: Any) -> None:
    (check,) = checks.parse([{"name": "a", "type": "health"}])
    assert isinstance(check, HealthCheck)
    assert all(check._good(one) for one in parts_of(answer).values())
    place, key = data.draw(st.sampled_from(leaves(answer)))
    if key == "status" and not isinstance(sick, (str, bool)):
        sick = "down"
    place[key] = sick
    assert not all(check._good(one) for one in parts_of(answer).values())


TARGET = Target("a", "https://app.example.com/base", ("127.0.0.1", 8443), ca_file="/ca.pem", validate_certs=False)
pieces = st.one_of(
    st.sampled_from(["http://", "https://", "javascript:", "//", "/", "..", "app.example.com", "evil.example", "8443"]),
    st.sampled_from(list("?#@:[]%\\üa \t\n")),
)


@given(st.lists(pieces, max_size=8).map("".join) | st.text(max_size=30))
def test_a_url_leads_to_the_target_or_to_somebody_who_is_verified(reference: str) -> None:
    base = url_of(TARGET, "/x/y")
    try:
        found = link(TARGET, base, reference)
    except ValueError:
        return
    assert found.path.startswith("/")
    assert not set(found.path) & set("\r\n\t#")
    assert found.own == (origin(found.url) == origin(base))
    if origin(found.url)[1] == "app.example.com":
        # Its own name never leads to another host than the one that is looked at.
        assert found.target.address is not None
        assert found.target.address[0] == "127.0.0.1"
    else:
        assert found.target.validate_certs
        assert found.target.address is None
    assert "?" not in found.said
    assert "@" not in found.said.partition("://")[2].partition("/")[0]


@given(st.text(alphabet="<>/='\" !-abscriptlnkherf&;", max_size=200))
def test_any_text_is_read_as_a_page(text: str) -> None:
    found = markup.read(text)
    assert all(one.kind in (markup.SCRIPT, markup.STYLESHEET, markup.OTHER) for one in found.files)
    # What stands before it, if it is closed, hides nothing.
    page = f"<!-- {text.replace('>', '')} --><script src=a.js></script>"
    assert [one.reference for one in markup.read(page).files] == ["a.js"]
