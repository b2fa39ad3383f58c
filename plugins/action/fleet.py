# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decides over all selected hosts, on the controller: before the first of them is touched, and between phases.

Ansible's ``rescue`` does not run for unreachable hosts, so what becomes of a fleet is decided here and nowhere else.
"""

from __future__ import annotations

import functools
import getpass
import secrets
import socket
import typing as t
from datetime import datetime, timezone

from ansible.errors import AnsibleActionFail
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils import _early_connection, _early_packing

if t.TYPE_CHECKING:
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import run_end

#: What the run takes from the variables of the play, rendered only after the inputs were found to be plain.
_RUN_VARIABLES = (
    "hotfix_reason",
    "hotfix_takeover",
    "hotfix_operator",
    "hotfix_environments",
    "hotfix_limit_required",
    "hotfix_connect_early",
    "hotfix_early_modules",
    "hotfix_incident",
    "hotfix_incident_title",
    "hotfix_incident_severity",
    "hotfix_incident_criterion",
    "hotfix_incident_summary",
    "hotfix_incident_dir",
    "hotfix_incident_enabled",
    "hotfix_incident_roles",
)
#: What an operator types on the command line. It is data: a template in one of these is refused, not rendered.
OPERATOR_INPUTS = (
    "version",
    "release",
    "reason",
    "takeover",
    "flag",
    "enabled",
    "restart_stale",
    "confirm",
    "restore",
    "backup_skip_reason",
    "migration_reason",
    "schema_ignored_reason",
    "deploy_version",
    "deploy_images",
    "deploy_baseline",
    "deploy_preflight",
    "deploy_confirm",
    "deploy_backup_skip_reason",
    "deploy_migration_reason",
    "rollback_look",
    "rollback_restore",
    "rollback_schema_ignored_reason",
    "smoke_check_baseline",
    "smoke_check_json",
    "smoke_check_junit",
    "diagnose_timeout",
    "diagnose_minutes",
    "diagnose_lines",
    "diagnose_services",
    "diagnose_json",
    "lines",
    "since",
    "logs_services",
    "logs_lines",
    "logs_since",
    "preflight_parts",
    "preflight_only_warn",
    "preflight_brief",
    "preflight_json",
    "preflight_backup_max_age",
    "hotfix_strategy",
    "feature_flag_name",
    "feature_flag_enabled",
    "feature_flag_restart_stale",
    "rollback_release",
    "incident",
    "title",
    "severity",
    "criterion",
    "summary",
    "state",
    "at",
    "started_at",
    "detected_at",
    "services",
    "event",
    "note",
    "tick",
    "untick",
    "by",
    "root_cause",
    "contributing",
    "prevent",
    "owner",
    "due",
    "customer_message",
    "merge",
    "list",
    "collect",
    "force",
    "at_once",
    "ssl_renewal_force",
    "restart_services",
    "restart_force",
    "restart_serial",
    "restart_at_once",
    "restart_high_cpu",
    "restart_high_memory",
    "patch",
    "commit",
    "changes",
    "what",
    "body",
    "fixes",
    "risk",
    "rollback",
    "trailers",
    "guard_reasons",
    "revision",
    "branch",
    "merge_back_branch",
    "stopped_run",
    "stopped_mark",
    "unlock_of_run",
    "unlock_mark",
    "emergency_build_services",
    "emergency_build_revision",
    "emergency_build_send",
    "hotfix_branch_patch",
    "hotfix_branch_commit",
    "hotfix_branch_changes",
    "hotfix_branch_what",
    "hotfix_branch_body",
    "hotfix_branch_fixes",
    "hotfix_branch_risk",
    "hotfix_branch_rollback",
    "hotfix_branch_trailers",
    "hotfix_branch_guard_reasons",
    "hotfix_repository",
    "hotfix_remote",
    "hotfix_base",
    "hotfix_incident_zone",
    "incident_state",
    "incident_id",
    "incident_services",
    "incident_roles",
    "incident_started_at",
    "incident_detected_at",
    "incident_at",
    "incident_event",
    "incident_note",
    "incident_tick",
    "incident_untick",
    "incident_by",
    "incident_root_cause",
    "incident_contributing",
    "incident_actions",
    "incident_customer_message",
    "incident_merge",
    "incident_list",
    "incident_collect",
    "incident_collect_hours",
    *_RUN_VARIABLES,
)
_TEMPLATE_MARKS = ("{{", "{%", "{#")
_GOOD = ("done", "unchanged", "planned", "seen")
_OF_LOOKS = ("planned", "seen", "failed")

Vars = t.Mapping[str, t.Any]
#: By host and name, what the tasks registered on every selected host.
Registered = t.Mapping[str, Vars]


class ActionModule(ActionBase):
    """Action plugin of M(pangeafate.hotfix.fleet)."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables: Vars = task_vars or {}
        _validated, arguments = self.validate_argument_spec(
            argument_spec={
                "phase": {"type": "str", "required": True, "choices": ["select", "agree", "outcome"]},
                "action": {"type": "str", "default": "change"},
                "results": {"type": "list", "elements": "str", "default": []},
                "reverted": {"type": "str"},
                "stands": {"type": "bool", "default": True},
                "users": {"type": "list", "elements": "str", "default": []},
                "record": {"type": "dict"},
                "probe": {"type": "str"},
                "before": {"type": "str"},
            }
        )
        if arguments["phase"] == "select":
            refuse_templates(load_extra_vars(self._loader))
            given = self._templar.template({name: variables[name] for name in _RUN_VARIABLES if name in variables})
            selected = select(variables, given)
            if boolean(given.get("hotfix_connect_early") or False, strict=False):
                modules = given.get("hotfix_early_modules") or []
                packed = functools.partial(_early_packing.pack, self, modules, variables)
                _early_connection.begin(self, variables, packed)
            return {**result, **selected}
        registered = registered_of(variables, arguments)
        if arguments["phase"] == "agree":
            return {**result, **agree(registered, arguments["results"], bool(self._task.check_mode))}
        found = outcome(registered, arguments)
        if not self._task.check_mode and arguments["record"]:
            found["hosts"] += self._recorded(variables, registered, arguments, found)
        return {**result, **found, "_ansible_verbose_always": True}

    def _recorded(self, variables: Vars, registered: Registered, arguments: Vars, found: Vars) -> list[str]:
        """Write the outcome to the incident record, and return what is to be told of that."""
        # Only here: it is imported before every task that this plugin runs, and most of them record nothing.
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import run_end
        from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._recorded import context_of

        return run_end.record(
            arguments["record"],
            ending(registered, arguments, found, variables.get(arguments["probe"]) if arguments["probe"] else None),
            lambda: context_of(variables, self._templar.template, {"services": variables.get("hotfix_services")}),
        )


