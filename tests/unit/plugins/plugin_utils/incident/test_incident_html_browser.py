# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real browser opens the page, on a desktop, a tablet, a phone and on paper, light and dark."""

from __future__ import annotations

import base64
import copy
import json
import re
import time
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import chromium
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.cdp import Connection
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import html

pytestmark = pytest.mark.skipif(chromium.find(None) is None, reason="no Chromium or Chrome is installed here")

EXAMPLE: t.Final[dict[str, t.Any]] = json.loads(
    (Path(__file__).parent / "example_report.json").read_text(encoding="utf-8")
)
SIZES = ((360, 740), (768, 1024), (1440, 900))
_PATIENCE = 60.0

# The contrast of each text with what lies behind it, by the rules of WCAG 2. Colours come as rgb() or rgba().
CONTRASTS = """
(() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3]));
  const back = (node) => {
    const found = [];
    for (let at = node; at; at = at.parentElement) found.push(parse(getComputedStyle(at).backgroundColor));
    return found.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest(".skip")) continue;
    const drawn = node.closest("svg");
    const style = getComputedStyle(node);
    let under = back(drawn || node);
    if (node.matches("svg .number")) under = parse(getComputedStyle(drawn.querySelector(".pill")).fill).slice(0, 3);
    const a = light(over(parse(drawn ? style.fill : style.color), under)), b = light(under);
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), texts.currentNode.data.trim().slice(0, 40)]);
  }
  return JSON.stringify(found);
})()
"""
# What sticks out to the right of the page, unless it may be scrolled by itself.
OVERFLOW = """
JSON.stringify([document.documentElement.scrollWidth, document.documentElement.clientWidth,
  [...document.querySelectorAll("body *")].filter((node) => !node.closest("svg, .skip, thead") && node.checkVisibility()
    && node.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
    .map((node) => node.outerHTML.slice(0, 80))])
"""
# What sticks out of its own card into the margin.
OUTSIDE = """
JSON.stringify([...document.querySelectorAll("section")].flatMap((card) =>
  [...card.querySelectorAll("table, td, th, p, li, pre, figure")].filter((node) => node.checkVisibility()
    && !node.closest("thead") && node.getBoundingClientRect().right > card.getBoundingClientRect().right - 10)
    .map((node) => node.outerHTML.slice(0, 80))))
"""
# The texts of a chart that lie over one another.
COLLISIONS = """
JSON.stringify([...document.querySelectorAll("svg.chart")].filter((one) => one.checkVisibility()).flatMap((svg) => {
  const boxes = [...svg.querySelectorAll("text")].map((one) => [one.textContent, one.getBoundingClientRect()]);
  return boxes.flatMap(([name, a], i) => boxes.slice(i + 1)
    .filter(([, b]) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
    .map(([other]) => `${name} / ${other}`));
}))
"""


