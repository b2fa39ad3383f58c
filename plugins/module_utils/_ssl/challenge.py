# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The folder that the proxy serves challenges from."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from pathlib import Path

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _files
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

_INSIDE = (".well-known", "acme-challenge")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")
_SERVE = (
    "location ^~ /.well-known/acme-challenge/ { root /var/www/acme; } in the server of port 80, with this folder "
    "mounted as /var/www/acme"
)


class Webroot:
    """What is put there is public, and readable by whichever user the proxy runs as."""

    def __init__(self, app_dir: Path, given: str) -> None:
        if not str(given).strip():
            raise BadInputError(
                "The folder that the proxy serves challenges from is not set.",
                next_step=f"have the proxy serve one ({_SERVE}), and set ssl_renewal_webroot to it.",
            )
        self.root = Path(os.path.normpath(str(app_dir / given)))
        self.folder = self.root.joinpath(*_INSIDE)

    def require(self) -> None:
        """Raise unless tokens can be put there."""
        if not self.root.is_dir():
            raise BadInputError(
                f"There is no folder {self.root} on this host.",
                next_step=f"correct ssl_renewal_webroot, or make it and have the proxy serve it ({_SERVE}).",
            )
        nearest = next(path for path in (self.folder, self.folder.parent, self.root) if path.is_dir())
        if not os.access(str(nearest), os.W_OK | os.X_OK):
            raise BadInputError(
                f"This user may not write to {nearest}.", next_step="chown it to the SSH user, or run with --become."
            )

    def put(self, tokens: t.Mapping[str, str]) -> None:
        """Put tokens there, each with what it is answered with."""
        for folder in (self.folder.parent, self.folder):
            _files.make_folder(folder, mode=0o755)
        for token, text in tokens.items():
            # It becomes the name of a file.
            if not _TOKEN.fullmatch(token):
                raise BadInputError(f"The token {token!r} is none.", next_step="see what the authority is.")
            _files.write_text(self.folder / token, text, mode=0o644)

    def remove(self, tokens: t.Iterable[str]) -> None:
        """Remove tokens, those that are there."""
        for token in tokens:
            if _TOKEN.fullmatch(token):
                with contextlib.suppress(FileNotFoundError):
                    (self.folder / token).unlink()
