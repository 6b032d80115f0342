import tempfile
import unittest
from pathlib import Path
from unittest import mock

import sanitizer
from steps import Failure, Skip, Steps

RAN = "echo 'test cases: 2 | 2 passed'"


class SanitizerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.steps = Steps(60, self.folder / "logs", lambda _: None)

    def run_with(self, script, tool="memcheck", seconds=30):
        path = self.folder / "compute-sanitizer"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf8")
        path.chmod(0o755)
        with mock.patch.object(sanitizer, "find", lambda: str(path)):
            return sanitizer.run(self.steps, "/the/tests", tool, ["first*", "second*", "third*"], seconds)

    def test_every_group_runs_with_few_problems(self):
        said = self.run_with(f'echo "$* $HEED_TEST_PROBLEMS $HEED_TEST_UNWRITTEN"; {RAN}', "initcheck")
        self.assertEqual(said, "nothing found in 6 test cases")
        log = (self.folder / "logs" / "initcheck-1.log").read_text(encoding="utf8")
        self.assertIn("--tool=initcheck --error-exitcode=9 /the/tests --test-case=second* 1 1", log)

    def test_what_one_group_finds_does_not_hide_what_the_next_one_does(self):
        with self.assertRaises(Failure) as raised:
            self.run_with(f'case "$*" in *first*|*third*) echo "bad $4"; exit 9;; esac; {RAN}')
        self.assertRegex(str(raised.exception), r"(?s)first\*: .*bad.*third\*: .*bad")

    def test_a_group_without_cases_is_a_mistake(self):
        with self.assertRaisesRegex(Failure, r"third\*: no test case has this name"):
            self.run_with(f'case "$*" in *third*) echo "test cases: 0 | 0 passed";; *) {RAN};; esac')

    def test_groups_that_time_does_not_suffice_for_are_named(self):
        with mock.patch.object(sanitizer, "LEAST_SECONDS", 1.5):
            said = self.run_with(f'case "$*" in *second*) sleep 30;; esac; {RAN}', seconds=3)
        self.assertRegex(said, r"(?s)nothing found in 2 test cases\n.*second.*\n.*third")
        with self.assertRaisesRegex(Failure, "was stopped"):
            self.run_with("sleep 30", seconds=1)

    def test_is_skipped_where_it_is_not_installed(self):
        with mock.patch.object(sanitizer, "find", lambda: None), self.assertRaises(Skip):
            sanitizer.run(self.steps, "/the/tests", "memcheck", ["first*"], 30)


if __name__ == "__main__":
    unittest.main()
