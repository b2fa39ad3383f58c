# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outer network and the containers that play hosts: made, started and repaired from any state."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.cli import File, docker, docker_ok, inside, inspect, put, run, say, tar_of
from sandbox.config import (
    CONFIG_LABEL,
    FILES,
    HTTP_PORT,
    HTTPS_PORT,
    LABEL,
    NETWORK,
    REGISTRY,
    REGISTRY_FROM_HERE,
    REGISTRY_NAME,
    REGISTRY_VOLUME,
    SERVICES,
    SSH_PORT,
    SSH_USER,
    STATE,
    Host,
    SandboxError,
)
from sandbox.images import image_id
from sandbox.keys import Keys, remember_host_key

# All that a nested engine needs. `--privileged` asks for more, and fails where the machine itself lacks some of it.
_CAPABILITIES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "SYS_CHROOT", "SYS_PTRACE"),
    *("SYS_ADMIN", "SYS_NICE", "MKNOD", "LEASE", "AUDIT_WRITE", "SETFCAP", "SYSLOG", "SYS_BOOT"),
)
_NESTED_ENGINE = (
    *(f"--cap-add={name}" for name in _CAPABILITIES),
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)


@dataclass(frozen=True)
class Plan:
    """How a container shall be: it is made anew when what is there was made from another plan."""

    name: str
    image: str
    options: tuple[str, ...]
    volume: str
    volume_target: str
    files: tuple[File, ...]

    def fingerprint(self) -> str:
        """Return the hash of everything in the plan, the image's content and the keys included."""
        digest = hashlib.sha256()
        digest.update(repr((self.image, image_id(self.image), self.options, self.volume_target)).encode())
        digest.update(tar_of(self.files))
        return digest.hexdigest()[:24]


def host_plan(item: Host, image: str, keys: Keys) -> Plan:
    """Return the plan of an SSH host."""
    home = f"/home/{SSH_USER}"
    files = [
        File("/usr/local/sbin/sandbox-init", _file("host/sandbox-init"), 0o755),
        File("/usr/local/sbin/sandbox-mend", _file("host/sandbox-mend"), 0o755),
        File("/usr/local/sbin/start-sshd", _file("host/start-sshd"), 0o755),
        File("/usr/local/sbin/start-dockerd", _file("host/start-dockerd"), 0o755),
        File("/etc/ssh/sshd_config.d/sandbox.conf", _file("host/sshd.conf")),
        File("/etc/sudoers.d/sandbox", _file("host/sudoers"), 0o440),
        File("/etc/docker", None, 0o755),
        File("/etc/docker/daemon.json", _file("host/daemon.json")),
        File("/etc/docker/certs.d", None, 0o755),
        File(f"/etc/docker/certs.d/{REGISTRY}", None, 0o755),
        File(f"/etc/docker/certs.d/{REGISTRY}/ca.crt", keys.ca),
        File(home, None, 0o755, 1000),
        File(f"{home}/.ssh", None, 0o700, 1000),
        File(f"{home}/.ssh/authorized_keys", keys.ssh_public, 0o600, 1000),
    ]
    options = [
        f"--hostname={item.name}",
        f"--network-alias={item.name}",
        f"--network-alias={item.full_name}",
        f"--env=SANDBOX_ENGINE={int(item.engine)}",
        "--tmpfs=/run:rw,nosuid,nodev,mode=755",
        "--stop-timeout=15",
        f"--publish={item.address}:{SSH_PORT}:22",
    ]
    if item.engine:
        options += [f"--publish={item.address}:{HTTP_PORT}:80", f"--publish={item.address}:{HTTPS_PORT}:443"]
        options += _NESTED_ENGINE
    return Plan(item.container, image, tuple(options), item.volume, "/var/lib/docker", tuple(files))


def services_plan(image: str, keys: Keys) -> Plan:
    """Return the plan of the container with the registry."""
    folder = "/etc/docker/registry"
    files = (
        File("/usr/local/sbin/sandbox-init", _file("services/sandbox-init"), 0o755),
        File(f"{folder}/config.yml", _file("services/registry.yml")),
        File(f"{folder}/tls.crt", keys.registry.cert),
        File(f"{folder}/tls.key", keys.registry.key, 0o600),
        File(f"{folder}/password", keys.registry_password.encode() + b"\n", 0o600),
    )
    options = (
        "--hostname=services",
        f"--network-alias={REGISTRY_NAME}",
        "--stop-timeout=3",
        f"--publish={REGISTRY_FROM_HERE}:5000",
    )
    return Plan(SERVICES, image, options, REGISTRY_VOLUME, "/var/lib/docker-registry", files)


def ensure_network() -> None:
    """Make the outer network unless it is there."""
    if not docker_ok("network", "inspect", NETWORK):
        run(["docker", "network", "create", f"--label={LABEL}=1", NETWORK], check=False)
        docker("network", "inspect", NETWORK)


