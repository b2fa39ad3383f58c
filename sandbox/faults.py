# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults for tests: what really goes wrong with hosts, engines, networks, disks and registries.

Functions take a host's name. What a fault broke, its counterpart mends; so does `lifecycle.reset`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sandbox.cli import docker, inside, inside_ok
from sandbox.config import APP_DIR, REGISTRY_ADDRESS, REGISTRY_NAME, REGISTRY_PORT, SERVICES, SandboxError, host
from sandbox.hosts import container_state, ensure_engine, wait_for, wait_for_ssh
from sandbox.https import get
from sandbox.keys import expired_certificate


def on_host(name: str, *command: str, stdin: bytes | None = None, check: bool = True) -> str:
    """Run a command as root on a host, past SSH: it works while SSH is cut."""
    return inside(host(name).container, *command, stdin=stdin, check=check)


def nested_docker(name: str, *arguments: str, check: bool = True) -> str:
    """Run the Docker CLI against a host's own engine."""
    return on_host(name, "docker", *arguments, check=check)


# The host as a whole


def kill_host(name: str) -> None:
    """Cut a host's power."""
    docker("kill", host(name).container)


def stop_host(name: str) -> None:
    """Shut a host down in order."""
    docker("stop", host(name).container)


def start_host(name: str) -> None:
    """Switch a host on and wait until SSH and its engine answer. Its containers come back by themselves."""
    item = host(name)
    docker("start", item.container)
    wait_for_ssh(item)
    ensure_engine(item)


def freeze_host(name: str) -> None:
    """Make a host hang: connections open, and nothing answers."""
    docker("pause", host(name).container)


def thaw_host(name: str) -> None:
    """End `freeze_host`."""
    docker("unpause", host(name).container)


@contextmanager
def host_down(name: str) -> Iterator[None]:
    """Have a host without power for a while."""
    kill_host(name)
    try:
        yield
    finally:
        start_host(name)


# Docker Engine


def kill_engine(name: str) -> None:
    """Kill a host's dockerd and containerd with -9. Their pid files stay, and so do the app's processes."""
    on_host(name, "bash", "-c", "kill -9 $(cat /var/run/docker.pid) $(cat /var/run/docker/containerd/containerd.pid)")
    wait_for(lambda: not inside_ok(host(name).container, "docker", "info"), 10, f"{name}: the engine did not die")


def stop_engine(name: str) -> None:
    """Stop a host's dockerd in order, and with it all containers."""
    on_host(name, "bash", "-c", "kill $(cat /var/run/docker.pid)")
    wait_for(lambda: not inside_ok(host(name).container, "test", "-e", "/var/run/docker.pid"), 30, f"{name}: dockerd")


def start_engine(name: str) -> None:
    """Start a host's dockerd again.

    After `stop_engine` the containers come back by themselves. After `kill_engine` those of the policy
    `unless-stopped` stay down: the engine stops what it finds running and takes that for somebody's wish.
    """
    ensure_engine(host(name))


@contextmanager
def engine_down(name: str) -> Iterator[None]:
    """Have a host without its engine for a while."""
    kill_engine(name)
    try:
        yield
    finally:
        start_engine(name)


# Network


def cut_ssh(name: str) -> None:
    """Drop all SSH traffic to a host, connections that are open included. The app stays reachable."""
    _rule(name, "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP")


def restore_ssh(name: str) -> None:
    """End `cut_ssh`."""
    _no_rule(name, "INPUT", "-p", "tcp", "--dport", "22", "-j", "DROP")


@contextmanager
def ssh_cut(name: str) -> Iterator[None]:
    """Have a host unreachable by SSH for a while."""
    cut_ssh(name)
    try:
        yield
    finally:
        restore_ssh(name)


def cut_registry(name: str) -> None:
    """Keep one host from the registry."""
    _rule(name, "OUTPUT", "-p", "tcp", "--dport", str(REGISTRY_PORT), "-j", "REJECT")


def restore_registry(name: str) -> None:
    """End `cut_registry`."""
    _no_rule(name, "OUTPUT", "-p", "tcp", "--dport", str(REGISTRY_PORT), "-j", "REJECT")


@contextmanager
def registry_cut(name: str) -> Iterator[None]:
    """Keep one host from the registry for a while."""
    cut_registry(name)
    try:
        yield
    finally:
        restore_registry(name)


# Registry


def stop_registry() -> None:
    """Stop the registry: for hosts and controller alike its name leads nowhere."""
    docker("stop", SERVICES)


def start_registry() -> None:
    """Start the registry again; it has all that was pushed."""
    if container_state(SERVICES) != "running":
        docker("start", SERVICES)

    def answers() -> bool:
        return get(REGISTRY_ADDRESS, REGISTRY_PORT, "/v2/", server_name=REGISTRY_NAME)[0] == 401

    wait_for(answers, 20, "the registry does not answer")


@contextmanager
def registry_down() -> Iterator[None]:
    """Have no registry for a while."""
    stop_registry()
    try:
        yield
    finally:
        start_registry()


# Disk


