"""Makes the archive that is carried to a machine with a GPU: `bench/gpu/first build`."""

import json
import os
import shutil
from pathlib import Path

import build
import carried
import javascript
from steps import Skip, Steps

SECONDS = 3600


def make(archive, objects, architecture):
    """The exit status. Without Node or CMake, what these are for is not carried, and that is said."""
    folder = Path(objects, f"sm_{architecture}").resolve()
    made = Carry(folder, architecture, Steps(SECONDS, folder / "logs"))
    made.steps.take("binaries", made.binaries)
    made.steps.take("counts", made.counts, ["binaries"])
    made.steps.take("javascript", made.javascript)
    made.steps.take("archive", lambda: carried.pack(archive, architecture, folder, made.others), ["binaries"])
    print(f"\n{made.steps.summary()}")
    return 1 if made.steps.failed() else 0


class Carry:
    def __init__(self, folder, architecture, steps):
        self.folder, self.architecture, self.steps = folder, architecture, steps
        self.others = {}

    def binaries(self):
        self.builder = build.Builder(self.folder, self.architecture, self.steps, self.steps.left)
        build.build_library(self.builder)
        build.build_wrapper_tests(self.builder)
        build.build_kernel_tests(self.builder)
        self.others[f"{carried.INCLUDE}/doctest/doctest.h"] = build.doctest_header()

    def counts(self):
        """By the scripts that hold kernels to their budgets, in the very objects that the library consists of."""
        _expect("node")
        objects = sorted((self.folder / "kernels").rglob("*.cu.o")) + sorted((self.folder / "library").rglob("*.cu.o"))
        said = self.steps.command(["node", build.ROOT / "bench" / "gpu" / "counts.mjs", *objects], "counts", 120)
        path = self.folder / carried.COUNTS
        path.write_text(said, encoding="utf8")
        self.others[carried.COUNTS] = path
        return f"{len(json.loads(said))} kernels"

    def javascript(self):
        for program in ("node", "cmake"):
            _expect(program)
        self.steps.command(["node", "scripts/compile-typescript.mjs"], "typescript", 600, cwd=build.ROOT)
        folder = self.folder / "addon"
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "HEED_CUDA": "ON",
            "CMAKE_CUDA_COMPILER": shutil.which(build.find_nvcc()),
            "CMAKE_CUDA_ARCHITECTURES": f"{self.architecture}-real",
            "HEED_INSTRUCTION_SETS": "baseline",  # it computes on the GPU
        }
        given = [f"-D{name}={value}" for name, value in options.items()]
        self.steps.command(["cmake", "-S", build.ROOT, "-B", folder, *given], "addon-configure", 120)
        parallel = str(len(os.sched_getaffinity(0)))
        self.steps.command(["cmake", "--build", folder, "--parallel", parallel, "--target", "heed"], "addon-build", self.steps.left())
        node, addon = self.folder / "node", self.folder / "heed.node"
        said = self.steps.command(["node", "-p", "process.execPath"], "node", 30)
        for path, stripped in ((Path(said.strip()), node), (folder / "heed.node", addon)):
            self.steps.command(["strip", "-o", stripped, path], "strip", 60)
        files = javascript.files(node, addon)
        self.others |= {f"{carried.JAVASCRIPT}/{name}": path for name, path in files.items()}
        return f"Node with {node.stat().st_size / 1e6:.0f} MB, the addon with {addon.stat().st_size / 1e6:.0f} MB, {len(files)} files"


def _expect(program):
    if shutil.which(program) is None:
        raise Skip(f"there is no {program}")
