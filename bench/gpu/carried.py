"""The archive that is made on one machine and carried to another: the kernels' library, two test programs, the header that these
are built with, counts of their machine code, and Node with heed. Nothing in it refers to where it was made."""

import hashlib
import io
import json
import sys
import tarfile
import zlib
from pathlib import Path

import build
from steps import Failure

LIBRARY, WRAPPERS, KERNELS = "libheed_kernels.so", "heed_wrappers_on_gpu", "heed_kernels_on_gpu"
PROGRAMS = (LIBRARY, WRAPPERS, "libheed_emulated_wrappers.so", KERNELS)
INCLUDE, COUNTS, JAVASCRIPT = "include", "counts.json", "javascript"
MOST_BYTES = 64 * 10**6
MANIFEST = "manifest.json"
LOAD = "import sys, library; library.load(sys.argv[1])"


def pack(archive, architecture, programs, others):
    """`programs`: the folder that they were linked in; `others`: name in the archive → path. Raises Failure where it is too large."""
    archive = Path(archive)
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.unlink(missing_ok=True)
    files = {name: programs / name for name in PROGRAMS} | others
    scratch = archive.with_name(f"{archive.name}.new")
    with tarfile.open(scratch, "w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as tar:
        digests = {name: digest(path) for name, path in files.items()}
        manifest = json.dumps({"architecture": architecture, "sources": sources(), "files": digests}).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        tar.addfile(entry, io.BytesIO(manifest))
        for name, path in files.items():
            tar.add(path, name, recursive=False, filter=_anonymous)
    size = scratch.stat().st_size
    if size > MOST_BYTES:
        scratch.unlink()
        raise Failure(f"Expected at most {MOST_BYTES} bytes to carry, received {size}")
    scratch.rename(archive)
    return f"{size / 1e6:.1f} MB in {archive}"


def unpack(archive, folder, architecture, steps):
    """Why what was carried cannot be used here, or None where it can. The header is unpacked in any case."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if not (member.isfile() and Path(folder, member.name).resolve().is_relative_to(Path(folder).resolve())):
                    return f"{archive} has {member.name}, which is no file of its own"
                tar.extract(member, folder)
        manifest = json.loads(Path(folder, MANIFEST).read_text(encoding="utf8"))
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        return f"nothing usable was carried: {error}"
    # The end of an archive may be missing, and Python takes the rest for the whole.
    for name, expected in manifest["files"].items():
        if not Path(folder, name).exists() or digest(Path(folder, name)) != expected:
            return f"nothing usable was carried: {name} is not what was packed"
    if manifest["architecture"] != architecture:
        return f"it was built for sm_{manifest.get('architecture')}"
    if manifest["sources"] != sources():
        return "it was built from other sources"
    return _why_not_started(Path(folder), steps)


def _why_not_started(folder, steps):
    here = Path(__file__).resolve().parent
    commands = [[folder / WRAPPERS, "--count"], [folder / KERNELS, "--count"], [sys.executable, "-c", LOAD, folder / LIBRARY]]
    for number, command in enumerate(commands):
        try:
            steps.command(command, f"starts-{number}", 20, cwd=here)
        except Failure as failure:
            return f"it does not start: {failure}"
    return None


def _anonymous(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def sources():
    """Of all that is compiled: a result must not be taken for that of other code."""
    found = hashlib.sha256()
    for folder in ("native", "bench/gpu/native", "test/emulator", "test/native/support"):
        for path in sorted((build.ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cuh", ".cc", ".cu"):
                found.update(f"{path.relative_to(build.ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()
