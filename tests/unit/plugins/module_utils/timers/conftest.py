# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with two slots on which ``switch-back`` really runs, before an engine that is made of one file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _files, _session, _states, _timers
from ansible_collections.pangeafate.hotfix.plugins.module_utils._clock import Clock
from ansible_collections.pangeafate.hotfix.plugins.module_utils._docker import Docker
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import Host
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Image, Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._settings import Run, ServiceOptions, app_from

#: Stands for the Docker CLI. The engine is a JSON file; what is asked of it is noted in another.
ENGINE = r"""
import fcntl, json, os, re, signal, sys

state_file = os.environ["FAKE_ENGINE"]
words = sys.argv[1:]
lock = open(state_file + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
state = json.load(open(state_file))
with open(state_file + ".calls", "a") as calls:
    calls.write(json.dumps(words) + "\n")
containers = state["containers"]


def end(code=0, text=""):
    with open(state_file + ".new", "w") as handle:
        json.dump(state, handle)
    os.replace(state_file + ".new", state_file)
    sys.stdout.write(text)
    sys.exit(code)


def field(container, name):
    labels = container.get("labels", {})
    up = "Up 2 minutes" + {"healthy": " (healthy)", "starting": " (health: starting)",
                           "unhealthy": " (unhealthy)", "": ""}[container["health"]]
    plain = {"ID": container["id"], "State": container["state"],
             "Status": up if container["state"] == "running" else "Exited (0)"}
    return plain[name] if name in plain else labels.get(name, "")


if state.get("down"):
    end(1, "Cannot connect to the Docker daemon")
if words[0] == "ps":
    lines = []
    for container in containers:
        if container["health"] == "starting":
            container["health"] = "healthy"
        line = words[words.index("--format") + 1]
        line = re.sub(r'\{\{\.Label "([^"]*)"\}\}', lambda m: field(container, m.group(1)), line)
        lines.append(re.sub(r"\{\{\.(\w+)\}\}", lambda m: field(container, m.group(1)), line))
    end(0, "".join(line + "\n" for line in lines))
named = [c for c in containers if c["id"] in words]
if words[0] == "inspect" and "--format" not in words:
    end(0, json.dumps([{"Id": c["id"], "Name": "/" + c["id"], "Image": c["image"], "State": {"Status": c["state"]},
                        "Config": {"Labels": c["labels"]}} for c in named]))
if words[0] == "inspect":
    if ".Config.Env" in words[words.index("--format") + 1]:
        end(0, "".join(line + "\n" for c in named for line in c.get("env", [])))
    end(0, "".join(f"{c['id']}={c['image']}\n" for c in named))
if words[0] == "start":
    for container in named:
        container.update(state="running", health=state.get("boots", "starting"))
    end()
if words[0] == "stop":
    for container in named:
        container["state"] = "exited"
    end()
if words[0] == "exec":
    if words[2] == "sh":
        seen = "own " if not state.get("mounted", True) and not state.get("copied") else None
        if seen is not None and words[-1].split()[0] != "own":
            end(77)
    if state.get("refuses"):
        end(1, "nginx: [emerg] host not found in upstream")
    state["reloads"] = state.get("reloads", 0) + 1
    end()
if words[0] == "cp":
    state["copied"] = True
    end()
if words[0] == "compose":
    if state.get("compose_fails"):
        end(1, "no such image")
    model = json.loads("\n".join(l for l in open(words[words.index("--file") + 1]) if not l.startswith("#")))
    project = words[words.index("--project-name") + 1]
    wanted = words[words.index("--timeout") + 2:]
    for name in wanted:
        service = model["services"][name]
        labels = {"com.docker.compose.project": project, "com.docker.compose.service": name,
                  "com.docker.compose.oneoff": "False", **service.get("labels", {})}
        containers[:] = [c for c in containers if (c["labels"].get("com.docker.compose.project"),
                         c["labels"].get("com.docker.compose.service")) != (project, name)]
        for number in range(service.get("deploy", {}).get("replicas", 1)):
            containers.append({"id": f"{project}-{name}-{number}-{len(containers)}", "state": "running",
                               "health": state.get("boots", "starting"), "image": service["image"],
                               "labels": labels, "env": ["TOKEN=" + os.environ.get("TOKEN", "")]})
    end()
end(64, "unknown " + " ".join(words))
"""

