# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The script ``switch-back``: the way back from the current release, for a host that is left alone.

A human runs it when neither Ansible nor Python is at hand, and the host's own timers run it. It is POSIX sh and needs
docker, flock(1), setsid(1) and what coreutils and sed give. It leaves the records of the releases alone but for the
link ``current``: the engine brings them in line at its next contact, from the journal.
"""

from __future__ import annotations

import shlex
import typing as t
from dataclasses import dataclass, field

#: Where the proxy's container sees the folder ``proxy``.
PROXY_FOLDER = "/etc/nginx/hotfix"

FLIP = "flip"
RECREATE = "recreate"
NOWHERE = "none"


@dataclass(frozen=True)
class Way:
    """The way back from a release, and all that is needed to go it. Times are in seconds.

    ``early`` and ``late`` say how many containers of which service are wanted before the proxy is turned, and after.
    ``adopted`` are the images by the IDs of containers that no release labelled: what is known need not be asked for.
    ``compose_services`` are the names of the services in ``compose_file``. Of ``exclusive`` services no two run at
    once; those in ``closing`` are stopped first in the slot that was left, so that their WebSockets reconnect. A way
    that is ``plain`` is where a rollback without further words goes, and the older code can live with the database.
    """

    app_dir: str
    project: str
    leaves: str
    leaves_slot: str
    services: t.Sequence[str]
    method: str = NOWHERE
    back: str = ""
    back_slot: str = ""
    back_project: str = ""
    compose_file: str = ""
    compose_services: t.Sequence[str] = ()
    early: t.Mapping[str, int] = field(default_factory=dict)
    late: t.Mapping[str, int] = field(default_factory=dict)
    images: t.Mapping[str, str] = field(default_factory=dict)
    adopted: t.Mapping[str, str] = field(default_factory=dict)
    exclusive: t.Sequence[str] = ()
    closing: t.Sequence[str] = ()
    current_only: t.Sequence[str] = ()
    proxy_service: t.Optional[str] = None
    proxy_test: t.Sequence[str] = ()
    proxy_reload: t.Sequence[str] = ()
    start_timeout: float = 120.0
    stop_timeout: int = 10
    drain_timeout: float = 30.0
    rendered: str = ""
    plain: bool = False


def render(way: Way) -> str:
    """Return the script for *way*."""
    values = {
        "APP_DIR": way.app_dir,
        "PROJECT": way.project,
        "LEAVES": way.leaves,
        "LEAVES_SLOT": way.leaves_slot,
        "BACK": way.back,
        "BACK_SLOT": way.back_slot,
        "METHOD": way.method,
        "BACK_PROJECT": way.back_project,
        "BACK_FILE": way.compose_file,
        "BACK_SERVICES": " ".join(way.compose_services),
        "SERVICES": " ".join(way.services),
        "EARLY": _pairs(way.early),
        "LATE": _pairs(way.late),
        "IMAGES": _pairs(way.images),
        "KNOWN": _pairs(way.adopted),
        "EXCLUSIVE": " ".join(way.exclusive),
        "CLOSING": " ".join(way.closing),
        "CURRENT_ONLY": " ".join(way.current_only),
        "PROXY_SERVICE": way.proxy_service or "",
        "START_TIMEOUT": str(int(way.start_timeout + 0.999)),
        "STOP_TIMEOUT": str(way.stop_timeout),
        "DRAIN": str(int(way.drain_timeout + 0.999)),
        "RENDERED": way.rendered,
        "PLAIN": "yes" if way.plain else "no",
    }
    settings = "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    return f"{_HEAD}\n{settings}\n\n{_tell_proxy(way)}\n{_BODY}"


def _pairs(values: t.Mapping[str, t.Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))


def _tell_proxy(way: Way) -> str:
    """Return the function that has the proxy test and load its configuration, in as few calls as can be."""
    commands = [" ".join(shlex.quote(word) for word in one) for one in (way.proxy_test, way.proxy_reload) if one]
    if way.method == FLIP:
        inside = shlex.quote(_IN_PROXY.replace("COMMANDS", " && ".join(commands) or "true"))
        line = f'read_word "$APP_DIR/proxy/live/id"\n  docker exec "$1" sh -c {inside} "${{WORD%% *}} $WORD" 2>&1'
    else:
        line = " && ".join(f'docker exec "$1" {command} 2>&1' for command in commands) or "true"
    return f"tell_proxy() {{\n  {line}\n}}\n"


#: Run in the proxy's container; $0 is the slot and what identifies its files. It must see the switch before it reloads.
#: Where it has a copy of the folder, the link in that is turned; 77 says that the copy is an old one. nginx reloads
#: after its command has ended, so its old workers are waited for: those that take no more say so in their titles.
_IN_PROXY = rf"""
cd {PROXY_FOLDER} || exit 77
if [ "$(readlink live) $(cat live/id)" != "$0" ]; then
  [ "$(cat "${{0%% *}}/id" 2>/dev/null)" = "${{0#* }}" ] && ln -sfn "${{0%% *}}" live 2>/dev/null || exit 77
