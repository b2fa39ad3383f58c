# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One POST, and what to make of the answer. Nothing that is raised holds more of the URL than scheme and host."""

from __future__ import annotations

import contextlib
import email.utils
import os
import re
import time
import typing as t
import warnings
from dataclasses import dataclass, field

from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.entry import Entry, origin
from ansible_collections.pangeafate.hotfix.plugins.plugin_utils._incident.channels.model import UndeliveredError, line

if t.TYPE_CHECKING:
    import requests

AGENT = "pangeafate.hotfix"
_AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
# More than is shown: a secret that is cut in the middle would not be known for one.
_OF_ANSWER = 4096


@dataclass(frozen=True)
class Endpoint:
    """Where to post to, and which certificate to believe."""

    url: str = field(repr=False)
    timeout: float
    verify: bool | str

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the URL, and what of it would do for it: a long part of its path, not a word such as "incidents"."""
        path = self.url.partition("://")[2].partition("/")[2]
        parts = re.split(r"[/?&=]", path)
        whole = (path,) if len(parts) > 1 else ()
        return (self.url, *whole, *(one for one in parts if len(one) >= 12 and re.search(r"[0-9]", one)))


def read_endpoint(entry: Entry, timeout: float, default: str | None = None) -> Endpoint:
    """Read the keys that every channel over HTTP has."""
    url = entry.url(default=default)
    authorities = entry.ca_file()
    return Endpoint(url, timeout, (authorities or True) if entry.flag("validate_certs", True) else False)


def post(endpoint: Endpoint, body: bytes, headers: t.Mapping[str, str]) -> int:
    """Make one attempt, and return the status of an answer that accepts the body."""
    try:
        import requests  # only the process that sends needs it
    except ImportError:
        what = "the Python package requests is not installed on the controller"
        raise UndeliveredError(f"{origin(endpoint.url)} could not be asked: {what}") from None

    class Session(requests.Session):
        def get_redirect_target(self, _resp: requests.Response) -> str | None:
            """Return none: the library reads where an answer leads to though it is not followed, and falls over it."""
            return None

    said = origin(endpoint.url)
    # Not verified is what its owner asked for by name; it need not be repeated in a log.
    warnings.simplefilter("ignore")
    with Session() as session:
        # Neither ~/.netrc nor a proxy's bundle may take the place of what was declared.
        session.trust_env = False
        try:
            answer = session.post(
                endpoint.url,
                data=body,
                headers={"User-Agent": AGENT, "Content-Type": "application/json", **headers},
                timeout=endpoint.timeout,
                verify=_verify(endpoint.verify),
                proxies=dict(requests.utils.get_environ_proxies(endpoint.url)),
                # Whoever is redirected to would learn the secrets.
                allow_redirects=False,
                stream=True,
            )
            return _judge(said, answer)
        except requests.exceptions.Timeout:
            raise UndeliveredError(f"{said} did not answer within {endpoint.timeout:g} s", again=True) from None
        except requests.exceptions.SSLError as exc:
            bad = "CERTIFICATE_VERIFY_FAILED" in str(exc) or "doesn't match" in str(exc)
            what = "has a certificate that is not trusted" if bad else "broke off the TLS handshake"
            raise UndeliveredError(f"{said} {what}", again=not bad) from None
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError) as exc:
            raise UndeliveredError(f"{said} could not be reached ({_reason(exc)})", again=True) from None
        except (requests.exceptions.RequestException, OSError, ValueError) as exc:
            raise UndeliveredError(f"{said} could not be asked ({type(exc).__name__})") from None


def _verify(verify: bool | str) -> bool | str:
    if verify is not True:
        return verify
    found = (os.environ.get(name, "") for name in _AUTHORITIES)
    return next((path for path in found if path and os.path.exists(path)), True)


def _judge(said: str, answer: requests.Response) -> int:
    status = answer.status_code
    if 200 <= status < 300:
        return status
    if 300 <= status < 400:
        raise UndeliveredError(
            f"{said} redirects to {_elsewhere(answer.headers.get('Location', ''))} ({status}), which is not followed; "
            "set url to the final address",
            status=status,
        )
    text = _text(answer)
    raise UndeliveredError(
        f"{said} answered {status}{f': {text}' if text else ''}",
        status=status,
        again=status == 429 or status >= 500,
        after=_after(answer.headers.get("Retry-After")),
    )


def _elsewhere(location: str) -> str:
    to = origin(location)
    return line(to) if "://" in to and not to.startswith(":") else "another path"


def _text(answer: requests.Response) -> str:
    """Return what it said. One that breaks off, or is packed in a way that it is not, has a status all the same."""
    raw = b""
    # What the library makes of its own errors is an OSError too.
    with contextlib.suppress(OSError, ValueError):
        for piece in answer.iter_content(_OF_ANSWER):
            raw += piece
            if len(raw) >= _OF_ANSWER:
                break
    return line(raw[:_OF_ANSWER].decode("utf-8", "replace"))


def _after(value: str | None) -> float:
    """Return the seconds that a server asks for, as a number or as a date."""
    if value is None:
        return 0.0
    if value.isascii() and value.strip().isdigit():
        return float(value.strip()[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _reason(exc: BaseException) -> str:
    """Return what the operating system said, deep inside of what the libraries made of it."""
    waiting: list[t.Any] = [exc]
    for _number in range(20):
        if not waiting:
            break
        one = waiting.pop(0)
        if isinstance(one, OSError) and one.strerror and not type(one).__module__.startswith("requests"):
            return one.strerror
        if isinstance(one, BaseException):
            waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]
    return "connection broken"
