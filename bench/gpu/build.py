"""Compiles for the GPU that is there, by nvcc and g++ alone and as many sources at once as there are processors: a machine
with a GPU often has neither CMake nor Node. Objects are kept until what they were made of changes."""

import json
import os
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from steps import Failure

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = ROOT / "test" / "emulator"

# Kernels whose tests have a folder of their own, as the kernels have one in native/cuda.
KERNEL_FOLDERS = ["attention_decode", "attention_forward", "projection"]

# Tests of what only the emulator can tell: faults, counts, and how kernels are launched.
EMULATOR_ONLY = ["planted_test.cc", "counts_test.cc", "launches_test.cc"]

WARNINGS = ["-Wall", "-Wextra"]
HOST = ["-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", *WARNINGS]
# What the emulator compiles kernels with: see test/emulator/CMakeLists.txt.
OBSERVED = ["-x", "c++", "-fsanitize=thread", "-g1", "-fno-optimize-sibling-calls", "-Wno-unknown-pragmas"]


def find_nvcc():
    candidates = [os.environ.get("CUDACXX"), "nvcc", "/usr/local/cuda/bin/nvcc"]
    found = next((path for path in map(lambda name: name and shutil.which(name), candidates) if path), None)
    if found is None:
        raise Failure("there is no nvcc: set CUDACXX, or add it to PATH")
    return found


def find_doctest(carried):
    """The folder that doctest/doctest.h is in, or None where the compiler finds it by itself. Raises Failure where it is nowhere."""
    if carried is not None and (Path(carried) / "doctest" / "doctest.h").exists():
        return carried
    if doctest_header() is None:
        raise Failure("the tests need doctest: apt-get install doctest-dev, or name its folder in CPLUS_INCLUDE_PATH")
    return None


