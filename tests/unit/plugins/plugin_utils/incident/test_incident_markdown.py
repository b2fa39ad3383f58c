# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Markdown parser reads the page: the tables are whole, and no text is anything but text."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import markdown
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

EXAMPLE: t.Final[dict[str, t.Any]] = json.loads(
    (Path(__file__).parent / "example_report.json").read_text(encoding="utf-8")
)
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = (
    "</td><script>alert(1)</script>|a|`b`\\|~~x~~ *c* _d_ [e](http://evil.example.com) ![f](g) <http://h.example.com> "
    "&lt; @everyone #12 GH-3 :boom: http://i.example.com www.j.example.com\n\n"
    "# heading\n- item\n```\n$$x$$\u202e\x1b[31m"
)
# What makes nothing but text of a text.
PLAIN = {"text", "softbreak", "code_inline", "strong_open", "strong_close"}


def tokens(text: str) -> list[Token]:
    return PARSER.parse(text)


def inline(every: t.Sequence[Token]) -> list[Token]:
    return [child for one in every for child in one.children or []]


def hostile(value: t.Any) -> t.Any:
    if isinstance(value, str):
        known = re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-][\d:]+)", value)
        return value if known else f"{value}{HOSTILE}"
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    return [hostile(one) for one in value] if isinstance(value, list) else value


def tables(every: t.Sequence[Token]) -> list[list[int]]:
    """Return of each table how many cells each of its rows has."""
    found: list[list[int]] = []
    for one in every:
        if one.type == "table_open":
            found.append([])
        elif one.type == "tr_open":
            found[-1].append(0)
        elif one.type in ("td_open", "th_open"):
            found[-1][-1] += 1
    return found


def rows_as_written(text: str) -> list[list[int]]:
    """Count the cells by the rule of the format itself: a parser throws away those that are too many."""
    found: list[list[int]] = [[]]
    fenced = ""
    for line in text.splitlines():
        mark = re.match(r"`{3,}", line)
        if mark:
            fenced = "" if fenced == mark[0] else fenced or mark[0]
        if not fenced and line.startswith("| "):
            found[-1].append(len(re.findall(r"(?:\\.|[^|\\])*\|", line)) - 1)
        elif found[-1]:
            found.append([])
    return [one for one in found if one]


@pytest.mark.parametrize("report", [EXAMPLE, hostile(copy.deepcopy(EXAMPLE))], ids=["example", "hostile"])
def test_every_row_of_a_table_has_its_cells(report: dict[str, t.Any]) -> None:
    text = markdown.render(report)
    parsed, written = tables(tokens(text)), rows_as_written(text)
    assert len(parsed) >= 10
    assert [one[0] for one in parsed] == [one[0] for one in written]
    for one in (*parsed, *written):
        assert len(set(one)) == 1


def test_no_text_is_anything_but_text() -> None:
    text = markdown.render(hostile(copy.deepcopy(EXAMPLE)))
    every = tokens(text)
    assert not {one.type for one in every} & {"html_block", "hr", "code_block", "ordered_list_open"}
    assert {one.type for one in inline(every)} <= PLAIN
    plain = tokens(markdown.render(EXAMPLE))
    for kind in ("heading_open", "table_open", "fence"):
        assert sum(one.type == kind for one in every) == sum(one.type == kind for one in plain)
    assert "\u202e" not in text and "\x1b" not in text


def test_nobody_is_called_and_nothing_is_linked() -> None:
    text = markdown.render(hostile(copy.deepcopy(EXAMPLE)))
    shown = re.sub(r"^(`{3,})text$.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    shown = "".join(one.content for one in inline(tokens(shown)) if one.type == "text")
    assert "@\u200beveryone" in shown and "#\u200b12" in shown and "GH-\u200b3" in shown
    assert not re.search(r"(?<!\w)@\w|#\d|\bGH-\d|https?://|www\.\w|:boom:", shown)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Cf"]), max_size=60))
def test_an_escaped_text_reads_as_it_was(given_text: str) -> None:
    # A space that is none of ASCII's ends a line or a cell as any other does.
    words = " ".join(given_text.split())
    for before in ("", "- ", "| a |\n| --- |\n| "):
        every = inline(tokens(f"{before}{markdown.escape(given_text)}{' |' if '|' in before else ''}"))
        read = "".join(one.content for one in every if one.type in ("text", "softbreak", "text_special"))
        assert {one.type for one in every} <= PLAIN | {"text_special"}
        if "|" in before:
            assert read.startswith("a")
            read = read[1:]
        assert read.replace("\u200b", "") == words


def test_the_example_tells_the_story() -> None:
    text = markdown.render(EXAMPLE)
    assert text.startswith("# Incident: Saving a note fails for everybody\n")
    assert EXAMPLE["headline"] in text
    assert "| Outage | **50.1 to 51.5 s** (any target down) |" in text
    assert "**170 of 1,150 (14.8 %)**" in text
    assert "| Rollback | unknown | 3 min | unknown | no rollback was made |" in text
    items = [item for one in EXAMPLE["checklists"] for item in one["items"]]
    assert len(re.findall(r"^- \[x\] ", text, re.MULTILINE)) == sum(item["done"] for item in items)
    assert len(re.findall(r"^- \[ \] ", text, re.MULTILINE)) == sum(not item["done"] for item in items)
    assert "draft: edit before sending" in text
    for one in EXAMPLE["evidence"]:
        assert f"`{one['sha256']}`" in text


def test_what_is_not_known_is_spelled_out() -> None:
    report = copy.deepcopy(EXAMPLE)
    report["impact"]["outage"].update(known=False, lower=None, upper=None, all_down=None)
    report["impact"]["failed_requests"].update(value=None, of=None, why={})
    report.update(severity=None, criterion=None)
    text = markdown.render(report)
    assert "| Outage | **unknown** |" in text
    assert "| Failed samples of the probe | **unknown** |" in text
    assert "**Severity unknown**" in text
    assert "- Criterion: unknown" in text
    assert "None" not in text


def test_a_report_without_anything_is_a_page_all_the_same() -> None:
    assert "unknown" in markdown.render({"id": "x", "state": "opened"})


def test_no_line_of_a_log_closes_the_fence() -> None:
    lines = ["````", "```", "ok | pipe", "a\nb"]
    log = {**EXAMPLE["logs"][0], "new": lines}
    (fence,) = [one for one in tokens(markdown.render({**EXAMPLE, "logs": [log]})) if one.type == "fence"]
    assert fence.content == "````\n```\nok | pipe\na b\n"


def test_it_fits_into_a_comment_and_says_what_was_left_out() -> None:
    row = {**EXAMPLE["timeline"][0], "key": True}
    report = {
        **EXAMPLE,
        "timeline": [{**row, "text": f"{number} {'|' * 500}"} for number in range(100_000)],
        "checks": [{**EXAMPLE["checks"][0], "message": "<" * 10_000}] * 1000,
        "summary": "*" * 1_000_000,
    }
    text = markdown.render(report)
    assert len(text) <= markdown.MOST_CHARACTERS
    assert re.search(r"[\d,]+ of 100,000 rows are only in report\.json", text)
    for one in tables(tokens(text)):
        assert len(set(one)) == 1
