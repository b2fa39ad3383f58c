# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Against a real server on this machine."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
import typing as t

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _health
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._health import Health


class Server(http.server.ThreadingHTTPServer):
    """Remembers name and path of every request."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: t.List[t.Tuple[str, str]] = []

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.headers["Host"], self.path))
        kind = self.path.partition("?")[0].rpartition("/")[2]
        if kind == "slow":
            time.sleep(8)
        if kind == "endless":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _second in range(200):
                    self.wfile.write(b".")
                    time.sleep(0.05)
            return
        if kind == "garbage":
            self.wfile.write(b"\x00\x01 no HTTP\r\n\r\n")
            return
        warming_up = kind == "third" and len(self.server.seen) < 3
        self.send_response(500 if kind == "500" or warming_up else 200)
        self.send_header("X-Instance", "0123456789ab")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: t.Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(context: t.Optional[ssl.SSLContext] = None) -> t.Iterator[Server]:
    server = Server()
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> t.Iterator[Server]:
    with serving() as started:
        yield started


def health(server, path: str = "/health", **more: t.Any) -> Health:
    return Health(url=f"http://app.example.com{path}", address=f"127.0.0.1:{server.server_port}", **more)


def test_a_good_answer_under_the_name_that_users_use(server) -> None:
    answer = _health.ask(health(server, "/api/health?deep=1", instance_header="x-instance"), timeout=5)
    assert (answer.problem, answer.answered, answer.status, answer.instance) == (None, True, 200, "0123456789ab")
    assert server.seen == [("app.example.com", "/api/health?deep=1")]


def test_without_an_address_the_url_leads_there(server) -> None:
    assert _health.ask(Health(url=f"http://127.0.0.1:{server.server_port}"), timeout=5).problem is None
    assert server.seen[0][1] == "/"


def test_a_path_beyond_ascii_is_asked_for_as_it_must_be(server) -> None:
    assert _health.ask(health(server, "/gesundheit/ü b"), timeout=5).problem is None
    assert server.seen[0][1] == "/gesundheit/%C3%BC%20b"


def test_another_status_is_a_problem_that_names_both(server) -> None:
    answer = _health.ask(health(server, "/500"), timeout=5)
    assert answer.problem == "http://app.example.com/500 answered 500, not 200"
    assert (answer.answered, answer.status) == (True, 500)
    assert _health.ask(health(server, "/500", status=500), timeout=5).problem is None


def test_a_closed_port_did_not_answer() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answer = _health.ask(Health(url="http://app.example.com/", address=f"127.0.0.1:{port}"), timeout=5)
    assert "did not answer" in str(answer.problem)
    assert not answer.answered


def test_one_that_is_too_slow_did_not_answer(server) -> None:
    started = time.monotonic()
    answer = _health.ask(health(server, "/slow"), timeout=0.3)
    assert "timed out" in str(answer.problem)
    # It was not waited for, even on a machine that is busy.
    assert time.monotonic() - started < 7


def test_an_answer_that_does_not_end_is_a_problem(server) -> None:
    started = time.monotonic()
    answer = _health.ask(health(server, "/endless"), timeout=2)
    assert "did not end its answer" in str(answer.problem)
    assert time.monotonic() - started < 8


def test_what_is_no_http_did_not_answer(server) -> None:
    answer = _health.ask(health(server, "/garbage"), timeout=5)
    assert "did not answer" in str(answer.problem)


def test_a_header_that_is_not_there_is_no_instance(server) -> None:
    answer = _health.ask(health(server, instance_header="X-Container"), timeout=5)
    assert (answer.problem, answer.instance) == (None, None)


def test_two_good_answers_in_a_row_are_wanted(server) -> None:
    assert _health.wait(health(server, "/third"), Clock(), lambda: None).problem is None
    assert len(server.seen) == 4


def test_the_last_answer_is_returned_when_the_time_is_over(server) -> None:
    started = time.monotonic()
    answer = _health.wait(health(server, "/500", timeout=0.5), Clock(), lambda: None)
    assert answer.status == 500
    assert 0.4 < time.monotonic() - started < 3
    assert len(server.seen) > 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Make a certificate for app.example.com, its own authority."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    config = folder / "openssl.cnf"
    config.write_text("[req]\ndistinguished_name=dn\n[dn]\n")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=app.example.com",
            "-addext",
            "subjectAltName=DNS:app.example.com",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-config",
            str(config),
            "-keyout",
            str(folder / "key.pem"),
            "-out",
            str(folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
def tls_server(certificate) -> t.Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(certificate / "cert.pem"), str(certificate / "key.pem"))
    with serving(context) as started:
        yield started


@pytest.mark.parametrize(
    ("name", "trusted", "validate", "problem"),
    [
        ("app.example.com", True, True, None),
        ("other.example.com", True, True, "CERTIFICATE_VERIFY_FAILED"),
        ("app.example.com", False, True, "CERTIFICATE_VERIFY_FAILED"),
        ("other.example.com", False, False, None),
    ],
)
def test_tls_is_verified_unless_that_is_switched_off(tls_server, certificate, name, trusted, validate, problem) -> None:
    answer = _health.ask(
        Health(
            url=f"https://{name}/health",
            address=f"127.0.0.1:{tls_server.server_port}",
            ca_file=str(certificate / "cert.pem") if trusted else None,
            validate_certs=validate,
        ),
        timeout=5,
    )
    if problem is None:
        assert answer.problem is None
    else:
        assert problem in str(answer.problem)
        assert tls_server.seen == []


def test_tls_against_a_port_without_it(server) -> None:
    answer = _health.ask(
        Health(url="https://app.example.com/", address=f"127.0.0.1:{server.server_port}", validate_certs=False),
        timeout=5,
    )
    assert "did not answer" in str(answer.problem)
