# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What names may look like. Everything that reaches a command line or a path passes here first."""

from __future__ import annotations

import re
import typing as t
from datetime import datetime

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

# The tag grammar of the OCI distribution spec, the project grammar of Compose, the service grammar of Compose.
_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_RELEASE = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z0-9][a-z0-9_.-]{0,127}")
_REPOSITORY = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
_ENV_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _checked(pattern: t.Pattern[str], value: str, what: str, allowed: str) -> str:
    if not pattern.fullmatch(value):
        raise BadInputError(
            f"{what} {value!r} is not usable: {allowed}.",
            next_step=f"give a {what} of that form.",
        )
    return value


def version(value: str) -> str:
    """Return *value* when it can be an image tag."""
    return _checked(_VERSION, value, "version", "letters, digits, '_', '.' and '-', at most 128, as in an image tag")


def project(value: str) -> str:
    """Return *value* when it can be a Compose project name."""
    return _checked(
        _PROJECT, value, "project", "lower-case letters, digits, '_' and '-', starting with a letter or digit"
    )


def service(value: str) -> str:
    """Return *value* when it can be a Compose service name."""
    return _checked(_SERVICE, value, "service", "letters, digits, '_', '.' and '-', starting with a letter or digit")


def release_id(value: str) -> str:
    """Return *value* when it can be the ID of a release (``<UTC time>-<label>``)."""
    return _checked(_RELEASE, value, "release", "release IDs look like 20260102T030405Z-v1")


def is_release_id(value: str) -> bool:
    """Tell whether *value* can be the ID of a release."""
    return _RELEASE.fullmatch(value) is not None


def repository(value: str) -> str:
    """Return *value* when it can be an image repository without tag or digest."""
    return _checked(
        _REPOSITORY, value, "image", "give the repository without tag or digest, as registry.example.com/app"
    )


def env_key(value: str) -> str:
    """Return *value* when it can be the name of an environment variable."""
    return _checked(_ENV_KEY, value, "environment key", "letters, digits and '_', not starting with a digit")


def new_release_id(now: datetime, label: str) -> str:
    """Make the ID of a release: a UTC time that sorts, and what it is called."""
    return release_id(f"{now:%Y%m%dT%H%M%SZ}-{re.sub(r'[^a-z0-9_.-]', '-', label.lower()).lstrip('-_.') or 'release'}")
