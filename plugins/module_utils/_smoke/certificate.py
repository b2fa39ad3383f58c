# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""What a certificate says. Python tells that of a certificate only once it trusts it, and a bad one is the point."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone

_INTEGER, _OID, _UTC_TIME, _GENERALIZED_TIME = 0x02, 0x06, 0x17, 0x18
_SEQUENCE, _SET, _VERSION = 0x30, 0x31, 0xA0
_TEXTS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}
_NAMES = {
    b"\x55\x04\x03": "CN", b"\x55\x04\x06": "C", b"\x55\x04\x07": "L", b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O", b"\x55\x04\x0b": "OU",
}  # fmt: skip


@dataclass(frozen=True)
class Certificate:
    """Names are as in ``CN=app.example.com, O=Example``; the serial is in hexadecimal digits."""

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime

    def days_left(self, now: datetime) -> float:
        """Return how long it is still good; less than nothing where it has expired."""
        return (self.not_after - now).total_seconds() / 86400

    def as_dict(self) -> t.Dict[str, str]:
        """Return it for the eye."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "not_before": f"{self.not_before:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{self.not_after:%Y-%m-%dT%H:%M:%SZ}",
        }


def read(der: bytes) -> Certificate:
    """Read a certificate; raise :class:`ValueError` for what is none."""
    kind, outer, _rest = value(der, 0)
    inner, body, _rest = value(outer, 0)
    if (kind, inner) != (_SEQUENCE, _SEQUENCE):
        raise ValueError("no certificate")
    kind, _version, at = value(body, 0)
    if kind != _VERSION:
        at = 0
    serial, at = _expected(body, at, _INTEGER)
    _algorithm, at = _expected(body, at, _SEQUENCE)
    issuer, at = _expected(body, at, _SEQUENCE)
    validity, at = _expected(body, at, _SEQUENCE)
    subject, _at = _expected(body, at, _SEQUENCE)
    not_before, after = _time(validity, 0)
    not_after, _end = _time(validity, after)
    number = int.from_bytes(serial, "big", signed=True)
    return Certificate(_name(subject), _name(issuer), f"{number:02X}", not_before, not_after)


def value(data: bytes, at: int) -> t.Tuple[int, bytes, int]:
    """Return kind and content of the DER value at a place, and where the next one is."""
    if at + 2 > len(data):
        raise ValueError("it breaks off")
    kind, size, start = data[at], data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        size, start = int.from_bytes(data[start : start + octets], "big"), start + octets
    if start + size > len(data):
        raise ValueError("it breaks off")
    return kind, data[start : start + size], start + size


def _expected(data: bytes, at: int, kind: int) -> t.Tuple[bytes, int]:
    found, content, after = value(data, at)
    if found != kind:
        raise ValueError("no certificate")
    return content, after


def _each(data: bytes) -> t.Iterator[t.Tuple[int, bytes]]:
    at = 0
    while at < len(data):
        kind, content, at = value(data, at)
        yield kind, content


def _name(data: bytes) -> str:
    found: t.List[str] = []
    for _kind, parts in _each(data):
        for _sequence, pair in _each(parts):
            (_oid, name), (kind, text) = list(_each(pair))[:2]
            if name in _NAMES:
                found.append(f"{_NAMES[name]}={text.decode(_TEXTS.get(kind, 'latin-1'), errors='replace')}")
    return ", ".join(reversed(found))


def _time(data: bytes, at: int) -> t.Tuple[datetime, int]:
    kind, raw, after = value(data, at)
    text = raw.decode("ascii", errors="replace")
    if kind == _UTC_TIME:
        # Two digits of a year: those from 50 on are of the last century.
        text = ("19" if text[:2] >= "50" else "20") + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError("no certificate")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc), after
