# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet of many names on one host of the sandbox.

Each name has an app of its own there (folder, Compose project, proxy, backend, journal and lease) and is connected to
by itself, as another host would be. What they share is the machine: its engine, its processors, its PostgreSQL, Redis
and Hocuspocus. So what a command takes for many of them is the most that it can be: many hosts would work side by side.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import faults
from sandbox.config import REGISTRY, SSH_PORT, SSH_USER, STATE, SandboxError
from sandbox.config import host as of_name
from sandbox.hosts import wait_for
from sandbox.keys import ensure_keys

FOLDER = "/srv/fleet"
STORES = "fleet-stores"
#: Where the proxies listen: on the host itself, and by a tunnel here.
FIRST_PORT = 9000
HERE = "127.0.1.60"
NAME = "app.example.com"

_STORES_FILE = f"""\
name: {STORES}
services:
  postgres:
    image: notes-postgres:1
    command: [postgres-entrypoint, -c, max_connections=500]
    environment: {{POSTGRES_USER: notes, POSTGRES_PASSWORD: fleet, POSTGRES_DB: notes}}
    networks: [stores]
    healthcheck: {{test: ["CMD", "pg_isready", "--quiet", "--host=127.0.0.1"], start_period: 30s, start_interval: 1s}}
  redis:
    image: notes-redis:1
    networks: [stores]
    healthcheck: {{test: ["CMD", "redis-cli", "ping"], start_period: 30s, start_interval: 1s}}
  hocuspocus:
    image: {REGISTRY}/notes-hocuspocus:v1
    networks: [stores]
    healthcheck: {{test: ["CMD", "http-ok", "8082", "/health"], start_period: 30s, start_interval: 1s}}
networks:
  stores: {{name: {STORES}}}
"""
# The engine asks seldom for the health of what is healthy: so many containers would keep it busy.
_APP_FILE = f"""\
name: %(name)s
services:
  backend:
    image: ${{BACKEND_IMAGE:-{REGISTRY}/notes-backend:v1}}
    environment:
      DATABASE_URL: postgresql://notes:fleet@postgres:5432/notes
      REDIS_URL: redis://redis:6379/0
      ADMIN_TOKEN: ${{ADMIN_TOKEN:?set it in .env}}
      RATE_LIMIT: "0"
    networks: [app, stores]
    stop_grace_period: 5s
    healthcheck:
      test: ["CMD", "http-ok", "8081", "/api/health"]
      interval: 60s
      timeout: 20s
      start_period: 60s
      start_interval: 1s
  nginx:
    image: notes-nginx:1
    ports: ["127.0.0.1:%(port)d:80"]
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
    depends_on: [backend]
    networks: [app]
    stop_grace_period: 5s
    healthcheck:
      test: ["CMD", "http-ok", "80", "/nginx-health"]
      interval: 60s
      timeout: 20s
      start_period: 60s
      start_interval: 1s
networks:
  app: {{}}
  stores: {{name: {STORES}, external: true}}
"""
_NGINX_FILE = """\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr warn;
events { worker_connections 256; }
http {
    access_log /dev/stdout combined;
    server {
        listen 80 default_server;
        location = /nginx-health { access_log off; return 200 "ok\\n"; }
        location /api/ { proxy_pass http://backend:8081/api/; }
    }
}
"""
_PLACE = f"""
import json, os, pathlib, shutil, subprocess, sys
given = json.load(sys.stdin)
root = pathlib.Path({FOLDER!r})
for path, text in given["files"].items():
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    (root / path).chmod(0o600 if path.endswith(".env") else 0o644)
shutil.chown(root, {SSH_USER!r}, {SSH_USER!r})
subprocess.run(["chown", "-R", {SSH_USER + ":" + SSH_USER!r}, root], check=True)
for folder in given["folders"]:
    subprocess.run(["docker", "compose", "up", "-d", "--wait", "--quiet-pull"], cwd=root / folder, check=True)
"""
_REMOVE = f"""
set -eu
docker ps --all --quiet --filter name=^fleet- | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker network ls --quiet --filter name=^fleet- | xargs --no-run-if-empty docker network rm >/dev/null
rm -rf {FOLDER}
"""


def names(number: int) -> list[str]:
    """The first so many names."""
    return [f"fleet-{one:02}" for one in range(1, number + 1)]


