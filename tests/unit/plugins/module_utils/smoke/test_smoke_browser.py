# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real browser opens pages that are well, broken, or mean no good; nothing of it is left afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import cdp, chromium

needs_browser = pytest.mark.skipif(chromium.find(None) is None, reason="no Chromium or Chrome is installed here")
HTML = "text/html; charset=utf-8"
SECRET = "hunter2-hunter2"


def page(body: str, head: str = "") -> str:
    return f"<!doctype html><html><head><title>Notes</title>{head}</head><body>{body}</body></html>"


WELL = page("<h1 id=top>New note</h1><img src=/dot.svg>", "<script src=/app.js defer></script>")
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="red"/></svg>'


class Site(http.server.ThreadingHTTPServer):
    """Serves pages on a loopback address; some paths are answered never, in part, or again and again."""

    daemon_threads = True

    def __init__(self, certificate: t.Optional[Path] = None) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.over = threading.Event()
        self.seen: t.List[t.Tuple[str, str]] = []
        self.pages: t.Dict[str, t.Tuple[int, t.Dict[str, str], str]] = {
            "/app.js": (200, {"Content-Type": "text/javascript"}, "document.body.dataset.ready = 'yes';"),
            "/dot.svg": (200, {"Content-Type": "image/svg+xml"}, DOT),
            "/well": (200, {"Content-Type": HTML}, WELL),
        }
        self.scheme = "http"
        if certificate is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def put(self, path: str, body: str, status: int = 200, **headers: str) -> str:
        self.pages[path] = (status, {"Content-Type": HTML, **headers}, body)
        return path

    def target(self, **more: t.Any) -> _smoke.Target:
        return _smoke.Target(**{"name": "app1", "url": f"{self.scheme}://127.0.0.1:{self.port}", **more})

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: browsers hang up."""

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class Visit(http.server.BaseHTTPRequestHandler):
    server: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path != "/favicon.ico":
            self.server.seen.append((self.headers.get("Host", ""), path))
        if path == "/never":
            self.server.over.wait(20)
            self.close_connection = True
            return
        if path == "/drip":
            self._drip()
            return
        if path.startswith("/round"):
            self._send(302, {"Location": f"{path}x"}, "")
            return
        self._send(*self.server.pages.get(path, (404, {"Content-Type": HTML}, "not here")))

    def _send(self, status: int, headers: t.Mapping[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def _drip(self) -> None:
        self.close_connection = True
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Type: {HTML}\r\n\r\n<p>slow".encode())
        while not self.server.over.wait(0.05):
            self.wfile.write(b".")

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> t.Iterator[Site]:
    one = Site()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Iterator[Path]:
    """Whatever a test does, no process and no file of its browsers is left."""
    # Not in pytest's own folder, whose path is long: a browser makes a socket there.
    folder = Path(tempfile.mkdtemp(prefix="t-"))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    end = time.monotonic() + 5
    while (list(folder.iterdir()) or running(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    assert list(folder.iterdir()) == []
    assert running(folder) == []
    folder.rmdir()


def running(folder: Path) -> t.List[str]:
    """Return the processes that were started with a path in *folder*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            said = (process / "cmdline").read_bytes()
            if str(folder).encode() in said:
                found.append(said.replace(b"\0", b" ").decode(errors="replace"))
    return found


def look(target: _smoke.Target, path: str, *, whole: float = 60.0, **more: t.Any) -> t.Any:
    """Make one check, and return its result."""
    around = {key: more.pop(key) for key in ("evidence_dir", "browser_path", "secrets") if key in more}
    plain = {"name": "page", "type": "browser", "path": path, "retries": 0, "budget": 20}
    (result,) = _smoke.run(_smoke.parse([{**plain, **more}]), [target], timeout=whole, **around).results
    return result


