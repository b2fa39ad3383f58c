#!/usr/bin/env bash
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes `docker info` answer and the sandbox's build tools be there.
# Safe to run any time: where all is well it does nothing and returns at once.
set -euo pipefail

log=/var/log/hotfix-dockerd.log
apt_log=/var/log/hotfix-engine-apt.log
lock=/run/hotfix-sandbox-engine.lock
packages=()

say() { printf 'engine: %s\n' "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }
answers() { has docker && timeout 20 docker info >/dev/null 2>&1; }
# `docker info` of a client without an engine exits 0 in some versions, so the server's version is asked for.
engine_answers() { answers && timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

give_up() {
  {
    printf 'engine: %s\n' "$1"
    printf 'engine: run these commands yourself, then try again:\n'
    shift
    printf '    %s\n' "$@"
  } >&2
  exit 1
}

debian_like() { [ -r /etc/debian_version ] && has apt-get; }

missing_packages() {
  packages=()
  has mmdebstrap || packages+=(mmdebstrap)
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
  # Without root, mmdebstrap works in a user namespace.
  [ "$(id -u)" = 0 ] || has newuidmap || packages+=(uidmap)
  has openssl || packages+=(openssl)
  has ssh || packages+=(openssh-client)
  engine_answers && return 0
  { [ -e /etc/ssl/certs/ca-certificates.crt ]; } || packages+=(ca-certificates)
  PATH="$PATH:/usr/sbin:/sbin" has iptables || packages+=(iptables)
  PATH="$PATH:/usr/sbin:/sbin" has dockerd || packages+=(docker.io)
}

install_packages() {
  local hint=("apt-get update" "apt-get install -y --no-install-recommends ${packages[*]}")
  debian_like || give_up "missing on this machine: ${packages[*]} (their Debian names), and it is not Debian or Ubuntu" \
    "(install with your package manager) ${packages[*]}"
  [ "$(id -u)" = 0 ] || give_up "missing on this machine: ${packages[*]}, and only root may install" "${hint[@]/#/sudo }"
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # One dead third-party source must not stop us: what counts is whether the install finds its packages.
  apt-get -qq update || say "apt-get update had errors; going on with the lists that are there"
  # In newer releases the client is a package of its own.
  if ! has docker && [[ " ${packages[*]} " == *" docker.io "* ]] && apt-cache show docker-cli >/dev/null 2>&1; then
    packages+=(docker-cli)
  fi
  apt-get -qq install -y --no-install-recommends "${packages[@]}" </dev/null >"$apt_log" 2>&1 9>&- || {
    tail -n 20 "$apt_log" >&2
    give_up "apt-get could not install ${packages[*]}" "${hint[@]}"
  }
}

# A pid file outlives a killed daemon. If its number was given to another process since, the daemon
# believes that it still runs and refuses to start: so it is the name that is looked at, not the number.
drop_stale() {
  local file=$1 name=$2 pid
  [ -e "$file" ] || return 0
  pid=$(cat "$file" 2>/dev/null || true)
  if [[ "$pid" =~ ^[0-9]+$ ]] && [ "$(cat "/proc/$pid/comm" 2>/dev/null || true)" = "$name" ]; then
    return 0
  fi
  say "removing the stale $file"
  rm -f "$file"
}

running_pid() {
  local pid
  for pid in /proc/[0-9]*; do
    # Daemons of nested engines have another root.
    if [ "$(cat "$pid/comm" 2>/dev/null || true)" = "$1" ] && [ "$(readlink "$pid/root" 2>/dev/null || true)" = / ] \
      && [ "$(readlink "$pid/ns/mnt" 2>/dev/null || true)" = "$(readlink /proc/self/ns/mnt)" ]; then
      basename "$pid"
      return 0
    fi
  done
  return 1
}

wait_for_engine() {
  local deadline=$((SECONDS + $1))
  while ((SECONDS < deadline)); do
    engine_answers && return 0
    sleep 0.5
  done
  return 1
}

start_engine() {
  if [ -d /run/systemd/system ] && has systemctl; then
    say "starting docker by systemctl"
    systemctl reset-failed docker.service docker.socket >/dev/null 2>&1 || true
    systemctl start docker.service || true
    wait_for_engine 60 && return 0
    journalctl -u docker -n 30 --no-pager >&2 || true
    give_up "docker.service does not answer" "systemctl status docker"
  fi
  # The package's own start script may be bringing it up just now.
  if running_pid dockerd >/dev/null; then
    say "dockerd runs, waiting for its answer"
    wait_for_engine 30 && return 0
    give_up "dockerd (pid $(running_pid dockerd || echo gone)) runs but does not answer; it is left alone" \
      "kill $(running_pid dockerd || echo PID)" "sandbox/engine.sh"
  fi
  drop_stale /var/run/docker.pid dockerd
  drop_stale /var/run/docker-ssd.pid dockerd
  drop_stale /var/run/docker/containerd/containerd.pid containerd
  if ! [ -e /var/run/docker/containerd/containerd.pid ]; then
    rm -f /var/run/docker/containerd/containerd.sock /var/run/docker/containerd/containerd.sock.ttrpc \
      /var/run/docker/containerd/containerd-debug.sock
  fi
  say "starting dockerd by hand, log in $log"
  PATH="$PATH:/usr/sbin:/sbin" setsid nohup dockerd >>"$log" 2>&1 </dev/null 9>&- &
  wait_for_engine 60 && return 0
  tail -n 30 "$log" >&2
  give_up "dockerd did not answer within 60 s; the end of $log is above" "dockerd --debug"
}

missing_packages
if ((${#packages[@]} == 0)) && engine_answers; then
  exit 0
fi

# Two checkouts may get here at once. Who is not root changes nothing, and needs no lock.
if [ "$(id -u)" = 0 ]; then
  exec 9>"$lock"
  flock 9
fi
missing_packages
if ((${#packages[@]})); then
  install_packages
fi
if ! engine_answers; then
  # A socket that refuses us is a matter of rights, not of a dead engine.
  [ "$(id -u)" = 0 ] || give_up "docker info does not answer, and only root may start the engine" \
    "sudo systemctl start docker" "sudo usermod -aG docker $(id -un)   # then log in again"
  start_engine
fi
say "docker $(docker version --format '{{.Server.Version}}') answers"
