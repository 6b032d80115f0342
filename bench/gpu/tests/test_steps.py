import sys
import tempfile
import time
import unittest
from pathlib import Path

from steps import FAILED, PASSED, SKIPPED, Failure, Skip, Steps


def _has_ended(process):
    """Whoever has started it may not have looked yet."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text(encoding="utf8").rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


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

    def test_commands_are_stopped_with_all_that_they_have_started(self):
        # The shell's child would go on, and hold the end of the pipe that lines come from.
        script = "sleep 30 & echo $!; wait"
        for show in (False, True):
            began = time.monotonic()
            with self.assertRaisesRegex(Failure, "stopped after 1 s"):
                self.steps.command(["sh", "-c", script], "parent", 1, show=show)
            self.assertLess(time.monotonic() - began, 10)
            child = int(self.log("parent"))
            self.assertTrue(_has_ended(child), "the child goes on")

    def log(self, name):
        return (Path(self.folder.name) / f"{name}.log").read_text(encoding="utf8")

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
