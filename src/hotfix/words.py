# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks speak of playbooks. On the screen of this command it is the command that is to be typed."""

from __future__ import annotations

import re

_L = r"(?P<l>(?: -l \S+)?)"
#: In order: the longer ones come first.
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (
            rf"ansible-playbook playbooks/incident\.yml{_L} -e tick=([\w.-]+) -e by=([\w.-]+)",
            r"hotfix incident check \2 --by \3\g<l>",
        ),
        (rf"ansible-playbook playbooks/incident\.yml{_L} -e state=resolved", r"hotfix incident resolve\g<l>"),
        (
            rf"ansible-playbook playbooks/incident\.yml{_L} -e state=opened -e \"title='([^']*)'\"",
            r"hotfix incident open '\2'\g<l>",
        ),
        (rf"ansible-playbook playbooks/incident\.yml{_L}", r"hotfix incident report\g<l>"),
        (r"(?:ansible-playbook )?playbooks/release_info\.yml", "hotfix releases"),
        (r"(?:ansible-playbook )?playbooks/rollback\.yml", "hotfix rollback"),
        (r"(?:ansible-playbook )?playbooks/confirm\.yml", "hotfix confirm"),
        (r"(?:ansible-playbook )?playbooks/smoke_check\.yml", "hotfix smoke"),
        (r"(?:ansible-playbook )?playbooks/preflight\.yml", "hotfix preflight"),
        (r"(?:ansible-playbook )?playbooks/(adopt|proxy|merge_back)\.yml", r"hotfix run pangeafate.hotfix.\1"),
        (r"playbooks/incident\.yml", "hotfix incident report"),
        (r"-e takeover=true", "--takeover"),
        (r"-e release=([\w.-]+)", r"--to \1"),
        (r"-e restore=([\w.:-]+)", r"--restore \1"),
    )
)


def ours(text: str) -> str:
    """Return *text* with the commands of this program instead of those of Ansible."""
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return text