fi
serves() {{ [ "$(tr -d "\0" 2>/dev/null <"$1/cmdline")" = "nginx: worker process" ]; }}
old=
for process in /proc/[0-9]*; do serves "$process" && old="$old $process"; done 2>/dev/null
COMMANDS || exit 1
for wait in 0 0.02 0.03 0.05 0.1 0.1 0.2 0.5 1 2 3 3; do
  sleep "$wait"
  left=
  for process in $old; do serves "$process" && left=yes; done 2>/dev/null
  [ "$left" ] || exit 0
done
echo "nginx was told to reload, but its old workers still take requests"
exit 1
"""

_HEAD = r"""#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The way back from the release that is current on this host. Rendered by pangeafate.hotfix at every switch; whatever is
# changed here is lost at the next.
#
#   ./switch-back              go back
#   ./switch-back --status     say where this host is; changes nothing
#   ./switch-back --takeover   go back although somebody else is changing the app
#   ./switch-back --force      go back although what it goes back to is not healthy
#
# It may be killed at any point and run again. 0: done, or nothing to do; 1: failed; 2: wrong usage; 3: refused.
set -u
umask 077
export LC_ALL=C DOCKER_CLI_HINTS=false
unset COMPOSE_FILE COMPOSE_PROFILES COMPOSE_ENV_FILES COMPOSE_PROJECT_NAME
"""

_BODY = r"""
LEASE_TTL=60
PATIENCE=10
PS_FORMAT='{{.ID}}|{{.State}}|{{.Status}}|{{.Label "com.docker.compose.project"}}|'
PS_FORMAT=$PS_FORMAT'{{.Label "com.docker.compose.service"}}|{{.Label "com.docker.compose.oneoff"}}|'
PS_FORMAT=$PS_FORMAT'{{.Label "pangeafate.hotfix.app"}}|{{.Label "pangeafate.hotfix.service"}}|'
PS_FORMAT=$PS_FORMAT'{{.Label "pangeafate.hotfix.slot"}}|{{.Label "pangeafate.hotfix.release"}}'
NEWLINE='
'

say() { printf '%s\n' "$*"; }

# -- time: the clock on the wall for records, the time since boot for waiting, which nobody sets ----

# Sets NOW, and EPOCH to the seconds since 1970.
tell_time() {
  NOW=$(date -u '+%Y-%m-%dT%H:%M:%S.%3NZ %s')
  EPOCH=${NOW##* } NOW=${NOW% *}
  case $NOW in
    *[!0-9TZ:.-]*) NOW=$(date -u +%Y-%m-%dT%H:%M:%S.000Z) ;;
  esac
}

now() {
  tell_time
  say "$NOW"
}

# Some seconds after the time that was told last.
later() { date -u -d "@$((EPOCH + $1))" +%Y-%m-%dT%H:%M:%S.000Z; }

since_boot() {
  read -r uptime rest </proc/uptime
  : "$rest"
  printf '%s\n' "${uptime%%.*}"
}

# Sets NUMBER to a time as one number, so that two can be compared.
to_number() {
  NUMBER='' rest=${1%%.*}
  while [ -n "$rest" ]; do
    case $rest in
      [0-9]*) NUMBER=$NUMBER${rest%"${rest#?}"} ;;
    esac
    rest=${rest#?}
  done
}

# -- records. The shell itself reads them: users wait for every program that is started before the turn ----------

