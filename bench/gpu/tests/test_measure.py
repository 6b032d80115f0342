import random
import time
import unittest

from fakes import FakeGpu
from measure import Interleaved, sets_of_data, summary


class InterleavedTest(unittest.TestCase):
    def test_times_are_those_of_each_contender(self):
        gpu = FakeGpu()
        contenders = {"slow": lambda _: gpu.work(3e-3), "fast": lambda _: gpu.work(1e-3)}
        times = Interleaved(gpu, contenders, least_rounds=7, most_rounds=7).run()
        self.assertEqual({name: len(each) for name, each in times.items()}, {"slow": 7, "fast": 7})
        self.assertAlmostEqual(summary(times["slow"])["median"], 3e-3)
        self.assertAlmostEqual(summary(times["fast"])["minimum"], 1e-3)

    def test_contenders_take_turns_at_going_first_each_on_other_data(self):
        gpu = FakeGpu()
        calls = []
        contenders = {name: lambda number, name=name: calls.append((name, number)) for name in "abc"}
        Interleaved(gpu, contenders, least_rounds=3, most_rounds=3).run()
        measured = calls[6:]  # two to warm up for each
        self.assertEqual("".join(name for name, _ in measured), "abcbcacab")
        numbers = [number for _, number in calls]
        self.assertEqual(numbers, list(range(1, len(calls) + 1)))

    def test_the_stream_is_busy_while_a_round_is_enqueued(self):
        gpu = FakeGpu()
        Interleaved(gpu, {"a": lambda _: None}, least_rounds=4, most_rounds=4).run()
        self.assertEqual(gpu.occupied, 4)

    def test_slow_rounds_end_early(self):
        gpu = FakeGpu()
        times = Interleaved(gpu, {"a": lambda _: time.sleep(0.05)}, seconds=0.01).run()
        self.assertEqual(len(times["a"]), 1)

    def test_data_is_more_than_the_cache_holds_and_fits(self):
        for _ in range(200):
            one, l2 = random.randint(1, 10**9), random.randint(10**6, 10**8)
            count = sets_of_data(one, l2, 10**11)
            self.assertTrue(count == 256 or count * one > 3 * l2)
        self.assertEqual(sets_of_data(10**9, 10**8, 10**9), 1)


if __name__ == "__main__":
    unittest.main()
