# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of the app, many at once: what they notice of a deploy, a rollback or a fault is counted, request by request.

    with load.running("prod2") as users:
        ...
    print(users.report().text())

Per host and second: reads of notes that were saved, new notes, pages whose assets are asked for seconds later, and a
request that takes 10 s; each on a connection of its own, sent when its time has come and not when the one before was
answered. Beside them WebSockets: half of them echo, the others share documents by twos. At the end every note whose
saving was acknowledged is read back. The hosts must not limit rates: `reset` with the variant `no_rate_limit`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count, pairwise
from pathlib import Path

import aiohttp

from sandbox.config import APP_NAME, HTTP_PORT, SandboxError, host

READ, WRITE, PAGE, ASSET, SLOW = "read", "write", "page", "asset", "slow"
#: What a backend answers at once: these tell which version serves.
QUICK = (READ, WRITE)

#: Seconds after which a user gives up.
PATIENCE = 10.0
#: Seconds between a page and the request for its assets.
ASSETS_LATER = 4.0
_ASSET = re.compile(r'(?:src|href)="(/assets/[^"]+)"')
_ECHO = 5.0
_BETWEEN_TEXTS = 1.0
_BEFORE_RECONNECT = 0.2
_READERS = 10
_OPENED_WITHIN = 15.0


@dataclass(frozen=True)
class Sample:
    """One request. Times are seconds since the load began; status 0 where there was no answer."""

    host: str
    kind: str
    start: float
    seconds: float
    status: int
    version: str
    error: str = ""

    @property
    def end(self) -> float:
        return self.start + self.seconds

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300 and not self.error


@dataclass
class Connection:
    """One WebSocket from its opening to its end. `code` is None while it is open, and where the user closed it."""

    host: str
    document: str
    opened: float
    version: str
    instance: str
    closed: float | None = None
    code: int | None = None
    #: Seconds until the same user was connected again.
    away: float | None = None

    @property
    def dropped(self) -> bool:
        return self.code is not None


@dataclass(frozen=True)
class Note:
    """A note whose saving was acknowledged."""

    host: str
    id: str
    title: str
    at: float


@dataclass(frozen=True)
class Report:
    """What users noticed between two moments. Lost notes are those of the whole load."""

    seconds: float
    requests: int
    failed: Sequence[Sample]
    notes: int
    lost: Sequence[Note]
    unread: Sequence[Note]
    dropped: Sequence[Connection]
    longest_gap: float
    longest_away: float

    def failed_of(self, *kinds: str) -> int:
        return sum(sample.kind in kinds for sample in self.failed)

    @property
    def why(self) -> dict[str, int]:
        """How often requests failed, by kind and reason."""
        return dict(Counter(f"{s.kind} {s.error or s.status}" for s in self.failed).most_common())

    @property
    def codes(self) -> dict[int, int]:
        """How many WebSockets were dropped, by close code; 1006 is a connection that just broke."""
        return dict(Counter(c.code for c in self.dropped if c.code is not None))

    def text(self) -> str:
        why = "".join(f"\n  {count} x {what}" for what, count in self.why.items())
        codes = ", ".join(f"{count} with {code}" for code, count in self.codes.items())
        return (
            f"{self.requests} requests in {self.seconds:.1f} s, {len(self.failed)} failed; longest time without a good "
            f"answer {self.longest_gap:.2f} s; {self.notes} notes acknowledged, {len(self.lost)} lost, "
            f"{len(self.unread)} could not be read back; {len(self.dropped)} WebSockets dropped"
            f"{f' ({codes}), away {self.longest_away:.2f} s at most' if self.dropped else ''}{why}"
        )


@dataclass
class Settings:
    """How heavy the load is, per host."""

    rate: float = 50.0
    sockets: int = 20
    slow_seconds: float = 10.0
    #: How much of the pattern below each kind has, out of 50 requests; the rest are reads.
    slow: int = 1
    pages: int = 3
    writes: int = 10
    pattern: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        kinds = [SLOW] * self.slow + [PAGE] * self.pages + [WRITE] * self.writes
        kinds += [READ] * (50 - len(kinds))
        # Mixed, and the same in every run: 7 and 50 have no common divisor.
        self.pattern = [kinds[number * 7 % 50] for number in range(50)]


