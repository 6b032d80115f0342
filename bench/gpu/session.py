"""What bench/gpu/first and bench/gpu/run have in common: steps with a limit each, in order, each of which is kept as soon as it ends."""

import argparse
import datetime
import json
import os
import sys
import tempfile
from pathlib import Path

import build
import carried
import counters
import javascript
import machine
import sanitizer
from steps import Failure, Steps

HERE = Path(__file__).resolve().parent
# What makes a run worth its time: where binaries are built on the spot, these keep their time.
VITAL = ("machine", "wrappers", "rows")


class Session:
    """`name` is that of the program, `plan` a function of the session that gives [(step, action, most seconds, steps that it
    needs)], where an action takes the seconds that it has, and `asked` what `arguments` has read."""

    def __init__(self, name, plan, asked):
        self.name, self.asked = name, asked
        self.results = writable(asked.results, "results")
        self.path = self.results / f"{name}.jsonl"
        self.steps = Steps(asked.deadline, self.results / "logs")
        self.plan = plan(self)
        self.scratch = tempfile.TemporaryDirectory(prefix="heed-")
        self.unpacked = Path(self.scratch.name)
        self.facts, self.made, self.carried = None, {}, False
        self.data, self.measured, self.calls = None, None, None

    # The actions of steps.

    def look(self, _):
        self.facts = machine.gpu_facts()
        return f"{self.facts['name']}, compute capability {self.facts['compute_cap']}, driver {self.facts['driver_version']}"

    def binaries(self, _):
        architecture = machine.architecture(self.facts)
        lacking = carried.unpack(self.asked.archive, self.unpacked, architecture, self.steps)
        self.carried = lacking is None
        if self.carried:
            self.made = {name: self.unpacked / name for name in carried.PROGRAMS}
            return "those that were carried"
        try:
            return f"built here: {lacking}\n{self._build(architecture)}".rstrip()
        except Failure as failure:
            raise Failure(f"{lacking}\nand cannot be built here: {failure}") from failure

    def _build(self, architecture):
        """What could not be built; without the library, a Failure."""
        until = sum(most for name, _, most, _ in self.plan if name in VITAL)

        def limit():
            return max(1, self.steps.left() - until)

        folder = writable(Path(self.asked.build, f"sm_{architecture}"), "build")
        builder = build.Builder(folder, architecture, self.steps, limit, self.unpacked / carried.INCLUDE)
        machine.expect_recent(builder.nvcc)
        self.made[carried.LIBRARY] = build.build_library(builder)
        notes = []
        for name, make in ((carried.WRAPPERS, build.build_wrapper_tests), (carried.KERNELS, build.build_kernel_tests)):
            try:
                self.made[name] = make(builder)
            except Failure as failure:
                notes.append(f"{name} could not be built: {failure}")
        return "\n".join(notes)

    def program(self, name):
        if name not in self.made:
            raise Failure(f"{name} could not be built: see the step binaries")
        return self.made[name]

    def wrappers(self, limit):
        self.steps.command([self.program(carried.WRAPPERS)], "wrappers", limit, show=True)

    def kernels(self, limit, problems=None):
        environment = {**os.environ, **({"HEED_TEST_PROBLEMS": str(problems)} if problems else {})}
        command = [self.program(carried.KERNELS), "--duration=true"]
        self.steps.command(command, "kernels", limit, show=True, env=environment)

    def rows(self, limit, which):
        result = self.results / "rows.json"
        result.unlink(missing_ok=True)
        command = [sys.executable, HERE / "benchmark.py", self.program(carried.LIBRARY), result, max(1, limit - 10), which]
        try:
            self.steps.command(command, "rows", limit, show=True)
        finally:
            if result.exists():
                self.data = self.measured = json.loads(result.read_text(encoding="utf8"))

    def counters(self, limit):
        self.data = counters.count(self.steps, self.program(carried.LIBRARY), self.predicted(), self.results, limit)
        return counters.note(self.data)

    def predicted(self):
        path = self.unpacked / carried.COUNTS
        return json.loads(path.read_text(encoding="utf8")) if self.carried and path.exists() else {}

    def sanitize(self, limit, tool, cases):
        return sanitizer.run(self.steps, self.program(carried.KERNELS), tool, cases, limit)

    def javascript(self):
        packed = self.unpacked / carried.JAVASCRIPT
        if self.carried and packed.exists():
            return javascript.packed(self.steps, packed)
        return javascript.JavaScript(self.steps)

    def call_javascript(self, limit):
        found = self.javascript().calls(limit)
        self.data = self.calls = javascript.overheads(found, self.measured["rows"] if self.measured else [])

    def test_javascript(self, limit):
        self.javascript().test(limit)

    # What is done with them.

    def take(self, names=None):
        """All steps, or those that are named and what these need."""
        wanted = set(names or (name for name, *_ in self.plan))
        for name, _, _, needs in reversed(self.plan):
            if name in wanted:
                wanted.update(needs)
        for name, action, most, needs in self.plan:
            if name not in wanted:
                continue
            before = len(self.steps.commands)
            self.data = None
            self.steps.take(name, lambda: action(max(1, min(most, self.steps.left()))), needs)
            self._keep(self.steps.results[-1], self.steps.commands[before:])

    def command_line(self):
        return " ".join([f"bench/gpu/{self.name}", *sys.argv[1:]])

    def _keep(self, result, commands):
        facts = self.facts or {}
        line = {
            **result,
            "date": now().isoformat(timespec="seconds"),
            "command": self.command_line(),
            "commands": commands,
            "gpu": facts.get("name"),
            "driver": facts.get("driver_version"),
            "clocks": machine.clocks() if self.facts else None,
            "data": self.data,
        }
        with open(self.path, "a", encoding="utf8") as file:
            file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
            file.flush()
            os.fsync(file.fileno())


def arguments(description, seconds):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    archive, objects, results = (build.ROOT / name for name in ("build/first.tar.gz", "build/gpu", "bench/results"))
    parser.add_argument("--archive", default=archive, help="what `bench/gpu/first build` makes, and is carried")
    parser.add_argument("--build", default=objects, help="where objects go, if anything is built")
    parser.add_argument("--deadline", type=float, default=seconds, help=f"seconds, {seconds} by default")
    parser.add_argument("--results", default=results, help="the folder of results and logs")
    os.environ["PYTHONUNBUFFERED"] = "1"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    return parser


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def writable(folder, name):
    """The folder, or one among temporary files where nothing can be written to it."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        other = Path(tempfile.mkdtemp(prefix=f"heed-{name}-"))
        print(f"{folder} cannot be written to ({error.strerror}): using {other}", flush=True)
        return other