@needs_browser
def test_a_page_that_is_well(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    expect = {"title": "Notes", "selector": ["#top", "body[data-ready=yes]"], "contains": "New note"}
    result = look(site.target(), "/well", expect=expect, evidence_dir=str(folder))
    assert result.status == "passed", result.message
    assert result.message.startswith("GET /well loaded in ")
    assert result.message.endswith(" with 3 requests, and without an error")
    seen = result.evidence
    assert (seen["status"], seen["title"], seen["requests"]) == (200, "Notes", 3)
    assert 0 < seen["load_seconds"] < 20
    assert "Chrome/" in seen["browser"]
    assert ("sandbox" in seen) == (os.geteuid() == 0)
    assert {"connect", "processing", "transfer"} <= set(result.phases)
    picture = Path(seen["screenshot"]["path"])
    assert list(folder.iterdir()) == [picture]
    assert picture.name.startswith("app1-page-")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    raw = picture.read_bytes()
    assert seen["screenshot"]["sha256"] == hashlib.sha256(raw).hexdigest()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", raw[16:24])
    assert (width, height) >= (1000, 500)
    # The red square is on it, so it is a picture of this page.
    assert b"\xff\x00\x00" in unpacked(raw)


def unpacked(picture: bytes) -> bytes:
    """Return the raw lines of a PNG."""
    at, packed = 8, b""
    while at < len(picture):
        (length,) = struct.unpack(">I", picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            packed += picture[at + 8 : at + 8 + length]
        at += 12 + length
    return zlib.decompress(packed)


BAD: t.Dict[str, t.Tuple[str, str]] = {
    "an exception": ("<script>\nnull.f()</script>", "uncaught TypeError: Cannot read properties of null"),
    "a promise that nobody catches": ("<script>Promise.reject(new Error('no'))</script>", "uncaught Error: no"),
    "an error in the console": ("<script>console.error('boom', 7, {a: 1})</script>", "console: boom 7 "),
    "a script that is not there": ("<script src=/missing.js?key=abc></script>", "GET /missing.js?… answered 404"),
    "a picture that is not there": ("<img src=/missing.png>", "GET /missing.png answered 404"),
    "a request of a script": ("<script>fetch('/api/missing')</script>", "GET /api/missing answered 404"),
    "a name that leads nowhere": ("<img src=http://nowhere.invalid/a.png>", "GET http://nowhere.invalid/a.png failed"),
    "what CORS forbids": ("<script>fetch('http://localhost:PORT/well').catch(e => 0)</script>", "MissingAllowOrigin"),
    "a WebSocket that is refused": ("<script>new WebSocket('ws://127.0.0.1:PORT/ws')</script>", "/ws failed ("),
    "what its policy forbids": (
        "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\"><script src=/app.js></script>",
        "GET /app.js failed (csp)",
    ),
}


@needs_browser
def test_whatever_is_wrong_with_a_page_is_told(site: Site) -> None:
    """Each stands on a page of its own, in frames of one: it costs one browser, and shows that frames are seen too."""
    for number, (body, _said) in enumerate(BAD.values()):
        site.put(f"/bad{number}", f"<!doctype html>{body.replace('PORT', str(site.port))}")
    site.put("/bad", page("".join(f"<iframe src=/bad{number}></iframe>" for number in range(len(BAD)))))
    result = look(site.target(), "/bad")
    assert result.status == "failed"
    seen = result.evidence
    told = [f"uncaught {one}" for one in seen["exceptions"]] + seen["failed_requests"]
    told += [f"console: {one}" for one in seen["console_errors"]]
    for case, (_body, said) in BAD.items():
        assert any(said in one for one in told), (case, told)
    assert result.message.startswith("GET /bad: uncaught ")
    assert "; and " in result.message
    # What stands in a query may be a token.
    assert "key=abc" not in str(result)


@needs_browser
@pytest.mark.slow
def test_what_is_allowed_fails_nothing_and_is_counted(site: Site) -> None:
    body = "<script>console.error('old trouble')</script><script src=/missing.js></script><script>null.f()</script>"
    allow = ["^old trouble", "missing.js answered 404", "properties of null"]
    result = look(site.target(), site.put("/allowed", page(body)), allow=allow)
    assert result.status == "passed", result.message
    assert result.message.endswith("without an error, 3 allowed")
    assert result.evidence["allowed"] == 3


@needs_browser
def test_what_comes_late_is_waited_for_and_what_never_comes_is_named(site: Site) -> None:
    late = "<script>setTimeout(() => { document.body.innerHTML = '<p class=late>here</p>' }, 900)</script>"
    site.put("/late", page(late))
    assert look(site.target(), "/late", expect={"selector": ".late", "contains": "here"}).status == "passed"
    result = look(site.target(), "/late", expect={"title": "Wiki", "selector": ".never"}, budget=1.5)
    assert result.status == "failed"
    assert result.message == "GET /late: its title 'Notes' lacks 'Wiki'; nothing on it is '.never'"


@needs_browser
@pytest.mark.slow
def test_what_fails_after_the_load_is_seen_too(site: Site) -> None:
    body = "<script>addEventListener('load', () => setTimeout(() => fetch('/api/late'), 300))</script>"
    result = look(site.target(), site.put("/after", page(body)))
    assert result.message == "GET /after: GET /api/late answered 404"


@needs_browser
@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (500, {}, page("sorry"), ": answered 500"),
        # Browsers differ in whether an empty page is one.
        (503, {}, "", "answered 503"),
        (204, {}, "", " answered 204 with no page"),
        (200, {"Content-Type": "application/zip"}, "PK", " answered 200 with a download (application/zip)"),
    ],
)
def test_what_is_no_page(site: Site, status: int, headers: t.Dict[str, str], body: str, said: str) -> None:
    result = look(site.target(), site.put("/odd", body, status, **headers))
    assert result.status == "failed"
    assert result.message.startswith("GET /odd")
    assert said in result.message