def doctest_header():
    """Where the compiler finds it, or None."""
    command = ["g++", "-x", "c++", "-M", "-include", "doctest/doctest.h", "/dev/null"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    names = asked.stdout.replace("\\\n", " ").split() if asked.returncode == 0 else []
    return next((Path(name) for name in names if name.endswith("doctest/doctest.h")), None)


class Builder:
    """`limit` is a function: how many seconds a command may take at the time. `include` may have headers that were carried."""

    def __init__(self, folder, architecture, steps, limit, include=None):
        self.folder = Path(folder)
        self.architecture = architecture
        self.steps = steps
        self.limit = limit
        self.include = include
        self.nvcc = find_nvcc()
        self.lock = threading.Lock()

    def cuda_sources(self):
        sources = json.loads((ROOT / "native" / "sources.json").read_text(encoding="utf8"))
        return [ROOT / name for name in sources["cuda"]]

    def nvcc_command(self):
        code = f"-gencode=arch=compute_{self.architecture},code=sm_{self.architecture}"
        # Uncompressed, machine code can be read in the objects; the archive that is carried is compressed as a whole.
        return [self.nvcc, "-std=c++20", "-O3", "-lineinfo", "--no-compress", code, "-Xcompiler=-fPIC,-fvisibility=hidden"]

    def host_command(self, *flags):
        return ["g++", *HOST, *flags]

    def objects(self, units, group):
        """Compiles [(source, command)], several at once, and gives back the objects. Groups have a folder each."""
        done = 0

        def compile_one(unit):
            nonlocal done
            source, command = unit
            result = self.folder / group / source.relative_to(ROOT).with_suffix(f"{source.suffix}.o")
            if not self._is_fresh(result, command):
                self._compile(source, command, result)
            with self.lock:
                done += 1
                self.steps.say(f"  {done}/{len(units)} {group}: {source.relative_to(ROOT)}")
            return result

        with ThreadPoolExecutor(_processors()) as pool:
            compiling = [pool.submit(compile_one, unit) for unit in units]
            try:
                return [each.result() for each in compiling]
            except BaseException:
                # What has not begun is of no use any more.
                for each in compiling:
                    each.cancel()
                raise

    def link(self, objects, name, *flags, linker=None):
        """By nvcc, which knows where the CUDA run time is, and links it in statically."""
        result = self.folder / name
        command = [*(linker or [self.nvcc]), "-o", result, *objects, *flags]
        self.steps.command(command, f"link-{name}", self.limit())
        return result

    def _is_fresh(self, result, command):
        record, stamp = Path(f"{result}.d"), Path(f"{result}.command")
        if not (result.exists() and record.exists() and stamp.exists()):
            return False
        if stamp.read_text(encoding="utf8") != _joined(command):
            return False
        made = result.stat().st_mtime
        names = record.read_text(encoding="utf8").replace("\\\n", " ").split(":", 1)[1].split()
        return all(Path(name).exists() and Path(name).stat().st_mtime <= made for name in names)

    def _compile(self, source, command, result):
        result.parent.mkdir(parents=True, exist_ok=True)
        whole = [*command, "-MD", "-MF", f"{result}.d", "-c", source, "-o", result]
        name = "-".join(source.relative_to(ROOT).parts)
        self.steps.command(whole, f"compile-{name}", self.limit(), cwd=ROOT)
        Path(f"{result}.command").write_text(_joined(command), encoding="utf8")


def _processors():
    """Those that this process may use: a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) or 1


def _joined(command):
    return " ".join(map(str, command))


def units(builder, sources, *flags):
    """CUDA sources by nvcc, others by g++, each with these flags."""
    return [
        (source, [*(builder.nvcc_command() if source.suffix == ".cu" else builder.host_command()), *flags])
        for source in sources
    ]


def _kernels(builder):
    return builder.objects(units(builder, builder.cuda_sources(), f"-I{ROOT / 'native'}"), "kernels")


def build_library(builder):
    """The launchers with a C interface, for Python."""
    own = sorted((ROOT / "bench" / "gpu" / "native").glob("*.c[cu]"))
    objects = builder.objects(units(builder, own, f"-I{ROOT / 'native'}"), "library")
    return builder.link([*_kernels(builder), *objects], "libheed_kernels.so", "-shared")


def build_kernel_tests(builder):
    """The emulator's tests of kernels, with a GPU in place of the emulator."""
    folders = [EMULATOR, *(EMULATOR / name for name in KERNEL_FOLDERS)]
    found = sorted(path for folder in folders for path in folder.glob("*_test.cc"))
    tests = [path for path in found if path.name not in EMULATOR_ONLY]
    own = sorted((EMULATOR / "on_gpu" / "device").glob("*.cu"))
    support = sorted((ROOT / "test" / "native" / "support").glob("*.cc"))
    asked = [ROOT / "bench" / "gpu" / "native" / name for name in ("problems.cc", "matrix_loop.cu")]
    include = [
        "-DHEED_ON_GPU",
        f"-I{EMULATOR}",
        f"-I{ROOT / 'test' / 'native'}",
        f"-I{ROOT / 'native'}",
        *_doctest_flags(builder),
    ]
    objects = builder.objects(units(builder, [*tests, *own, *support, *asked], *include), "kernel-tests")
    return builder.link([*_kernels(builder), *objects], "heed_kernels_on_gpu")


def build_wrapper_tests(builder):
    """Both bodies of each wrapper: the emulator's in a library of its own."""
    include = [f"-I{EMULATOR}", f"-I{ROOT / 'test' / 'native'}", f"-I{ROOT / 'native'}", *_doctest_flags(builder)]
    random = ROOT / "test" / "native" / "support" / "random.cc"
    primitives = EMULATOR / "device" / "primitives.cu"
    machine = [
        *sorted((EMULATOR / "machine").glob("*.cc")),
        EMULATOR / "on_gpu" / "emulate.cc",
        EMULATOR / "on_gpu" / "no_backtrace.cc",
        EMULATOR / "device" / "run_emulated.cc",
        random,
    ]
    emulated = [(source, [*builder.host_command(), *include]) for source in machine]
    emulated.append((primitives, [*builder.host_command(), *OBSERVED, *include]))
    library = builder.link(
        builder.objects(emulated, "emulator"),
        "libheed_emulated_wrappers.so",
        "-shared",
        "-Wl,-soname=libheed_emulated_wrappers.so",  # else the program names the folder that it was linked in
        linker=["g++"],
    )
    on_gpu = [EMULATOR / "on_gpu" / "main.cu", EMULATOR / "on_gpu" / "run.cu", primitives]
    sources = units(builder, [*on_gpu, random], *include)
    test = EMULATOR / "device" / "primitives_test.cc"
    sources.append((test, [*builder.host_command(), "-DHEED_ON_GPU", *include]))
    objects = builder.objects(sources, "wrappers")
    return builder.link([*objects, library], "heed_wrappers_on_gpu", "-Xlinker=-rpath=$ORIGIN")


def _doctest_flags(builder):
    folder = find_doctest(builder.include)
    return [] if folder is None else [f"-isystem{folder}"]