def place(host: str, number: int) -> None:
    """Put an app there for each name, and start them by hand, as an operator would have."""
    token = ensure_keys().admin_token
    files = {"stores/docker-compose.yml": _STORES_FILE}
    for index, name in enumerate(names(number), 1):
        files[f"{name}/docker-compose.yml"] = _APP_FILE % {"name": name, "port": FIRST_PORT + index}
        files[f"{name}/nginx.conf"] = _NGINX_FILE
        files[f"{name}/.env"] = f"ADMIN_TOKEN={token}\n"
    given = json.dumps({"files": files, "folders": ["stores", *names(number)]})
    program = "import sys; exec(sys.argv[1])"
    faults.on_host(host, "python3", "-c", program, _PLACE, stdin=given.encode())


def remove(host: str) -> None:
    """Take it all away again."""
    faults.on_host(host, "bash", "-c", _REMOVE)


def inventory(host: str, number: int, incidents: Path) -> dict[str, Any]:
    """What Ansible has to know of them; with the variables of the sandbox's own hosts where these fit."""
    address = of_name(host).address
    plain = {
        "ansible_user": SSH_USER,
        "ansible_port": SSH_PORT,
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(STATE / "ssh/id_ed25519"),
        # Another name is another connection: none may use what the one before has opened.
        "ansible_ssh_common_args": (
            f"-o HostName={address} -o HostKeyAlias=[{address}]:{SSH_PORT} -o StrictHostKeyChecking=yes "
            f"-o UserKnownHostsFile={STATE / 'ssh/known_hosts'} -o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
        ),
        "hotfix_environments": ["fleet"],
        "hotfix_app_dir": f"{FOLDER}/{{{{ inventory_hostname }}}}",
        "hotfix_services": {"backend": {"image": f"{REGISTRY}/notes-backend"}},
        "hotfix_proxy_service": "nginx",
        # What there is is everybody's, and a version of the notes app changes none of it here.
        "hotfix_database": {},
        "hotfix_registry": REGISTRY,
        "hotfix_registry_username": "ci",
        "hotfix_registry_password": (STATE / "registry-password").read_text(encoding="utf-8").strip(),
        "hotfix_health": {"url": f"http://{NAME}/api/health", "address": "127.0.0.1:{{ port_of_app }}"},
        "hotfix_public_url": f"http://{NAME}",
        "hotfix_public_address": f"{HERE}:{{{{ port_of_app }}}}",
        "hotfix_probe": {"path": "/api/health"},
        "hotfix_probe_dir": str(incidents),
        "hotfix_incident_dir": str(incidents),
        "feature_flag_instances": {"services": ["backend"], "port": 8081},
        "feature_flag_token": ensure_keys().admin_token,
        "hotfix_checks": [{"name": "the API is healthy", "type": "health", "path": "/api/health"}],
    }
    hosts = {name: {"port_of_app": FIRST_PORT + index} for index, name in enumerate(names(number), 1)}
    return {"all": {"vars": plain, "children": {"fleet": {"hosts": hosts}}}}


def _listens(number: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex((HERE, FIRST_PORT + number)) == 0


@contextmanager
def tunnel(host: str, number: int) -> Iterator[None]:
    """Lead what is asked of the apps from here to the host's own loopback: their ports are open nowhere else."""
    listens: list[str] = []
    for index in range(1, number + 1):
        listens += ["-L", f"{HERE}:{FIRST_PORT + index}:127.0.0.1:{FIRST_PORT + index}"]
    options = ["-N", "-o", "ExitOnForwardFailure=yes", "-o", "ControlPath=none", "-o", "StrictHostKeyChecking=yes"]
    known = ["-o", f"UserKnownHostsFile={STATE / 'ssh/known_hosts'}", "-i", str(STATE / "ssh/id_ed25519")]
    where = ["-p", str(SSH_PORT), f"{SSH_USER}@{of_name(host).address}"]
    process = subprocess.Popen(["ssh", *options, *known, *listens, *where], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is not None or _listens(number), 20, "the tunnel did not open")
        if process.poll() is not None:
            raise SandboxError(f"ssh ended with {process.returncode}: is there another tunnel at {HERE}?")
        yield
    finally:
        process.terminate()
        process.wait()
