# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The Docker Engine of a host, through ``docker … --format json`` and ``docker inspect``."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import CommandError, HotfixError

PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
ONEOFF_LABEL = "com.docker.compose.oneoff"
CONFIG_HASH_LABEL = "com.docker.compose.config-hash"
RELEASE_LABEL = "pangeafate.hotfix.release"
KEEPER_LABEL = "pangeafate.hotfix.keeps"
#: Of the containers of a colour: the app's own project, the service's name there, and the colour.
APP_LABEL = "pangeafate.hotfix.app"
PLAIN_SERVICE_LABEL = "pangeafate.hotfix.service"
SLOT_LABEL = "pangeafate.hotfix.slot"
MIGRATION_LABEL = "pangeafate.hotfix.migration"
REVISION_LABEL = "org.opencontainers.image.revision"

_OUTPUT_TAIL = 2000
_LOGIN_PREFIX = ".hotfix-login-"
# As the programs timeout(1) and sh(1) report them.
_TIMED_OUT = 124
_KILLED = 137
_NO_PROGRAM = 127
# A command inside a container may end with 127 as well; this is what timeout(1) says when it cannot start docker.
_NO_PROGRAM_SIGN = "failed to run command"


@dataclass(frozen=True)
class Container:
    """A container of an app, as the engine sees it.

    ``service`` is the name in the app's own Compose file, whatever the slot. ``addresses`` are those on its networks,
    by the network's name. ``mounts`` are the places inside of it where something is mounted. ``started`` and
    ``finished`` are in ISO 8601, ``pid`` is that of its first process on the host, ``memory_limit`` is in bytes and 0
    where there is none, and ``health_results`` are exit code and output of its last health checks, oldest first.
    """

    id: str
    name: str
    service: str
    image_id: str
    image_reference: str
    status: str
    health: t.Optional[str]
    exit_code: int
    oom_killed: bool
    restarts: int
    release: t.Optional[str]
    config_hash: t.Optional[str]
    env: t.Tuple[str, ...]
    health_log: str
    slot: str = "own"
    addresses: t.Mapping[str, str] = field(default_factory=dict)
    mounts: t.Tuple[str, ...] = ()
    started: str = ""
    finished: str = ""
    pid: int = 0
    memory_limit: int = 0
    restart_policy: str = ""
    error: str = ""
    health_results: t.Tuple[t.Tuple[int, str], ...] = ()

    @property
    def running(self) -> bool:
        """Running, and not in between two crashes."""
        return self.status == "running"


@dataclass(frozen=True)
class LocalImage:
    """An image on this host."""

    id: str
    digests: t.Tuple[str, ...]
    labels: t.Mapping[str, str]
    env: t.Tuple[str, ...]


class Runner(t.Protocol):
    """Runs a program and returns its exit code, stdout and stderr. 124 means the timeout, 127 no such program."""

    def __call__(
        self,
        arguments: t.Sequence[str],
        *,
        timeout: float,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        pass_fds: t.Sequence[int] = (),
        stdin_file: t.Optional[Path] = None,
        stdout_file: t.Optional[Path] = None,
    ) -> t.Tuple[int, str, str]:
        """Run *arguments*, with stdin and stdout from and to files where they are given."""


