"""A GPU that only counts time, and operands that are nowhere."""

from types import SimpleNamespace


class FakeGpu:
    def __init__(self):
        self.now = 0.0
        self.occupied = 0
        self.asked = []
        self.device = SimpleNamespace(l2_bytes=50_000_000, multiprocessors=132, memory=80 * 10**9)

    def work(self, seconds):
        self.now += seconds

    def occupy(self, seconds):
        self.occupied += 1
        self.now += seconds

    def event(self):
        return {}

    def record(self, event):
        event["at"] = self.now

    def elapsed(self, begin, end):
        return end["at"] - begin["at"]

    def synchronize(self):
        pass

    def _operation(self, kind):
        def make(*asked):
            self.asked.append((kind, asked))
            return lambda: self.work(1e-3)

        return make

    def __getattr__(self, name):
        if name in ("forward", "decode", "projection", "append", "matrix_loop", "copy"):
            return self._operation(name)
        raise AttributeError(name)


class FakeTensor:
    """Results of which it only matters how far they are from each other."""

    def __init__(self, value=1.0):
        self.value = value

    def double(self):
        return self

    def __sub__(self, other):
        return FakeTensor(self.value - other.value)

    def __truediv__(self, other):
        return FakeTensor(self.value / other.value)

    def norm(self):
        return FakeTensor(abs(self.value))

    def item(self):
        return self.value
