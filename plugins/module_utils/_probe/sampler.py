# Copyright (c) 2026, pangeafate.hotfix contributors
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This module util is PRIVATE to the collection.

"""The sampler: a process of its own that asks every target again and again, and writes down what it sees at once.

It needs nothing of the run that started it: it ends when it is told to, some seconds after the run is gone, or when its
longest time is over. Requests are begun when they are due, whether or not those before were answered.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import typing as t

from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import processes, records, web_socket
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.records import Target
from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe.wire import (
    Answer,
    Connection,
    Contexts,
    SilentError,
    trouble,
)

_TICK = 0.05
_LOOK_AFTER_RUN = 0.5
_CLOCK_JUMP = 0.5
#: Seconds that requests under way get when the probe is stopped.
_GRACE = 1.0
#: Requests under way at one target. More than that only a name server can cause that never answers.
_AT_ONCE = 200
_IDLE_KEPT = 2


class Run(t.NamedTuple):
    """Whom the sampler serves, by its process; and for how long it does so after that is gone, and at most."""

    pid: int
    started: str
    linger: float
    longest: float


class Watch:
    """One target: when it is to be asked next, and which requests are under way."""

    def __init__(
        self, target: Target, writer: records.Writer, contexts: Contexts, clock: t.Callable[[], float]
    ) -> None:
        self.target = target
        self._writer = writer
        self._contexts = contexts
        self._clock = clock
        self._interval = 1 / target.rate
        self._due = clock()
        #: When it was last seen to that nothing was due.
        self._ticked = self._due
        self._number = 0
        self._lock = threading.Lock()
        self._under_way: t.Dict[int, t.Tuple[float, str]] = {}
        self._idle: t.List[Connection] = []
        self._over = False

    def begin(self) -> None:
        """Open the WebSocket, if there is to be one."""
        if self.target.websocket:
            self._thread(
                web_socket.watch,
                self.target,
                self._contexts,
                lambda: self._over,
                lambda what, **more: self._writer.write(
                    "websocket", target=self.target.name, at=round(self._clock(), 4), what=what, **more
                ),
            )

    def tick(self) -> float:
        """Begin a request if it is time; return the seconds until the next one."""
        now = self._clock()
        if now >= self._due:
            # What was missed is not made up for: a burst would be another load on the app than the one that was due.
            if now - self._due > self._interval:
                self._missed(self._ticked, now)
                self._due = now
            if len(self._under_way) >= _AT_ONCE or not self._ask_once(now):
                self._missed(now, now + self._interval)
            self._due += self._interval
        self._ticked = now
        return self._due - now

    def _ask_once(self, now: float) -> bool:
        """Begin a request; return whether this machine let us."""
        number = self._number = self._number + 1
        how = "fresh" if number % 2 else "kept"
        with self._lock:
            self._under_way[number] = (now, how)
        try:
            self._thread(self._sample, number, how)
        except RuntimeError:
            self._under_way.pop(number)
            return False
        return True

    def _missed(self, since: float, until: float) -> None:
        self._writer.write("gap", target=self.target.name, at=round(since, 4), seconds=round(until - since, 4))

    def _thread(self, work: t.Callable[..., None], *arguments: t.Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _sample(self, number: int, how: str) -> None:
        at = self._clock()
        end = time.monotonic() + self.target.timeout
        status: t.Optional[int] = None
        why, again = "", False
        try:
            answer, again = self._fresh(end) if how == "fresh" else self._kept(end)
            status = answer.status
            verdict = records.LIMITED if status == 429 else records.GOOD if status < 400 else records.FAILED
            why = "" if verdict == records.GOOD else f"answered {status}"
        except Exception as exc:  # a thread that dies unseen would look as if nobody had answered
            about_the_app, why = trouble(exc, self.target.timeout)
            verdict = records.FAILED if about_the_app else records.BLIND
        with self._lock:
            if self._under_way.pop(number, None) is None:
                return
        self._tell(records.Sample(self.target.name, at, self._clock() - at, how, verdict, status, why, again))

    def _tell(self, sample: records.Sample) -> None:
        values = sample._replace(at=round(sample.at, 4), seconds=round(sample.seconds, 4))._asdict()
        self._writer.write(
            "sample", **{name: value for name, value in values.items() if value not in (None, "", False)}
        )

    def _fresh(self, end: float) -> t.Tuple[Answer, bool]:
        connection = Connection(self.target, self._contexts, end)
        try:
            return connection.get(self.target, end, keep=False), False
        finally:
            connection.close()

    def _kept(self, end: float) -> t.Tuple[Answer, bool]:
        """Ask over a connection that was used before; where it was closed since, over another one, as browsers do."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            if not connection.is_stale():
                try:
                    return self._ask(connection, end), False
                except SilentError:
                    pass
            connection.close()
        return self._ask(Connection(self.target, self._contexts, end), end), connection is not None

    def _ask(self, connection: Connection, end: float) -> Answer:
        kept = False
        try:
            answer = connection.get(self.target, end, keep=True)
            with self._lock:
                kept = answer.keeps and not self._over and len(self._idle) < _IDLE_KEPT
                if kept:
                    self._idle.append(connection)
            return answer
        finally:
            if not kept:
                connection.close()

    @property
    def busy(self) -> bool:
        """Tell whether requests are under way."""
        return bool(self._under_way)

    def end(self) -> None:
        """Hang up; requests that are still under way are told as not answered."""
        self._over = True
        with self._lock:
            left, self._under_way = self._under_way, {}
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        for at, how in left.values():
            why = "not answered when the probe was stopped"
            self._tell(records.Sample(self.target.name, at, self._clock() - at, how, records.UNANSWERED, None, why))