#: Ends the whole script with -9 when its turn has come, before or after the program that it stands for.
SHIM = r"""#!/bin/sh
if [ -n "${DIE_AT:-}" ]; then
  exec 7>>"$FAKE_ENGINE.count"
  flock 7
  echo >&7
  count=$(wc -l <"$FAKE_ENGINE.count")
  exec 7>&-
  if [ "$count" -eq "$DIE_AT" ]; then
    [ "${DIE_AFTER:-no}" = no ] || REAL "$@"
    kill -9 0
  fi
fi
exec REAL "$@"
"""
#: The programs by which the script changes something.
CHANGING = ("mv", "ln", "rm", "sync")


class Programs:
    """Runs programs as a module does, with the engine of the test in the place of Docker."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "engine.json"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self._script("engine.py", ENGINE)
        self._script("docker", SHIM.replace("REAL", f"{sys.executable} {self.bin / 'engine.py'}"))
        for name in CHANGING:
            self._script(
                name, SHIM.replace("REAL", f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
            )
        self.descriptors: t.List[t.Tuple[int, ...]] = []

    def _script(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text, encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def environment(self, **more: str) -> t.Dict[str, str]:
        return {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "FAKE_ENGINE": str(self.state), **more}

    def __call__(
        self,
        arguments: t.Sequence[str],
        *,
        timeout: float,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        pass_fds: t.Sequence[int] = (),
        **_files: t.Optional[Path],
    ) -> t.Tuple[int, str, str]:
        self.descriptors.append(tuple(pass_fds))
        done = subprocess.run(
            list(arguments),
            env=self.environment(**(env or {})),
            input=stdin or "",
            capture_output=True,
            timeout=timeout,
            check=False,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr


class Scene:
    """An app with release v1 in its own slot and v2 in blue, to which the proxy sends its users."""

    def __init__(self, host: Host, programs: Programs) -> None:
        self.host = host
        self.programs = programs
        self.dir = host.app.app_dir
        self.old = self._release("20260102T030405Z-v1", "own", _states.LIVE, _states.CONFIRMED)
        self.new = self._release("20260102T030406Z-v2", "blue")
        proxy = self.dir / "proxy"
        for slot in ("own", "blue"):
            (proxy / slot).mkdir(parents=True)
            name = "backend" if slot == "own" else f"backend-{slot}"
            (proxy / slot / "upstreams.conf").write_text(f"server {name}:8081;\n", encoding="utf-8")
            (proxy / slot / "id").write_text(f"{slot} 1\n", encoding="utf-8")
        os.symlink("own", str(proxy / "live"))
        self.write(containers=[])
        self.add("proxy", "own", None)
        for _number in range(2):
            self.add("backend", "own", None, image="sha256:v1")
            self.add("backend", "blue", self.new.id, image="sha256:v2")
        self.add("worker", "own", None, image="sha256:v1")

    def _release(self, name: str, slot: str, *more: str) -> Release:
        version = name[-2:]
        images = {s: Image(f"registry.example.com/{s}:{version}", f"sha256:{version}") for s in ("backend", "worker")}
        release = Release(name, version, images, "ann@laptop", "", "2026-01-02T03:04:05.000Z", version, slot=slot)
        for state in (_states.PREPARING, _states.PREPARED, *more):
            release.advance(state, at=release.created, operator="ann@laptop", why="test")
        self.host.releases.save(release)
        model = {
            "services": {
                "backend": {"image": f"sha256:{version}", "deploy": {"replicas": 2}},
                "worker": {"image": f"sha256:{version}"},
            }
        }
        _compose.write(self.host.releases.compose_file(name), model, release_id=name, services=images)
        if _states.LIVE in more:
            self.host.releases.make_current(release, by="adopt", came_from=None)
        return release

    def go_live(self) -> None:
        """Do what the switch of a deploy does after its deadline was set."""
        _files.replace_symlink(self.dir / "proxy" / "live", "blue")
        self.new.advance(_states.LIVE, at=self.new.created, operator="ann@laptop", why="test")
        self.host.releases.make_current(self.new, by="deploy", came_from=self.old.id)
        self.host.journal.append({"step": "switch", "phase": "begin", "action": "deploy", "release": self.new.id})
        self.host.journal.append({"step": "switch", "phase": "end", "action": "deploy", "outcome": "done"})

    def session(self, run: str = "run-1") -> t.ContextManager[_session.Session]:
        return _session.opened(self.host, Run(run, "ann@laptop", "", takeover=False), "deploy", resumes=False)

    def rendered(self, back: bool = True) -> None:
        """Write the script as a switch does, and be through with it."""
        with self.session() as session:
            _timers.render_switch_back(session, self.new, self.old if back else None)
            session.release_lease()
        Path(f"{self.programs.state}.calls").unlink(missing_ok=True)

    # -- the engine

    def read(self) -> t.Dict[str, t.Any]:
        state: t.Dict[str, t.Any] = json.loads(self.programs.state.read_text(encoding="utf-8"))
        return state

    def write(self, **changed: t.Any) -> None:
        state = self.read() if self.programs.state.exists() else {}
        self.programs.state.write_text(json.dumps({**state, **changed}), encoding="utf-8")

    def add(
        self, service: str, slot: str, release: t.Optional[str], *, image: str = "", state: str = "running"
    ) -> None:
        containers = self.read()["containers"]
        coloured = slot != "own"
        labels = {
            "com.docker.compose.project": f"app-{slot}" if coloured else "app",
            "com.docker.compose.service": f"{service}-{slot}" if coloured else service,
            "com.docker.compose.oneoff": "False",
            **({"pangeafate.hotfix.release": release} if release else {}),
        }
        if coloured:
            labels.update(
                {
                    "pangeafate.hotfix.app": "app",
                    "pangeafate.hotfix.service": service,
                    "pangeafate.hotfix.slot": slot,
                }
            )
        containers.append(
            {
                "id": f"id{len(containers)}",
                "state": state,
                "health": "healthy",
                "image": image,
                "labels": labels,
                "env": ["TOKEN=today's"],
            }
        )
        self.write(containers=containers)

    def each(self, service: str, slot: str, **changed: t.Any) -> None:
        """Change the containers of a service in a slot."""
        containers = self.read()["containers"]
        for one in containers:
            if _where(one) == (service, slot):
                one.update(changed)
        self.write(containers=containers)

    def running(self) -> t.Dict[t.Tuple[str, str], int]:
        """How many containers of a service run in a slot."""
        found: t.Dict[t.Tuple[str, str], int] = {}
        for one in self.read()["containers"]:
            if one["state"] == "running":
                found[_where(one)] = found.get(_where(one), 0) + 1
        return found

    def calls(self) -> t.List[t.List[str]]:
        path = Path(f"{self.programs.state}.calls")
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    # -- the script

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the script as a human does, in a session of its own."""
        return subprocess.run(
            [str(self.dir / "switch-back"), *arguments],
            env=self.programs.environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            timeout=60,
            check=False,
            text=True,
        )

    def where(self) -> t.Tuple[str, str]:
        """The current release and the slot that users are sent to."""
        return os.path.basename(os.readlink(str(self.dir / "current"))), os.readlink(str(self.dir / "proxy" / "live"))

    def wait(self, condition: t.Callable[[], bool], seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.dir / "switch-back.log").read_text(encoding="utf-8")
            time.sleep(0.05)


def _where(container: t.Mapping[str, t.Any]) -> t.Tuple[str, str]:
    labels = container["labels"]
    slot = labels.get("pangeafate.hotfix.slot") or labels["com.docker.compose.project"].partition("-")[2] or "own"
    return labels.get("pangeafate.hotfix.service") or labels["com.docker.compose.service"], slot


@pytest.fixture
def scene(tmp_path: Path, params: t.Dict[str, t.Any]) -> t.Iterator[Scene]:
    folder = tmp_path / "app"
    folder.mkdir()
    programs = Programs(tmp_path)
    services = {name: {"image": f"registry.example.com/{name}"} for name in ("backend", "worker")}
    app = app_from({**params, "app_dir": str(folder), "services": services, "proxy_service": "proxy"})
    app = replace(
        app,
        start_timeout=3.0,
        confirm_within=1.0,
        options={
            "backend": ServiceOptions(drain_timeout=1.0),
            "worker": ServiceOptions(drain_timeout=0.0, exclusive=True),
        },
    )
    scene = Scene(Host(app, Docker(programs), Clock()), programs)
    yield scene
    # Timers that wait end by themselves once their files are gone.
    for path in [*folder.glob("deadline.json"), *folder.glob("idle-*.json")]:
        path.unlink()
