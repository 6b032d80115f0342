"""Counters that ncu reads while each main kernel runs once, beside what was counted in its machine code before. Where ncu is not
installed, or reading counters is not permitted, that is said and nothing else."""

import csv
import glob
import json
import re
import shutil
import sys
from pathlib import Path

from machine import said_by
from steps import Failure, Skip

HERE = Path(__file__).resolve().parent

# Sections have the same names for every GPU; names of counters differ.
SECTIONS = ("SpeedOfLight", "LaunchStats", "Occupancy", "InstructionStats", "WarpStateStats")
OPCODES = "sass__inst_executed_per_opcode"
# Of all that ncu says, what is shown first: our name, and the ends of its names.
READ = {
    "seconds": ("gpu__time_duration.sum",),
    "instructions": ("smsp__inst_executed.sum", "sm__inst_executed.sum"),
    "cycles": ("sm__cycles_active.avg",),
    "registers": ("launch__registers_per_thread",),
    "shared": ("launch__shared_mem_per_block",),
    "occupancy": ("sm__warps_active.avg.pct_of_peak_sustained_active",),
    "compute": ("sm__throughput.avg.pct_of_peak_sustained_elapsed",),
    "memory": ("gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed", "dram__throughput.avg.pct_of_peak_sustained_elapsed"),
}
COUNTED = {"matrix": "HMMA", "copies": "LDGSTS", "exponentials": "MUFU", "fragments": "LDSM"}


def find():
    versions = sorted(glob.glob("/opt/nvidia/nsight-compute/*/ncu"), reverse=True)
    candidates = ("ncu", "/usr/local/cuda/bin/ncu", *versions)
    return next((path for path in map(shutil.which, candidates) if path), None)


def count(steps, library, predicted, results, seconds):
    """[{kernel, row, …}] with `predicted` beside it, of {symbol: counts}. The raw table of ncu stays in counters.csv."""
    ncu = find()
    if ncu is None:
        raise Skip("ncu is not installed")
    table = results / "counters.csv"
    table.unlink(missing_ok=True)
    command = [ncu, "--csv", "--page", "raw", "--print-units", "base", "--log-file", table, "--clock-control", "none"]
    command += ["--target-processes", "all", "--print-kernel-base", "mangled"]
    command += ["--kernel-name-base", "mangled", "--kernel-name", "regex:^_ZN4heed"]
    command += [part for section in SECTIONS for part in ("--section", section)]
    command += ["--metrics", OPCODES, *_with_instances(ncu)]
    failure, said = None, ""
    try:
        said = steps.command([*command, sys.executable, HERE / "counted.py", library], "counters", seconds)
    except Failure as raised:
        failure, said = raised, str(raised)
    text = _text(table)
    if "ERR_NVGPUCTRPERM" in said + text:
        raise Skip("reading counters is not permitted here (ERR_NVGPUCTRPERM)")
    if failure is not None:
        raise failure
    found = [launch_of(line, predicted) for line in parse(text)]
    if not found:
        raise Failure(f"ncu has counted no kernel, see {table}")
    (results / "counters.json").write_text(f"{json.dumps(found, indent=1)}\n", encoding="utf8")
    return found


def _with_instances(ncu):
    """Opcodes are instances of one counter, which older versions of ncu do not print."""
    said = re.search(r"--print-metric-instances(.*?)(\n\s*--|$)", said_by(ncu, "--help") or "", re.DOTALL)
    return ["--print-metric-instances", "details"] if said and "details" in said[1] else []


def note(found):
    return "\n".join(map(describe, found))


def describe(launch):
    """Such as "attention_decode, width 128, paged, 16 bits: 26.4 instructions per matrix instruction (predicted 26.1)"."""
    parts = []
    for per, name in (("perMatrix", "instructions per matrix instruction"), ("copiesPerMatrix", "copies per matrix instruction")):
        value, predicted = launch.get(per), launch["predicted"].get(per)
        if value is not None:
            parts.append(f"{value:.2f} {name} ({'not predicted' if predicted is None else f'predicted {predicted:.2f}'})")
    parts += [f"{launch[name]:.0f} {said}" for name, said in (("registers", "registers"), ("occupancy", "% occupancy")) if name in launch]
    return f"{launch['predicted'].get('label', launch['kernel'])}: {', '.join(parts)}"


def parse(text):
    """One dictionary for each launch, of the table that begins behind whatever else ncu says. Its first line is one of units."""
    lines = text.split("\n")
    begin = next((number for number, line in enumerate(lines) if line.startswith('"ID"')), None)
    if begin is None:
        return []
    return [line for line in csv.DictReader(lines[begin:]) if line["ID"]]


def launch_of(line, predicted):
    symbol = line["Kernel Name"]
    launch = {"kernel": symbol, "grid": line.get("Grid Size"), "block": line.get("Block Size")}
    for name, candidates in READ.items():
        values = (_number(line.get(each)) for each in candidates)
        value = next((each for each in values if each is not None), None)
        if value is not None:
            launch[name] = value * 1e-9 if name == "seconds" else value
    opcodes = {}
    for opcode, executed in re.findall(r"\b([A-Z][A-Z0-9_]*)[A-Z0-9_.]*: ?([\d,.]+)", line.get(OPCODES) or ""):
        opcodes[opcode] = opcodes.get(opcode, 0) + _number(executed)
    if opcodes:
        launch["opcodes"] = opcodes
        launch.setdefault("instructions", sum(opcodes.values()))
        launch.update({name: opcodes.get(opcode, 0) for name, opcode in COUNTED.items()})
        if launch["matrix"]:
            launch["perMatrix"] = launch["instructions"] / launch["matrix"]
            launch["copiesPerMatrix"] = launch["copies"] / launch["matrix"]
    launch["predicted"] = predicted.get(symbol, {})
    return launch


def _number(text):
    try:
        return float(text.rstrip(",.").replace(",", ""))
    except (AttributeError, ValueError):
        return None


def _text(path):
    return path.read_text(encoding="utf8", errors="replace") if path.exists() else ""