@needs_browser
@pytest.mark.slow
def test_redirects_are_followed_and_loops_end(site: Site) -> None:
    site.put("/old", "", 302, Location="/well")
    result = look(site.target(), "/old")
    assert result.status == "passed", result.message
    assert result.evidence["url"] == "/well"
    result = look(site.target(), "/round")
    assert result.status == "failed"
    assert "led nowhere (net::ERR_TOO_MANY_REDIRECTS)" in result.message


ENDLESS: t.Dict[str, t.Tuple[str, str, str]] = {
    "a picture that never comes": (
        "<img src=/never>",
        "failed",
        "had not loaded after 1.5 s: it still waited for GET /n",
    ),
    "a script without end": ("<script>for(;;);</script>", "failed", "had not loaded after 1.5 s: its scripts keep"),
    "a script without end, after the load": (
        "<script>addEventListener('load', () => setTimeout(() => {for(;;);}, 50))</script>",
        "failed",
        "its scripts keep the page busy without end",
    ),
    "dialogs without end": ("<script>for(;;) alert('again')</script>", "failed", "had not loaded after 1.5 s"),
    "a page that loads itself": ("<script>location.reload()</script>", "failed", "loads itself again and again"),
    "a console without end": (
        "<script>setInterval(() => {for (let i = 0; i < 500; i++) console.error('x'.repeat(2000) + i)}, 1)</script>",
        "failed",
        "console: xxx",
    ),
    "a message that is too long": (
        "<script>console.error('x'.repeat(6e6)); console.error('next')</script>",
        "failed",
        "next",
    ),
    "requests without end": ("<script>setInterval(() => fetch('/well?' + Math.random()), 1)</script>", "passed", ""),
    "a stream that stays open": ("<script>new EventSource('/drip')</script>", "failed", ""),
    "one dialog": ("<script>confirm('really?'); print()</script>", "passed", ""),
}


#: The others take their time, and tell less.
QUICK = ("a script without end", "dialogs without end")


