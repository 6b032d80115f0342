"""What this GPU gives at most: matrix instructions on registers, PyTorch's largest product, a copy."""

import math

from library import BYTES, TYPES, MatrixLoop
from measure import Interleaved, summary

# As native/problems.h has them.
LEFT, RIGHT, SUMS, WARPS = (64, 16), (32, 16), (64, 32), 16
# Some milliseconds, beside which starting and ending is little.
ROUNDS = 10_000
COPIED_BYTES = 1 << 30
LINEAR = 8192


def measure(context, seconds):
    """[{name, operations, bytes, times}], interleaved. Loops and the copy are named by loop_name and COPY."""
    ceilings = [loop(context, kind) for kind in ("bfloat16", "float16")]
    ceilings.append(_copy(context))
    if context.peers:
        ceilings.append(_linear(context, "bfloat16"))
    contenders = {name: call for name, _, _, call in ceilings}
    times = Interleaved(context.gpu, contenders, seconds=seconds).run()
    return [
        {"name": name, "operations": operations, "bytes": size, "times": summary(times[name])}
        for name, operations, size, _ in ceilings
    ]


COPY = "copy"


def loop_name(kind):
    return f"matrix loop {kind}"


def share(row, seconds, ceilings):
    """Of what the ceilings allow a row, that part which it needs most of; or None."""
    rates = {each["name"]: (each["operations"] or each["bytes"]) / each["times"]["median"] for each in ceilings}
    needs = ((row["operations"], rates.get(loop_name(row["type"]))), (row["bytes"], rates.get(COPY)))
    least = max((amount / rate for amount, rate in needs if rate), default=0)
    return least / seconds if least else None


def loop(context, kind):
    """A block for each multiprocessor, of four warps for each of its schedulers."""
    blocks = context.gpu.device.multiprocessors
    left, right = context.data.normal(LEFT, kind), context.data.normal(RIGHT, kind)
    output = context.data.nan((blocks, WARPS, *SUMS), "float32")
    asked = MatrixLoop(
        left=left.pointer, right=right.pointer, output=output.pointer, blocks=blocks, rounds=ROUNDS, type=TYPES[kind]
    )
    run = context.gpu.matrix_loop(asked)

    def call(_, keep=(left, right, output)):
        run()

    operations = 2 * math.prod(SUMS) * LEFT[1] * WARPS * blocks * ROUNDS
    return loop_name(kind), operations, 0, call


def _copy(context):
    count = int(min(COPIED_BYTES, context.data.free_bytes() / 8)) // BYTES["float32"]
    source, target = context.data.normal((count,), "float32"), context.data.nan((count,), "float32")
    run = context.gpu.copy(target.pointer, source.pointer, source.bytes)

    def call(_, keep=(source, target)):
        run()

    return COPY, 0, 2 * source.bytes, call


def _linear(context, kind):
    operands = [context.data.normal((LINEAR, LINEAR), kind).tensor for _ in range(2)]
    [(name, call)] = context.peers.linear([operands]).items()
    return f"{name} {LINEAR}³ {kind}", 2 * LINEAR**3, 0, call
