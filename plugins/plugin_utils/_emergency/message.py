# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The message of a hotfix commit: what, why, how risky, how it is undone, and which guards were passed by hand."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

SUBJECT = "HOTFIX: "
RISKS = ("Low", "Medium", "High")
GUARD = "Hotfix-Guard-"
ROLLBACK = "Available via playbooks/rollback.yml"
_LONGEST = 120
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
#: What the message says by itself.
_OURS = ("fixes", "risk", "rollback")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Message:
    """A message whose parts were checked."""

    what: str
    fixes: str
    risk: str
    rollback: str
    body: str = ""
    trailers: t.Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """The first line."""
        return f"{SUBJECT}{self.what}"

    def text(self, *, picked: str | None = None, reasons: t.Mapping[str, str] | None = None) -> str:
        """Return the whole message.

        *picked* is the commit that it was taken from, *reasons* tells by the name of a guard why it was passed.
        """
        last = [f"(cherry picked from commit {picked})"] if picked else []
        last += [f"{name}: {value}" for name, value in self.trailers.items()]
        last += [f"{GUARD}{name}: {reason}" for name, reason in sorted((reasons or {}).items())]
        about = f"Fixes: {self.fixes}\nRisk: {self.risk}\nRollback: {self.rollback}"
        return "\n\n".join(part for part in (self.subject, self.body, about, "\n".join(last)) if part) + "\n"


def parse(
    *,
    what: str | None,
    fixes: str | None,
    risk: str | None,
    rollback: str | None = None,
    body: str | None = None,
    trailers: t.Mapping[str, t.Any] | None = None,
) -> Message:
    """Check the parts of a message.

    Raises
    ------
    BadInputError
        When one is missing or cannot be in a message, with the name of the option.
    """
    said = _line("what", what).strip()
    # Who types the whole subject means the same.
    said = said[len(SUBJECT.strip()) :].strip() if said.upper().startswith(SUBJECT.strip()) else said
    if not said:
        raise BadInputError("what is empty after 'HOTFIX:'.", next_step="say in a few words what the change does.")
    if len(said) > _LONGEST:
        raise BadInputError(
            f"what is {len(said)} characters long, the first line of a message takes {_LONGEST}.",
            next_step="say it shorter, and the rest in body.",
        )
    risks = {one.lower(): one for one in RISKS}
    wanted = str(risk or "").strip().lower()
    if wanted not in risks:
        raise BadInputError(
            f"risk is {str(risk or '')!r}, which is none of {', '.join(RISKS)}.",
            next_step="say how risky the change is: Low, Medium or High.",
        )
    return Message(
        what=said,
        fixes=_line("fixes", fixes),
        risk=risks[wanted],
        rollback=_line("rollback", rollback or ROLLBACK),
        body=_plain("body", str(body or "").replace("\r\n", "\n")).strip(),
        trailers=_trailers(trailers or {}),
    )


def without_guards(text: str) -> str:
    """Return a message without its guards' lines, to compare two."""
    head, blank, last = text.strip().rpartition("\n\n")
    kept = "\n".join(line for line in last.splitlines() if not line.startswith(GUARD))
    return (head + (blank + kept if kept else "")).strip()


def reasons(text: str) -> dict[str, str]:
    """Return which guards a message says were passed by hand, and why."""
    lines = text.strip().rpartition("\n\n")[2].splitlines()
    pairs = (line[len(GUARD) :].partition(": ") for line in lines if line.startswith(GUARD))
    return {name: reason for name, _colon, reason in pairs}


def _line(name: str, value: t.Any) -> str:
    text = _plain(name, str(value or "")).strip()
    if not text:
        raise BadInputError(f"{name} is empty.", next_step=f"give {name}: it stands in the commit's message.")
    if "\n" in text:
        raise BadInputError(f"{name} has several lines.", next_step=f"give {name} in one line, and the rest in body.")
    return text


def _plain(name: str, text: str) -> str:
    found = _CONTROL.search(text)
    if found:
        raise BadInputError(
            f"{name} holds a character that cannot be in a commit's message ({found.group()!r}).",
            next_step=f"give {name} as plain text.",
        )
    return text


def _trailers(given: t.Mapping[str, t.Any]) -> dict[str, str]:
    found = {}
    for name, value in given.items():
        key = str(name)
        if not _KEY.fullmatch(key):
            raise BadInputError(
                f"{key!r} cannot be the name of a trailer: letters, digits and '-'.",
                next_step="name it as in Reviewed-by.",
            )
        if key.lower() in _OURS or key.lower().startswith(GUARD.lower()):
            raise BadInputError(
                f"The trailer {key!r} is written by the hotfix itself.",
                next_step="take it out of the trailers; a guard is passed by guard_reasons.",
            )
        found[key] = _line(f"The trailer {key}", value)
    return found
