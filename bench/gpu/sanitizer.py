"""compute-sanitizer over some of the kernel tests: it makes them many times slower, so the ones at the edges of tiles alone,
with few random problems."""

import os
import shutil

from steps import Failure, Skip

TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
CASES = "*edges*,*random problems*,*into contiguous and paged*,*every pair of types*"


def find():
    candidates = ("compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer")
    return next((path for path in map(shutil.which, candidates) if path), None)


# Of one kernel with copies, barriers and tables: few launches, so that a tool ends in seconds.
EDGE = "attention_decode: at the edges of tiles and chunks"


def run_edge(steps, program, tool, seconds):
    """One case under one tool."""
    tool_path = find()
    if tool_path is None:
        raise Skip("compute-sanitizer is not installed")
    environment = {**os.environ, "HEED_TEST_PROBLEMS": "1"}
    command = [tool_path, f"--tool={tool}", "--error-exitcode=9", program, f"--test-case={EDGE}"]
    said = steps.command(command, f"sanitizer-{tool}", seconds, env=environment)
    if "test cases: 1 |" not in " ".join(said.split()):  # doctest counts the cases that it has run
        raise Failure(f"no test case is called {EDGE}")
    return f"{tool}: nothing found"


def run(steps, program, seconds):
    tool_path = find()
    if tool_path is None:
        raise Skip("compute-sanitizer is not installed")
    environment = {**os.environ, "HEED_TEST_PROBLEMS": "2"}
    failures = []
    for number, tool in enumerate(TOOLS):
        command = [tool_path, f"--tool={tool}", "--error-exitcode=9", program, f"--test-case={CASES}"]
        steps.say(f"  {tool}")
        share = seconds / (len(TOOLS) - number)
        before = steps.left()
        try:
            unwritten = {"HEED_TEST_UNWRITTEN": "1"} if tool == "initcheck" else {}
            steps.command(command, f"sanitizer-{tool}", share, env={**environment, **unwritten})
        except Failure as failure:
            failures.append(f"{tool}: {failure}")
        seconds -= before - steps.left()
    if failures:
        raise Failure("\n".join(failures))
    return f"{', '.join(TOOLS)}: nothing found"
