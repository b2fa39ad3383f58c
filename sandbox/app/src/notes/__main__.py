# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts one service: `python3 -m notes backend|frontend|hocuspocus`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Answer SIGTERM from the first moment on, then load the service."""
    # Process 1 ignores signals without a handler: a stop while the imports run would wait for its SIGKILL.
    signal.signal(signal.SIGTERM, lambda _number, _frame: os._exit(0))
    service = sys.argv[1] if len(sys.argv) == 2 else ""
    if service == "backend":
        from notes.backend import main as run
    elif service == "frontend":
        from notes.frontend import main as run
    elif service == "hocuspocus":
        from notes.hocuspocus import main as run
    else:
        sys.exit("usage: python3 -m notes backend|frontend|hocuspocus")
    run()


if __name__ == "__main__":
    main()
