# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Opens pull requests by GitHub's API, or finds the one that there is."""

from __future__ import annotations

import time
import typing as t
import urllib.parse
from datetime import UTC, datetime, timedelta

from ansible_collections.pangeafate.hotfix.plugins.module_utils import _json
from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import HotfixError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._flags.wire import hide, one_line

if t.TYPE_CHECKING:
    import requests

API = "https://api.github.com"
_TIMEOUT = 15.0
_TRIES = 3
_MEND = "give a token that may open pull requests there (GITHUB_TOKEN), then run the same again."


class Pull(t.NamedTuple):
    """A pull request: where people see it, its number, whether it is ``open``, ``closed`` or ``merged``, its commit."""

    url: str
    number: int
    state: str
    commit: str


def repository_of(url: str) -> tuple[str, str] | None:
    """Return host and ``owner/name`` of a remote's URL; None where it has no such form."""
    if "://" not in url and ":" in url and not url.startswith("/"):
        # As SSH takes it: user@host:owner/name.git
        host, _colon, path = url.partition(":")
        url = f"ssh://{host}/{path}"
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return None
    names = parts.path.strip("/").removesuffix(".git").split("/")
    if parts.scheme not in ("ssh", "https", "http", "git") or not parts.hostname or len(names) != 2 or not all(names):
        return None
    return parts.hostname, "/".join(names)


class GitHub:
    """One repository there. *wait* is here so that a test of a retry need not wait."""

    def __init__(
        self, repository: str, token: str, api: str = API, *, wait: t.Callable[[float], None] = time.sleep
    ) -> None:
        self._repository = repository
        self._api = api.rstrip("/")
        self._wait = wait
        self._token = token
        self._headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "pangeafate.hotfix",
        }

    def find(self, branch: str, base: str) -> Pull | None:
        """Return the newest pull request of *branch* to *base*, an open one before any other."""
        owner = self._repository.partition("/")[0]
        query = {"head": f"{owner}:{branch}", "base": base, "state": "all", "sort": "created", "direction": "desc"}
        found = self._ask("GET", f"pulls?{urllib.parse.urlencode(query)}")
        pulls = [_pull(one) for one in found if isinstance(one, dict)] if isinstance(found, list) else []
        return next((one for one in pulls if one.state == "open"), pulls[0] if pulls else None)

    def open(self, branch: str, base: str, title: str, body: str) -> Pull:
        """Open a pull request of *branch* to *base*."""
        try:
            made = self._ask("POST", "pulls", {"title": title, "head": branch, "base": base, "body": body})
            pull = _pull(_json.table(made))
        except HotfixError as exc:
            # One whose answer was lost was opened all the same.
            found = self.find(branch, base) if "already exists" in exc.what else None
            if found is None or found.state != "open":
                raise
            pull = found
        return pull

    def label(self, pull: Pull, labels: t.Sequence[str]) -> None:
        """Put *labels* on a pull request."""
        self._ask("POST", f"issues/{pull.number}/labels", {"labels": list(labels)})

    def _ask(self, method: str, path: str, body: t.Any = None) -> t.Any:
        """Make a request; what may be well a moment later is tried again, unless it may have been done already."""
        import requests  # only who opens one needs it

        url = f"{self._api}/repos/{self._repository}/{path}"
        for attempt in range(1, _TRIES + 1):
            last = attempt == _TRIES
            try:
                # Elsewhere nobody gets the token: redirects are told and not followed.
                answer = requests.request(
                    method,
                    url,
                    json=body,
                    headers=self._headers,
                    # Given this way, no .netrc of the operator's takes its place.
                    auth=self._authorize,
                    timeout=_TIMEOUT,
                    allow_redirects=False,
                )
            except requests.ConnectionError as exc:
                if last:
                    raise self._away(f"it cannot be reached ({type(exc).__name__})") from exc
            # A place that it names and that is none comes as it is.
            except (requests.RequestException, ValueError) as exc:
                raise self._away(f"it did not answer as it should ({type(exc).__name__})") from exc
            else:
                if answer.status_code < 500 or last:
                    return self._read(answer)
            self._wait(float(attempt))
        raise AssertionError("unreachable")

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _read(self, answer: requests.Response) -> t.Any:
        try:
            found = _json.loads(answer.content)
        except ValueError:
            found = None
        if answer.status_code in (200, 201) and isinstance(found, (dict, list)):
            return found
        said = _said(found, self._token)
        if answer.status_code in (403, 429) and (
            answer.headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in answer.headers
        ):
            raise self._away(f"its rate limit is used up until {_reset(answer)}", "wait until then, then run it again.")
        if answer.status_code == 401:
            raise self._away(f"it does not accept the token (401{said})", _MEND)
        if answer.status_code in (403, 404):
            raise self._away(
                f"it does not let the token do that in {self._repository} ({answer.status_code}{said})", _MEND
            )
        if answer.status_code == 422:
            raise self._away(f"it refuses the pull request (422{said})", "do what it says, then run the same again.")
        if 300 <= answer.status_code < 400:
            raise self._away(f"{self._repository} has moved", "correct the remote's URL, or name the repository.")
        raise self._away(f"it answered {answer.status_code}{said}")

    def _away(self, why: str, advice: str = "look whether it is up, then run the same again.") -> HotfixError:
        return HotfixError(
            f"The pull request could not be opened at {urllib.parse.urlsplit(self._api).netloc}: {why}.",
            left="The branch is on the remote, and nothing else was changed.",
            next_step=advice,
        )


def _pull(found: t.Mapping[str, t.Any]) -> Pull:
    state = "merged" if found.get("merged_at") else str(found.get("state") or "open")
    number = found.get("number")
    commit = _json.table(found.get("head")).get("sha")
    return Pull(str(found.get("html_url") or ""), number if isinstance(number, int) else 0, state, str(commit or ""))


def _said(found: t.Any, token: str) -> str:
    """Return what it says, without the token, which it may send back."""
    if not isinstance(found, dict):
        return ""
    errors = [str(one["message"]) for one in _json.tables(found.get("errors")) if one.get("message")]
    text = "; ".join([str(found.get("message") or ""), *errors]).strip("; ")
    plain = one_line(hide(text, [token]))
    return f": {plain}" if plain else ""


def _reset(answer: requests.Response) -> str:
    try:
        if "Retry-After" in answer.headers:
            moment = datetime.now(UTC) + timedelta(seconds=int(answer.headers["Retry-After"]))
        else:
            moment = datetime.fromtimestamp(int(answer.headers.get("X-RateLimit-Reset", "")), UTC)
    except (ValueError, OverflowError):
        return "a time that it does not tell"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