def shrink_disk(name: str, megabytes: int, path: str = APP_DIR, apart: Sequence[str] = ()) -> None:
    """Put a folder, with what is in it, on a file system of its own of that size.

    Folders in it that containers have mounted are named as *apart*: they stay on the disk that these see.
    """
    on_host(name, "bash", "-euc", _SHRINK, "-", path, str(megabytes), *apart)


def fill_disk(name: str, path: str = APP_DIR) -> None:
    """Write until the file system that `shrink_disk` made is full; refuses to fill any other."""
    if not inside_ok(host(name).container, "mountpoint", "-q", path):
        raise SandboxError(f"{name}: {path} is on the machine's own disk, which is not filled: shrink_disk first")
    on_host(name, "sh", "-c", 'cat /dev/zero >"$1/.filler"', "-", path, check=False)


def free_disk(name: str, path: str = APP_DIR) -> None:
    """Remove what `fill_disk` wrote."""
    on_host(name, "rm", "-f", f"{path}/.filler")


def restore_disk(name: str, path: str = APP_DIR) -> None:
    """End `shrink_disk`: the folder goes back to the disk with what is in it now."""
    on_host(name, "bash", "-euc", _RESTORE, "-", path)


_SHRINK = r"""
path=$1 size=$2
shift 2
while mountpoint -q "$path"; do umount -l "$path"; done
keep=$(mktemp -d)
seen=$(mktemp -d)
cp -a "$path/." "$keep/"
for name; do
  mkdir "$seen/$name"
  mount --bind "$path/$name" "$seen/$name"
  rm -rf "${keep:?}/$name"
done
mount -t tmpfs -o "size=${size}m,mode=755" tmpfs "$path"
cp -a "$keep/." "$path/"
for name; do
  mkdir "$path/$name"
  mount --bind "$seen/$name" "$path/$name"
  umount "$seen/$name"
done
rm -rf "$keep" "$seen"
"""

_RESTORE = r"""
mountpoint -q "$1" || exit 0
rm -f "$1/.filler"
apart=()
for folder in "$1"/*/; do
  folder=${folder%/}
  if mountpoint -q "$folder"; then
    umount -l "$folder"
    rmdir "$folder"
    apart+=(! -name "${folder##*/}")
  fi
done
keep=$(mktemp -d)
cp -a "$1/." "$keep/"
umount -l "$1"
find "$1" -mindepth 1 -maxdepth 1 "${apart[@]}" -exec rm -rf {} +
cp -a "$keep/." "$1/"
rm -rf "$keep"
"""


# Containers of the app


def containers(name: str, service: str) -> list[str]:
    """Return the names of a service's running containers on a host."""
    label = f"label=com.docker.compose.service={service}"
    return sorted(nested_docker(name, "ps", "--filter", label, "--format", "{{.Names}}").split())


def kill_service(name: str, service: str) -> None:
    """Kill all containers of a service. The engine does not start them again."""
    nested_docker(name, "kill", *containers(name, service))


def freeze_service(name: str, service: str) -> None:
    """Make a service hang, as an app in a deadlock does."""
    nested_docker(name, "pause", *containers(name, service))


def thaw_service(name: str, service: str) -> None:
    """End `freeze_service`."""
    nested_docker(name, "unpause", *containers(name, service))


def stop_service(name: str, service: str) -> None:
    """Stop all containers of a service in order. The engine does not start them again."""
    nested_docker(name, "stop", "--time", "1", *containers(name, service))


def start_service(name: str, service: str) -> None:
    """End `stop_service` and `kill_service`."""
    label = f"label=com.docker.compose.service={service}"
    nested_docker(name, "start", *nested_docker(name, "ps", "--all", "--quiet", "--filter", label).split())


def starve_of_memory(name: str, container: str, megabytes: int = 100) -> None:
    """Give a container little memory, and take all of it inside: the kernel kills its first process."""
    _limit_memory(name, container, megabytes)
    on_host(name, "bash", "-euc", _KILL_FIRST, "-", container)
    take = f"bytearray({3 * megabytes} << 20)"
    nested_docker(name, "exec", container, "python3", "-c", take, check=False)


def feed_with_memory(name: str, container: str) -> None:
    """End `starve_of_memory`."""
    _limit_memory(name, container, 4096)


def _limit_memory(name: str, container: str, megabytes: int) -> None:
    nested_docker(name, "update", "--memory", f"{megabytes}m", "--memory-swap", f"{megabytes}m", container)


_KILL_FIRST = r"""
pid=$(docker inspect --format '{{.State.Pid}}' "$1")
echo 1000 >"/proc/$pid/oom_score_adj"
"""


