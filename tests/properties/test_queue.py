"""The contract of the work queue, as a machine that Hypothesis drives with simulated time.

The model beside the queue is written in the words of the contract, not in those of the implementation: for every key,
when it is due, whether a worker has it, and whether it was asked for meanwhile.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pilotage.runtime.clock import ManualClock
from pilotage.runtime.queue import WorkQueue
from pilotage.runtime.retry import Backoff, Bucket

KEYS = st.sampled_from("aab")  # few, so that histories meet themselves
DELAYS = st.integers(1, 8).map(lambda eighths: eighths / 8)  # exact in binary: sums compare equal
BACKOFF = Backoff(first=0.25, most=2.0, jitter=0.0)


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.queue: WorkQueue[str] = WorkQueue(
            "model", self.clock, backoff=BACKOFF, bucket=Bucket(rate=1e9, burst=1)
        )
        self.ready: dict[bool, list[str]] = {False: [], True: []}  # by "is background", in order
        self.due: dict[str, tuple[float, bool, int]] = {}  # key: when, is background, asked as the n-th
        self.working: set[str] = set()
        self.meanwhile: dict[str, bool] = {}
        self.failures: dict[str, int] = {}
        self.is_closed = False
        self.asked = 0

    # -- the model ------------------------------------------------------------------------------------------------

    def _add(self, key: str, background: bool) -> None:
        if self.is_closed:
            return
        if key in self.due:
            was_background = self.due.pop(key)[1]
            background = background and was_background
        if key in self.working:
            self.meanwhile[key] = background and self.meanwhile.get(key, True)
        elif key in self.ready[True] and not background:
            self.ready[True].remove(key)
            self.ready[False].append(key)
        elif key not in self.ready[True] and key not in self.ready[False]:
            self.ready[background].append(key)

    def _add_after(self, key: str, delay: float, background: bool) -> None:
        if self.is_closed:
            return
        if key in self.meanwhile or key in self.ready[True] or key in self.ready[False]:
            if not background:
                self._add(key, background)
            return
        when = self.clock.monotonic() + delay
        self.asked += 1
        if key in self.due:
            when = min(when, self.due[key][0])
            background = background and self.due[key][1]
        self.due[key] = (when, background, self.asked)

    # -- what may happen ------------------------------------------------------------------------------------------

    @rule(key=KEYS, background=st.booleans())
    def add(self, key: str, background: bool) -> None:
        self.queue.add(key, background=background)
        self._add(key, background)

    @rule(key=KEYS, delay=DELAYS, background=st.booleans())
    def add_after(self, key: str, delay: float, background: bool) -> None:
        self.queue.add_after(key, delay, background=background)
        self._add_after(key, delay, background)

    @rule()
    def take(self) -> None:
        """Foreground before background, each in order; never a key that a worker has."""
        taken = self.queue.take()
        waiting = self.ready[False] or self.ready[True]
        assert taken == (waiting.pop(0) if waiting else None)
        if taken is not None:
            assert taken not in self.working
            self.working.add(taken)

    @precondition(lambda self: self.working)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "failure", "again later"]))
    def finish(self, data: st.DataObject, outcome: str) -> None:
        key = data.draw(st.sampled_from(sorted(self.working)))
        if outcome == "success":
            self.queue.forget(key)
            self.failures.pop(key, None)
        elif outcome == "failure":
            failures = self.failures.get(key, 0)
            delay = self.queue.retry(key)
            assert delay == min(0.25 * 2**failures, 2.0)
            self.failures[key] = failures + 1
            self._add_after(key, delay, background=False)
        else:
            self.queue.add_after(key, 0.5, background=True)
            self._add_after(key, 0.5, background=True)
        self.queue.done(key)
        self.working.remove(key)
        if key in self.meanwhile:
            self.ready[self.meanwhile.pop(key)].append(key)

    @rule(seconds=DELAYS)
    def wait(self, seconds: float) -> None:
        """Everything whose deadline passes becomes ready, the earliest first, and at its deadline."""
        self.clock.advance(seconds)
        now = self.clock.monotonic()
        passed = sorted((when, asked, key) for key, (when, _, asked) in self.due.items() if when <= now)
        for _, _, key in passed:
            self._add(key, background=True)

    @precondition(lambda self: not self.is_closed)
    @rule(really=st.sampled_from([False] * 19 + [True]))
    def shut_down(self, really: bool) -> None:
        """Rarely, so that most histories are long."""
        if really:
            self.queue.shut_down()
            self.is_closed = True
            self.due.clear()

    # -- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def the_queue_is_what_the_model_says(self) -> None:
        assert list(self.queue.ready()) == self.ready[False] + self.ready[True]
        assert set(self.queue.processing()) == self.working
        now = self.clock.monotonic()
        for background in (False, True):
            expected = {key: when - now for key, (when, is_bg, _) in self.due.items() if is_bg == background}
            assert self.queue.delayed(background=background) == expected

    @invariant()
    def idle_means_that_only_periodic_looks_remain(self) -> None:
        is_busy = bool(self.ready[False] or self.ready[True] or self.working)
        is_pending = any(not background for _, background, _ in self.due.values())
        assert self.queue.is_busy() == is_busy
        assert self.queue.is_idle() == (not is_busy and not is_pending)

    def teardown(self) -> None:
        """Draining ends: shut down, every key comes out, and no key twice."""
        self.queue.shut_down()
        self.is_closed = True
        for key in sorted(self.working):
            self.queue.done(key)
        drained = []
        while (key := self.queue.take()) is not None:
            drained.append(key)
            self.queue.done(key)
        assert len(drained) == len(set(drained))
        assert set(drained) == {*self.ready[False], *self.ready[True], *self.meanwhile}
        assert self.queue.is_idle()


QueueMachine.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, derandomize=True
)
TestQueue = QueueMachine.TestCase