@needs_browser
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=() if case in QUICK else pytest.mark.slow) for case in ENDLESS]
)
def test_a_page_that_means_no_good_ends_in_time(
    site: Site, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, status, said = ENDLESS[case]
    monkeypatch.setattr(cdp, "MESSAGE_LIMIT", 3000000)
    started = time.monotonic()
    result = look(site.target(), site.put("/endless", page(body)), budget=1.5, evidence_dir=str(tmp_path / "e"))
    assert time.monotonic() - started < 15
    assert result.status == status, result.message
    assert said in result.message
    assert len(str(result.evidence)) < 20000
    if "dialog" in case:
        assert result.evidence["dialogs"]


@needs_browser
@pytest.mark.slow
def test_nothing_answers_or_never_in_full(site: Site) -> None:
    result = look(site.target(), "/never", budget=1)
    assert (result.status, result.message) == ("error", "GET /never: nothing answered within 1 s")
    result = look(site.target(), "/drip", budget=1)
    assert (result.status, result.message) == (
        "failed",
        "GET /drip: had not loaded after 1 s: it still waited for GET /drip",
    )
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        result = look(site.target(url=f"http://127.0.0.1:{nobody.getsockname()[1]}"), "/")
    assert result.status == "error"
    assert "(net::ERR_CONNECTION_REFUSED)" in result.message


@needs_browser
@pytest.mark.slow
def test_the_time_of_the_run_is_kept_and_the_browser_ends_with_it(site: Site) -> None:
    started = time.monotonic()
    result = look(site.target(), "/never", whole=1.0)
    assert time.monotonic() - started < 6
    assert result.status == "error"


def inside(folder: Path, kind: str) -> t.List[int]:
    """Return the browser's processes of a kind; the first ones have none."""
    processes: t.List[t.Tuple[int, int, bytes]] = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            number = int(process.name)
            processes.append((number, os.getpgid(number), (process / "cmdline").read_bytes()))
    ours = {group for _one, group, said in processes if str(folder).encode() in said and b"-debugging-pipe" in said}
    return [
        one
        for one, group, said in processes
        if group in ours and (f"--type={kind}".encode() in said if kind else b"--type=" not in said)
    ]


@needs_browser
@pytest.mark.parametrize(
    ("kind", "status", "said"), [("renderer", "failed", "its tab crashed"), ("", "error", "ended while it looked")]
)
def test_a_crash_is_told(site: Site, profiles: Path, kind: str, status: str, said: str) -> None:
    def kill() -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end and not any(path == "/crash" for _host, path in site.seen):
            time.sleep(0.01)
        for process in inside(profiles, kind):
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)

    site.seen.clear()
    site.put("/crash", page("<img src=/never>"))
    killer = threading.Thread(target=kill)
    killer.start()
    result = look(site.target(), "/crash")
    killer.join()
    assert result.status == status, result.message
    assert said in result.message


@pytest.mark.parametrize("stubborn", [pytest.param(False, marks=needs_browser), True])
def test_nothing_is_left_when_we_are_killed(site: Site, profiles: Path, tmp_path: Path, stubborn: bool) -> None:
    script = (
        "import sys; from ansible_collections.pangeafate.hotfix.plugins.module_utils import _smoke\n"
        "check = {'name': 'a', 'type': 'browser', 'path': '/never', 'budget': 60, 'timeout': 70}\n"
        "target = _smoke.Target('x', sys.argv[1])\n"
        "_smoke.run(_smoke.parse([check]), [target], timeout=90, browser_path=sys.argv[2])"
    )
    program = str(tmp_path / "browser") if stubborn else str(chromium.find(None))
    if stubborn:
        # It takes no notice when its pipes are closed.
        Path(program).write_text("#!/bin/sh\nwhile :; do sleep 1; done\n")
        Path(program).chmod(0o700)
    site.seen.clear()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(one for one in sys.path if one)}
    with subprocess.Popen([sys.executable, "-c", script, site.target().url, program], env=environment) as process:
        end = time.monotonic() + 30
        while not (site.seen or (stubborn and len(running(profiles)) >= 2)) and time.monotonic() < end:
            time.sleep(0.02)
        assert len(running(profiles)) >= 2
        process.kill()
    # The fixture looks for what is left.


@needs_browser
def test_it_asks_the_target_by_the_name_that_users_have(site: Site) -> None:
    target = site.target(url="http://app.example.com/notes", address=("127.0.0.1", site.port))
    site.put("/notes/x", page("<img src=http://app.example.com/dot.svg>"))
    site.seen.clear()
    result = look(target, "/x")
    assert result.status == "passed", result.message
    assert site.seen == [("app.example.com", "/notes/x"), ("app.example.com", "/dot.svg")]