# Sets VALUE to the value of a key in a file as the engine writes it: JSON with one key a line.
read_field() {
  VALUE=
  [ -r "$APP_DIR/$2" ] || return 0
  while read -r row || [ -n "$row" ]; do
    case $row in
      "\"$1\":"*)
        VALUE=${row#*:}
        VALUE=${VALUE#"${VALUE%%[! ]*}"}
        VALUE=${VALUE%,}
        VALUE=${VALUE#\"}
        VALUE=${VALUE%\"}
        return 0
        ;;
    esac
  done 2>/dev/null <"$APP_DIR/$2"
}

field() {
  read_field "$1" "$2"
  say "$VALUE"
}

# $1: key; $2: file; $3: value.
field_is() {
  read_field "$1" "$2"
  [ "$VALUE" = "$3" ]
}

# Sets WORD to what a file of one line holds.
read_word() {
  WORD=
  [ ! -r "$1" ] || read -r WORD 2>/dev/null <"$1" || :
}

# Root may run this as well; the files stay those of the user that Ansible logs in with.
theirs() { [ "$ROOT" = no ] || chown "$(stat -c %u:%g "$APP_DIR/switch-back")" "$@"; }

keep_ownership() {
  ROOT=no
  [ "$(id -u)" = 0 ] || return 0
  ROOT=yes
  for file in lock lease.lock journal.jsonl switch-back.log; do
    [ -e "$APP_DIR/$file" ] || : >"$APP_DIR/$file"
    theirs "$APP_DIR/$file"
  done
}

# What was written is on disk when this returns.
synced() { sync "$1" 2>/dev/null || sync; }

# Puts a text in the place of a file in one step. On a full disk the room is used that is kept for a rescue.
replace() {
  beside=$APP_DIR/.$1.$$
  for attempt in 1 2; do
    if printf '%s\n' "$2" >"$beside" && theirs "$beside" && synced "$beside"; then
      mv -fT "$beside" "$APP_DIR/$1" && return 0
    fi
    [ "$attempt" = 2 ] || rm -f "$APP_DIR/reserve"
  done 2>/dev/null
  rm -f "$beside"
  return 1
}

# Points a link in a folder at a target, in one step. $1: folder; $2: link; $3: target.
point() {
  ln -sfn "$3" "$1/.$2.new" && mv -fT "$1/.$2.new" "$1/$2" && synced "$1"
}

append() {
  # A power cut may have torn the last line.
  if [ -n "$(tail -c 1 "$APP_DIR/journal.jsonl" 2>/dev/null)" ]; then
    printf '\n' >>"$APP_DIR/journal.jsonl" || return 1
  fi
  printf '%s\n' "$1" >>"$APP_DIR/journal.jsonl" && synced "$APP_DIR/journal.jsonl"
}

journal() {
  tell_time
  line="{\"at\": \"$NOW\", $1}"
  append "$line" 2>/dev/null && return 0
  rm -f "$APP_DIR/reserve"
  append "$line" 2>/dev/null || say "The journal could not be written."
}

# Sets SWITCH to what the journal says of the last one.
read_last_switch() {
  SWITCH=$(sed -n '/"step": "switch"/h;/"step": "settle"/h;${x;p;}' "$APP_DIR/journal.jsonl" 2>/dev/null)
}

# Sets CURRENT.
read_current() {
  CURRENT=$(readlink "$APP_DIR/current" 2>/dev/null)
  CURRENT=${CURRENT%"${CURRENT##*[!/]}"}
  CURRENT=${CURRENT##*/}
}

# Sets LIVE.
read_live() { LIVE=$(readlink "$APP_DIR/proxy/live" 2>/dev/null); }

# -- lease and lock: one change at a time -----------------------------------------------------------

lease_alive() {
  field_is held lease.json true || return 1
  tell_time
  to_number "$NOW"
  moment=$NUMBER
  read_field expires lease.json
  to_number "$VALUE"
  [ "${NUMBER:-0}" -ge "$moment" ] || return 1
  # A sign of life from the future is a clock that was set back.
  to_number "$(later $LEASE_TTL)"
  latest=$NUMBER
  read_field heartbeat lease.json
  to_number "$VALUE"
  [ "${NUMBER:-0}" -le "$latest" ]
}

lease_holder() {
  say "$(field owner lease.json) ($(field action lease.json), run $(field run lease.json)," \
    "since $(field since lease.json), last sign of life $(field heartbeat lease.json))"
}

lease_write() {
  tell_time
  replace lease.json "{
  \"action\": \"switch_back\",
  \"expires\": \"$(later $LEASE_TTL)\",
  \"fencing\": $FENCING,
  \"heartbeat\": \"$NOW\",
  \"held\": $1,
  \"owner\": \"$OWNER\",
  \"run\": \"$RUN\",
  \"since\": \"$SINCE\"
}"
}

# Takes the lease with the next fencing number: whoever had it stops before its next change.
lease_take() {
  exec 8>>"$APP_DIR/lease.lock"
  flock 8
  read_field fencing lease.json
  FENCING=$VALUE
  case $FENCING in
    '' | *[!0-9]*) if [ -e "$APP_DIR/lease.json" ]; then FENCING=$(date +%s); else FENCING=0; fi ;;
  esac
  FENCING=$((FENCING + 1))
  LEASED=yes
  lease_write true || LEASED=no
  exec 8>&-
}

lease_update() {
  [ "$LEASED" = yes ] || return 0
  exec 8>>"$APP_DIR/lease.lock"
  flock 8
  if field_is fencing lease.json "$FENCING"; then lease_write "$1" || :; fi
  exec 8>&-
}

# Ends this unless the lease is still ours. Checked before every change.
still_ours() {
  # On a disk that is full to the last byte the lease could not be taken; the lock is held all the same.
  [ "$LEASED" != no ] || return 0
  field_is fencing lease.json "$FENCING" && field_is held lease.json true && return 0
  say "Another run took over: $(lease_holder). Nothing more is changed."
  exit 3
}

lock_try() {
  exec 9>>"$APP_DIR/lock"
  flock -w "$1" 9
}

lock_free() { exec 9>&-; }

# The processes that have the lock open, but for this one and what it started.
lock_holders() {
  for process in /proc/[0-9]*; do
    number=${process#/proc/}
    [ "$number" = $$ ] && continue
    if ls -l "$process/fd" 2>/dev/null | sed 's/.* -> //' | grep -Fqx "$APP_DIR/lock"; then say "$number"; fi
  done
}

# Whoever holds the lock lost the lease to us, and stops; a command that it left behind does not, so it is ended.
lock_wrest() {
  flock -w "$PATIENCE" 9 && return 0
  for holder in $(exec 9>&- && lock_holders); do
    kill "$holder" 2>/dev/null && say "Ended process $holder, which held the lock."
  done
  flock -w 50 9 && return 0
  say "A process of another run still changes this app (fuser -v $APP_DIR/lock)."
  exit 1
}

# -- containers -------------------------------------------------------------------------------------

look() {
  if ! PS=$(docker ps --all --no-trunc --format "$PS_FORMAT" 2>&1); then
    say "The Docker Engine does not answer: $PS"
    return 1
  fi
}

# Calls $1 for every container that `look` saw. Read by the shell's own means, as users wait: `read` would take it from
# a pipe letter by letter.
each() {
  rows=$PS$NEWLINE
  while [ -n "$rows" ]; do
    row=${rows%%"$NEWLINE"*} rows=${rows#*"$NEWLINE"}
    id=${row%%|*} row=${row#*|}
    state=${row%%|*} row=${row#*|}
    status=${row%%|*} row=${row#*|}
    project=${row%%|*} row=${row#*|}
    service=${row%%|*} row=${row#*|}
    oneoff=${row%%|*} row=${row#*|}
    app=${row%%|*} row=${row#*|}
    plain=${row%%|*} row=${row#*|}
    slot=${row%%|*} release=${row#*|}
    [ "$id" ] && [ "$oneoff" != True ] || continue
    if [ "$project" = "$PROJECT" ] && [ -z "$slot" ]; then
      slot=own plain=$service
    elif [ "$app" != "$PROJECT" ]; then
      continue
    fi
    "$@"
  done
}

among() {
  case " $2 " in *" $1 "*) return 0 ;; *) return 1 ;; esac
}

# The images of containers in the app's own project that no release labelled: what runs there was adopted.
look_at_adopted() {
  ADOPTED=$KNOWN
  [ "$BACK_SLOT" = own ] || return 0
  IDS=
  each collect_adopted
  [ -z "$IDS" ] ||
    ADOPTED="$KNOWN $(docker inspect --type container --format '{{.Id}}={{.Image}}' $IDS 2>/dev/null)"
}

collect_adopted() {
  [ "$slot" = own ] && [ -z "$release" ] && among "$plain" "$SERVICES" || return 0
  case " $KNOWN" in *" $id="*) ;; *) IDS="$IDS $id" ;; esac
}

is_back() {
  [ "$slot" = "$BACK_SLOT" ] || return 1
  [ "$release" = "$BACK" ] && return 0
  [ -z "$release" ] || return 1
  for image in $IMAGES; do
    [ "$plain" = "${image%%=*}" ] || continue
    # Both are of full length.
    case $ADOPTED in *"$id=${image#*=}"*) return 0 ;; esac
  done
  return 1
}

# How far the release is up that this goes back to. $1: how many of each service are wanted.
survey() {
  READY=yes GOOD=yes SHORT='' STOPPED='' WAITING='' BARE=no TOTAL=0
  for want in $1; do
    name=${want%%=*} need=${want#*=} have=0 up=0
    each count_back
    TOTAL=$((TOTAL + have))
    [ "$have" -ge "$need" ] || SHORT="$SHORT $name"
    [ "$up" -ge "$need" ] || READY=no WAITING="$WAITING $name"
    [ "$up" -ge 1 ] || [ "$need" = 0 ] || GOOD=no
  done
}

count_back() {
  [ "$plain" = "$name" ] && is_back || return 0
  have=$((have + 1))
  case $state in
    running)
      case $status in
        *'(healthy)'*) up=$((up + 1)) ;;
        *'(health: starting)'* | *'(unhealthy)'*) ;;
        *) up=$((up + 1)) BARE=yes ;;
      esac
      ;;
    restarting | paused | removing) ;;
    *) STOPPED="$STOPPED $id" ;;
  esac
}

# Stops services of a slot. $1: the slot; $2: the services; $3: their release, or nothing for any.
stop_services() {
  IDS=
  each collect_running "$1" "$2" "$3"
  [ -n "$IDS" ] || return 0
  docker stop --time "$STOP_TIMEOUT" $IDS >/dev/null
}

collect_running() {
  [ "$slot" = "$1" ] && among "$plain" "$2" || return 0
  case $state in running | restarting | paused) ;; *) return 0 ;; esac
  if [ -z "$3" ] || [ "$release" = "$3" ] || { [ "$slot" = own ] && [ -z "$release" ]; }; then IDS="$IDS $id"; fi
}

compose_up() {
  env_file=/dev/null
  [ -z "$CURRENT_ONLY" ] || [ ! -f "$APP_DIR/.env" ] || env_file=$APP_DIR/.env
  for key in $CURRENT_ONLY; do
    grep -q "^\(export \)\{0,1\}$key=" "$env_file" && continue
    # Today's value is in what runs.
    IDS=
    each collect_any
    value=$(docker inspect --type container --format '{{range .Config.Env}}{{println .}}{{end}}' $IDS |
      sed -n "s/^$key=//p" | sed -n 1p)
    export "$key=$value"
  done
  docker compose --project-name "$BACK_PROJECT" --project-directory "$APP_DIR" --file "$BACK_FILE" \
    --env-file "$env_file" up --detach --no-deps --no-build --pull never --timeout "$STOP_TIMEOUT" $BACK_SERVICES 2>&1
}

collect_any() {
  if among "$plain" "$SERVICES"; then IDS="$IDS $id"; fi
}

# Has the services run that this goes back to. $1: how many of each are wanted.
bring_up() {
  survey "$1"
  [ "$READY" = yes ] && return 0
  still_ours
  busy=
  for want in $1; do
    if among "${want%%=*}" "$EXCLUSIVE"; then busy="$busy ${want%%=*}"; fi
  done
  if [ -n "$SHORT" ]; then
    # Compose starts all of them.
    [ -z "$EXCLUSIVE" ] || stop_services "$LEAVES_SLOT" "$EXCLUSIVE" '' || return 1
    said=$(compose_up) || { say "The containers of $BACK could not be made: $said"; return 1; }
  elif [ -n "$STOPPED" ]; then
    [ -z "$busy" ] || stop_services "$LEAVES_SLOT" "$busy" '' || return 1
    said=$(docker start $STOPPED 2>&1) || { say "The containers of $BACK could not be started: $said"; return 1; }
  fi
  wait_ready "$1"
}

wait_ready() {
  end=$(($(since_boot) + START_TIMEOUT))
  beat=$(($(since_boot) + 10))
  settled=
  while :; do
    look || return 1
    look_at_adopted
    survey "$1"
    time=$(since_boot)
    if [ "$READY" = yes ]; then
      # One without a health check has to run for a while.
      [ "$BARE" = yes ] || return 0
      settled=${settled:-$((time + 3))}
      [ "$time" -lt "$settled" ] || return 0
    else
      settled=
    fi
    if [ "$time" -ge "$end" ]; then
      if [ "$GOOD" = yes ]; then
        say "Not all containers are healthy:$WAITING. Going on with those that are."
        return 0
      fi
      say "Not healthy within $START_TIMEOUT s:$WAITING."
      [ "$FORCE" = yes ]
      return
    fi
    [ "$FORCE" = yes ] && [ -z "$SHORT$STOPPED" ] && return 0
    still_ours
    if [ "$time" -ge "$beat" ]; then
      beat=$((time + 10))
      lease_update true
    fi
    sleep 0.2
  done
}

# -- the proxy --------------------------------------------------------------------------------------

collect_proxy() {
  [ "$slot" = own ] && [ "$plain" = "$PROXY_SERVICE" ] || return 0
  IDS="$IDS $id"
  [ "$state" = running ] || DOWN="$DOWN $id"
}

turn_proxy() {
  [ -n "$PROXY_SERVICE" ] || return 0
  IDS='' DOWN=''
  each collect_proxy
  if [ -z "$IDS" ]; then
    say "The proxy ($PROXY_SERVICE) has no container."
    return 1
  fi
  # One that could not find its upstreams is down, and finds them now. Where the folder is mounted it needs no copy.
  for proxy in $DOWN; do
    [ "$METHOD" != flip ] || docker cp "$APP_DIR/proxy/." "$proxy:/etc/nginx/hotfix" >/dev/null 2>&1 || :
    docker start "$proxy" >/dev/null || return 1
  done
  for proxy in $IDS; do
    said=$(tell_proxy "$proxy")
    code=$?
    if [ "$code" = 77 ]; then
      # The folder is not mounted into this one yet.
      said=$(docker cp "$APP_DIR/proxy/." "$proxy:/etc/nginx/hotfix" 2>&1 && tell_proxy "$proxy")
      code=$?
    fi
    if [ "$code" != 0 ]; then
      say "The proxy refused: $said"
      return 1
    fi
  done
}

# -- going back -------------------------------------------------------------------------------------

record() {
  journal "\"action\": \"switch_back\", \"by\": \"$BY\", \"came_from\": \"$LEAVES\", \"fencing\": $FENCING, $1, \
\"owner\": \"$OWNER\", \"release\": \"$BACK\", \"run\": \"$RUN\", \"slot\": \"$BACK_SLOT\", \"step\": \"switch\""
}

nothing_to_do() {
  read_current
  [ "$CURRENT" = "$BACK" ] || return 1
  read_live
  [ "$METHOD" != flip ] || [ "$LIVE" = "$BACK_SLOT" ] || return 1
  read_last_switch
  case $SWITCH in
    '' | *'"outcome": "done"'*) ;;
    *) return 1 ;;
  esac
  look && look_at_adopted && survey "$EARLY" && [ "$READY" = yes ]
}