def refuse_templates(typed: Vars) -> None:
    """Raise when an operator's input on the command line holds a template, however deep."""
    for name in OPERATOR_INPUTS:
        found = next((text for text in _texts(typed.get(name)) if any(mark in text for mark in _TEMPLATE_MARKS)), None)
        if found is not None:
            raise AnsibleActionFail(
                f"{name} holds a template ({str(found)!r}): what is typed on the command line is taken as it is. "
                f"Nothing was touched. Next: give {name} in plain text."
            )


def _texts(value: t.Any) -> t.Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, t.Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def select(variables: Vars, given: Vars) -> dict[str, t.Any]:
    """Check what was selected, and return the run; nothing has been touched yet."""
    hosts = list(variables.get("ansible_play_hosts_all") or [])
    if _flag(given, "hotfix_limit_required") and not variables.get("ansible_limit"):
        raise AnsibleActionFail("No environment is named. Nothing was touched. Next: name one, as in '-l production'.")
    # Both leave out hosts that an earlier task of the play lost; those are decided over all the same.
    if set(variables.get("ansible_play_batch") or []) != set(variables.get("ansible_play_hosts") or []):
        raise AnsibleActionFail(
            "This play runs in batches (serial), but a change is decided over all selected hosts. "
            "Nothing was touched. Next: take 'serial' out of the play, or select fewer hosts with -l."
        )
    environment = _one_environment(variables.get("groups") or {}, hosts, given.get("hotfix_environments"))
    started = datetime.now(timezone.utc)
    return {
        "changed": False,
        "run": {
            "id": f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
            "operator": str(given.get("hotfix_operator") or f"{getpass.getuser()}@{socket.gethostname()}"),
            "environment": environment,
            "hosts": hosts,
            "started": started.isoformat(timespec="milliseconds"),
            "reason": str(given.get("hotfix_reason") or ""),
            "takeover": _flag(given, "hotfix_takeover"),
            "incident": _incident(given),
        },
    }


def _flag(given: Vars, name: str) -> bool:
    try:
        return bool(boolean(given.get(name) or False))
    except TypeError as exc:
        raise AnsibleActionFail(
            f"{name} is neither true nor false ({str(given[name])!r}). Nothing was touched. Next: give one of them."
        ) from exc


def _incident(given: Vars) -> dict[str, t.Any]:
    """Return what the run is to know of its incident record; whatever is wrong with what was typed is told now."""
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import asked

    try:
        return asked.settings(given)
    except HotfixError as exc:
        raise AnsibleActionFail(f"{exc.what} Nothing was touched. Next: {exc.next_step}") from exc


