import tempfile
import unittest
from pathlib import Path
from unittest import mock

import build
import machine
from steps import Failure, Steps


class BuildTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.steps = Steps(60, self.folder / "logs", lambda _: None)

    def builder(self, limit=30):
        with mock.patch.object(build, "find_nvcc", lambda: "nvcc"):
            return build.Builder(self.folder, "90", self.steps, lambda: limit)

    def units(self, count, script):
        sources = [self.folder / f"{number}.cc" for number in range(count)]
        for source in sources:
            source.write_text("", encoding="utf8")
        with_output = f'for last; do :; done; {script}; touch "$last"'
        return [(source, ["sh", "-c", with_output, "sh"]) for source in sources]

    def objects(self, builder, units):
        with mock.patch.object(build, "ROOT", self.folder):
            return builder.objects(units, "group")

    def test_objects_are_made_for_all_sources(self):
        objects = self.objects(self.builder(), self.units(5, ":"))
        self.assertEqual(len(objects), 5)
        self.assertTrue(all(path.exists() for path in objects))

    def test_when_one_source_fails_the_others_are_not_waited_for(self):
        with mock.patch.object(build, "_processors", lambda: 1), self.assertRaisesRegex(Failure, "ended with 3"):
            self.objects(self.builder(), self.units(20, "exit 3"))
        self.assertLess(len(self.steps.commands), 5)

    def test_a_compiler_that_hangs_is_stopped(self):
        with self.assertRaisesRegex(Failure, "stopped after 1 s"):
            self.objects(self.builder(limit=1), self.units(1, "sleep 30"))

    def test_a_compiler_that_is_too_old_is_refused(self):
        for said in ("Cuda compilation tools, release 11.8, V11.8.89", "nothing known", None):
            with mock.patch.object(machine, "said_by", lambda *_, said=said: said), self.assertRaises(Failure):
                machine.expect_recent("nvcc")
        with mock.patch.object(machine, "said_by", lambda *_: "Cuda compilation tools, release 12.0, V12.0.140"):
            machine.expect_recent("nvcc")


if __name__ == "__main__":
    unittest.main()