class Docker:
    """Runs the Docker CLI of the host. Nothing secret is ever an argument; logins go through stdin."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._config_dir: t.Optional[str] = None
        #: Inherited by mutating commands, see the lock in ``_lease``.
        self.lock_descriptor = -1

    # -- running ------------------------------------------------------------------------------------------

    def run(
        self,
        *arguments: str,
        timeout: float = 60.0,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        mutates: bool = False,
        stdin_file: t.Optional[Path] = None,
        stdout_file: t.Optional[Path] = None,
        pass_fds: t.Sequence[int] = (),
    ) -> str:
        """Run ``docker`` with *arguments* and return its stdout, or raise :class:`CommandError`.

        What is too large to be held in memory goes from *stdin_file* and to *stdout_file*, which must exist.
        """
        code, stdout, stderr = self._call(
            arguments,
            timeout=timeout,
            stdin=stdin,
            env=env,
            mutates=mutates,
            stdin_file=stdin_file,
            stdout_file=stdout_file,
            pass_fds=pass_fds,
        )
        shown = "docker " + " ".join(arguments[:2])
        if code == _NO_PROGRAM and _NO_PROGRAM_SIGN in stderr:
            raise HotfixError(
                "Docker is not installed on this host (no 'docker' command).",
                code="bad_input",
                next_step="install Docker Engine and Compose v2 on it, or take the host out of the inventory group.",
            )
        if code in (_TIMED_OUT, _KILLED):
            raise CommandError(
                f"'{shown}' did not end within {timeout:.0f} s.",
                output="",
                next_step="look at the engine on the host (docker info), then run this again.",
            )
        if code != 0:
            output = _tail(stderr.strip() or stdout.strip(), _OUTPUT_TAIL)
            raise CommandError(
                f"'{shown}' failed: {output or f'exit code {code}'}.",
                output=output,
                next_step="mend what it says, then run this again.",
            )
        return stdout

    def _call(
        self,
        arguments: t.Sequence[str],
        *,
        timeout: float,
        stdin: t.Optional[str] = None,
        env: t.Optional[t.Mapping[str, str]] = None,
        mutates: bool = False,
        stdin_file: t.Optional[Path] = None,
        stdout_file: t.Optional[Path] = None,
        pass_fds: t.Sequence[int] = (),
    ) -> t.Tuple[int, str, str]:
        environment = {"LC_ALL": "C.UTF-8", "DOCKER_CLI_HINTS": "false", **(env or {})}
        if self._config_dir is not None:
            environment["DOCKER_CONFIG"] = self._config_dir
        inherit = (self.lock_descriptor,) if mutates and self.lock_descriptor >= 0 else ()
        files = {"stdin_file": stdin_file, "stdout_file": stdout_file}
        return self._runner(
            ("docker", *arguments),
            timeout=timeout,
            stdin=stdin,
            env=environment,
            pass_fds=(*inherit, *pass_fds),
            **{name: path for name, path in files.items() if path is not None},
        )

    def program(self, *arguments: str, timeout: float = 60.0, stdin: t.Optional[str] = None) -> t.Tuple[int, str, str]:
        """Run a program of the host that is not docker; it inherits no lock."""
        return self._runner(arguments, timeout=timeout, stdin=stdin, env={"LC_ALL": "C.UTF-8"})

    def require(self) -> None:
        """Raise unless this host has Compose v2, and a Docker Engine that answers us."""
        self._require_compose()
        self.require_engine()

    def require_engine(self) -> None:
        """Raise unless this host has a Docker Engine that answers us: enough for who only looks."""
        try:
            self.run("version", "--format", "{{.Server.Version}}", timeout=20.0)
        except CommandError as exc:
            if "permission denied" in exc.output.lower():
                raise HotfixError(
                    "This user may not talk to the Docker Engine.",
                    code="bad_input",
                    next_step="add the SSH user to the group 'docker' on the host, or run with --become.",
                ) from exc
            raise HotfixError(
                f"The Docker Engine on this host does not answer ({exc.output or exc.what}).",
                next_step="start it (systemctl start docker) and run this again.",
            ) from exc

    def _require_compose(self) -> None:
        advice = "install the Compose v2 plugin (package docker-compose-plugin, or docker-compose of Debian 13)."
        try:
            version = self.run("compose", "version", "--short", timeout=20.0).strip().lstrip("v")
        except CommandError as exc:
            if not exc.output:
                # It said nothing at all, so it hangs; what it would have said is not known.
                raise
            raise HotfixError(
                "Compose v2 is not installed on this host "
                "('docker compose' is no command; docker-compose v1 is of no use).",
                code="bad_input",
                next_step=advice,
            ) from exc
        if not re.match(r"(?:[2-9]|[1-9][0-9])\.", version):
            raise HotfixError(f"Compose {version} is too old.", code="bad_input", next_step=advice)

    # -- looking ------------------------------------------------------------------------------------------

    def containers(self, project: str) -> t.List[Container]:
        """Return every container of an app, in all of its slots and whatever its state, but no one-off."""
        return [c for c in self._inspect_containers(self.container_ids(project)) if c is not None]

    def container_ids(self, project: str, *, timeout: float = 60.0) -> t.List[str]:
        """Return the IDs of the containers of an app, in all of its slots."""
        # Two filters for labels would both have to fit, so the engine is asked for all and the labels are compared.
        template = '{{.ID}} {{.Label "' + PROJECT_LABEL + '"}} {{.Label "' + APP_LABEL + '"}}'
        listed = self.run("ps", "--all", "--no-trunc", "--format", template, timeout=timeout)
        return [line.split()[0] for line in listed.splitlines() if project in line.split()[1:]]

    def _inspect_containers(self, ids: t.Sequence[str]) -> t.List[t.Optional[Container]]:
        if not ids:
            return []
        try:
            raw = json.loads(self.run("inspect", "--type", "container", *ids))
        except CommandError as exc:
            # One that went away between the two commands; the others are still of interest.
            if "no such container" not in exc.output.lower() or len(ids) == 1:
                if "no such container" in exc.output.lower():
                    return []
                raise
            return [c for one in ids for c in self._inspect_containers([one])]
        return [_container(entry) for entry in raw]

    def image(self, reference: str) -> t.Optional[LocalImage]:
        """Return the image that *reference* names on this host, or ``None``."""
        try:
            raw = json.loads(self.run("image", "inspect", reference))[0]
        except CommandError as exc:
            if "no such image" in exc.output.lower():
                return None
            raise
        config = raw.get("Config") or {}
        return LocalImage(
            raw["Id"], tuple(raw.get("RepoDigests") or ()), config.get("Labels") or {}, tuple(config.get("Env") or ())
        )

    def layers(self) -> t.List[t.List[str]]:
        """Return the layers of every image on this host, bottom first, each by what it holds."""
        ids = sorted(set(self.run("image", "ls", "--all", "--quiet", "--no-trunc").split()))
        if not ids:
            return []
        words = ("image", "inspect", "--format", "{{json .RootFS.Layers}}", *ids)
        # It fails where an image was removed meanwhile, and tells of all others.
        _code, stdout, _stderr = self._call(words, timeout=60.0)
        return [json.loads(line) or [] for line in stdout.splitlines() if line.startswith(("[", "null"))]

    def logs(self, container: Container, lines: int = 15) -> str:
        """Return the last lines that a container wrote: what went to stdout, then what went to stderr."""
        _code, stdout, stderr = self._call(("logs", "--tail", str(lines), container.id), timeout=20.0)
        return _tail(stdout + stderr, _OUTPUT_TAIL).strip()

    # -- registry -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def logged_in(
        self, folder: Path, server: t.Optional[str], username: t.Optional[str], password: t.Optional[str]
    ) -> t.Iterator[None]:
        """Log in to a registry for the time of the block, in a configuration below *folder* that only we can read."""
        if not (server and username and password):
            yield
            return
        folder = Path(tempfile.mkdtemp(prefix=_LOGIN_PREFIX, dir=str(folder)))
        try:
            self._config_dir = str(folder)
            _share_cli_plugins(folder)
            try:
                self.run("login", "--username", username, "--password-stdin", server, stdin=password)
            except CommandError as exc:
                if _offline(exc.output):
                    # The registry is down: what is on the host may still do, and pulling will say if not.
                    yield
                    return
                raise HotfixError(
                    f"The registry {server} refused the login of {username}: {exc.output}.",
                    code="bad_input",
                    next_step="check hotfix_registry_username and hotfix_registry_password.",
                ) from exc
            yield
        finally:
            self._config_dir = None
            shutil.rmtree(str(folder), ignore_errors=True)

    def sweep_logins(self, folder: Path) -> None:
        """Remove what a killed run left of its login."""
        for left in folder.glob(_LOGIN_PREFIX + "*"):
            shutil.rmtree(str(left), ignore_errors=True)

    def pull(self, reference: str, *, timeout: float) -> t.Optional[str]:
        """Pull an image. Return ``None``, or why it could not be had; an unknown version raises."""
        try:
            self.run("pull", "--quiet", reference, timeout=timeout)
        except CommandError as exc:
            if _unknown(exc.output):
                raise HotfixError(
                    f"The version is unknown: the registry has no {reference}.",
                    code="bad_input",
                    next_step="check the version, or build and push it first.",
                ) from exc
            if exc.output and not _offline(exc.output):
                raise HotfixError(
                    f"The image {reference} could not be pulled: {exc.output}.",
                    next_step="mend what it says (hotfix_registry_username, room on the disk), then run this again.",
                ) from exc
            return exc.output or exc.what
        return None

    def registry_digest(self, reference: str) -> t.Tuple[t.Optional[str], t.Optional[str]]:
        """Ask the registry for the digest of *reference* without pulling: ``(digest, None)`` or ``(None, why)``."""
        try:
            raw = json.loads(self.run("manifest", "inspect", "--verbose", reference, timeout=30.0))
        except (CommandError, ValueError) as exc:
            if isinstance(exc, CommandError) and _unknown(exc.output):
                raise HotfixError(
                    f"The version is unknown: the registry has no {reference}.",
                    code="bad_input",
                    next_step="check the version, or build and push it first.",
                ) from exc
            return None, str(exc)
        if isinstance(raw, list):
            return None, "an image for several platforms: its digest is known once it is pulled"
        return f"{reference.rpartition(':')[0]}@{raw['Descriptor']['digest']}", None

    def registry_labels(self, reference: str) -> t.Tuple[t.Optional[t.Dict[str, str]], t.Optional[str]]:
        """Ask the registry for the labels of *reference* without pulling: ``(labels, None)`` or ``(None, why)``."""
        # Unlike the engine it does not look into the engine's folder for the registry's own authority.
        authority = os.path.join("/etc/docker/certs.d", reference.partition("/")[0], "ca.crt")
        env = {"SSL_CERT_FILE": authority} if os.path.isfile(authority) else None
        words = ("buildx", "imagetools", "inspect", "--format", "{{json .Image}}", reference)
        try:
            raw = json.loads(self.run(*words, timeout=30.0, env=env))
        except (CommandError, ValueError) as exc:
            return None, str(exc)
        # Of an image for several platforms there is one configuration for each; the labels are the same.
        found = raw if isinstance(raw, dict) and "config" in raw else next(iter((raw or {}).values()), None)
        if not isinstance(found, dict):
            return None, "the registry tells no configuration of it"
        return dict((found.get("config") or {}).get("Labels") or {}), None

    # -- changing -----------------------------------------------------------------------------------------

    def keep(self, project: str, image: str) -> None:
        """Create (never start) a container of *image*, so that ``docker image prune --all`` leaves it."""
        name = f"hotfix-keep-{project}-{image.rpartition(':')[2][:12]}"
        try:
            self.run(
                "create",
                "--name",
                name,
                "--label",
                f"{KEEPER_LABEL}={project}",
                # An image that Compose built carries these, and would pass its keeper off as a container of the app.
                "--label",
                f"{PROJECT_LABEL}=",
                "--label",
                f"{SERVICE_LABEL}=",
                "--network",
                "none",
                "--entrypoint",
                "hotfix-never-started",
                image,
                mutates=True,
            )
        except CommandError as exc:
            if "already in use" not in exc.output:
                raise

    def drop_keepers(self, project: str, images: t.Collection[str]) -> None:
        """Remove the containers that keep images of *project*, but for those that keep one of *images*."""
        listed = self.run(
            "ps", "--all", "--no-trunc", "--format", "{{.ID}}", "--filter", f"label={KEEPER_LABEL}={project}"
        ).split()
        kept_by = (
            self.run("inspect", "--type", "container", "--format", "{{.Id}} {{.Image}}", *listed) if listed else ""
        )
        pairs = [line.split() for line in kept_by.splitlines()]
        self.remove([container for container, image in pairs if image not in images])

    def start(self, container: str) -> None:
        """Start a container that is not running."""
        self.run("start", container, mutates=True)

    def stop(self, ids: t.Sequence[str], *, timeout: int) -> None:
        """Stop containers; those that are not gone after *timeout* seconds are killed."""
        if ids:
            self.run("stop", "--time", str(timeout), *ids, timeout=60.0 + timeout, mutates=True)

    def restart(self, ids: t.Sequence[str], *, timeout: int) -> None:
        """Stop and start containers; those that are not gone after *timeout* seconds are killed."""
        if ids:
            self.run("restart", "--time", str(timeout), *ids, timeout=60.0 + timeout, mutates=True)

    def remove(self, ids: t.Sequence[str]) -> None:
        """Remove containers, running or not."""
        if ids:
            self.run("rm", "--force", *ids, mutates=True)

    def each(self, function: t.Callable[[str], t.Any], items: t.Sequence[str]) -> t.List[t.Any]:
        """Call *function* for all *items* at once and return the answers in order."""
        if not items:
            return []
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(max_workers=min(8, len(items))) as pool:
            return list(pool.map(function, items))


def _tail(text: str, limit: int) -> str:
    """Return the end of *text*, from a whole word on: half a secret would not be known for one."""
    if len(text) <= limit:
        return text
    end = text[-limit:]
    return re.sub(r"\A[^\n]*\n", "", end) if "\n" in end else re.sub(r"\A\S*", "", end)


def _share_cli_plugins(folder: Path) -> None:
    # Plugins (compose among them) are found through the configuration folder where they were installed per user.
    own = os.path.expanduser("~/.docker/cli-plugins")
    if os.path.isdir(own):
        os.symlink(own, str(folder / "cli-plugins"))


def _unknown(output: str) -> bool:
    text = output.lower()
    return "manifest unknown" in text or "no such manifest" in text or text.rstrip().rstrip(".").endswith(": not found")


def _offline(output: str) -> bool:
    text = output.lower()
    return any(
        sign in text
        for sign in (
            "connection refused",
            "no such host",
            "i/o timeout",
            "no route to host",
            "network is unreachable",
            "context deadline exceeded",
            "client.timeout",
            "server misbehaving",
            "temporary failure",
            "bad gateway",
            "service unavailable",
            "eof",
        )
    )


def _container(raw: t.Mapping[str, t.Any]) -> t.Optional[Container]:
    labels = raw["Config"].get("Labels") or {}
    if labels.get(ONEOFF_LABEL) == "True" or not labels.get(SERVICE_LABEL) or KEEPER_LABEL in labels:
        return None
    state = raw["State"]
    health = state.get("Health") or {}
    status = health.get("Status")
    log = health.get("Log") or []
    networks = (raw.get("NetworkSettings") or {}).get("Networks") or {}
    limits = raw.get("HostConfig") or {}
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        service=labels.get(PLAIN_SERVICE_LABEL) or labels[SERVICE_LABEL],
        image_id=raw["Image"],
        image_reference=raw["Config"].get("Image") or "",
        status=state["Status"],
        health=None if status in (None, "none") else status,
        exit_code=int(state.get("ExitCode") or 0),
        oom_killed=bool(state.get("OOMKilled")),
        restarts=int(raw.get("RestartCount") or 0),
        release=labels.get(RELEASE_LABEL),
        config_hash=labels.get(CONFIG_HASH_LABEL),
        env=tuple(raw["Config"].get("Env") or ()),
        health_log=_said(log[-1]) if log else "",
        slot=labels.get(SLOT_LABEL) or "own",
        addresses={name: str(one.get("IPAddress") or "") for name, one in networks.items()},
        mounts=tuple(mount.get("Destination") or "" for mount in raw.get("Mounts") or ()),
        started=str(state.get("StartedAt") or ""),
        finished=str(state.get("FinishedAt") or ""),
        pid=int(state.get("Pid") or 0),
        memory_limit=int(limits.get("Memory") or 0),
        restart_policy=str((limits.get("RestartPolicy") or {}).get("Name") or ""),
        error=str(state.get("Error") or ""),
        health_results=tuple((int(one.get("ExitCode") or 0), _said(one)) for one in log),
    )


def _said(check: t.Mapping[str, t.Any]) -> str:
    return _tail((check.get("Output") or "").strip(), 300)
