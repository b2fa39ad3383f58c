# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the sandbox: `python -m sandbox up`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from sandbox import lifecycle
from sandbox.config import HOSTS, SandboxError, host
from sandbox.hosts import ssh_command
from sandbox.notes import VARIANTS


def main() -> int:
    """Run one command; 1 is for what the sandbox could not do, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    on_demand = " and ".join(item.name for item in HOSTS if item.on_demand)
    hosts = f"host or group ({', '.join(item.name for item in HOSTS)}); without one: all but {on_demand}"
    part = commands.add_parser("up", help="bring hosts, registry and app to run, from any state")
    part.add_argument("hosts", nargs="*", metavar="HOST", help=hosts)
    part = commands.add_parser("reset", help="make hosts run version 1 as if nothing had ever happened there")
    part.add_argument("hosts", nargs="*", metavar="HOST", help=hosts)
    part.add_argument("--variant", choices=VARIANTS, help="how the app keeps its flags, or whose database it uses")
    commands.add_parser("status", help="one line per host")
    commands.add_parser("images", help="build all images that are missing")
    commands.add_parser("down", help="remove everything the sandbox made, images and keys included")
    part = commands.add_parser("ssh", help="open a shell on a host, or run a command there")
    part.add_argument("host", metavar="HOST")
    part.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    options = parser.parse_args()
    try:
        if options.command == "up":
            lifecycle.up(options.hosts)
        elif options.command == "reset":
            lifecycle.reset(options.hosts, options.variant)
        elif options.command == "status":
            print("\n".join(lifecycle.status()))
        elif options.command == "images":
            lifecycle.images()
        elif options.command == "down":
            lifecycle.down()
        else:
            return subprocess.run([*ssh_command(host(options.host)), *options.words], check=False).returncode
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sandbox: stopped; run it again to go on", file=sys.stderr)
        # Threads that wait for Docker must not keep the operator waiting.
        os._exit(130)
    return 0


if __name__ == "__main__":
    sys.exit(main())
