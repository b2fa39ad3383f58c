# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print a result, in the form that was asked for, and nothing else on the standard output."""

from __future__ import annotations

import contextlib
import json
import sys

from hotfix.document import Document

FORMS = ("text", "json", "junit")


def show(document: Document, form: str) -> None:
    """Print it. A reader that has gone away is no reason to fail."""
    if form == "json":
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    elif form == "junit":
        from hotfix.output import junit

        text = junit.render(document)
    else:
        from hotfix.output import text as words

        text = words.render(document)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(text)
        sys.stdout.flush()
