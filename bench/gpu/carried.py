"""The folder of binaries that is made on one machine and carried to another: a library, two programs, and a manifest that
names them. Nothing in it refers to where it was made."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import build
from steps import Failure

LIBRARY, WRAPPERS, KERNELS = "libheed_kernels.so", "heed_wrappers_on_gpu", "heed_kernels_on_gpu"
NAMES = (LIBRARY, WRAPPERS, "libheed_emulated_wrappers.so", KERNELS)
MOST_BYTES = 64 * 10**6
MANIFEST = "manifest.json"
LOAD = "import sys, library; library.load(sys.argv[1])"


def make(folder, architecture, steps, limit):
    """Builds, and puts what is carried into the folder. Objects stay in the folder gpu beside it. Raises Failure where it is too large."""
    folder = Path(folder)
    builder = build.Builder(folder.parent / "gpu" / f"sm_{architecture}", architecture, steps, limit)
    made = [build.build_library(builder), build.build_wrapper_tests(builder), build.build_kernel_tests(builder)]
    return pack(folder, architecture, made[0].parent)


def pack(folder, architecture, source):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in NAMES:
        shutil.copy2(source / name, folder / name)
    size = sum((folder / name).stat().st_size for name in NAMES)
    if size > MOST_BYTES:
        raise Failure(f"Expected at most {MOST_BYTES} bytes to carry, received {size} in {folder}")
    manifest = {"architecture": architecture, "sources": sources(), "files": {name: digest(folder / name) for name in NAMES}}
    (folder / MANIFEST).write_text(f"{json.dumps(manifest, indent=1)}\n", encoding="utf8")
    return f"{size / 1e6:.1f} MB in {folder}"


def why_not(folder, architecture, steps):
    """Why what was carried cannot be used here, or None where it can."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf8"))
    except (OSError, ValueError) as error:
        return f"there is no manifest: {error}"
    if manifest.get("architecture") != architecture:
        return f"it was built for sm_{manifest.get('architecture')}"
    if manifest.get("sources") != sources():
        return "it was built from other sources"
    for name in NAMES:
        path = folder / name
        if not path.exists() or digest(path) != manifest["files"].get(name):
            return f"{name} is not what the manifest names"
    here = Path(__file__).resolve().parent
    commands = [[folder / WRAPPERS, "--count"], [folder / KERNELS, "--count"], [sys.executable, "-c", LOAD, folder / LIBRARY]]
    for number, command in enumerate(commands):
        try:
            steps.command(command, f"starts-{number}", 20, cwd=here)
        except Failure as failure:
            return f"it does not start: {failure}"
    return None


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sources():
    """Of all that is compiled: a result must not be taken for that of other code."""
    found = hashlib.sha256()
    for folder in ("native", "bench/gpu/native", "test/emulator", "test/native/support"):
        for path in sorted((build.ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cuh", ".cc", ".cu"):
                found.update(f"{path.relative_to(build.ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()