# A lease of this script that nobody holds the lock for is that of one that was killed.
was_killed() {
  [ "$LEASED" != given ] && field_is held lease.json true && field_is action lease.json switch_back
}

require_way() {
  if [ "$METHOD" = none ]; then
    say "There is nothing to switch back to from $LEAVES: no other release was found good."
    exit 3
  fi
  read_current
  case $CURRENT in
    "$LEAVES" | "$BACK" | '') return 0 ;;
  esac
  say "Current is $CURRENT, but this is the way from $LEAVES to $BACK. Nothing was changed."
  exit 3
}

# With the lock held and the lease taken.
go_back() {
  began=$(since_boot)
  [ "$BY" = rollback ] || look || return 1
  [ "$BY" = rollback ] || look_at_adopted
  record '"phase": "begin"'
  [ ! -e "$APP_DIR/idle-$BACK_SLOT.json" ] || rm -f "$APP_DIR/idle-$BACK_SLOT.json"
  if turn; then
    still_ours
    point "$APP_DIR" current "releases/$BACK" || return 1
    record "\"outcome\": \"done\", \"phase\": \"end\", \"seconds\": $(($(since_boot) - began))"
    rm -f "$APP_DIR/deadline.json"
    finish
    say "Switched back from $LEAVES to $BACK."
    return 0
  fi
  record "\"outcome\": \"failed\", \"phase\": \"end\", \"seconds\": $(($(since_boot) - began))"
  return 1
}

