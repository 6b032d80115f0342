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
ASK = """
const { addon, why } = require('./dist/lib/native/load.js').loadAddon();
console.log(JSON.stringify(addon?.cuda?.() ?? { compiled: false, reason: why ?? 'the addon does not know of CUDA' }));
"""
# Rows of the benchmark that are called from JavaScript as well: a kernel of microseconds, and one of milliseconds.
CALLED = {"decode B1 32/8 D128 1k bfloat16": 500, "causal D128 2k bfloat16": 50}
TESTS = ["attention", "multi-head-attention", "key-value-cache", "projection", "properties"]


def run(steps, seconds):
    """What calls take, as bench/gpu/calls.mjs measures them."""
    _check_for_addon(steps)
    environment = {**os.environ, "HEED_BACKEND": "cuda"}
    files = f"dist/test/{{{','.join(TESTS)}}}/**/*.test.js"
    mocha = ["node", "node_modules/mocha/bin/mocha.js", files]
    steps.command(mocha, "javascript-tests", seconds, cwd=ROOT, env=environment)
    rows = [
        {"name": row.name, "type": row.kind, "shape": row.shape, "calls": CALLED[row.name]}
        for row in all_rows()
        if row.name in CALLED
    ]
    said = steps.command(["node", "bench/gpu/calls.mjs", json.dumps(rows)], "javascript-calls", 60, cwd=ROOT)
    return json.loads(said)


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


def _check_for_addon(steps):
    if shutil.which("node") is None:
        raise Skip("there is no Node: kernels were tested and measured without it")
    if not (ROOT / "dist" / "lib" / "index.js").exists() or not (ROOT / "node_modules" / "mocha").exists():
        raise Skip("heed is not built here: npm ci && npm run build")
    found = json.loads(steps.command(["node", "-e", ASK], "javascript-addon", 30, cwd=ROOT))
    if not found["compiled"]:
        raise Skip(f"the addon has no CUDA kernels: {found.get('reason', 'it was built without nvcc')}")
    if not found["devices"]:
        raise Skip(f"the addon sees no GPU: {found.get('reason')}")
