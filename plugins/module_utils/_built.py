# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The images of an emergency build, as the one who built them hands them on."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _names
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError

#: The tag that every emergency build takes over from the one before it.
EMERGENCY = "emergency"
_CONTENT = re.compile(r"sha256:[0-9a-f]{64}")
_ADVICE = "give images as the result of emergency_build has them."


@dataclass(frozen=True)
class Built:
    """One image: ``reference`` is ``repository:tag``, ``digest`` is ``repository@sha256:…`` where a registry has it."""

    reference: str
    image_id: str
    digest: t.Optional[str] = None

    @property
    def repository(self) -> str:
        """The reference without its tag."""
        return self.reference.rpartition(":")[0]

    @property
    def tag(self) -> str:
        """The tag of the reference: the ID of the build."""
        return self.reference.rpartition(":")[2]


def parse(given: t.Mapping[str, t.Any]) -> t.Dict[str, Built]:
    """Read the images by service; raise :class:`BadInputError` for what cannot be right."""
    return {_names.service(str(name)): _built(str(name), one) for name, one in given.items()}


def version_of(images: t.Mapping[str, Built]) -> str:
    """Return the version that the images are: the one tag that all of them have."""
    tags = sorted({one.tag for one in images.values()})
    if len(tags) != 1:
        raise BadInputError(f"The images are of several builds ({', '.join(tags)}).", next_step=_ADVICE)
    return tags[0]


def _built(name: str, given: t.Any) -> Built:
    if not isinstance(given, t.Mapping):
        raise BadInputError(f"The image of {name} is no dictionary.", next_step=_ADVICE)
    reference, image_id, digest = (given.get(key) for key in ("reference", "image_id", "digest"))
    repository, colon, tag = str(reference or "").rpartition(":")
    if not colon or "/" in tag:
        raise BadInputError(f"The image of {name} has no reference of the form repository:tag.", next_step=_ADVICE)
    _names.repository(repository)
    _names.version(tag)
    if not _CONTENT.fullmatch(str(image_id or "")):
        raise BadInputError(f"The image_id {image_id!r} of {name} is no sha256:….", next_step=_ADVICE)
    if digest:
        of, at, content = str(digest).partition("@")
        if not at or of != repository or not _CONTENT.fullmatch(content):
            raise BadInputError(f"The digest {digest!r} of {name} is no {repository}@sha256:….", next_step=_ADVICE)
    return Built(str(reference), str(image_id), str(digest) if digest else None)