class Users:
    """The load on one or several hosts. `running` makes it."""

    def __init__(self, names: Sequence[str], settings: Settings) -> None:
        self.samples: list[Sample] = []
        self.connections: list[Connection] = []
        self.notes: list[Note] = []
        self.lost: list[Note] = []
        self.unread: list[Note] = []
        self._urls = {name: f"http://{host(name).address}:{HTTP_PORT}" for name in names}
        self._settings = settings
        self._began = time.monotonic()
        self._ended: float | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="load", daemon=True)
        self._stop = asyncio.Event()
        self._runners: list[asyncio.Task[None]] = []
        self._requests: set[asyncio.Task[None]] = set()
        self._open = 0
        self._turn = count()
        self._http: aiohttp.ClientSession | None = None

    # What the caller asks

    def now(self) -> float:
        """Seconds since the load began: the clock of all samples."""
        return time.monotonic() - self._began

    def report(
        self, since: float = 0.0, until: float | None = None, forgive: Callable[[Sample], bool] | None = None
    ) -> Report:
        """Sum up the requests that were under way between two moments, without the failures that are forgiven."""
        end = self._end() if until is None else until
        samples = [s for s in list(self.samples) if s.end >= since and s.start < end]
        dropped = [c for c in list(self.connections) if c.dropped and c.closed is not None and since <= c.closed < end]
        gap = max((self._gap(name, since, end) for name in self._urls), default=0.0)
        return Report(
            seconds=end - since,
            requests=len(samples),
            failed=[s for s in samples if not s.good and not (forgive and forgive(s))],
            notes=len(self.notes),
            lost=tuple(self.lost),
            unread=tuple(self.unread),
            dropped=dropped,
            longest_gap=gap,
            longest_away=max(
                (c.away if c.away is not None else self._end() - (c.closed or 0) for c in dropped), default=0
            ),
        )

    def first(self, version: str, since: float, name: str | None = None) -> float | None:
        """Return when, after *since*, a request that was begun after it was first answered well by *version*.

        Of several hosts it is the moment of the last one; None where one never did.
        """
        firsts = []
        for each in [name] if name else self._urls:
            ends = [s.end for s in self._quick(each) if s.version == version and s.good and s.start >= since]
            if not ends:
                return None
            firsts.append(min(ends))
        return max(firsts)

    def last(self, version: str, since: float = 0.0) -> float | None:
        """Return when the last request was begun that *version* answered, after *since*; None if there is none."""
        starts = [
            s.start for name in self._urls for s in self._quick(name) if s.version == version and s.start >= since
        ]
        return max(starts, default=None)

    def answered(self, since: float) -> bool:
        """Tell whether any request that was begun after *since* was answered well."""
        return any(s.good for s in list(self.samples) if s.start >= since)

    def versions(self, since: float = 0.0) -> set[str]:
        """Return every version that answered anything."""
        return {s.version for s in list(self.samples) if s.version and s.start >= since}

    def wait_for(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait until users have seen something."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise SandboxError(f"the users never saw within {seconds:.0f} s: {what}")
            time.sleep(0.05)

    def split(self) -> float:
        """Return for how many seconds, at most, a document was open in two servers at once."""
        longest = 0.0
        shared = [c for c in list(self.connections) if c.document]
        for one in shared:
            for two in shared:
                if one.document == two.document and one.host == two.host and one.instance < two.instance:
                    ends = [self._end() if c.closed is None else c.closed for c in (one, two)]
                    longest = max(longest, min(ends) - max(one.opened, two.opened))
        return longest

    def save(self, path: Path) -> None:
        """Write every sample, one JSON object a line."""
        path.write_text("".join(json.dumps(asdict(s)) + "\n" for s in list(self.samples)), encoding="utf-8")

    # Life

    def start(self) -> None:
        """Begin, and return when every WebSocket is open."""
        self._thread.start()
        self._began = time.monotonic()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        wanted = self._settings.sockets * len(self._urls)
        try:
            self.wait_for(lambda: self._open >= wanted, _OPENED_WITHIN, f"{wanted} open WebSockets")
        except BaseException:
            self.stop(settle=False)
            raise

    def stop(self, *, settle: bool) -> None:
        """End. With *settle*, what is under way is finished first, and every note is read back."""
        try:
            asyncio.run_coroutine_threadsafe(self._finish(settle), self._loop).result(120)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    async def _start(self) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True),
            headers={"Host": APP_NAME},
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        )
        for name in self._urls:
            self._runners.append(asyncio.ensure_future(self._arrivals(name)))
            for number in range(self._settings.sockets):
                document = f"load-{number // 2}" if number % 4 > 1 else ""
                self._runners.append(asyncio.ensure_future(self._socket(name, number, document)))

    async def _finish(self, settle: bool) -> None:
        self._ended = self.now()
        self._stop.set()
        for runner in self._runners:
            runner.cancel()
        await asyncio.gather(*self._runners, return_exceptions=True)
        if not settle:
            for request in self._requests:
                request.cancel()
        await asyncio.gather(*self._requests, return_exceptions=True)
        if settle:
            await self._read_back()
        if self._http is not None:
            await self._http.close()

    # Requests

    async def _arrivals(self, name: str) -> None:
        interval, pattern = 1 / self._settings.rate, self._settings.pattern
        number, due = 0, time.monotonic()
        while True:
            self._begin(self._one(name, pattern[number % len(pattern)]))
            number += 1
            due += interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def _begin(self, request: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(request)
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _one(self, name: str, kind: str) -> None:
        if kind == WRITE:
            await self._write(name)
        elif kind == READ:
            await self._read(name)
        elif kind == PAGE:
            await self._page(name)
        else:
            seconds = self._settings.slow_seconds
            await self._ask(name, SLOW, f"/api/slow?seconds={seconds:g}", patience=PATIENCE + seconds)

    async def _write(self, name: str) -> None:
        note = {"title": f"load {secrets.token_hex(8)}", "content": "saved by the load"}
        status, text = await self._ask(name, WRITE, "/api/notes/share", note=note)
        if status == 201:
            self.notes.append(Note(name, json.loads(text)["shareId"], note["title"], self.now()))

    async def _read(self, name: str) -> None:
        own = [note for note in self.notes[-200:] if note.host == name]
        if own:
            note = own[next(self._turn) * 7 % len(own)]
            await self._ask(name, READ, f"/api/notes/{note.id}", title=note.title)
        else:
            await self._ask(name, READ, "/api/health")

    async def _page(self, name: str) -> None:
        status, text = await self._ask(name, PAGE, "/")
        if status == 200:
            # As a page does that was loaded before a switch and goes on afterwards.
            await asyncio.sleep(ASSETS_LATER)
            await asyncio.gather(*(self._ask(name, ASSET, path) for path in _ASSET.findall(text)))

    async def _ask(
        self,
        name: str,
        kind: str,
        path: str,
        *,
        note: dict[str, str] | None = None,
        title: str | None = None,
        patience: float = PATIENCE,
    ) -> tuple[int, str]:
        """Make one request, with a note to save or a note's title to find, and record it."""
        start = self.now()
        status, text, version, error = 0, "", "", ""
        try:
            async with self._session().request(
                "GET" if note is None else "POST",
                self._urls[name] + path,
                json=note,
                timeout=aiohttp.ClientTimeout(total=patience),
            ) as answer:
                text = await answer.text()
                status, version = answer.status, answer.headers.get("X-App-Version", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            error = type(exc).__name__
        if title is not None and status == 200 and json.loads(text)["title"] != title:
            error = "another note"
        self.samples.append(Sample(name, kind, start, self.now() - start, status, version, error))
        return status, text

    async def _read_back(self) -> None:
        waiting = list(reversed(self.notes))

        async def reader() -> None:
            while waiting:
                await self._look_for(waiting.pop())

        await asyncio.gather(*(reader() for _number in range(_READERS)))

    async def _look_for(self, note: Note) -> None:
        for _attempt in range(3):
            try:
                async with self._session().get(f"{self._urls[note.host]}/api/notes/{note.id}") as answer:
                    if answer.status == 200 and (await answer.json())["title"] == note.title:
                        return
                    if answer.status in (200, 404):
                        self.lost.append(note)
                        return
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(0.5)
        self.unread.append(note)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise SandboxError("the load was not started")
        return self._http

    # WebSockets

    async def _socket(self, name: str, number: int, document: str) -> None:
        """Be one user who stays connected."""
        answered: dict[str, str] = {}

        async def remember(_session: object, _context: object, params: aiohttp.TraceRequestEndParams) -> None:
            answered.update(params.response.headers)

        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(remember)
        before: Connection | None = None
        query = f"?document={document}" if document else ""
        async with aiohttp.ClientSession(headers={"Host": APP_NAME}, trace_configs=[trace]) as session:
            while True:
                try:
                    async with asyncio.timeout(PATIENCE):
                        socket = await session.ws_connect(f"{self._urls[name]}/ws{query}")
                except (aiohttp.ClientError, TimeoutError, OSError):
                    await asyncio.sleep(_BEFORE_RECONNECT)
                    continue
                version, instance = answered.get("X-App-Version", ""), answered.get("X-Instance", "")
                connection = Connection(name, document, self.now(), version, instance)
                self.connections.append(connection)
                if before is not None and before.closed is not None:
                    before.away = connection.opened - before.closed
                self._open += 1
                try:
                    connection.code = await self._talk(socket, number)
                finally:
                    self._open -= 1
                    connection.closed = self.now()
                    await socket.close()
                before = connection
                await asyncio.sleep(_BEFORE_RECONNECT)

    async def _talk(self, socket: aiohttp.ClientWebSocketResponse, number: int) -> int:
        """Send texts and wait for each to come back; return the close code, or 0 where it no longer answered."""
        for turn in count():
            text, until = f"{number} {turn}", time.monotonic() + _ECHO
            came_back = False
            try:
                await socket.send_str(text)
            except (aiohttp.ClientError, OSError):
                return socket.close_code or aiohttp.WSCloseCode.ABNORMAL_CLOSURE
            while (left := until - time.monotonic()) > 0:
                try:
                    message = await socket.receive(timeout=left)
                except TimeoutError:
                    break
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return socket.close_code or aiohttp.WSCloseCode.ABNORMAL_CLOSURE
                if message.data == text and not came_back:
                    came_back, until = True, time.monotonic() + _BETWEEN_TEXTS
            if not came_back:
                break
        return 0

    # Sums

    def _end(self) -> float:
        return self.now() if self._ended is None else self._ended

    def _quick(self, name: str) -> list[Sample]:
        return [s for s in list(self.samples) if s.host == name and s.kind in QUICK]

    def _gap(self, name: str, since: float, end: float) -> float:
        """Return the longest time in which nobody got a good answer to a quick request."""
        ends = sorted(s.end for s in self._quick(name) if s.good and since <= s.end <= end)
        return max((after - before for before, after in pairwise([since, *ends, end])), default=0.0)


@contextmanager
def running(
    *names: str, rate: float = 50.0, sockets: int = 20, slow_seconds: float = 10.0, settle: bool = True
) -> Iterator[Users]:
    """Have users on hosts for a while, *rate* requests a second on each, and *sockets* WebSockets.

    At the end, requests under way are finished and notes read back, unless the body failed or *settle* is false.
    """
    users = Users(names, Settings(rate, sockets, slow_seconds))
    done = False
    users.start()
    try:
        yield users
        done = settle
    finally:
        users.stop(settle=done)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.load", description="Put load on hosts of the sandbox.")
    parser.add_argument("hosts", nargs="+", metavar="HOST")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=50, help="requests per second and host")
    parser.add_argument("--sockets", type=int, default=20, help="WebSockets per host")
    options = parser.parse_args()
    with running(*options.hosts, rate=options.rate, sockets=options.sockets) as users:
        time.sleep(options.seconds)
    report = users.report()
    print(report.text())
    return 1 if report.failed or report.lost or report.dropped else 0


if __name__ == "__main__":
    raise SystemExit(main())