def _one_environment(groups: Vars, hosts: list[str], environments: t.Sequence[str] | None) -> str:
    names = list(environments or ["production", "staging"])
    members = {name: [host for host in hosts if host in (groups.get(name) or [])] for name in names}
    chosen = [name for name in names if members[name]]
    outside = [host for host in hosts if not any(host in members[name] for name in names)]
    if not hosts:
        raise AnsibleActionFail("No host is selected. Next: check the inventory (-i) and the limit (-l).")
    if outside:
        verb, them = ("is", "it") if len(outside) == 1 else ("are", "them")
        raise AnsibleActionFail(
            f"{', '.join(outside)} {verb} in no environment ({', '.join(names)}). Nothing was touched. "
            f"Next: put {them} into one of these inventory groups, or set hotfix_environments to yours."
        )
    if len(chosen) > 1:
        listed = "; ".join(f"{name}: {', '.join(members[name])}" for name in chosen)
        raise AnsibleActionFail(
            f"Hosts of {len(chosen)} environments are selected ({listed}), a run touches exactly one. "
            f"Nothing was touched. Next: select one, as in '-l {chosen[0]}'."
        )
    return chosen[0]


def registered_of(variables: Vars, arguments: Vars) -> Registered:
    """Return what was registered of the names that *arguments* speak of, on every selected host, if it was there.

    Ansible puts the variables of a host together anew whenever it is asked for them, so it is asked once.
    """
    names = [*arguments["results"], *(arguments[name] for name in ("reverted", "before") if arguments.get(name))]
    found = {}
    for host in variables.get("ansible_play_hosts_all") or []:
        of_host: Vars = variables["hostvars"][host]
        found[host] = {name: of_host[name] for name in names if name in of_host}
    return found


def _results(of_host: Vars, names: t.Sequence[str]) -> list[Vars]:
    found = (of_host.get(name) for name in names)
    return [result for result in found if isinstance(result, t.Mapping) and not result.get("skipped")]


def _is_good(result: Vars) -> bool:
    return not result.get("failed") and not result.get("unreachable") and result.get("outcome") in _GOOD


def _host_outcome(of_host: Vars, names: t.Sequence[str]) -> dict[str, t.Any]:
    """Say how a host got through the phases whose results it has under *names*: a bad one decides, or the last."""
    results = _results(of_host, names)
    if not results:
        return {"outcome": "unknown", "summary": "It was not looked at."}
    # What was done is the outcome; that it was looked at is told beside it.
    made = [r for r in results if r.get("outcome") != "seen"] or results
    last = next((r for r in results if not _is_good(r)), made[-1])
    before = [str(r.get("summary")) for r in made if r is not last and _is_good(r)]
    until_then = f" Before that: {before[-1]}" if before else ""
    if last.get("unreachable"):
        why = str(last.get("msg") or "It could not be reached.")
        return {"outcome": "unreachable", "summary": why + until_then}
    said = last.get("outcome")
    if last.get("failed") or said is None:
        # A module that died says nothing of ours; what it left behind is all there is to show.
        why = str(last.get("msg") or last.get("module_stderr") or "It ended silently.")
        return {"outcome": "failed", "summary": why + until_then}
    outcomes = [r.get("outcome") for r in results]
    # A look from outside and one on the host say nothing of each other.
    told = [r for r in results if said in _OF_LOOKS and r.get("outcome") == said] or [last]
    looks = [f"Checked: {r.get('summary')}" for r in results if r not in told and r.get("outcome") == "seen"]
    # A bad look does not say what was done before it, and may not have been undone.
    of_look = said == "bad_input" or (said == "failed" and "verdict" in last)
    return {
        "outcome": "done" if said == "unchanged" and "done" in outcomes else said,
        "summary": " ".join(str(r.get("summary") or r.get("msg") or "") for r in told)
        + (until_then if of_look else ""),
        "notes": looks + [note for r in results for note in [*(r.get("notes") or []), *(r.get("plan") or [])[1:]]],
        "seconds": sum(s["seconds"] for r in results for s in r.get("steps") or [] if s["step"] == "switch"),
    }


def _over_all(registered: Registered, names: t.Sequence[str]) -> dict[str, dict[str, t.Any]]:
    return {host: _host_outcome(of_host, names) for host, of_host in registered.items()}


def _differences(registered: Registered, names: t.Sequence[str]) -> list[str]:
    """Say for which services the hosts' releases have different images: a tag may move between two pulls."""
    by_service: dict[str, dict[str, list[str]]] = {}
    for host, of_host in registered.items():
        for result in _results(of_host, names[:1]):
            for service, image in ((result.get("release") or {}).get("image_ids") or {}).items():
                by_service.setdefault(service, {}).setdefault(image, []).append(host)
    return [
        f"{service}: {'; '.join(f'{image[:19]} on {chr(44).join(on)}' for image, on in images.items())}"
        for service, images in sorted(by_service.items())
        if len(images) > 1
    ]


