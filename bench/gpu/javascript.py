"""The JavaScript side on the GPU: tests of backends, and what a call costs beyond its kernel. Machines with GPUs often have neither
Node nor a built heed: both are carried."""

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
CALLED = {"decode B1 32/8 D128 1k bfloat16": 500, "causal D128 4k bfloat16": 50}
# Those of the cuda backend and of devices; what else is in these folders is tested on processors.
TESTS = "dist/test/{backends/cuda,attention,key-value-cache,multi-head-attention,onnx,projection,properties}/**/*.test.js"


def called_rows():
    return [
        {"name": row.name, "type": row.kind, "shape": row.shape, "calls": CALLED[row.name]}
        for row in all_rows()
        if row.name in CALLED
    ]


class JavaScript:
    """`root` is a checkout, or a folder that was packed. `backend` is "cuda", or "cuda-emulator" where this is tested itself."""

    def __init__(self, steps, root=ROOT, node="node", backend="cuda"):
        self.steps, self.root, self.node = steps, root, node
        self.environment = {**os.environ, "HEED_BACKEND": backend}

    def test(self, seconds, tests=TESTS):
        self._expect_addon()
        self._run("tests", seconds, "node_modules/mocha/bin/mocha.js", "--grep", "on cuda", tests)

    def calls(self, seconds, rows=None):
        """What they take, as bench/gpu/calls.mjs measures them."""
        self._expect_addon()
        return json.loads(self._run("calls", seconds, "bench/gpu/calls.mjs", json.dumps(rows or called_rows())))

    def _run(self, log, seconds, *arguments):
        return self.steps.command([self.node, *arguments], f"javascript-{log}", seconds, cwd=self.root, env=self.environment)

    def _expect_addon(self):
        if shutil.which(self.node) is None:
            raise Skip("there is no Node: kernels were tested and measured without it")
        if not (self.root / "dist" / "lib" / "index.js").exists():
            raise Skip("heed is not built here: npm ci && npm run build")
        found = json.loads(self._run("addon", 30, "-e", ASK))
        if not found["compiled"]:
            raise Skip(f"the addon has no CUDA kernels: {found.get('reason', 'it was built without nvcc')}")
        if not found["devices"]:
            raise Skip(f"the addon sees no GPU: {found.get('reason')}")


def packed(steps, folder):
    """What `files` has put there."""
    return JavaScript(steps, folder, str(folder / "node"))


def files(node, addon):
    """Name in the packed folder → path: Node, heed with this addon, its tests, and the packages that these take."""
    found = {"node": node, "build/Release/heed.node": addon}
    for name in ("package.json", ".mocharc.json", "bench/gpu/calls.mjs"):
        found[name] = ROOT / name
    own = ("dist/lib", "dist/bench", "dist/test", "test/conformance", "test/fixtures")
    for folder in (*own, *_packages(["bindings", "fast-check", "mocha", "pure-rand"])):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.endswith((".map", ".d.ts", ".d.mts", ".d.cts", ".md")):
                found[str(path.relative_to(ROOT))] = path
    return found


def _packages(names):
    """The folders of these packages and of all that they depend on, by package-lock.json."""
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf8"))["packages"]
    folders, waiting = set(), [(name, "") for name in names]
    while waiting:
        name, at = waiting.pop()
        folder = next((each for each in _places(name, at) if each in lock), None)
        if folder is None or folder in folders:
            continue
        folders.add(folder)
        waiting += [(each, folder) for each in lock[folder].get("dependencies", {})]
    return sorted(folders)


def _places(name, at):
    """Where Node looks for a package that is required in the folder `at`: there, and upwards."""
    while at:
        yield f"{at}/node_modules/{name}"
        at = at.rpartition("node_modules")[0].rstrip("/")
    yield f"node_modules/{name}"


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
