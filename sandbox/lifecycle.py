# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command line offers, as functions for tests: up, reset, down, status, images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sandbox import https, notes, registry
from sandbox.cli import docker_ok, inside, run, say
from sandbox.config import HOSTS, SANDBOX, SERVICES, Host, SandboxError, hosts_named
from sandbox.hosts import (
    container_state,
    ensure_container,
    ensure_host,
    ensure_network,
    host_plan,
    remove_containers,
    remove_volumes_and_network,
    services_plan,
    ssh_ok,
)
from sandbox.images import RECIPES, ensure_image, remove_images, remove_old_images
from sandbox.keys import ensure_keys, forget_everything, locked


def up(names: Sequence[str] = ()) -> None:
    """Bring hosts, registry and app to run from whatever state they are in; touch nothing that is well."""
    _bring_up(hosts_named(names), fresh=False, variant=None)


def reset(names: Sequence[str] = (), variant: str | None = None) -> None:
    """Make hosts run version 1 as if nothing had ever happened there; repairs them first where needed."""
    _bring_up(hosts_named(names), fresh=True, variant=variant)


def images() -> dict[str, str]:
    """Build all images that are missing; return the app's, with their IDs."""
    _need_engine()
    with locked():
        ensure_keys()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(ensure_image, RECIPES))
        return registry.build(RECIPES["appbase"].tag)


def down() -> None:
    """Remove everything the sandbox made on this machine."""
    _need_engine()
    with locked():
        remove_containers()
        remove_volumes_and_network()
        remove_images()
        forget_everything()
    say("removed")


def status() -> list[str]:
    """Return one line per host."""
    _need_engine()
    with ThreadPoolExecutor(len(HOSTS)) as pool:
        lines = list(pool.map(_status_of, HOSTS))
    return [*lines, f"{'services':<10} {container_state(SERVICES)}"]


def _bring_up(hosts: Sequence[Host], *, fresh: bool, variant: str | None) -> None:
    _need_engine()
    with locked(), ThreadPoolExecutor(8) as pool:
        keys = ensure_keys()
        ensure_network()
        base = {name: pool.submit(ensure_image, name) for name in dict.fromkeys(item.image for item in hosts)}
        ready: Future[dict[str, str]] | None = None
        if any(item.engine for item in hosts):
            services = pool.submit(ensure_image, "services")
            built = pool.submit(lambda: registry.build(ensure_image("appbase")))

            def fill_registry() -> dict[str, str]:
                ensure_container(services_plan(services.result(), keys))
                registry.push(built.result(), keys)
                return built.result()

            ready = pool.submit(fill_registry)

        def one(item: Host) -> bool:
            """Bring up one host; tell whether its app must be put there anew."""
            anew = ensure_host(item, host_plan(item, base[item.image].result(), keys))
            if not item.engine or ready is None:
                return False
            registry.pull(item, ready.result(), keys)
            return anew or fresh or not _comes_up(item, ready.result())

        outcomes = [(item, pool.submit(one, item)) for item in hosts]
        stale = [item for item, outcome in outcomes if outcome.result()]
        if stale and ready is not None:
            notes.reset_all(stale, ready.result(), keys, variant)
        remove_old_images()
    say("up" if not fresh else "reset")


def _comes_up(item: Host, wanted: dict[str, str]) -> bool:
    # After a host or its engine was started again, the containers need a moment.
    deadline = time.monotonic() + 25
    while not notes.runs_v1(item, wanted):
        if time.monotonic() > deadline or not notes.may_come_up(item, wanted):
            return False
        time.sleep(0.5)
    return True


def _status_of(item: Host) -> str:
    state = container_state(item.container)
    line = f"{item.name:<10} {state:<8} {item.address}"
    if state != "running":
        return line
    line += f"  ssh {'ok' if ssh_ok(item, 'true') else 'FAILS'}"
    if not item.engine:
        return line
    engine = inside(item.container, "docker", "version", "--format", "{{.Server.Version}}", check=False)
    line += f"  engine {engine or 'DOWN'}"
    running = notes.versions(item)
    line += "  " + (" ".join(f"{name}:{','.join(running[name])}" for name in sorted(running)) or "no app")
    return f"{line}  health {https.app(item, '/api/health')[0] or 'no answer'}"


def _need_engine() -> None:
    if not docker_ok("info"):
        done = run([str(SANDBOX / "engine.sh")], check=False, timeout=600)
        if done.returncode != 0:
            raise SandboxError(f"there is no Docker Engine:\n{done.stdout}{done.stderr}".rstrip())
