"""The JavaScript side on the GPU: tests of backends, and what a call costs beyond its kernel. Only where Node and an addon with
kernels are: machines with GPUs often have neither."""

import json
import os
import shutil

from build import ROOT
from rows import all_rows
from steps import Skip

MOST_OVER = 10e-6

# What the addon says of CUDA, or why there is none.
ASK = "console.log(JSON.stringify(require('./dist/lib/backends/native/native.js').cudaStatus()))"
# Rows of the benchmark that are called from JavaScript as well: a kernel of microseconds, and one of milliseconds.
CALLED = {"decode B1 32/8 D128 1k bfloat16": 500, "causal D128 2k bfloat16": 50}
# Those of the cuda backend and of devices; what else is in these folders is tested on processors.
TESTS = "dist/test/{cuda,attention,key-value-cache,multi-head-attention,onnx,projection,properties}/**/*.test.js"


def called_rows():
    return [
        {"name": row.name, "type": row.kind, "shape": row.shape, "calls": CALLED[row.name]}
        for row in all_rows()
        if row.name in CALLED
    ]


class JavaScript:
    """`backend` is "cuda", or "cuda-emulator" where this is tested itself."""

    def __init__(self, steps, backend="cuda"):
        self.steps = steps
        self.environment = {**os.environ, "HEED_BACKEND": backend}

    def test(self, seconds, tests=TESTS):
        self._expect_addon()
        self._node("tests", seconds, "node_modules/mocha/bin/mocha.js", "--grep", "on cuda", tests)

    def calls(self, seconds, rows=None):
        """What they take, as bench/gpu/calls.mjs measures them."""
        self._expect_addon()
        return json.loads(self._node("calls", seconds, "bench/gpu/calls.mjs", json.dumps(rows or called_rows())))

    def _node(self, log, seconds, *arguments):
        return self.steps.command(["node", *arguments], f"javascript-{log}", seconds, cwd=ROOT, env=self.environment)

    def _expect_addon(self):
        if shutil.which("node") is None:
            raise Skip("there is no Node: kernels were tested and measured without it")
        if not (ROOT / "dist" / "lib" / "index.js").exists() or not (ROOT / "node_modules" / "mocha").exists():
            raise Skip("heed is not built here: npm ci && npm run build")
        found = json.loads(self._node("addon", 30, "-e", ASK))
        if not found["compiled"]:
            raise Skip(f"the addon has no CUDA kernels: {found.get('reason', 'it was built without nvcc')}")
        if not found["devices"]:
            raise Skip(f"the addon sees no GPU: {found.get('reason')}")


def overheads(calls, measured):
    """Beside each call the time of its kernel alone, and by how much it is longer: 10 µs at most."""
    medians = {row["name"]: row["times"]["heed"]["median"] for row in measured if "heed" in row["times"]}
    compared = []
    for call in calls:
        kernel = medians.get(call["name"])
        if kernel is None:
            compared.append(call)
            continue
        over = call["perCall"] - kernel
        compared.append({**call, "kernel": kernel, "over": over, "bar": MOST_OVER, "met": over <= MOST_OVER})
    return compared
