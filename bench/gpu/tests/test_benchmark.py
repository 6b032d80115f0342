import unittest

import benchmark
import ceilings
import javascript
from data import Array
from fakes import FakeGpu, FakeTensor
from library import BYTES
from rows import all_rows, counted_rows, first_rows
from table import called, table
from work import Bar, Context, Row


class FakeData:
    """Addresses that never overlap, and no memory."""

    def __init__(self):
        self.next = 1 << 40
        self.made = []

    def normal(self, shape, kind):
        made = Array(self.next, shape, kind)
        self.next += -(-made.bytes // 256) * 256
        self.made.append(made)
        return made

    nan = normal

    def free_bytes(self):
        return 60 * 10**9


def row_of(make, bars=()):
    return Row("Forward", "some work", "float16", make, {}, operations=1e12, bars=list(bars))


class RowsTest(unittest.TestCase):
    def test_every_row_can_be_made_and_measured_without_pytorch(self):
        for row in all_rows():
            gpu, data = FakeGpu(), FakeData()
            measured = benchmark.measure(row, Context(gpu, data), seconds=0)
            self.assertIn("heed", measured["times"], row.name)
            self.assertGreater(row.operations + row.bytes, 0)
            self.assertEqual(measured["refusals"], {})
            self.assertLess(sum(made.bytes for made in data.made), 60 * 10**9, row.name)
            for _, asked in gpu.asked:
                if hasattr(asked[0], "_fields_"):
                    self._check_memory(asked[0], data, row)

    def _check_memory(self, asked, data, row):
        """Pointers lead to memory that was made, with room for what the problem reaches."""
        size = BYTES[row.kind]
        reach = {}
        if hasattr(asked, "query_heads"):
            query = asked.batch * asked.query_heads * asked.query_steps * asked.width
            key = asked.batch * asked.key_heads * asked.key_capacity * asked.width
            reach = {"query": query, "output": query, "key": key, "value": key}
            self.assertLessEqual(asked.key_steps, asked.key_capacity)
        elif hasattr(asked, "parts"):
            rows = asked.batch * asked.steps
            reach = {"input": rows * asked.inner, "weight": asked.columns * asked.inner, "output": rows * asked.columns}
        elif hasattr(asked, "position"):
            cached = asked.batch * asked.heads * asked.capacity * asked.width
            new = asked.batch * asked.heads * asked.width
            reach = {"key": new, "value": new, "cached_key": cached, "cached_value": cached}
            self.assertLess(asked.position, asked.capacity)
        for name, elements in reach.items():
            begin = getattr(asked, name)
            inside = any(
                made.pointer <= begin and begin + elements * size <= made.pointer + made.bytes for made in data.made
            )
            self.assertTrue(inside, f"{row.name}: {name}")

    def test_names_are_all_different(self):
        names = [row.name for row in all_rows()]
        self.assertEqual(len(names), len(set(names)))

    def test_ceilings_are_what_rows_are_held_against(self):
        gpu, data = FakeGpu(), FakeData()
        measured = ceilings.measure(Context(gpu, data), seconds=0)
        self.assertEqual([each["name"] for each in measured], ["matrix loop bfloat16", "matrix loop float16", "copy"])
        loops = [asked[0] for kind, asked in gpu.asked if kind == "matrix_loop"]
        self.assertEqual([asked.blocks for asked in loops], [132, 132])
        sizes = {made.pointer: made.bytes for made in data.made}
        for asked in loops:
            self.assertEqual([sizes[asked.left], sizes[asked.right]], [64 * 16 * 2, 32 * 16 * 2])
            self.assertEqual(sizes[asked.output], 132 * 16 * 64 * 32 * 4)
        # Of a millisecond each, as FakeGpu has it.
        loop, _, copy = measured
        self.assertEqual(loop["operations"], 132 * 16 * 10_000 * 2 * 64 * 32 * 16)
        row = {"type": "bfloat16", "operations": loop["operations"], "bytes": copy["bytes"] / 2}
        self.assertAlmostEqual(ceilings.share(row, 4e-3, measured), 0.25)
        self.assertAlmostEqual(ceilings.share({**row, "bytes": 3 * copy["bytes"]}, 4e-3, measured), 0.75)
        self.assertIsNone(ceilings.share(row, 4e-3, []))

    def test_the_first_rows_have_what_is_counted_and_called(self):
        names = [row.name for row in first_rows()]
        self.assertEqual(len(names), 12)
        self.assertLessEqual(set(javascript.CALLED), set(names))
        self.assertEqual(len(counted_rows()), 7)
        self.assertLessEqual(set(names), {row.name for row in all_rows()})

    def test_a_contender_that_cannot_do_it_is_named_with_its_reason(self):
        def refuse(_):
            raise RuntimeError("No available kernel.\nmore")

        gpu = FakeGpu()
        row = row_of(lambda *_: {"heed": lambda _: gpu.work(1e-3), "torch flash": refuse}, [Bar("torch flash", 1.0)])
        measured = benchmark.measure(row, Context(gpu, None), seconds=0)
        self.assertEqual(measured["refusals"], {"torch flash": "No available kernel."})
        self.assertEqual(measured["bars"], [{"against": "torch flash", "bar": 1.0}])
        self.assertTrue(benchmark.is_right(measured))
        self.assertIn("torch flash cannot: No available kernel.", benchmark.describe(measured))
        without = benchmark.measure(row_of(lambda *_: {"heed": refuse, "copy": lambda _: None}), Context(gpu, None), 0)
        self.assertFalse(benchmark.is_right(without))

    def measured(self, ours, theirs, bar):
        gpu = FakeGpu()

        def contender(seconds, value):
            def call(_):
                gpu.work(seconds)
                return FakeTensor(value)

            return call

        contenders = {
            "heed": contender(*ours),
            "torch flash": contender(*theirs),
            "torch cuDNN": contender(theirs[0] / 2, theirs[1]),
        }
        row = row_of(lambda *_: contenders, [bar])
        return benchmark.measure(row, Context(gpu, None, peers=True), seconds=0)

    def test_bars_are_ratios_of_medians(self):
        [bar] = self.measured((1e-3, 1.0), (1.5e-3, 1.0), Bar("torch flash", 1.0))["bars"]
        self.assertAlmostEqual(bar["ratio"], 1.5)
        self.assertTrue(bar["met"])
        [bar] = self.measured((1e-3, 1.0), (1.5e-3, 1.0), Bar("fastest", 0.8))["bars"]
        self.assertEqual(bar["against"], "torch cuDNN")
        self.assertAlmostEqual(bar["ratio"], 0.75)
        self.assertFalse(bar["met"])

    def test_results_that_differ_are_wrong(self):
        right = self.measured((1e-3, 1.001), (1e-3, 1.0), Bar("torch flash", 1.0))
        self.assertTrue(all(each["agrees"] for each in right["differences"].values()))
        self.assertEqual(len(right["differences"]), 2)
        for value in (1.1, float("nan")):
            wrong = self.measured((1e-3, value), (1e-3, 1.0), Bar("torch flash", 1.0))
            self.assertFalse(any(each["agrees"] for each in wrong["differences"].values()))
            self.assertIn("WRONG", table([wrong]))
            self.assertFalse(benchmark.is_right(wrong))

    def test_calls_from_javascript_are_held_against_their_kernels(self):
        names = {row.name for row in all_rows()}
        self.assertLessEqual(set(javascript.CALLED), names)
        rows = [{"name": "a", "times": {"heed": {"median": 50e-6}}}]
        calls = [{"name": "a", "perCall": 59e-6}, {"name": "a", "perCall": 61e-6}, {"name": "b", "perCall": 1e-6}]
        near, far, alone = javascript.overheads(calls, rows)
        self.assertTrue(near["met"])
        self.assertFalse(far["met"])
        self.assertNotIn("over", alone)
        self.assertIn("9.0 µs over the kernel ✓ 10 µs", called(near))
        self.assertIn("1 µs a call", called(alone))

    def test_the_table_does_not_flatter(self):
        shown = table([self.measured((1e-3, 1.0), (0.9999e-3, 1.0), Bar("torch flash", 1.0))])
        self.assertIn("0.99× torch flash ✗ 1.00", shown)


if __name__ == "__main__":
    unittest.main()
