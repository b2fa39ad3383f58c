# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run ended, decided from what was seen of the hosts."""

from __future__ import annotations

from dataclasses import dataclass

from hotfix.events import is_failure
from hotfix.exits import MEANINGS, Exit
from hotfix.record import Record

#: The fleet's words, and the code of each. `failed` is decided by what was left behind.
_OUTCOMES = {
    "done": Exit.DONE,
    "seen": Exit.DONE,
    "planned": Exit.DONE,
    "unchanged": Exit.NOTHING_TO_DO,
    "nothing_to_do": Exit.NOTHING_TO_DO,
    "reverted": Exit.SWITCHED_BACK,
    "partial": Exit.PARTIAL,
    "unreachable": Exit.COULD_NOT_LOOK,
    "unknown": Exit.COULD_NOT_LOOK,
    "could_not_look": Exit.COULD_NOT_LOOK,
    "refused": Exit.REFUSED,
    "bad_input": Exit.USAGE,
}


#: Reports that fail for what could not be seen, and for nothing else.
_READERS = ("diagnose_report", "logs_report")


@dataclass(frozen=True)
class Verdict:
    """The exit code, and one sentence."""

    code: Exit
    message: str


def verdict(record: Record, status: str, stopped: str | None, *, looks: bool) -> Verdict:
    """Say how the run ended.

    *stopped* is `cancelled` or `timed_out` where this command ended it. *looks* is true for what changes nothing: to
    find nothing to do is then no news.
    """
    if stopped:
        code = Exit.CANCELLED if stopped == "cancelled" else Exit.TIMED_OUT
        return Verdict(code, MEANINGS[code])
    if record.stats is None:
        # Without statistics it ended before its last play did: a playbook that cannot be read, a crash. The exit code
        # of ansible-playbook is the same for that and for an unreachable host.
        return _not_run(record)
    if not any(host.reached or host.unreachable for host in record.hosts.values()):
        return Verdict(
            Exit.COULD_NOT_LOOK,
            "No host did anything, so nothing was changed. Next: check -l and -i (ansible-inventory).",
        )
    if record.outcome is not None:
        found = _of_outcome(record)
    elif record.reports:
        found = _of_report(record)
    else:
        found = _of_hosts(record)
    if looks and found.code is Exit.NOTHING_TO_DO:
        return Verdict(Exit.DONE, found.message)
    good = found.code in (Exit.DONE, Exit.NOTHING_TO_DO)
    if good and status != "successful" and not (record.outcome or {}).get("failed"):
        # The last word on the hosts was good, and something after it failed.
        return Verdict(Exit.FAILED_CHANGED if record.changed() else Exit.FAILED_UNCHANGED, _first_failure(record))
    return found


def _of_outcome(record: Record) -> Verdict:
    said = record.outcomes[-1]
    word, message = str(said.get("outcome")), str(said.get("msg") or "")
    if word in _OUTCOMES:
        return Verdict(_OUTCOMES[word], message)
    if _only_unseen(record):
        return Verdict(Exit.COULD_NOT_LOOK, message)
    return Verdict(Exit.FAILED_CHANGED if record.changed() else Exit.FAILED_UNCHANGED, message)


def _only_unseen(record: Record) -> bool:
    """Tell whether all that is wrong is that checks could not look (`error`), which is not that something is broken."""
    verdicts = [
        result.get("verdict")
        for host in record.hosts.values()
        for _module, result in host.results
        if is_failure(result)
    ]
    return bool(verdicts) and set(verdicts) == {"error"}


def _of_report(record: Record) -> Verdict:
    """Decide by what was told of all hosts at the end: nothing was changed, however that went."""
    module, found = next(reversed(record.reports.items()))
    said, message = str(found.get("outcome") or ""), str(found.get("msg") or "")
    first = message.partition("\n")[0]
    if is_failure(found) or record.failures:
        if said in ("bad_input", "refused"):
            return Verdict(_OUTCOMES[said], message)
        if module in _READERS:
            return Verdict(Exit.COULD_NOT_LOOK, first)
        return Verdict(Exit.FAILED_UNCHANGED, _first_failure(record) if record.failures else message)
    return Verdict(_OUTCOMES.get(said, Exit.DONE), first)


def _of_hosts(record: Record) -> Verdict:
    """Decide for a playbook that is none of ours, or that ended before its outcome."""
    if record.failures:
        if "Nothing was touched" in record.failures[0][2] or (not record.selected and _is_refusal(record)):
            return Verdict(Exit.USAGE, _first_failure(record))
        return Verdict(Exit.FAILED_CHANGED if record.changed() else Exit.FAILED_UNCHANGED, _first_failure(record))
    if record.unreachable():
        names = ", ".join(record.unreachable())
        return Verdict(
            Exit.PARTIAL
            if any(host.reached and not host.unreachable for host in record.hosts.values()) and record.changed()
            else Exit.COULD_NOT_LOOK,
            f"Not every host was reached ({names}). Next: mend the connection and run the same again.",
        )
    return Verdict(Exit.DONE, "Done on every host.")


def _is_refusal(record: Record) -> bool:
    return bool(record.steps) and record.steps[0].name.startswith("Refuse ")


def _first_failure(record: Record) -> str:
    if not record.failures:
        return "The run failed without saying why. Next: run it again with -v."
    host, _task, message = record.failures[-1]
    return message if len(record.hosts) == 1 or not host else f"{host}: {message}"


def _not_run(record: Record) -> Verdict:
    text = "\n".join(record.printed).strip()
    if not record.started or not record.steps:
        why = text or "ansible-playbook ended without a word"
        return Verdict(Exit.NOT_RUN, f"The playbook could not be run, so nothing was touched: {why}")
    where = record.steps[-1].name
    return Verdict(
        Exit.NOT_RUN,
        f"ansible-playbook ended in the middle, while it was at '{where}'. What the hosts are like is below, or by "
        f"'hotfix status'.{' It said: ' + text if text else ''}",
    )
