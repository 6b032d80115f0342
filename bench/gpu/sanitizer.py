"""compute-sanitizer over some of the kernel tests: it makes them many times slower, so the ones at the edges of tiles come first,
with few random problems."""

import os
import re
import shutil

from steps import Failure, Skip, Stopped

# A tool takes about this long to start.
LEAST_SECONDS = 3
TOOLS = ("memcheck", "racecheck", "synccheck", "initcheck")
# One after the other as long as there is time, so that each says something by itself: kernels that share tiles first.
GROUPS = (
    "attention_decode: at the edges*",
    "attention_forward: at the edges*",
    "projections at the edges*",
    "append: into contiguous and paged*,attention_rows: at the edges*,cast: every pair*",
    "*random problems*",
)


def find():
    candidates = ("compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer")
    return next((path for path in map(shutil.which, candidates) if path), None)


def run(steps, program, tool, groups, seconds):
    """One tool. It fails where a group finds something, has no cases, or is the first and does not end. Which others have not ended
    in time is said in what it returns."""
    path = find()
    if path is None:
        raise Skip("compute-sanitizer is not installed")
    unwritten = {"HEED_TEST_UNWRITTEN": "1"} if tool == "initcheck" else {}
    environment = {**os.environ, "HEED_TEST_PROBLEMS": "1", **unwritten}
    until = steps.left() - seconds
    failures, late, cases = [], [], 0
    for number, group in enumerate(groups):
        left = steps.left() - until
        if number > 0 and left < LEAST_SECONDS:
            late.append(group)
            continue
        command = [path, f"--tool={tool}", "--error-exitcode=9", program, f"--test-case={group}"]
        try:
            cases += _cases_in(steps.command(command, f"{tool}-{number}", left, env=environment))
        except Stopped as stopped:
            (late if number > 0 else failures).append(f"{group}: {stopped}")
        except Failure as failure:
            failures.append(f"{group}: {failure}")
    if failures:
        raise Failure("\n".join(failures))
    return f"nothing found in {cases} test cases" + "".join(f"\nno time was left for {group}" for group in late)


def _cases_in(said):
    """doctest counts the cases that it has run."""
    found = re.search(r"test cases:\s*(\d+) \|", said)
    if found is None or int(found[1]) == 0:
        raise Failure("no test case has this name")
    return int(found[1])
