"""What nvidia-smi and the compilers say of the machine, and which GPU is built for."""

import platform
import re
import shutil
import subprocess

from steps import Failure

# Of the first GPU. Names that nvidia-smi knows; clocks in MHz, memory in MiB, power in W.
FACTS = (
    "name",
    "compute_cap",
    "driver_version",
    "memory.total",
    "clocks.sm",
    "clocks.mem",
    "clocks.max.sm",
    "clocks.max.mem",
    "power.limit",
    "temperature.gpu",
)


def said_by(*command):
    """What a command prints, or None where it cannot be run."""
    if shutil.which(command[0]) is None:
        return None
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except subprocess.TimeoutExpired:
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def gpu_facts():
    """Of the first GPU. Raises Failure where there is none."""
    said = said_by("nvidia-smi", f"--query-gpu={','.join(FACTS)}", "--format=csv,noheader,nounits")
    if not said:
        raise Failure("nvidia-smi names no GPU")
    values = [value.strip() for value in said.split("\n")[0].split(",")]
    return dict(zip(FACTS, values))


def clocks():
    said = said_by("nvidia-smi", "--query-gpu=clocks.sm,clocks.mem,temperature.gpu", "--format=csv,noheader,nounits")
    if not said:
        return None
    names = ("sm", "mem", "temperature")
    return dict(zip(names, (value.strip() for value in said.split("\n")[0].split(","))))


def architecture(facts):
    """"90" of compute capability 9.0."""
    found = re.fullmatch(r"(\d+)\.(\d)", facts["compute_cap"])
    if found is None:
        raise Failure(f"Expected nvidia-smi to say a compute capability such as 9.0, received {facts['compute_cap']}")
    number = found[1] + found[2]
    if int(number) < 80:
        raise Failure(f"{facts['name']} has compute capability {facts['compute_cap']}; heed's kernels need 8.0")
    return number


def expect_recent(nvcc):
    """Raises Failure where it is too old for the kernels."""
    found = re.search(r"release (\d+)\.(\d+)", said_by(nvcc, "--version") or "")
    if found is None:
        raise Failure(f"Expected {nvcc} --version to name a release")
    if int(found[1]) < 12:
        raise Failure(f"{nvcc} is of CUDA {found[1]}.{found[2]}; heed's kernels need C++20, which CUDA has from 12.0 on")


def versions():
    release = re.search(r"release ([\d.]+), V([\d.]+)", said_by("nvcc", "--version") or "")
    compiler = said_by("g++", "--version")
    return {
        "nvcc": release[2] if release else None,
        "g++": compiler.split("\n")[0] if compiler else None,
        "python": platform.python_version(),
        "node": said_by("node", "--version"),
        "system": platform.platform(),
    }
