# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The proof that a release is what answers, from the containers and through the proxy."""

from __future__ import annotations

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _compose, _health
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._host import of_release, runs
from ansible_collections.pangeafate.hotfix.plugins.module_utils._records import Release
from ansible_collections.pangeafate.hotfix.plugins.module_utils._session import Session


def verify(session: Session, release: Release, model: _compose.Model) -> str:
    """Return what was proven, in words for the operator; raise when *release* is not what answers.

    Every container of the switched services must be of it and running, and the app must answer healthy. Where the
    app names the answering container in a header, that container must be one of them.
    """
    host = session.host
    containers = host.docker.containers(host.app.project)
    wrong = runs(release, model, containers)
    if wrong:
        raise HotfixError(
            f"Release {release.id} does not run as it should: {'; '.join(wrong)}.", next_step="run this again."
        )
    health = host.app.health
    if health is None:
        return "its containers run; whether the app answers was not looked at (hotfix_health is not set)"
    ours = of_release(release, containers)

    def is_ours(answer: _health.Answer) -> bool:
        return any(c.id.startswith(str(answer.instance)) or c.name == answer.instance for c in ours)

    def accept(answer: _health.Answer) -> bool:
        # Right after a reload the proxy's old workers may still take a connection.
        return not (health and health.instance_header and answer.instance) or is_ours(answer)

    answer = _health.wait(health, host.clock, session.require, accept=accept)
    if answer.problem is not None:
        looked = "The app is not healthy through the proxy" if answer.answered else "Nothing answered through the proxy"
        raise HotfixError(f"{looked}: {answer.problem}.", next_step="look at the proxy's and the app's logs.")
    if not health.instance_header:
        return "its containers run, and the app answers healthy"
    if not answer.instance:
        raise HotfixError(
            f"The answer of {health.url} has no header {health.instance_header}: which container answers "
            "cannot be told.",
            next_step="correct hotfix_health.instance_header, or leave it out.",
        )
    if not is_ours(answer):
        raise HotfixError(
            f"Another container answers than those of release {release.id}: {answer.instance}.",
            next_step="check where the proxy sends its traffic.",
        )
    return "its containers run, and one of them answers healthy"


def model_of(session: Session, release: Release) -> _compose.Model:
    """Return what *release* is started from, or raise when its file is missing or damaged."""
    return _compose.of_release(session.host.releases.compose_file(release.id), release.id)