def agree(registered: Registered, names: t.Sequence[str], planning: bool) -> dict[str, t.Any]:
    """Say whether the next phase may begin: every selected host, the unreachable ones too, got through this one.

    All of them must have got the same images, or one environment would serve two versions under one name.
    """
    passed = all(said["outcome"] in _GOOD for said in _over_all(registered, names).values())
    good = passed and not _differences(registered, names)
    # A plan is complete after its first phase; there is nothing to go on with and nothing to undo.
    return {"changed": False, "go": good and not planning, "undo": not good and not planning}


def outcome(registered: Registered, arguments: Vars) -> dict[str, t.Any]:
    """Say how the run went over all selected hosts, and fail unless it went well on every one."""
    hosts = _over_all(registered, arguments["results"])
    action = arguments["action"].capitalize()
    good = [host for host, said in hosts.items() if said["outcome"] in _GOOD]
    bad = [host for host in hosts if host not in good]
    lines = [*_lines(hosts), *(f"users: {line}" for line in arguments.get("users") or [])]
    differences = _differences(registered, arguments["results"])
    if differences and arguments["reverted"]:
        bad, good = list(hosts), []
        lines.append(
            f"The hosts have different images of this version ({'. '.join(differences)}), so none was switched."
        )
    elif differences:
        lines.append(f"The hosts are not on the same images now: {'. '.join(differences)}.")
    if not bad:
        joint = _joint([said["outcome"] for said in hosts.values()])
        words = {
            "done": "done on every host",
            "unchanged": "nothing to do",
            "planned": "planned, nothing was changed",
            "seen": "every host was looked at",
        }
        return {"changed": False, "outcome": joint, "msg": f"{action}: {words[joint]}.", "hosts": lines}
    undone = _over_all(registered, [arguments["reverted"]]) if arguments["reverted"] else {}
    # Where nothing had to be undone there is nothing to say about it.
    undone = {host: said for host, said in undone.items() if said["outcome"] not in ("unknown", "unchanged")}
    lines += [f"{host}: undone: {said['outcome']}: {said['summary']}" for host, said in undone.items()]
    joint = _joint_of_failure({host: hosts[host]["outcome"] for host in bad}, bool(good), undone, arguments)
    return {
        "failed": True,
        "changed": False,
        "outcome": joint,
        "msg": f"{action}: {joint.replace('_', ' ')}. {_next_step(joint, bad)}",
        "hosts": lines,
    }


def ending(registered: Registered, arguments: Vars, found: Vars, probe: t.Any) -> run_end.Ending:
    """Return how the run ended as the incident record takes it."""
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident import run_end

    names = [*arguments["results"], *([arguments["reverted"]] if arguments["reverted"] else [])]
    before = arguments.get("before") or ""
    looked = {host: of_host.get(before) for host, of_host in registered.items()}
    return run_end.Ending(
        action=arguments["action"],
        outcome=str(found["outcome"]),
        msg=str(found["msg"]),
        lines=list(found["hosts"]),
        hosts=_over_all(registered, arguments["results"]),
        results={host: _results(of_host, names) for host, of_host in registered.items()},
        before={host: look for host, look in looked.items() if isinstance(look, t.Mapping)},
        probe=probe if isinstance(probe, t.Mapping) else None,
    )


def _joint_of_failure(bad: t.Mapping[str, str], some_good: bool, undone: t.Mapping[str, Vars], arguments: Vars) -> str:
    if undone:
        return "reverted" if all(said["outcome"] in _GOOD for said in undone.values()) else "partial"
    # Without an undo, what the good hosts did stands, unless the run ended before any host was switched.
    if some_good and arguments["stands"]:
        return "partial"
    kinds = set(bad.values())
    return kinds.pop() if len(kinds) == 1 else "failed"


def _joint(outcomes: t.Sequence[str]) -> str:
    for word in ("planned", "seen", "done"):
        if word in outcomes:
            return word
    return "unchanged"


def _lines(hosts: t.Mapping[str, Vars]) -> list[str]:
    lines = []
    for host, said in hosts.items():
        took = f" ({said['seconds']:.1f} s)" if said.get("seconds") else ""
        lines.append(f"{host}: {said['outcome'].replace('_', ' ')}{took}: {said['summary']}")
        lines += [f"{host}: note: {note}" for note in said.get("notes") or []]
    return lines


def _next_step(joint: str, bad: t.Sequence[str]) -> str:
    names = ", ".join(bad)
    if joint == "partial":
        return f"Next: mend {names} and run the same command again; hosts that are done stay as they are."
    if joint == "reverted":
        return f"Every host that was switched runs again what it ran before. Next: mend what the lines of {names} say."
    return "Next: do what each host's line says, then run the same command again."