turn() {
  if [ "$METHOD" = recreate ]; then
    still_ours
    survey "$EARLY"
    [ "$READY" = yes ] || { said=$(compose_up) || { say "$BACK could not be started: $said"; return 1; }; }
    wait_ready "$EARLY" && look && turn_proxy
    return
  fi
  bring_up "$EARLY" || return 1
  still_ours
  read_live
  point "$APP_DIR/proxy" live "$BACK_SLOT" || return 1
  turn_proxy && return 0
  [ -z "$LIVE" ] || point "$APP_DIR/proxy" live "$LIVE"
  return 1
}

# What need not be done before users are served.
finish() {
  [ "$METHOD" = flip ] || return 0
  [ -z "$LATE" ] || { look && look_at_adopted && bring_up "$LATE"; } || say "Not all of$LATE could be started."
  cool "$LEAVES_SLOT" "$LEAVES" "$DRAIN" "$CLOSING"
}

# Stops what was left, once its requests are over. $1: slot; $2: release; $3: seconds; $4: services to stop at once.
cool() {
  id="$RUN-$1"
  read_word /proc/sys/kernel/random/boot_id
  tell_time
  replace "idle-$1.json" "{
  \"at\": \"$(later "$3")\",
  \"boot\": \"$WORD\",
  \"id\": \"$id\",
  \"release\": \"$2\",
  \"slot\": \"$1\"
}" || return 0
  detached --stop-idle "$1" "$2" "$id" "$3" "$4"
}

