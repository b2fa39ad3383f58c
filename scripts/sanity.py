#!/usr/bin/env python
# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on this checkout; further arguments go to ansible-test.

ansible-test wants a Git repository below a directory `ansible_collections`, so it works on a copy. Everything it
builds stays in .cache/, which makes the second run quick and leaves the user's home alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "ansible-test"
HOME = CACHE / "home"
TREE = CACHE / "tree" / "ansible_collections" / "pangeafate" / "hotfix"
# Where targets may be: modules and module_utils must compile and import on the oldest Python that ansible-core manages.
OLDEST_TARGET = "3.9"

# ansible-test bootstraps pip with a script that it downloads. The pip that comes with Python does as well, and needs
# no other host than the package index that this machine already uses.
GET_PIP = """\
from __future__ import annotations

import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--upgrade"], stdout=subprocess.DEVNULL)
packages = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", "--quiet", *packages]))
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def copy_tree() -> None:
    """Copy what Git tracks or would track; an earlier copy goes, its test results too."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    shutil.rmtree(TREE, ignore_errors=True)
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, TREE / name
        if source.is_symlink() or source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    run("git", "init", "--quiet", "--initial-branch=main", cwd=TREE)
    run("git", "add", "--all", cwd=TREE)


def bootstrap_pip() -> None:
    """Put the stand-in where ansible-test would keep its download, under the name that this version looks for."""
    requirements = Path(sysconfig.get_path("purelib"), "ansible_test", "_internal", "python_requirements.py")
    versions = re.findall(r"\bpip='([0-9.]+)'", requirements.read_text(encoding="utf-8"))
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in versions:
        script = cache / f"get_pip_{version.replace('.', '_')}.py"
        if not script.exists():
            script.write_text(GET_PIP, encoding="utf-8")


def carry_pip_settings() -> None:
    """ansible-test drops the environment, and HOME is ours: hand on the package index and the CA of this machine."""
    settings: dict[str, str] = {"quiet": "2"}
    for line in run(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, value = line.split("=", 1)
        # The environment is listed first but wins over the files.
        settings.setdefault(key.rpartition(".")[2], value.strip("'\"").replace("\\n", " "))
    config = HOME / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items()), encoding="utf-8")
    config.chmod(0o600)


def interpreters(version: str) -> Iterator[Path]:
    for directory in os.get_exec_path():
        yield Path(directory, f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}*/bin/python{version}"))


def working(version: str) -> Path | None:
    """The first interpreter of this version that really runs: a version manager's shim may be there and fail."""
    for path in filter(Path.exists, interpreters(version)):
        probe = subprocess.run(
            [path, "-c", "import ensurepip, ssl, sys, venv; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )
        if probe.returncode == 0:
            return Path(probe.stdout.strip())
    return None


def ansible_test(*arguments: str, pythons: list[Path]) -> bool:
    path = [str(Path(sys.executable).parent), *(str(python.parent) for python in pythons), "/usr/bin", "/bin"]
    environment = {**os.environ, "HOME": str(HOME), "PATH": os.pathsep.join(path)}
    environment.pop("ANSIBLE_CONFIG", None)
    command = [str(Path(sys.executable).with_name("ansible-test")), "sanity", "--color", "no", *arguments]
    return subprocess.run(command, cwd=TREE, env=environment, check=False).returncode == 0


def main() -> int:
    copy_tree()
    bootstrap_pip()
    carry_pip_settings()
    controller = f"{sys.version_info.major}.{sys.version_info.minor}"
    passed = ansible_test("--python", controller, *sys.argv[1:], pythons=[])
    if not sys.argv[1:]:
        oldest = working(OLDEST_TARGET)
        if oldest is None:
            print(f"not run: compile and import on Python {OLDEST_TARGET}, which this machine does not have")
        else:
            on_target = ["--python", OLDEST_TARGET, "--test", "compile", "--test", "import"]
            passed = ansible_test(*on_target, pythons=[oldest]) and passed
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
