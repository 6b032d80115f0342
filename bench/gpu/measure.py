"""Contenders in turn on one stream, each call between two events."""

import statistics
import time

# How many times as long as asked a contest may take to come to the least number of rounds.
MOST_OVER = 4


class Interleaved:
    """Calls every contender once a round, in an order that turns, so that whatever else happens befalls all of them.

    `gpu` has occupy, event, record, elapsed and synchronize; contenders are functions of the number of a call, which choose
    by it the data that they work on.
    """

    def __init__(self, gpu, contenders, least_rounds=10, most_rounds=100, seconds=1.0):
        self.gpu = gpu
        self.contenders = contenders
        self.least, self.most, self.seconds = least_rounds, most_rounds, seconds
        self.calls = 0
        self.events = {}

    def run(self):
        """name → seconds of each call."""
        host = 0.0
        for name, call in self.contenders.items():
            for _ in range(2):
                began = time.perf_counter()
                call(self._next())
                host_call = time.perf_counter() - began
            host += host_call
        self.gpu.synchronize()
        # While the stream is kept busy, the host enqueues the whole round.
        busy = min(0.05, 2 * host + 200e-6)
        times = {name: [] for name in self.contenders}
        began = time.perf_counter()
        for number in range(self.most):
            for name, seconds in self._round(number, busy).items():
                times[name].append(seconds)
            taken = time.perf_counter() - began
            # Few rounds say little, but no row may take the time of all the others.
            if taken > (self.seconds if number + 1 >= self.least else MOST_OVER * self.seconds):
                break
        return times

    def _round(self, number, busy):
        names = list(self.contenders)
        turn = number % len(names)
        self.gpu.occupy(busy)
        for name in names[turn:] + names[:turn]:
            begin, end = self._events_of(name)
            self.gpu.record(begin)
            self.contenders[name](self._next())
            self.gpu.record(end)
        self.gpu.synchronize()
        return {name: self.gpu.elapsed(*self._events_of(name)) for name in names}

    def _events_of(self, name):
        if name not in self.events:
            self.events[name] = (self.gpu.event(), self.gpu.event())
        return self.events[name]

    def _next(self):
        self.calls += 1
        return self.calls


def summary(times):
    return {"median": statistics.median(times), "minimum": min(times), "repeats": len(times)}


def sets_of_data(bytes_of_one, l2_bytes, free_bytes):
    """How many copies of the operands to go through, so that none is still in the second-level cache when it comes again."""
    wanted = 1 + -(-3 * l2_bytes // max(1, bytes_of_one))
    fitting = max(1, int(free_bytes * 0.5) // max(1, bytes_of_one))
    return int(max(1, min(wanted, fitting, 256)))