# Runs this script on its own: it outlives the shell, the SSH session and its terminal, and holds nothing open.
detached() {
  (
    trap '' HUP
    cd / || exit 1
    exec setsid sh "$APP_DIR/switch-back" "$@" </dev/null >>"$APP_DIR/switch-back.log" 2>&1 8>&- 9>&-
  ) &
}

by_hand() {
  BY=hand
  require_way
  if ! lock_try 2; then
    lease_alive && refuse_unless_taken_over
    lease_take
    lock_wrest
  fi
  if [ -z "$LEASED" ] && lease_alive && ! was_killed; then refuse_unless_taken_over; fi
  require_way
  if nothing_to_do && ! was_killed; then
    rm -f "$APP_DIR/deadline.json"
    say "Already at $BACK, nothing was changed."
    exit 0
  fi
  [ -n "$LEASED" ] || lease_take
  go_back
  code=$?
  lease_update false
  exit "$code"
}

# For a rollback, as soon as its operator is connected. Only a plain turn of the proxy on a host where nothing else is
# going on, to containers that run or were stopped in order; all the rest (4) is left to the run, which also verifies
# this. $1: the run; $2: its operator.
for_run() {
  BY=rollback RUN=$1 OWNER=$2
  read_live
  [ "$PLAIN$METHOD$LATE" = yesflip ] && [ "$LIVE" = "$LEAVES_SLOT" ] || exit 4
  read_current
  [ "$CURRENT" = "$LEAVES" ] || exit 4
  lock_try 0 || exit 4
  if lease_alive; then exit 4; fi
  read_last_switch
  case $SWITCH in *'"outcome": "done"'*) ;; *) exit 4 ;; esac
  # A deadline that passed while the host was away is to be told.
  read_field at deadline.json
  if [ -n "$VALUE" ]; then
    to_number "$VALUE"
    due=$NUMBER
    tell_time
    to_number "$NOW"
    [ "$due" -gt "$NUMBER" ] || exit 4
  fi
  look && look_at_adopted || exit 4
  survey "$EARLY"
  # What is up but not well, or gone, is more than a start away.
  [ "$READY" = yes ] || { [ -z "$SHORT" ] && [ "$(printf '%s' "$STOPPED" | wc -w)" = "$TOTAL" ]; } || exit 4
  lease_take
  go_back
  code=$?
  lease_update false
  exit "$code"
}