@contextmanager
def crash_looping(name: str, container: str, healthy: str) -> Iterator[None]:
    """Have a container of the app's code end as soon as it starts; *healthy* is another one with the same code."""
    code = "/opt/app/notes/__main__.py"
    words = ("exec", "--user", "0", container, "sh", "-c", 'echo "raise SystemExit(3)" >"$1"', "-", code)
    nested_docker(name, *words)
    # The engine forgets how often it restarted one that is stopped by hand.
    nested_docker(name, "stop", "--time", "1", container)
    nested_docker(name, "start", container)
    try:
        wait_for(lambda: _restarts(name, container) > 2, 30, f"{name}: {container} does not crash")
        yield
    finally:
        copied = f"docker cp {healthy}:{code} - | docker cp - {container}:{code.rpartition('/')[0]}/"
        on_host(name, "bash", "-euo", "pipefail", "-c", copied)
        nested_docker(name, "restart", container)


def _restarts(name: str, container: str) -> int:
    return int(nested_docker(name, "inspect", "--format", "{{.RestartCount}}", container))


@contextmanager
def connections_taken(name: str, container: str, count: int) -> Iterator[None]:
    """Have so many connections to the database held from within a container of the app, or all that there are."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hotfix-sandbox'"

    def taken() -> bool:
        # One that is full lets nobody in, us neither.
        found = _psql(name, sql)
        return found is None or int(found) >= count

    with _inside_app(name, container, _TAKE_CONNECTIONS, str(count)):
        wait_for(taken, 30, f"{name}: the connections are not taken")
        yield


@contextmanager
def lock_held(name: str, container: str) -> Iterator[None]:
    """Have the app's table locked by a transaction that does nothing more."""
    sql = "SELECT count(*) > 0 FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' AND locktype = 'relation'"
    with _inside_app(name, container, _HOLD_LOCK):
        wait_for(lambda: _psql(name, sql) == "t", 30, f"{name}: the lock is not held")
        yield


_TAKE_CONNECTIONS = r"""
import os, sys, time, psycopg2
held = []
for _ in range(int(sys.argv[1])):
    try:
        held.append(psycopg2.connect(os.environ["DATABASE_URL"], application_name="hotfix-sandbox"))
    except psycopg2.OperationalError:
        break
time.sleep(120)
"""
_HOLD_LOCK = r"""
import os, time, psycopg2
connection = psycopg2.connect(os.environ["DATABASE_URL"], application_name="hotfix-sandbox")
connection.cursor().execute("LOCK TABLE notes IN ACCESS EXCLUSIVE MODE")
time.sleep(120)
"""


@contextmanager
def _inside_app(name: str, container: str, program: str, *arguments: str) -> Iterator[None]:
    nested_docker(name, "exec", "--detach", container, "python3", "-c", program, *arguments)
    try:
        yield
    finally:
        nested_docker(name, "exec", container, "pkill", "--full", "hotfix-sandbox", check=False)


def _psql(name: str, sql: str) -> str | None:
    """Return the value that the app's database answers with; None where it lets nobody in."""
    words = ("exec", *containers(name, "postgres"), "psql", "-U", "notes", "-d", "notes", "-A", "-t", "-c", sql)
    return nested_docker(name, *words, check=False) or None


@contextmanager
def certificate_expired(name: str) -> Iterator[None]:
    """Have the proxy present a certificate that expired long ago, signed by the sandbox's authority."""
    folder = on_host(name, "bash", "-c", f"dirname $(find {APP_DIR} -name fullchain.pem | head -1)").strip()
    on_host(name, "cp", "-a", folder, _CERTIFICATES)
    try:
        key, certificate = expired_certificate()
        for file, content in (("privkey.pem", key), ("fullchain.pem", certificate)):
            on_host(name, "sh", "-c", 'cat >"$1"', "-", f"{folder}/{file}", stdin=content)
        _reload_proxy(name)
        yield
    finally:
        on_host(name, "bash", "-c", f"cp -a {_CERTIFICATES}/. {folder}/; rm -rf {_CERTIFICATES}")
        _reload_proxy(name)


_CERTIFICATES = "/root/certificates.kept"


@contextmanager
def database_hanging(name: str) -> Iterator[None]:
    """Have the database take connections and never answer: what lets clients in is stopped by a signal."""
    pid = nested_docker(name, "inspect", "--format", "{{.State.Pid}}", *containers(name, "postgres"))
    on_host(name, "kill", "-STOP", pid)
    try:
        yield
    finally:
        on_host(name, "kill", "-CONT", pid)


@contextmanager
def engine_hanging(name: str) -> Iterator[None]:
    """Have the engine take connections and never answer."""
    on_host(name, "bash", "-c", "kill -STOP $(cat /var/run/docker.pid)")
    try:
        yield
    finally:
        on_host(name, "bash", "-c", "kill -CONT $(cat /var/run/docker.pid)")


def _reload_proxy(name: str) -> None:
    nested_docker(name, "exec", *containers(name, "nginx"), "nginx", "-s", "reload")
    # Its old workers take connections for a moment more.
    time.sleep(1)


def _rule(name: str, *rule: str) -> None:
    if not inside_ok(host(name).container, "iptables", "-C", *rule):
        on_host(name, "iptables", "-I", *rule)


def _no_rule(name: str, *rule: str) -> None:
    while inside_ok(host(name).container, "iptables", "-C", *rule):
        on_host(name, "iptables", "-D", *rule)
