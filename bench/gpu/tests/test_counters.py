import tempfile
import unittest
from pathlib import Path
from unittest import mock

import counters
from steps import Skip, Steps

TABLE = '''==PROF== Profiling "k" - 0: 0%....50%....100% - 9 passes
"ID","Kernel Name","Block Size","Grid Size","gpu__time_duration.sum","sm__inst_executed.sum","sass__inst_executed_per_opcode"
"","","","","ns","inst","inst"
"0","_ZN4heed1aE","(128, 1, 1)","(64, 1, 1)","2,500","1,000","1,000 (HMMA.16816.F32.BF16: 30; HMMA.1688.F32: 10; LDGSTS.E: 20; MUFU.EX2: 940)"
"1","_ZN4heed1bE","(128, 1, 1)","(64, 1, 1)","n/a","","7 (IMAD.MOV.U32: 7)"
'''


class CountersTest(unittest.TestCase):
    def test_launches_are_read_with_their_opcodes(self):
        lines = counters.parse(TABLE)
        self.assertEqual([line["Kernel Name"] for line in lines], ["_ZN4heed1aE", "_ZN4heed1bE"])
        one, other = (counters.launch_of(line, {"_ZN4heed1aE": {"label": "one", "perMatrix": 24.0}}) for line in lines)
        self.assertAlmostEqual(one["seconds"], 2.5e-6)
        self.assertEqual((one["matrix"], one["copies"], one["exponentials"], one["fragments"]), (40, 20, 940, 0))
        self.assertEqual((one["perMatrix"], one["copiesPerMatrix"]), (25, 0.5))
        self.assertIn("one: 25.00 instructions per matrix instruction (predicted 24.00)", counters.describe(one))
        self.assertIn("0.50 copies per matrix instruction (not predicted)", counters.describe(one))
        self.assertEqual(other["instructions"], 7)
        self.assertNotIn("seconds", other)
        self.assertNotIn("perMatrix", other)
        self.assertIn("_ZN4heed1bE", counters.describe(other))

    def test_what_is_not_permitted_is_said_whatever_the_status_of_ncu(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            ncu = folder / "ncu"
            for status in (0, 1):
                ncu.write_text(f"#!/bin/sh\necho '==ERROR== ERR_NVGPUCTRPERM' > {folder}/counters.csv; exit {status}\n", encoding="utf8")
                ncu.chmod(0o755)
                steps = Steps(60, folder / "logs", lambda _: None)
                with mock.patch.object(counters, "find", lambda: str(ncu)), self.assertRaisesRegex(Skip, "not permitted"):
                    counters.count(steps, "library", {}, folder, 30)

    def test_without_a_table_there_are_no_launches(self):
        self.assertEqual(counters.parse("==WARNING== No kernels were profiled.\n"), [])


if __name__ == "__main__":
    unittest.main()
