"""The rows of the benchmark, those that matter most first: if time runs out, it does so on the last ones."""

from dataclasses import replace

from library import BYTES
from work import Bar, Row, make_decode, make_forward, make_layer, make_projection, make_step

HALVES = ("bfloat16", "float16")
HIDDEN = 2048
PAGE_STEPS = 64
TOKENS = 16384


def _name(steps):
    return f"{steps // 1024}k" if steps >= 1024 else str(steps)


def forward(kind, width, steps, causal, heads=None, key_heads=None):
    heads = heads or HIDDEN // width
    key_heads = key_heads or heads
    batch = max(1, TOKENS // steps)
    shape = {
        "batch": batch,
        "heads": heads,
        "key_heads": key_heads,
        "steps": steps,
        "keys": steps,
        "width": width,
        "causal": causal,
    }
    operations = 4 * batch * heads * width * steps * ((steps + 1) / 2 if causal else steps)
    group = "" if heads == key_heads else f" {heads}/{key_heads}"
    name = f"{'causal' if causal else 'full'} D{width}{group} {_name(steps)} {kind}"
    return Row("Forward", name, kind, make_forward, shape, operations=operations, bars=[Bar("torch flash", 1.0)])


def _cached(batch, heads, key_heads, keys, width=128):
    return {"batch": batch, "heads": heads, "key_heads": key_heads, "steps": 1, "keys": keys, "width": width}


def _bytes(shape, kind):
    return 2 * BYTES[kind] * shape["batch"] * shape["key_heads"] * shape["keys"] * shape["width"]


def decode(kind, *dims, bars):
    shape = _cached(*dims)
    name = f"decode B{shape['batch']} {shape['heads']}/{shape['key_heads']} D{shape['width']} {_name(shape['keys'])} {kind}"
    return Row("Decode", name, kind, make_decode, shape, bytes=_bytes(shape, kind), bars=bars)


def paged(row):
    """The same work, with keys and values in the pages of a cache, each entry's among those of the others."""
    shape = {**row.shape, "page_steps": PAGE_STEPS}
    return replace(row, name=f"paged {row.name}", shape=shape)


def step(kind, *dims):
    shape = {**_cached(*dims), "capacity": dims[3] + 256}
    name = f"cache step B{shape['batch']} {shape['heads']}/{shape['key_heads']} D{shape['width']} {_name(shape['keys'])} {kind}"
    return Row("Cache step", name, kind, make_step, shape, bytes=_bytes(shape, kind))


def projection(kind, rows, inner, columns):
    shape = {"rows": rows, "inner": inner, "columns": columns}
    return Row(
        "Projection",
        f"{rows}×{inner}×{columns} {kind}",
        kind,
        make_projection,
        shape,
        operations=2 * rows * inner * columns,
        bytes=BYTES[kind] * (rows * inner + inner * columns + rows * columns),
        bars=[Bar("torch F.linear", 0.6)],
    )


def layer(kind, batch, steps, embed, heads):
    shape = {"batch": batch, "steps": steps, "embed": embed, "heads": heads}
    operations = batch * steps * (8 * embed * embed + 4 * steps * embed)
    return Row("Layer", f"layer E{embed} H{heads} {batch}×{steps} {kind}", kind, make_layer, shape, operations=operations)


def all_rows():
    memory, latency = [Bar("copy", 0.8)], [Bar("fastest", 1 / 1.2)]
    rows = []
    for kind in HALVES:
        rows += [decode(kind, 8, 64, 8, 8192, bars=memory), decode(kind, 1, 32, 8, 8192, bars=latency)]
        rows += [paged(decode(kind, 8, 64, 8, 8192, bars=memory)), paged(decode(kind, 1, 32, 8, 8192, bars=latency))]
        # A prompt into a cache: what takes time in it is attention over the pages.
        rows += [paged(forward(kind, 128, 4096, True, 32, 8))]
        rows += [projection(kind, 4096, 4096, 4096), projection(kind, 16, 4096, 12288)]
        rows += [step(kind, 8, 32, 8, 8192), layer(kind, 8, 512, 768, 12)]
        for width in (128, 64):
            for steps in (512, 1024, 2048, 4096, 8192, 16384):
                rows += [forward(kind, width, steps, causal) for causal in (False, True)]
    rows += [forward("bfloat16", 128, steps, causal, 64, 8) for steps in (4096, 16384) for causal in (False, True)]
    for kind in HALVES:
        rows += [decode(kind, 2, 32, 32, 16384, bars=memory), decode(kind, 1, 32, 8, 1024, bars=latency)]
        rows += [projection(kind, 512, 768, 2304), projection(kind, 1, 4096, 4096), projection(kind, 8192, 4096, 12288)]
        rows += [step(kind, 1, 32, 8, 2048), layer(kind, 4, 2048, 2048, 16)]
    return rows


def first_rows():
    """Twelve of them, for the first minutes on a GPU; two are those that are called from JavaScript, too."""
    kind, memory, latency = "bfloat16", [Bar("copy", 0.8)], [Bar("fastest", 1 / 1.2)]
    batch, single = decode(kind, 8, 64, 8, 8192, bars=memory), decode(kind, 1, 32, 8, 8192, bars=latency)
    return [
        batch,
        paged(batch),
        forward(kind, 128, 4096, False),
        forward(kind, 128, 4096, True),
        single,
        paged(single),
        paged(forward(kind, 128, 4096, True, 32, 8)),
        projection(kind, 4096, 4096, 4096),
        projection(kind, 16, 4096, 12288),
        forward(kind, 64, 4096, False),
        decode(kind, 1, 32, 8, 1024, bars=latency),
        step(kind, 8, 32, 8, 8192),
    ]


def counted_rows():
    """Those of first_rows that have the main kernels."""
    kept = ("full D128", "full D64", "decode B8", "paged decode B8", "paged causal", "4096×", "16×")
    return [row for row in first_rows() if row.name.startswith(kept)]