def ensure_container(plan: Plan) -> bool:
    """Bring a container to run as planned, whatever was there; tell whether it was made anew."""
    wanted = plan.fingerprint()
    found = inspect("container", plan.name).get(plan.name)
    if found is not None and found["Config"]["Labels"].get(CONFIG_LABEL) == wanted and _revive(plan.name, found):
        return False
    say(f"{plan.name}: making the container" + (" anew" if found is not None else ""))
    _remove_container(plan.name)
    _ensure_volume(plan)
    docker(
        *("create", f"--name={plan.name}", f"--network={NETWORK}"),
        *(f"--label={LABEL}=1", f"--label={CONFIG_LABEL}={wanted}"),
        *(*plan.options, f"--volume={plan.volume}:{plan.volume_target}", plan.image),
    )
    put(plan.name, plan.files)
    docker("start", plan.name)
    return True


def ensure_host(item: Host, plan: Plan) -> bool:
    """Bring a host to answer by SSH, and its engine too; tell whether its container was made anew."""
    anew = ensure_container(plan)
    # What cannot be repaired is replaced: first the container, then also what its engine had stored.
    for remedy in ("container", "volume", None):
        try:
            wait_for_ssh(item)
            ensure_engine(item)
        except SandboxError as error:
            if remedy is None:
                raise
            say(f"{error}; trying a new {remedy}")
            _remove_container(plan.name)
            if remedy == "volume":
                docker("volume", "rm", "--force", plan.volume)
            anew = ensure_container(plan)
        else:
            break
    return anew


def wait_for_ssh(item: Host) -> None:
    """End faults that keep SSH out, note the host's own key, then log in as an operator would."""
    public_key = ""

    def mended() -> bool:
        nonlocal public_key
        public_key = inside(item.container, "sandbox-mend", check=False, timeout=30)
        return public_key.startswith("ssh-")

    wait_for(mended, 15, f"{item.name}: no SSH host key")
    # Taken from inside, where nobody can be in the middle.
    remember_host_key(item.address, public_key)
    wait_for(lambda: ssh_ok(item, "true"), 15, f"{item.name}: no SSH login")


def ensure_engine(item: Host) -> None:
    """Make the nested engine answer, also after it was killed."""
    # The container's own start brings it up; the script waits for that, or starts it again where it died.
    if item.engine:
        done = run(["docker", "exec", item.container, "start-dockerd"], check=False, timeout=90)
        if done.returncode != 0:
            raise SandboxError(f"{item.name}: dockerd does not start: {done.stderr.strip()}")


def ssh_command(item: Host) -> list[str]:
    """Return the SSH client's command line for a host, with its key verified."""
    return ["ssh", "-F", str(STATE / "ssh" / "config"), "-o", "ControlPath=none", "-o", "LogLevel=ERROR", item.name]


def ssh_ok(item: Host, *command: str) -> bool:
    """Tell whether a command over SSH succeeds."""
    return run([*ssh_command(item), *command], check=False, timeout=30).returncode == 0


def container_state(name: str) -> str:
    """Return a container's state in Docker's words, or `absent`."""
    found = inspect("container", name).get(name)
    return "absent" if found is None else str(found["State"]["Status"])


def wait_for(condition: Callable[[], bool], seconds: float, failure: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SandboxError(f"{failure} within {seconds:.0f} s")
        time.sleep(0.2)


def remove_containers(names: Sequence[str] | None = None) -> None:
    """Remove containers of the sandbox: those named, or all that bear its label."""
    if names is None:
        names = docker("ps", "--all", "--filter", f"label={LABEL}", "--format", "{{.Names}}").split()
    for name in names:
        _remove_container(name)


def remove_volumes_and_network() -> None:
    """Remove all volumes and networks that bear the sandbox's label."""
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label={LABEL}").split()
    if volumes:
        docker("volume", "rm", "--force", *volumes)
    networks = docker("network", "ls", "--quiet", "--filter", f"label={LABEL}").split()
    if networks:
        docker("network", "rm", *networks)


def _file(name: str) -> bytes:
    return (FILES / name).read_bytes()


def _revive(name: str, found: dict[str, Any]) -> bool:
    status = found["State"]["Status"]
    if status == "running":
        return True
    if status == "paused":
        return docker_ok("unpause", name)
    if status == "exited":
        say(f"{name}: was {status}, starting it")
        return docker_ok("start", name)
    # One that was only created may lack its files, and a dead one does not come back.
    return False


def _remove_container(name: str) -> None:
    def gone() -> bool:
        run(["docker", "rm", "--force", name], check=False, timeout=120)
        return name not in inspect("container", name)

    wait_for(gone, 30, f"{name}: the old container cannot be removed")


def _ensure_volume(plan: Plan) -> None:
    # What an engine of another image left behind is not to be trusted; of the same image, it is worth a minute.
    origin = f"{LABEL}.image"
    found = inspect("volume", plan.volume).get(plan.volume)
    if found is not None:
        if (found.get("Labels") or {}).get(origin) == plan.image:
            return
        docker("volume", "rm", "--force", plan.volume)
    docker("volume", "create", f"--label={LABEL}=1", f"--label={origin}={plan.image}", plan.volume)