refuse_unless_taken_over() {
  holder=$(lease_holder)
  if [ "$TAKEOVER" != yes ]; then
    say "Somebody else is changing this app: $holder."
    say "Talk to them and wait, or take over (it is recorded): $0 --takeover"
    exit 3
  fi
  say "Taken over from $holder."
}

# -- timers -----------------------------------------------------------------------------------------

# Waits until the file's ID changed, then ends this; or until the time is over, then returns. $1: file; $2: ID; $3: s.
wait_unless_changed() {
  end=$(($(since_boot) + $3))
  while :; do
    field_is id "$1" "$2" || exit 0
    left=$((end - $(since_boot)))
    [ "$left" -gt 0 ] || return 0
    [ "$left" -lt 2 ] || left=2
    sleep "$left"
  done
}

# $1: the deadline's ID; $2: seconds until then.
at_deadline() {
  BY=timer
  wait_unless_changed deadline.json "$1" "$2"
  pause=5
  while :; do
    locked=no
    if lock_try 5; then locked=yes; fi
    field_is id deadline.json "$1" || exit 0
    # The lease may be held by the run that set the deadline: its time is over. That of another run is not.
    if ! lease_alive || [ "$(field run lease.json)" = "$(field run deadline.json)" ]; then
      if [ "$locked" = no ]; then
        lease_take
        lock_wrest
        field_is id deadline.json "$1" || exit 0
      fi
      end_overdue && exit 0
      # What keeps it from going back now, such as an engine that is down, may be gone later.
      lease_update false
      LEASED=
      lock_free
      sleep "$pause"
      [ "$pause" -ge 60 ] || pause=$((pause * 2))
    else
      lock_free
      sleep 1
    fi
  done
}

