"""Runs the main kernels once each, for ncu to watch: counted.py LIBRARY."""

import sys

import ceilings
import library
from data import OwnData
from rows import counted_rows
from work import Context


def main(path):
    gpu = library.Gpu(library.load(path))
    context = Context(gpu, OwnData(gpu, 1))
    ceilings.loop(context, "bfloat16")[-1](0)
    for row in counted_rows():
        try:
            row.make(row, context)["heed"](0)
            gpu.synchronize()
            print(row.name, flush=True)
        except library.KernelError as error:  # the benchmark fails on it
            print(f"{row.name}: {error}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