@needs_browser
def test_over_tls_only_the_verified_certificate_is_accepted(certificate: Path, tmp_path: Path) -> None:
    site = Site(certificate)
    try:
        target = {"url": "https://app.example.com", "address": ("127.0.0.1", site.port)}
        result = look(site.target(**target, ca_file=str(certificate / "cert.pem")), "/well")
        assert result.status == "passed", result.message
        assert "tls" in result.phases
        # An authority that we do not know: it is not even opened.
        result = look(site.target(**target), "/well")
        assert result.status == "error"
        assert "certificate" in result.message
        # The right authority and another name.
        other = {**target, "url": "https://wiki.example.com", "ca_file": str(certificate / "cert.pem")}
        assert look(site.target(**other), "/well").status == "error"
        result = look(site.target(**target, validate_certs=False), "/well")
        assert result.status == "passed", result.message
        # Another key of the same page: the browser itself refuses it, as it was told one key only.
        elsewhere = Site(another(certificate, tmp_path))
        try:
            site.put("/mixed", page(f"<script src=https://localhost:{elsewhere.port}/app.js></script>"))
            result = look(site.target(**target, ca_file=str(certificate / "cert.pem")), "/mixed")
        finally:
            elsewhere.close()
        assert result.status == "failed"
        assert "failed (net::ERR_CERT_" in result.message
    finally:
        site.close()


def another(certificate: Path, folder: Path) -> Path:
    """Make a second certificate like the first, of another key."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@needs_browser
def test_secrets_are_hidden_even_where_a_text_is_cut(site: Site) -> None:
    body = f"<script>console.error('y'.repeat(292) + '{SECRET}'); throw new Error('{SECRET}')</script>"
    result = look(site.target(), site.put("/secret", page(body)), secrets={"token": SECRET})
    assert result.status == "failed"
    assert SECRET[:5] not in str(result)


@needs_browser
def test_a_picture_that_cannot_be_kept_changes_no_verdict(site: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = look(site.target(), "/well", evidence_dir=str(tmp_path / "file"))
    assert result.status == "passed"
    assert "File exists" in result.evidence["screenshot"]["missing"]


@needs_browser
def test_a_selector_that_is_none_is_no_fault_of_the_page(site: Site) -> None:
    result = look(site.target(), "/well", expect={"selector": "a[["})
    assert result.status == "error"
    assert "SyntaxError" in result.message


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no library >&2; exit 127", "did not start: no library"),
        ("exec sleep 60", "the browser was not done after 1.5 s"),
        ("printf 'no JSON\\0' >&4; exec sleep 60", "did not start"),
    ],
)
def test_a_browser_that_does_not_start(site: Site, tmp_path: Path, script: str, said: str) -> None:
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    started = time.monotonic()
    result = look(site.target(), "/well", browser_path=str(program), budget=1, timeout=1.5)
    assert time.monotonic() - started < 6
    assert result.status == "error"
    assert said in result.message


def test_a_program_that_is_none(site: Site, tmp_path: Path) -> None:
    program = tmp_path / "browser"
    program.write_bytes(b"\0\0")
    program.chmod(0o700)
    result = look(site.target(), "/well", browser_path=str(program))
    assert result.status == "error"
    assert "did not start" in result.message


def test_no_browser_is_a_skip_by_name(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "NAMES", ("chromium", "google-chrome"))
    result = look(site.target(), "/well")
    assert result.status == "skipped"
    assert result.message.startswith("no Chromium or Chrome is installed here (looked for ")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"expect": {}}, "expect says nothing"),
        ({"expect": {"title": ""}}, "title looks for ''"),
        ({"expect": {"selector": []}}, "selector names nothing"),
        ({"expect": {"titel": "x"}}, "unknown key 'titel'"),
        ({"allow": ["("]}, "no regular expression"),
        ({"allow": [7]}, "allow looks for 7"),
        ({"budget": 0}, "budget cannot be 0"),
        ({"budget": 10, "timeout": 10}, "leaves no time"),
        ({"path": "notes"}, "does not begin with '/'"),
        ({"path": "/{id}"}, "nothing gives a value"),
        ({"service": "web", "port": 80}, "from outside only"),
        ({"method": "POST"}, "unknown key 'method'"),
    ],
)
def test_what_cannot_be_right_is_refused(more: t.Dict[str, t.Any], said: str) -> None:
    with pytest.raises(BadInputError) as caught:
        _smoke.parse([{"name": "a", "type": "browser", **more}])
    assert said in str(caught.value)
