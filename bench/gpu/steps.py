"""Steps of a run: each says when it begins and how long it took, and one that fails does not hide the later ones."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"


class Skip(Exception):
    """Why a step has nothing to do on this machine."""


class Failure(Exception):
    """What went wrong, in words."""


class Stopped(Failure):
    """A command took longer than it may."""


class Steps:
    def __init__(self, budget, log_folder, say=print):
        self.began = time.monotonic()
        self.budget = budget
        self.log_folder = Path(log_folder)
        self.say = say
        self.results = []
        self.commands = []

    def left(self):
        """Seconds until the whole run has to be over."""
        return self.budget - (time.monotonic() - self.began)

    def take(self, name, action, needs=()):
        """Runs action(), unless a step that it needs has not passed. What it returns is noted beside the step."""
        began = time.monotonic()
        self.say(f"\n━━ {name} ({began - self.began:.0f} s after the start) ━━")
        lacking = [need for need in needs if self.status(need) != PASSED]
        status, note = PASSED, ""
        try:
            if lacking:
                raise Skip(f"it needs what has not passed: {', '.join(lacking)}")
            if self.left() <= 0:
                raise Failure(f"there was no time left of {self.budget:.0f} s")
            note = action() or ""
        except Skip as skip:
            status, note = SKIPPED, str(skip)
        except Failure as failure:
            status, note = FAILED, str(failure)
        except Exception as error:  # a mistake of ours is a failed step as well
            status, note = FAILED, f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - began
        # A step that cannot run since another has failed is no reason to call the run good.
        self.results.append({"step": name, "status": status, "seconds": round(seconds, 1), "note": note})
        self.say(f"━━ {name}: {status} after {seconds:.0f} s{': ' + note if note else ''} ━━")

    def status(self, name):
        return next((each["status"] for each in self.results if each["step"] == name), None)

    def failed(self):
        return any(each["status"] == FAILED for each in self.results)

    def command(self, arguments, log, limit, show=False, **options):
        """Runs a command, with its output in a log, and on the terminal where it is short. Raises Failure with its last lines."""
        arguments = [str(argument) for argument in arguments]
        self.commands.append(" ".join(arguments))
        self.log_folder.mkdir(parents=True, exist_ok=True)
        path = self.log_folder / f"{log}.log"
        limit = max(1, min(limit, self.left()))
        with open(path, "w", encoding="utf8") as file:
            ended = self._watched(arguments, file, limit, show, options)
        text = path.read_text(encoding="utf8", errors="replace")
        if ended is None:
            raise Stopped(f"{arguments[0]} was stopped after {limit:.0f} s, see {path}")
        if ended != 0:
            raise Failure(f"{Path(arguments[0]).name} ended with {ended}, see {path}:\n{_tail(text)}")
        return text

    def _watched(self, arguments, file, limit, show, options):
        """The exit status, or None where it took too long. With `show`, lines are shown as they come."""
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if show else file,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # so that it can be stopped with all that it has started
                **options,
            )
        except OSError as error:
            raise Failure(f"{arguments[0]} cannot be run: {error.strerror}") from error
        with process:
            stopped = threading.Event()

            def stop():
                stopped.set()
                _kill(process)

            timer = threading.Timer(limit, stop)
            timer.start()
            try:
                if show:
                    _copy_lines(process.stdout, file)
                status = process.wait()
            except BaseException:
                _kill(process)
                raise
            finally:
                timer.cancel()
        return None if stopped.is_set() else status

    def summary(self):
        width = max((len(each["step"]) for each in self.results), default=0)
        lines = []
        for each in self.results:
            note = each["note"].split("\n")[0]
            lines.append(f"{each['step']:<{width}}  {each['status']:<8} {each['seconds']:6.0f} s  {note}".rstrip())
        return "\n".join(lines)


def _kill(process):
    """With its children: a compiler's passes, or a program under compute-sanitizer that would go on using the GPU."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _copy_lines(lines, file):
    for line in lines:
        file.write(line)
        sys.stdout.write(line)
        sys.stdout.flush()


def _tail(text, lines=25):
    return "\n".join(text.strip().split("\n")[-lines:])
