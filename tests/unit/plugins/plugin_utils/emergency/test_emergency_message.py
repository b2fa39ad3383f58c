# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in the message of a hotfix, and what is refused before it is in one."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._emergency import message


def parse(**options: Any) -> message.Message:
    return message.parse(**{"what": "Save notes again", "fixes": "Notes are lost", "risk": "low", **options})


def trailers(text: str) -> str:
    done = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_git_reads_the_trailers_that_were_written() -> None:
    said = parse(body="Why it broke.\n\nAnd more.", trailers={"Reviewed-by": "Bob"})
    text = said.text(picked="a" * 40, reasons={"tests": "an hour", "paths": "a lock"})
    assert text.startswith(
        "HOTFIX: Save notes again\n\nWhy it broke.\n\nAnd more.\n\nFixes: Notes are lost\nRisk: Low\n"
    )
    assert trailers(text).splitlines()[-3:] == [
        "Reviewed-by: Bob",
        "Hotfix-Guard-paths: a lock",
        "Hotfix-Guard-tests: an hour",
    ]
    assert message.reasons(text) == {"paths": "a lock", "tests": "an hour"}
    assert message.without_guards(text) == said.text(picked="a" * 40).strip()


def test_a_guard_alone_in_its_paragraph_is_compared_away_and_one_in_the_body_is_no_guard() -> None:
    said = parse(body="Hotfix-Guard-size: not really")
    assert message.without_guards(said.text(reasons={"size": "x"})) == said.text().strip()
    assert message.reasons(said.text()) == {}


def test_the_whole_subject_and_a_risk_in_any_case_are_understood() -> None:
    assert parse(what="hotfix: Save notes again", risk=" HIGH ").subject == "HOTFIX: Save notes again"
    assert parse(risk="MEDIUM").risk == "Medium"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"what": ""}, "what is empty"),
        ({"what": "HOTFIX: "}, "what is empty after"),
        ({"what": "a\nb"}, "what has several lines"),
        ({"what": "x" * 121}, "121 characters"),
        ({"what": "a\x1b[31mb"}, "cannot be in a commit's message"),
        ({"fixes": None}, "fixes is empty"),
        ({"risk": None}, "none of Low, Medium, High"),
        ({"risk": "Severe"}, "'Severe', which is none of"),
        ({"rollback": "a\nb"}, "rollback has several lines"),
        ({"trailers": {"Not a key": "x"}}, "cannot be the name of a trailer"),
        ({"trailers": {"Key": ""}}, "The trailer Key is empty"),
        ({"trailers": {"Key": "a\nHotfix-Guard-size: b"}}, "The trailer Key has several lines"),
        ({"trailers": {"hotfix-guard-size": "x"}}, "written by the hotfix itself"),
        ({"trailers": {"Risk": "Low"}}, "written by the hotfix itself"),
    ],
)
def test_what_cannot_be_in_a_message_is_refused_by_name(options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse(**options)
    assert words in caught.value.what
    assert caught.value.next_step
