# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the process that tells people runs: this file, by its path, with the order as one line on its standard input.

The packages above this one are made by hand, because where a collection is installed (or linked) differs.
"""

from __future__ import annotations

import json
import os
import sys
import syslog
import types

#: In the incident's folder: what could not be written down as an event of it.
LOG = "notifier.log"


def complain(folder: str, line: str) -> None:
    """Say it where an operator may look: in the incident's folder, else in the system's log."""
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(os.path.join(folder, LOG), flags, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as handle:
            handle.write(f"{line}\n")
    except OSError:
        syslog.syslog(syslog.LOG_WARNING, f"pangeafate.hotfix: {line}")


def _make_packages() -> None:
    folder = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    name = ""
    for part in ("ansible_collections", "pangeafate", "hotfix", "plugins"):
        name = f"{name}.{part}" if name else part
        package = types.ModuleType(name)
        package.__path__ = [folder] if part == "plugins" else []
        sys.modules[name] = package


def _main() -> int:
    # At once: who sent it waits until the pipe has taken it.
    order = json.loads(sys.stdin.buffer.readline())
    sys.stdin.close()
    sys.path += [path for path in order["paths"] if path not in sys.path]
    _make_packages()
    from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.delivery import main

    return main(order)


def _silent(kind: type[BaseException], _value: object, trace: types.TracebackType | None) -> None:
    """Say where it went wrong, but not what an exception says: that may be a secret."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "nowhere"
    complain(sys.argv[1], f"the process that sends ended: {kind.__name__} at {where}")


if __name__ == "__main__":
    sys.excepthook = _silent
    raise SystemExit(_main())
