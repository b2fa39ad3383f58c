# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page: one file, safe with any text, small with any number of rows, and honest about what is not known."""

from __future__ import annotations

import copy
import html.parser
import itertools
import json
import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import html as page

EXAMPLE: t.Final[dict[str, t.Any]] = json.loads(
    (Path(__file__).parent / "example_report.json").read_text(encoding="utf-8")
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
HOSTILE = "</style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'`{{7*7}}\u202e\x1b[31m\x00\ud800"
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Tree(html.parser.HTMLParser):
    """Every element with its attributes, the text outside of the style, and whether all is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " " if tag in ("dd", "td", "th", "li") else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def tags(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def hostile(value: t.Any) -> t.Any:
    """Put the text into every text, and leave what has a form of its own."""
    if isinstance(value, str):
        known = re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-][\d:]+)", value)
        return value if known else f"{value}{HOSTILE}"
    if isinstance(value, dict):
        return {key: hostile(one) for key, one in value.items()}
    return [hostile(one) for one in value] if isinstance(value, list) else value


def unknown(value: t.Any) -> t.Any:
    """Take away every number and time that may be missing."""
    if isinstance(value, dict):
        return {key: unknown(one) for key, one in value.items()}
    if isinstance(value, list):
        return [unknown(one) for one in value]
    return value if isinstance(value, (str, bool)) else None


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(page.render(EXAMPLE))


def test_it_asks_nobody_for_anything(tree: Tree) -> None:
    metas = tree.tags("meta")
    assert [one["content"] for one in metas if one.get("http-equiv") == "Content-Security-Policy"] == [POLICY]
    assert not {"script", "iframe", "object", "embed", "form", "base", "img"} & {
        tag for tag, _attributes in tree.elements
    }
    for tag, attributes in tree.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert "src" not in attributes
        if tag == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes:
            assert re.match(r"#|evidence/|mailto:|tel:", str(attributes["href"]))
    style = re.search(r"<style>(.*?)</style>", page.render(EXAMPLE), re.DOTALL)
    assert style is not None
    assert "@import" not in style[1] and "url(" not in style[1]


def test_it_can_be_walked_by_headings_and_tables(tree: Tree) -> None:
    levels = [int(tag[1]) for tag, _attributes in tree.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert tree.tags("html")[0]["lang"] == "en"
    assert all(one.get("scope") for one in tree.tags("th"))
    ids = [attributes["id"] for _tag, attributes in tree.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = {str(one["href"])[1:] for one in tree.tags("a") if str(one["href"]).startswith("#")}
    assert links <= set(ids)
    assert len(tree.tags("svg")) == len(re.findall("<svg", page.render(EXAMPLE)))


def test_an_executive_finds_what_matters(tree: Tree) -> None:
    text = " ".join(tree.text.replace("\u00a0", " ").split())
    first = text[: text.index("Summary")]
    assert EXAMPLE["headline"] in first
    assert EXAMPLE["title"] in first
    for said in ("Resolved", "Severity 1", "50.1 to 51.5 s", "170", "of 1,150 (14.8 %)", "55 s", "13 open", "not yet"):
        assert said in first


def test_every_fact_is_on_the_page(tree: Tree) -> None:
    text = " ".join(tree.text.split())
    facts = [one["text"] for one in EXAMPLE["timeline"]]
    facts += [item["text"] for one in EXAMPLE["checklists"] for item in one["items"]]
    facts += [one["name"] for one in EXAMPLE["checks"]] + [one["message"] for one in EXAMPLE["checks"]]
    facts += [one["sha256"] for one in EXAMPLE["evidence"]] + [one["text"] for one in EXAMPLE["actions"]]
    facts += EXAMPLE["remains"] + [line for one in EXAMPLE["logs"] for line in one["new"]]
    facts += [one[key] for people in EXAMPLE["contacts"].values() for one in people for key in ("role", "name")]
    facts += [EXAMPLE["root_cause"], EXAMPLE["customer_message"]["text"], EXAMPLE["record_health"]["sha256"]]
    facts += [one["source"] for one in EXAMPLE["impact"]["budgets"]]
    missing = [one for one in facts if " ".join(str(one).split()) not in text]
    assert missing == []


def test_no_text_becomes_markup_or_a_template() -> None:
    report = hostile(copy.deepcopy(EXAMPLE))
    text = page.render(report)
    plain = Tree(page.render(EXAMPLE))
    tree = Tree(text)
    assert {tag for tag, _attributes in tree.elements} <= {tag for tag, _attributes in plain.elements} | {"title"}
    assert not tree.tags("script") and not tree.tags("img")
    assert "{{7*7}}" in tree.text
    assert "\u202e" not in text and "\x1b" not in text and "\x00" not in text
    assert "[U+202E]" in text
    for tag, attributes in tree.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        if "href" in attributes and tag == "a":
            assert re.match(r"#|evidence/", str(attributes["href"]))
    text.encode()


@pytest.mark.parametrize(
    "path", ["javascript:alert(1)", "/etc/passwd", "evidence/../../x", "//evil.example.com/x", "evidence//x", "x", ""]
)
def test_a_link_leads_into_the_record_only(path: str) -> None:
    report = {**EXAMPLE, "evidence": [{**EXAMPLE["evidence"][0], "path": path}]}
    links = [one["href"] for one in Tree(page.render(report)).tags("a") if one.get("class") == "code"]
    assert links == ["#evidence"]


def test_what_a_phone_can_call_is_a_number() -> None:
    people = [
        {"role": "On-call", "name": "A", "phone": "+49 30 123-456", "email": "a@example.com"},
        {"role": "Lead", "name": "B", "phone": "javascript:1", "email": "b@x.com?cc=evil@x.com"},
    ]
    report = {**EXAMPLE, "contacts": {"technical": people, "business": []}}
    links = [str(one["href"]) for one in Tree(page.render(report)).tags("a")]
    assert "tel:+4930123456" in links and "mailto:a@example.com" in links
    assert not [one for one in links if "evil" in one or one.startswith("javascript")]


def test_what_is_not_known_is_spelled_out() -> None:
    report = {**unknown(copy.deepcopy(EXAMPLE)), "availability": None}
    report["impact"]["outage"]["known"] = False
    text = " ".join(Tree(page.render(report)).text.split())
    assert "Outage unknown" in text
    assert "Failed samples unknown of unknown" in text
    assert "Severity unknown" in text
    assert "no probe looked from outside" in text
    assert not re.search(r"\b(None|nan|null)\b", text)


def test_a_report_without_anything_is_a_page_all_the_same() -> None:
    empty: dict[str, t.Any] = {"id": "x", "state": "opened"}
    text = Tree(page.render(empty)).text
    assert "unknown" in text


def test_a_hundred_thousand_rows_stay_a_small_page_that_says_so() -> None:
    row = EXAMPLE["timeline"][0]
    report = {**EXAMPLE, "timeline": [{**row, "text": f"{number} {'x' * 300}"} for number in range(100_000)]}
    text = page.render(report)
    assert len(text.encode()) <= page.MOST_BYTES
    assert re.search(r"9\d,\d{3} of 100,000 rows are not shown here: they are in report.json", text)
    assert ">0 xxx" in text and ">99999 xxx" in text


def test_texts_without_end_are_cut_until_the_page_is_small() -> None:
    row = {**EXAMPLE["timeline"][0], "key": True, "text": "&" * 100_000, "note": "<" * 100_000}
    check = {**EXAMPLE["checks"][0], "message": "&" * 100_000}
    report = {**EXAMPLE, "timeline": [row] * 3000, "checks": [check] * 3000, "summary": "&" * 10_000_000}
    text = page.render(report)
    assert len(text.encode()) <= page.MOST_BYTES
    assert "cut; whole in report.json" in text
