"""Measures heed's kernels, and PyTorch's beside them where it is installed: benchmark.py LIBRARY RESULT SECONDS
[first]. A process of its own, so that one that crashes does not take the rest of the run along; what is measured is written row by row."""

import json
import secrets
import sys
import time
from pathlib import Path

import ceilings
import library
from data import OwnData, TorchData
from measure import Interleaved, summary
from peers import Peers
from rows import all_rows, first_rows
from table import ceiling
from work import Context

CEILING_SECONDS = 2

# ‖difference‖ / ‖PyTorch's‖, as in the tests: each of the two may be off by the rounding of its type.
TOLERANCES = {"float16": 2e-3, "bfloat16": 1e-2}


def import_torch():
    """PyTorch, or None and why it cannot be compared with."""
    try:
        import torch
        import torch.nn.attention  # from 2.3 on
    except Exception as error:  # whatever is wrong with it: kernels can be measured without
        return None, f"{type(error).__name__}: {error}"
    return (torch, None) if torch.cuda.is_available() else (None, f"PyTorch {torch.__version__} sees no GPU")


def probe(contenders):
    """Those that can do the work, and why the others cannot."""
    able, refusals = {}, {}
    for name, call in contenders.items():
        try:
            call(0)
            able[name] = call
        except Exception as error:
            refusals[name] = str(error).strip().split("\n")[0] or type(error).__name__
    return able, refusals


def differences(contenders, tolerance):
    """How far heed's results are from those of each of PyTorch's contenders, on the same operands."""
    found = {}
    peers = {name: call(0) for name, call in contenders.items() if name.startswith("torch")}
    for own_name, call in contenders.items():
        if not own_name.startswith("heed"):
            continue
        # heed's contenders write to the same place: each is compared before the next one is called.
        ours = call(0).double()
        for name, theirs in peers.items():
            difference = ((ours - theirs.double()).norm() / theirs.double().norm()).item()
            found[f"{own_name} − {name}"] = {"relative": difference, "agrees": difference <= tolerance}
    return found


def reached(row, times):
    """Ratios of medians, against what the row's bars name."""
    bars = []
    for bar in row.bars:
        peers = {name: each["median"] for name, each in times.items() if name.startswith("torch")}
        if bar.against == "fastest":
            against = min(peers, key=peers.get, default=None)
        else:
            against = bar.against if bar.against in times else None
        if against is None or "heed" not in times:
            bars.append({"against": bar.against, "bar": bar.ratio})
            continue
        ratio = times[against]["median"] / times["heed"]["median"]
        bars.append({"against": against, "bar": bar.ratio, "ratio": ratio, "met": ratio >= bar.ratio})
    return bars


def measure(row, context, seconds):
    contenders, refusals = probe(row.make(row, context))
    context.gpu.synchronize()
    apart = differences(contenders, 2 * TOLERANCES[row.kind]) if context.peers else {}
    times = {name: summary(each) for name, each in Interleaved(context.gpu, contenders, seconds=seconds).run().items()}
    return {
        "section": row.section,
        "name": row.name,
        "type": row.kind,
        "shape": row.shape,
        "operations": row.operations,
        "bytes": row.bytes,
        "times": times,
        "refusals": refusals,
        "differences": apart,
        "bars": reached(row, times),
    }


def is_right(measured):
    """Whether heed could do the work, and agrees with the others. What it takes is another matter."""
    refused = any(name.startswith("heed") for name in measured["refusals"])
    return not refused and all(each["agrees"] for each in measured["differences"].values())


def describe(measured):
    parts = []
    for name, each in measured["times"].items():
        parts.append(f"{name} {1e6 * each['median']:.1f} µs")
    parts += [f"{name} cannot: {why}" for name, why in measured["refusals"].items()]
    wrong = [name for name, each in measured["differences"].items() if not each["agrees"]]
    return ", ".join(parts) + (f"; WRONG: {', '.join(wrong)}" if wrong else "")


def main(library_path, result_path, budget, rows):
    began = time.monotonic()
    torch, lacking = import_torch()
    seed = secrets.randbits(32)
    stream = torch.cuda.current_stream().cuda_stream if torch else 0
    gpu = library.Gpu(library.load(library_path), stream)
    context = Context(
        gpu, TorchData(torch, seed) if torch else OwnData(gpu, seed), Peers(torch) if torch else None
    )
    device = gpu.device
    result = {
        "seed": seed,
        "device": {
            "name": device.name.decode(),
            "computeCapability": f"{device.major}.{device.minor}",
            "memory": device.memory,
            "multiprocessors": device.multiprocessors,
            "l2": device.l2_bytes,
            "cudaRuntime": device.runtime,
            "cudaDriver": device.driver,
        },
        "versions": context.peers.versions() if torch else {},
        "notCompared": lacking,
        "ceilings": [],
        "rows": [],
        "notMeasured": [],
    }

    def keep():
        Path(result_path).write_text(json.dumps(result), encoding="utf8")

    if not torch:
        print(f"kernels are measured alone, and compared with nothing: {lacking}", flush=True)
    try:
        result["ceilings"] = inferring(torch, lambda: ceilings.measure(context, CEILING_SECONDS))
        said = "; ".join(map(ceiling, result["ceilings"]))
    except Exception as error:
        result["notMeasured"].append({"name": "ceilings", "why": f"{type(error).__name__}: {error}"})
        said = f"FAILED: {error}"
    print(f"  {time.monotonic() - began:4.0f} s  {said}", flush=True)
    keep()
    for number, row in enumerate(rows):
        left = budget - (time.monotonic() - began)
        if left < 1:
            result["notMeasured"].append({"name": row.name, "why": "no time was left"})
            continue
        try:
            # Half of a row's share: making its operands and asking who can do it takes time, too.
            seconds = max(0.05, 0.5 * left / (len(rows) - number))
            measured = inferring(torch, lambda: measure(row, context, seconds))
            result["rows"].append(measured)
            said = describe(measured)
        except Exception as error:
            result["notMeasured"].append({"name": row.name, "why": f"{type(error).__name__}: {error}"})
            said = f"FAILED: {error}"
        print(f"  {number + 1}/{len(rows)} {time.monotonic() - began:4.0f} s  {row.name}: {said}", flush=True)
        keep()
    keep()
    return 1 if result["notMeasured"] or not all(map(is_right, result["rows"])) else 0


def inferring(torch, work):
    if torch is None:
        return work()
    with torch.inference_mode():
        return work()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), first_rows() if sys.argv[4:] == ["first"] else all_rows()))
