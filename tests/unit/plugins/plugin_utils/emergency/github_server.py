# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that speaks what is needed of GitHub's API, and keeps the pull requests in memory."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t
import urllib.parse

TOKEN = "ghp_0123456789abcdef0123456789abcdef0123"


class GitHubServer(http.server.ThreadingHTTPServer):
    """One repository, ``example/wiki``. ``answers`` are given first, each instead of an answer of its own."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pulls: list[dict[str, t.Any]] = []
        self.answers: list[tuple[int, dict[str, str], t.Any]] = []
        self.requests: list[str] = []
        self.labels: list[str] = []
        self.may_label = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def close(self, number: int, *, merged: bool) -> None:
        pull = self.pulls[number - 1]
        pull["state"], pull["merged_at"] = "closed", "2026-01-02T03:04:05Z" if merged else None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: GitHubServer

    def do_GET(self) -> None:
        if not self._may():
            return
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        if parts.path != "/repos/example/wiki/pulls":
            self._answer(404, {"message": "Not Found"})
            return
        head = query["head"].partition(":")[2]
        found = [one for one in self.server.pulls if one["head"]["ref"] == head and one["base"]["ref"] == query["base"]]
        self._answer(200, found[::-1])

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._may():
            return
        if self.path.startswith("/repos/example/wiki/issues/"):
            if not self.server.may_label:
                self._answer(403, {"message": "Resource not accessible by personal access token"})
                return
            self.server.labels += body["labels"]
            self._answer(200, [])
        elif self.path != "/repos/example/wiki/pulls":
            self._answer(404, {"message": "Not Found"})
        elif any(one["head"]["ref"] == body["head"] and one["state"] == "open" for one in self.server.pulls):
            text = f"A pull request already exists for example:{body['head']}."
            self._answer(422, {"message": "Validation Failed", "errors": [{"message": text}]})
        else:
            number = len(self.server.pulls) + 1
            pull = {
                "number": number,
                "html_url": f"https://github.example.com/example/wiki/pull/{number}",
                "state": "open",
                "merged_at": None,
                "title": body["title"],
                "body": body["body"],
                "head": {"ref": body["head"]},
                "base": {"ref": body["base"]},
            }
            self.server.pulls.append(pull)
            self._answer(201, pull)

    def _may(self) -> bool:
        self.server.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        if self.server.answers:
            status, headers, body = self.server.answers.pop(0)
            self._answer(status, body, headers)
            return False
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"message": "Bad credentials"})
            return False
        return True

    def _answer(self, status: int, body: t.Any, headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_arguments: object) -> None:
        pass
