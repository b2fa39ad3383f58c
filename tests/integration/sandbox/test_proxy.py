# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running nginx is brought under management while users go on; what cannot be is refused and left as it was."""

from __future__ import annotations

import base64
import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _nginx, _nginx_files

from tests.integration.driver import APP, Host, fresh, play

ONLY = ("-l", "prod2")
CONFIG = f"{APP}/nginx/nginx.conf"
NGINX = "notes-nginx"
INSIDE = "/etc/nginx"


@pytest.fixture(scope="module")
def adopted() -> Host:
    """A production host whose hand-started v1 is recorded, with nginx as it was found."""
    (host,) = fresh("prod2")
    done = play("adopt", *ONLY)
    assert done.code == 0, done.raw
    return host


@contextmanager
def users(failed: list[str]) -> Iterator[list[float]]:
    """Have users who ask all the while, on fresh connections; yields the times of their good answers."""
    stop, good = threading.Event(), []

    def ask() -> None:
        while not stop.wait(0.03):
            for path in ("/api/health", "/"):
                connection = http.client.HTTPConnection("127.0.1.12", 8080, timeout=5)
                try:
                    connection.request("GET", path, headers={"Host": "app.example.com"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        good.append(time.monotonic())
                    else:
                        failed.append(f"{path}: {answer.status}")
                except OSError as error:
                    failed.append(f"{path}: {error!r}")
                finally:
                    connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield good
    finally:
        stop.set()
        thread.join()


def write(host: Host, path: str, text: str) -> None:
    """Write a file of the host in place."""
    data = base64.b64encode(text.encode()).decode()
    host.run("bash", "-c", f"echo {data} | base64 -d > {path}")


def proxy_state(host: Host) -> str:
    return host.docker("inspect", "--format", "{{.Id}} {{.State.StartedAt}} {{.RestartCount}}", NGINX)


def test_what_cannot_be_told_is_refused_by_line(adopted: Host) -> None:
    before = adopted.run("cat", CONFIG)
    variable = before.replace(
        "proxy_pass http://backend:8081/api/;", "set $api backend; proxy_pass http://$api:8081$request_uri;"
    )
    line = 1 + variable[: variable.index("proxy_pass http://$api")].count("\n")
    write(adopted, CONFIG, variable)
    try:
        files = adopted.fingerprint()
        done = play("proxy", *ONLY, "--diff", "--check")
        assert done.code != 0
        assert (
            f"Line {line} of the proxy's configuration passes to a variable (http://$api:8081$request_uri)" in done.text
        )
        assert "Next: name the service itself" in done.text
        assert adopted.fingerprint() == files
    finally:
        write(adopted, CONFIG, before)


@pytest.mark.slow
def test_a_refusal_of_nginx_puts_everything_back(adopted: Host) -> None:
    files = f"{CONFIG} {APP}/docker-compose.yml"
    before, proxy = adopted.run("bash", "-c", f"md5sum {files}; ls -i {CONFIG}"), proxy_state(adopted)
    failed: list[str] = []
    with users(failed):
        done = play("proxy", *ONLY, "-e", '{"hotfix_proxy_test": ["false"]}')
    assert done.code != 0
    assert "refused 'false'" in done.text
    assert "runs with its former configuration" in done.text
    assert adopted.run("bash", "-c", f"md5sum {files}; ls -i {CONFIG}") == before
    assert (failed, proxy_state(adopted)) == ([], proxy)


def test_users_notice_nothing_and_a_second_run_changes_nothing(adopted: Host) -> None:
    original, proxy, containers = adopted.run("cat", CONFIG), proxy_state(adopted), adopted.containers()
    failed: list[str] = []
    with users(failed) as good:
        plan = play("proxy", *ONLY, "--check", "--diff")
        assert plan.code == 0, plan.raw
        assert "- proxy_pass http://backend:8081/api/;" in plan.text
        assert "+ proxy_pass http://backend-8081/api/;" in plan.text
        assert "+ - ./proxy:/etc/nginx/hotfix:ro" in plan.text
        assert adopted.run("cat", CONFIG) == original
        done = play("proxy", *ONLY)
        assert done.code == 0, done.raw
        assert "the app answers from the containers that ran before" in done.text
        time.sleep(0.5)
    assert failed == []
    assert max(later - one for one, later in itertools.pairwise(good)) < 1.0
    assert (proxy_state(adopted), adopted.containers()) == (proxy, containers)
    assert "include /etc/nginx/hotfix/live/upstreams.conf;" in adopted.docker(
        "exec", NGINX, "cat", f"{INSIDE}/nginx.conf"
    )
    assert adopted.run("cat", f"{CONFIG}.before-hotfix") == original
    assert adopted.run("readlink", f"{APP}/proxy/live") == "own"
    config = adopted.run("cat", CONFIG)
    again = play("proxy", *ONLY)
    assert again.code == 0, again.raw
    assert "changed=0" in again.text
    assert adopted.run("cat", CONFIG) == config
    assert "Drift" not in play("release_info", *ONLY).text


def status(host: Host, path: str) -> tuple[str, str]:
    said = host.run(
        "curl", "-s", "-m", "10", "-H", "Host: app.example.com", "-w", "\n%{http_code}", f"http://127.0.0.1{path}"
    )
    body, _line, code = said.rpartition("\n")
    return code, body


def test_assets_of_the_other_slot_are_served_while_it_runs(adopted: Host) -> None:
    """The other slot is a server with one file, under the name that its frontend would have."""
    assets = f"{APP}/proxy/own/assets.conf"
    image = adopted.docker("inspect", "--format", "{{.Image}}", "notes-frontend")
    serve = "mkdir -p /tmp/w/assets && cd /tmp/w && echo old > assets/app-old.js && exec python3 -m http.server 80"
    other = ["run", "--detach", "--rm", "--name", "other-slot", "--network", "notes_notes"]
    entry = ["--network-alias", "frontend-blue", "--user", "0", "--entrypoint", "sh", image, "-c", serve]
    adopted.docker(*other, *entry)
    before = adopted.run("cat", assets) + "\n"
    try:
        write(adopted, assets, before.replace("frontend;", "frontend-blue;"))
        adopted.docker("cp", f"{APP}/proxy/.", f"{NGINX}:/etc/nginx/hotfix")
        adopted.docker("exec", NGINX, "sh", "-c", "nginx -t && nginx -s reload")
        deadline = time.monotonic() + 10
        while status(adopted, "/assets/app-old.js")[0] != "200" and time.monotonic() < deadline:
            time.sleep(0.2)
        assert status(adopted, "/assets/app-old.js") == ("200", "old\n")
        assert status(adopted, "/assets/app-v1.js")[0] == "200"
        assert status(adopted, "/assets/never.js")[0] == "404"
        adopted.docker("rm", "--force", "other-slot")
        # nginx starts although nobody has the name.
        adopted.docker("restart", NGINX)
        time.sleep(1)
        assert status(adopted, "/assets/app-old.js")[0] == "404"
        assert status(adopted, "/assets/app-v1.js")[0] == "200"
        assert status(adopted, "/api/health")[0] == "200"
    finally:
        write(adopted, assets, before)
        adopted.docker("rm", "--force", "other-slot")


@pytest.mark.slow
def test_a_proxy_that_is_made_anew_has_the_folder_mounted(adopted: Host) -> None:
    adopted.run(
        "sudo", "-u", "deploy", "docker", "compose", "--project-directory", APP, "up", "-d", "--no-deps", "nginx"
    )
    mounts = adopted.docker("inspect", "--format", "{{range .Mounts}}{{.Destination}} {{end}}", NGINX)
    assert f"{INSIDE}/hotfix" in mounts.split()
    adopted.run("ln", "-sfn", "blue", f"{APP}/proxy/live")
    seen = adopted.docker("exec", NGINX, "readlink", f"{INSIDE}/hotfix/live")
    adopted.run("ln", "-sfn", "own", f"{APP}/proxy/live")
    assert seen == "blue"
    done = play("proxy", *ONLY)
    assert done.code == 0, done.raw
    assert "changed=0" in done.text
    assert status(adopted, "/api/health")[0] == "200"


OTHERS = {
    "default host": "server { listen 81; location /a/ { proxy_pass http://backend:8081/x/; }\n location / { proxy_pass "
    "http://frontend; } }",
    "own upstream": "upstream app { least_conn; server backend:8081 max_fails=0; server hocuspocus:8082 backup;\n"
    "keepalive 8; }\nserver { listen 81; location / { proxy_pass http://app; }\n location /assets/ { expires 1y;\n"
    "proxy_pass http://frontend:80; } }",
    "tls, variables, fastcgi": "server { listen 81; proxy_set_header Host $host;\n location ^~ / { proxy_pass "
    "http://frontend:80/app/; add_header X-A 'b; c'; }\n location /v { proxy_pass https://backend:8443$request_uri; }\n"
    "location /t { proxy_pass https://backend:8443; }\n location ~ \\.php$ { fastcgi_pass backend:9000; }\n"
    "location /g { grpc_pass grpc://backend:9090; }\n error_page 500 502 /50x.html; }",
}


def test_nginx_reads_what_becomes_of_other_configurations(adopted: Host) -> None:
    """In a throwaway container, with the folder of a slot as it is written for it."""
    script = []
    for number, text in enumerate(OTHERS.values()):
        whole = f"events {{}}\nhttp {{\n{text}\n}}\n"
        assets = None if "http://frontend;" in text else _nginx_files.Assets("/assets/", "frontend", 80)
        made = _nginx.manage(whole, ["backend", "frontend", "hocuspocus"], assets)
        files = {
            "nginx.conf": made.text,
            "live/upstreams.conf": _nginx_files.render_upstreams(made.upstreams, lambda service: service),
            "live/assets.conf": _nginx_files.render_assets("frontend"),
            **{f"live/{one.file}": _nginx_files.render_server(one, lambda service: service) for one in made.servers},
        }
        folder = "/etc/nginx/hotfix"
        script.append(f"rm -rf {folder}; mkdir -p {folder}/live")
        for name, content in files.items():
            script.append(f"echo {base64.b64encode(content.encode()).decode()} | base64 -d > {folder}/{name}")
        script.append(f"echo case {number}; nginx -t -c {folder}/nginx.conf 2>&1")
    image = adopted.docker("inspect", "--format", "{{.Image}}", NGINX)
    names = [f"--add-host={name}:192.0.2.1" for name in ("backend", "frontend", "hocuspocus")]
    joined = " && ".join(script)
    printed = adopted.docker("run", "--rm", "--network", "none", *names, "--entrypoint", "sh", image, "-c", joined)
    assert printed.count("test is successful") == len(OTHERS), printed