class Page:
    """A page in the browser, what it asked for and what it complained of."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.loaded = False
        self._connection: Connection | None = None
        self._session = ""

    def heard(self, method: str, params: dict[str, t.Any], _session: str) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(params)[:500])

    def attach(self, connection: Connection) -> None:
        self._connection = connection
        targets = self.call("Target.getTargets")["targetInfos"]
        number = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=number, flatten=True)["sessionId"]
        for name in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{name}.enable")

    def call(self, method: str, **params: t.Any) -> dict[str, t.Any]:
        assert self._connection is not None
        return self._connection.call(method, params, self._session, end=time.monotonic() + _PATIENCE)

    def open(self, path: Path, width: int, height: int, scheme: str = "light", media: str = "screen") -> None:
        self.requests.clear()
        self.complaints.clear()
        self.loaded = False
        phone = width < 500
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + _PATIENCE
        while not self.loaded and time.monotonic() < end:
            assert self._connection is not None
            self._connection.pump(end)
        assert self.loaded

    def value(self, expression: str) -> t.Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def json(self, expression: str) -> t.Any:
        return json.loads(self.value(expression))

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        printed = self.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(printed["data"])


@pytest.fixture(scope="module")
def page() -> t.Iterator[Page]:
    one = Page()
    program = chromium.find(None)
    assert program is not None
    with chromium.Chromium(program, [], one.heard) as connection:
        one.attach(connection)
        yield one


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(EXAMPLE), encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_asks_for_nothing_and_can_be_read(
    page: Page, written: Path, width: int, height: int, scheme: str
) -> None:
    page.open(written, width, height, scheme)
    assert page.requests == [written.as_uri()]
    assert page.complaints == []
    assert page.json(OVERFLOW) == [width, width, []]
    assert page.json(OUTSIDE) == []
    assert page.json(COLLISIONS) == []
    contrasts = page.json(CONTRASTS)
    assert len(contrasts) > 200
    assert [one for one in contrasts if one[0] < 4.5] == []
    back = page.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back))) > 380) == (scheme == "light")


@pytest.mark.parametrize(("width", "height"), [(360, 740), (1440, 900)])
def test_the_first_screen_holds_what_matters(page: Page, written: Path, width: int, height: int) -> None:
    page.open(written, width, height)
    for selector in ("h1", ".lead", ".badges", "#tile-outage", "#tile-failed", "#tile-mitigate", "#tile-remains"):
        box = page.json(f"JSON.stringify(document.querySelector({selector!r}).getBoundingClientRect())")
        assert box["top"] >= 0 and box["bottom"] <= height, selector
        assert box["width"] > 0 and box["height"] > 0


@pytest.mark.parametrize(("width", "layout"), [(360, "narrow"), (1440, "wide")])
def test_letters_of_a_chart_are_large_enough(page: Page, written: Path, width: int, layout: str) -> None:
    page.open(written, width, 800)
    seen = "[...document.querySelectorAll('svg.chart')].filter((one) => one.checkVisibility())"
    assert set(page.json(f"JSON.stringify({seen}.map((one) => one.classList[1]))")) == {layout}
    heights = page.json(
        f"JSON.stringify({seen}.flatMap((one) => [...one.querySelectorAll('text')]"
        ".map((text) => text.getBoundingClientRect().height)))"
    )
    assert min(heights) >= 10


def test_words_without_an_end_do_not_widen_the_page(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "report.html"

    def long(value: t.Any) -> t.Any:
        if isinstance(value, str):
            known = re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-][\d:]+)", value)
            return value if known else value + "x" * 300 + "<img src=http://127.0.0.1:9/x>"
        if isinstance(value, dict):
            return {key: long(one) for key, one in value.items()}
        return [long(one) for one in value] if isinstance(value, list) else value

    report = long(copy.deepcopy(EXAMPLE))
    # These come from the tool alone, and choose words.
    for key in ("state", "record"):
        report[key] = EXAMPLE[key]
    path.write_text(html.render(report), encoding="utf-8")
    for width in (360, 1440):
        page.open(path, width, 800)
        assert page.json(OVERFLOW)[:2] == [width, width]
        assert page.requests == [path.as_uri()]
        assert page.complaints == []


def test_it_can_be_unfolded_without_a_script(page: Page, written: Path) -> None:
    page.open(written, 1440, 900)
    rows = "[...document.querySelectorAll('#timeline details tbody tr')].filter((one) => one.checkVisibility()).length"
    assert page.value(rows) == 0
    page.value("document.querySelector('#timeline summary').click()")
    assert page.value(rows) >= len(EXAMPLE["timeline"])


def test_paper_is_white_holds_the_key_parts_and_cuts_nothing(page: Page, written: Path) -> None:
    page.open(written, 718, 1000, "dark", "print")
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.json(OVERFLOW)[2] == []
    assert [one for one in page.json(CONTRASTS) if one[0] < 4.5] == []
    hidden = "JSON.stringify([...document.querySelectorAll('section')].filter((one) => !one.checkVisibility()))"
    assert page.json(hidden) == []
    # New error lines of the logs are folded on the screen, and open on paper.
    assert page.value("document.querySelector('#logs pre').getBoundingClientRect().height") > 10
    printed = page.pdf()
    assert printed.startswith(b"%PDF-") and printed.rstrip().endswith(b"%%EOF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", _inflated(printed))) <= 20


def _inflated(printed: bytes) -> bytes:
    """Return a PDF with its packed objects unpacked."""
    found = [printed]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", printed, re.DOTALL):
        try:
            found.append(zlib.decompressobj().decompress(stream))
        except zlib.error:
            continue
    return b"\n".join(found)
