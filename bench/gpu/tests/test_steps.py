import sys
import tempfile
import time
import unittest

from steps import FAILED, PASSED, SKIPPED, Failure, Skip, Steps


def broken():
    raise Failure("broken")


class StepsTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.said = []
        self.steps = Steps(60, self.folder.name, self.said.append)

    def test_a_failing_step_does_not_hide_later_ones(self):
        def mistake():
            return 1 / 0

        def skip():
            raise Skip("nothing to do")

        self.steps.take("one", broken)
        self.steps.take("two", mistake)
        self.steps.take("three", skip)
        self.steps.take("four", lambda: "fine")
        self.assertEqual([each["status"] for each in self.steps.results], [FAILED, FAILED, SKIPPED, PASSED])
        self.assertIn("ZeroDivisionError", self.steps.results[1]["note"])
        self.assertTrue(self.steps.failed())
        self.assertEqual(len(self.steps.summary().split("\n")), 4)

    def test_what_needs_a_step_that_failed_is_left_out(self):
        self.steps.take("one", broken)
        self.steps.take("two", broken, ["one"])
        self.assertEqual(self.steps.status("two"), SKIPPED)
        self.assertIn("one", self.steps.results[1]["note"])

    def test_nothing_begins_once_time_is_over(self):
        steps = Steps(0, self.folder.name, self.said.append)
        steps.take("late", lambda: None)
        self.assertEqual(steps.status("late"), FAILED)

    def test_commands_are_stopped_when_their_time_is_over(self):
        for show in (False, True):
            began = time.monotonic()
            with self.assertRaisesRegex(Failure, "stopped after 1 s"):
                self.steps.command([sys.executable, "-c", "import time; time.sleep(30)"], "slow", 1, show=show)
            self.assertLess(time.monotonic() - began, 10)

    def test_a_failing_command_says_its_last_lines(self):
        for show in (False, True):
            with self.assertRaisesRegex(Failure, "(?s)ended with 3.*the reason"):
                self.steps.command([sys.executable, "-c", "print('the reason'); exit(3)"], "bad", 20, show=show)
        with self.assertRaisesRegex(Failure, "cannot be run"):
            self.steps.command(["no-such-program"], "none", 20)

    def test_commands_and_their_output_are_kept(self):
        said = self.steps.command([sys.executable, "-c", "print('hello')"], "good", 20)
        self.assertEqual(said, "hello\n")
        self.assertEqual(len(self.steps.commands), 1)


if __name__ == "__main__":
    unittest.main()
