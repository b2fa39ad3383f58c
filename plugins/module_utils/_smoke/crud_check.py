# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""Checks of type ``crud``: a document is created, read, edited, read again and deleted, and then it is gone."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._errors import BadInputError
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke import fields
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.expect import Expect, Predicate
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.http_check import (
    GONE,
    HttpCheck,
    Step,
    must_be_known,
)
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.jsonpath import MISSING, JsonPath
from ansible_collections.pangeafate.hotfix.plugins.module_utils._smoke.veil import secret_name

HOST = False
KEYS = ("path", "headers", "create", "read", "edit", "delete")
_CREATE_KEYS = ("method", "path", "headers", "body", "expect", "id", "shows")
_READ_KEYS = ("path", "headers", "expect")
_EDIT_KEYS = ("method", "path", "headers", "body", "expect", "shows")
_DELETE_KEYS = ("method", "path", "headers", "expect")

_BODY = {"title": "smoke check", "content": "Written by a smoke check, which deletes it again."}
_CREATED = (200, 201)
_DONE = (200, 201, 202, 204)
_NOT_THERE = Expect(status=(404, 410))
_ID = "id"
_IDS = ("$.id", "$._id", "$.shareId", "$.uuid", "$.data.id", "$.data._id")

Shown = t.Tuple[t.Tuple[JsonPath, t.Tuple[Predicate, ...]], ...]


class _AnyPlace(JsonPath):
    """The first of some places in JSON at which there is something."""

    def __init__(self, paths: t.Sequence[str]) -> None:
        super().__init__("$", "")
        self._places = [JsonPath(one, "") for one in paths]
        self.text = f"{', '.join(paths[:-1])} or {paths[-1]}"

    def find(self, data: t.Any) -> t.Any:
        """Return what is there, or :data:`MISSING`."""
        found = (place.find(data) for place in self._places)
        return next((one for one in found if one is not MISSING and one is not None), MISSING)


class _Reader:
    """Reads the requests of one check, which share a path and headers."""

    def __init__(self, raw: t.Mapping[str, t.Any], said: str, secrets: t.Collection[str]) -> None:
        self._raw = raw
        self._said = said
        self._known = set(secrets)
        self._path = fields.path(raw, said)
        self._headers = fields.headers(raw, said)

    def part(self, key: str, keys: t.Sequence[str]) -> t.Dict[str, t.Any]:
        """Return what is said of one of the requests."""
        with fields.within(key):
            return fields.mapping(self._raw.get(key, {}), self.said(key), keys)

    def said(self, key: str) -> str:
        """Return how a request is called in messages."""
        return f"{self._said}: {key}"

    def create(self) -> Step:
        """Return the first request, which gives the ID of all others."""
        given = self.part("create", _CREATE_KEYS)
        given = {"body": _BODY, **given}
        with fields.within("create"):
            source: t.Union[JsonPath, str] = _AnyPlace(_IDS)
            if "id" in given:
                with fields.within("id"):
                    ((_name, source),) = fields.captures({"capture": {_ID: given["id"]}}, self.said("create"))
            step = self._step("create", given, "POST", self._path, _CREATED)
        self._known.add(_ID)
        return dataclasses.replace(step, capture=((_ID, source),))

    def edit(self, created: Step) -> t.Optional[Step]:
        """Return the request that changes the document, where there is to be one."""
        if self._raw.get("edit") is False:
            return None
        given = self.part("edit", _EDIT_KEYS)
        with fields.within("edit"):
            return self._step("edit", {"body": _edited(created.body), **given}, "PUT", self._item, _DONE)

    def read(self) -> Step:
        """Return the request that reads the document."""
        given = self.part("read", _READ_KEYS)
        with fields.within("read"):
            return self._step("read", given, "GET", self._item, (200,))

    def delete(self) -> Step:
        """Return the request that deletes the document."""
        given = self.part("delete", _DELETE_KEYS)
        with fields.within("delete"):
            return self._step("delete", given, "DELETE", self._item, _DONE)

    def shows(self, key: str, body: t.Any) -> Shown:
        """Return what a read must show afterwards: by default, the plain values of the body."""
        given: t.Mapping[str, t.Any] = self._raw.get(key) or {}
        if "shows" in given:
            with fields.within(key):
                return fields.json_predicates(given, "shows", self.said(key))
        return tuple(
            (JsonPath(_place(str(name)), self._said), (Predicate("equals", value),))
            for name, value in (body.items() if isinstance(body, dict) else ())
            if isinstance(value, (str, int, float)) and not fields.placeholders(value) and not secret_name(str(name))
        )

    @property
    def _item(self) -> str:
        read: t.Mapping[str, t.Any] = self._raw.get("read") or {}
        return str(read.get("path", f"{self._path.rstrip('/')}/{{{_ID}}}"))

    def _step(
        self, key: str, given: t.Mapping[str, t.Any], method: str, path: str, statuses: t.Tuple[int, ...]
    ) -> Step:
        said = self.said(key)
        expected = fields.expect(given, said, required="expect" in given)
        step = Step(
            method=fields.one_of(given, "method", said, fields.METHODS, method),
            path=fields.path(given, said, path),
            headers={**self._headers, **fields.headers(given, said)},
            body=given.get("body"),
            expect=dataclasses.replace(expected, status=expected.status or statuses),
        )
        must_be_known(step, said, self._known)
        return step


def _edited(body: t.Any) -> t.Any:
    """Return a body of which the first plain text differs."""
    if isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str) and not fields.placeholders(value) and not secret_name(str(name)):
                return {**body, name: f"{value}, edited"}
    return body


def _place(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"$.{name}" if name.isidentifier() and name.isascii() else f"$['{escaped}']"


def _showing(read: Step, shown: Shown) -> Step:
    return dataclasses.replace(read, expect=dataclasses.replace(read.expect, json=(*read.expect.json, *shown)))


def _told_apart(created: Step, shown: Shown, said: str) -> None:
    """Raise where nothing would show that the document was changed."""
    if not shown:
        raise BadInputError(
            f"{said}: nothing would show whether the document was changed.",
            next_step="say what a read must show then, as in shows: {$.title: changed}.",
        )
    if isinstance(created.body, dict) and all(
        one.says(path.find(created.body)) is None for path, wanted in shown for one in wanted
    ):
        raise BadInputError(
            f"{said} changes nothing: a read must show what it must show before.",
            next_step="give it a body with another value.",
        )


def parse(raw: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any], secrets: t.Collection[str]) -> HttpCheck:
    """Read a check of this type: it is one of type ``http`` whose requests are known."""
    said = f"Check {common['name']!r}"
    reader = _Reader(raw, said, secrets)
    created = reader.create()
    read = reader.read()
    edited = reader.edit(created)
    deleted = reader.delete()
    # It looks at what shall be gone, and at nothing else of the answer.
    gone = dataclasses.replace(read, expect=_NOT_THERE, gone=True)
    then = [_showing(read, reader.shows("create", created.body))]
    if edited is not None:
        shown = reader.shows("edit", edited.body)
        with fields.within("edit"):
            _told_apart(created, shown, reader.said("edit"))
        then += [edited, _showing(read, shown)]
    return HttpCheck(
        **common,
        first=created,
        then=(*then, deleted, gone),
        cleanup=(dataclasses.replace(deleted, expect=GONE), gone),
    )
