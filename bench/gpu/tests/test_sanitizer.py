import tempfile
import unittest
from pathlib import Path
from unittest import mock

import sanitizer
from steps import Failure, Skip, Steps


class SanitizerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.steps = Steps(60, self.folder / "logs", lambda _: None)

    def tool(self, script):
        path = self.folder / "compute-sanitizer"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf8")
        path.chmod(0o755)
        return mock.patch.object(sanitizer, "find", lambda: str(path))

    def test_every_tool_runs_over_a_reduced_set(self):
        with self.tool('echo "$* $HEED_TEST_PROBLEMS $HEED_TEST_UNWRITTEN"'):
            said = sanitizer.run(self.steps, "/the/tests", 30)
        self.assertIn("nothing found", said)
        self.assertEqual(len(self.steps.commands), 4)
        log = (self.folder / "logs" / "sanitizer-initcheck.log").read_text(encoding="utf8")
        self.assertRegex(log, r"--tool=initcheck --error-exitcode=9 /the/tests --test-case=\S*edges.* 2 1")

    def test_what_one_tool_finds_does_not_hide_what_the_next_one_does(self):
        with self.tool('case "$1" in *memcheck|*synccheck) echo "bad $1"; exit 9;; esac'):
            with self.assertRaises(Failure) as raised:
                sanitizer.run(self.steps, "/the/tests", 30)
        self.assertRegex(str(raised.exception), "(?s)memcheck: .*bad.*synccheck: .*bad")
        self.assertEqual(len(self.steps.commands), 4)

    def test_is_skipped_where_it_is_not_installed(self):
        with mock.patch.object(sanitizer, "find", lambda: None), self.assertRaises(Skip):
            sanitizer.run(self.steps, "/the/tests", 30)


if __name__ == "__main__":
    unittest.main()