# For a run that has the lease, and found the deadline passed. $1: the deadline's ID; $2: its run; $3: its number.
overdue() {
  BY=timer RUN=$2 FENCING=$3 LEASED=given
  lock_try 60 || exit 1
  field_is id deadline.json "$1" || exit 0
  still_ours
  end_overdue
  exit
}

end_overdue() {
  say "$(now): $LEAVES was not confirmed in time."
  require_way
  if nothing_to_do && ! was_killed; then
    rm -f "$APP_DIR/deadline.json"
    return 0
  fi
  [ -n "$LEASED" ] || lease_take
  go_back || return 1
  lease_update false
}

# $1: slot; $2: its release; $3: ID; $4: seconds; $5: services that are stopped at once.
stop_idle() {
  BY=timer
  if [ -n "$5" ] && lock_try 30; then
    read_live
    if [ "$LIVE" != "$1" ] && field_is id "idle-$1.json" "$3" && look; then stop_services "$1" "$5" "$2"; fi
    lock_free
  fi
  wait_unless_changed "idle-$1.json" "$3" "$4"
  while :; do
    if lock_try 5; then
      field_is id "idle-$1.json" "$3" || exit 0
      lease_alive || break
    fi
    # Whoever is at work may be about to need this slot.
    lock_free
    field_is id "idle-$1.json" "$3" || exit 0
    sleep 2
  done
  read_live
  if [ -n "$LIVE" ] && [ "$LIVE" != "$1" ]; then
    look || exit 1
    common="\"action\": \"stop_idle\", \"by\": \"timer\", \"owner\": \"$OWNER\", \"release\": \"$2\", \
\"run\": \"$RUN\", \"slot\": \"$1\", \"step\": \"stop_idle\""
    journal "$common, \"phase\": \"begin\""
    outcome='done'
    stop_services "$1" "$SERVICES" "$2" || outcome=failed
    journal "$common, \"phase\": \"end\", \"outcome\": \"$outcome\""
    say "$(now): slot $1 ($2): $outcome."
  fi
  rm -f "$APP_DIR/idle-$1.json"
  exit 0
}

# -- looking ----------------------------------------------------------------------------------------

status() {
  read_current
  say "current:    $CURRENT"
  read_live
  [ -z "$LIVE" ] || say "proxy:      sends users to slot $LIVE"
  if [ "$METHOD" = none ]; then
    say "way back:   none"
  else
    say "way back:   from $LEAVES to $BACK ($METHOD, slot $BACK_SLOT), as of $RENDERED"
  fi
  if [ -f "$APP_DIR/deadline.json" ]; then
    if field_is armed deadline.json true; then what="switches back at"; else what="was to be confirmed by"; fi
    say "deadline:   $(field release deadline.json) $what $(field at deadline.json)"
  fi
  for file in "$APP_DIR"/idle-*.json; do
    [ ! -f "$file" ] || say "idle:       slot $(field slot "${file##*/}") is stopped at $(field at "${file##*/}")"
  done
  if lease_alive; then say "lease:      $(lease_holder)"; else say "lease:      free"; fi
  look || exit 1
  each show
}

show() {
  say "container:  $(printf '%.12s' "$id") slot=$slot service=$plain release=${release:--} $status"
}

main() {
  if ! cd "$APP_DIR"; then exit 1; fi
  tell_time
  SINCE=$NOW
  if [ "${1:-}" != --for ]; then
    OWNER="$(id -un 2>/dev/null || id -u)@$(uname -n)"
    RUN="switch-back-$(date -u +%Y%m%dT%H%M%SZ)-$$"
  fi
  FENCING=0 LEASED='' FORCE=no TAKEOVER=no BY=hand ADOPTED=''
  case ${1:-} in
    --status)
      status
      exit
      ;;
  esac
  keep_ownership
  case ${1:-} in
    --detach)
      shift
      detached "$@"
      exit
      ;;
    --at-deadline) at_deadline "$2" "$3" ;;
    --overdue) overdue "$2" "$3" "$4" ;;
    --for) for_run "$2" "$3" ;;
    --stop-idle) stop_idle "$2" "$3" "$4" "$5" "${6:-}" ;;
  esac
  for argument in "$@"; do
    case $argument in
      --takeover) TAKEOVER=yes ;;
      --force) FORCE=yes ;;
      *)
        sed -n '2,/^set -u/{/^#/!d;s/^# \{0,1\}//;p;}' "$0"
        exit 2
        ;;
    esac
  done
  by_hand
}

main "$@"
exit
"""