class Sampler:
    """All targets of one run."""

    def __init__(self, folder: str, run: Run) -> None:
        self._run = run
        self._control = records.Tail(os.path.join(folder, records.CONTROL))
        self._folder = folder
        self._writer = records.Writer(os.path.join(folder, records.SAMPLES))
        self._contexts = Contexts()
        self._watches: t.Dict[str, Watch] = {}
        self._why = ""
        self._began = time.monotonic()
        self._wall = time.time()
        self._looked = 0.0
        self._gone: t.Optional[float] = None

    def clock(self) -> float:
        """Return the seconds since the sampler began."""
        return time.monotonic() - self._began

    def stop(self, why: str) -> None:
        """End soon; the first reason counts."""
        self._why = self._why or why

    def run(self) -> None:
        """Sample until it is over, and write the summary."""
        self._writer.write("begin", wall=round(self._wall, 4), mono=round(self._began, 4), pid=os.getpid())
        while not self._why:
            self._obey()
            self._look_after_run()
            self._look_at_clock()
            waits = [watch.tick() for watch in list(self._watches.values())]
            time.sleep(max(0.0, min([_TICK, *waits])))
        end = time.monotonic() + _GRACE
        stopped = self.clock()
        while time.monotonic() < end and any(watch.busy for watch in self._watches.values()):
            time.sleep(0.01)
        for watch in self._watches.values():
            watch.end()
        self._writer.write("end", at=round(stopped, 4), why=self._why, lost=self._writer.lost)
        self._writer.close()
        self._sum_up()

    def _sum_up(self) -> None:
        from ansible_collections.pangeafate.hotfix.plugins.module_utils._probe import summary

        summary.write(self._folder)

    def _obey(self) -> None:
        for order in self._control.read():
            if order["kind"] == "target":
                self._add(Target(**{name: value for name, value in order.items() if name in Target._fields}))
            elif order["kind"] == "mark":
                at = round(float(order["mono"]) - self._began, 4)
                self._writer.write("mark", phase=order["phase"], at=at)
            elif order["kind"] == "stop":
                self.stop("stopped")

    def _add(self, target: Target) -> None:
        if target.name in self._watches:
            return
        try:
            if target.tls:
                self._contexts.get(target)
        except OSError as exc:
            why = f"ca_file {target.ca_file!r} cannot be used ({exc.strerror or type(exc).__name__})"
            self._writer.write("unusable", target=target.name, why=why)
            return
        self._writer.write("target", at=round(self.clock(), 4), **target._asdict())
        watch = self._watches[target.name] = Watch(target, self._writer, self._contexts, self.clock)
        watch.begin()

    def _look_after_run(self) -> None:
        now = self.clock()
        if now > self._run.longest:
            self.stop(f"its longest time of {self._run.longest:g} s was over")
        if self._gone is not None:
            if now - self._gone >= self._run.linger:
                self.stop("the run that started it was gone")
        elif now - self._looked >= _LOOK_AFTER_RUN:
            self._looked = now
            self._gone = now if processes.gone(self._run.pid, self._run.started) else None

    def _look_at_clock(self) -> None:
        """Notice when the machine slept, which the steady clock does not show, or somebody set its clock."""
        ahead = time.time() - self._wall - self.clock()
        if abs(ahead) > _CLOCK_JUMP:
            self._wall += ahead
            self._writer.write("clock", at=round(self.clock(), 4), seconds=round(ahead, 4))


def main(arguments: t.Sequence[str]) -> int:
    """Run in the folder, for the process and its start, with the seconds to linger and at most."""
    folder, pid, started, linger, longest = arguments
    os.umask(0o077)
    sampler = Sampler(folder, Run(int(pid), started, float(linger), float(longest)))
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sampler.stop("it was told to end by a signal"))
    sampler.run()
    return 0
