"""What is measured: rows of data, and for each kind of work how its contenders are made."""

import ctypes
from dataclasses import dataclass, field

from library import BYTES, TYPES, Append, Attention, Projection
from measure import sets_of_data


@dataclass
class Bar:
    """heed has to be so many times as fast as `against`: a contender's name, or "fastest" for the fastest of PyTorch's."""

    against: str
    ratio: float


@dataclass
class Row:
    section: str
    name: str
    kind: str  # of elements
    make: object  # function of (row, context): the contenders
    shape: dict
    operations: float = 0  # useful ones: what is masked is none
    bytes: float = 0  # that cannot be avoided
    bars: list = field(default_factory=list)


@dataclass
class Context:
    gpu: object
    data: object
    peers: object = None  # None without PyTorch

    def sets(self, one_bytes):
        return range(sets_of_data(one_bytes, self.gpu.device.l2_bytes, self.data.free_bytes()))


def _own(operations, outputs, data):
    """Operations that were prepared, one for each set of operands, which has to stay as long."""

    def call(number, keep=data):
        operations[number % len(operations)]()
        return outputs[number % len(outputs)].tensor

    return call


def _attention(row, query, key, value, output, key_steps):
    s = row.shape
    return Attention(
        query=query.pointer,
        key=key.pointer,
        value=value.pointer,
        output=output.pointer,
        batch=s["batch"],
        query_heads=s["heads"],
        key_heads=s["key_heads"],
        query_steps=s["steps"],
        key_steps=key_steps,
        key_capacity=key.shape[2],
        width=s["width"],
        page_steps=s.get("page_steps", 0),
        type=TYPES[row.kind],
        causal=int(s.get("causal", False)),
    )


def _operands(row, context, keys):
    s = row.shape
    query_shape = (s["batch"], s["heads"], s["steps"], s["width"])
    key_shape = (s["batch"], s["key_heads"], keys, s["width"])
    size = BYTES[row.kind] * s["batch"] * s["width"] * (2 * s["heads"] * s["steps"] + 2 * s["key_heads"] * keys)
    return [
        (
            context.data.normal(query_shape, row.kind),
            context.data.normal(key_shape, row.kind),
            context.data.normal(key_shape, row.kind),
            context.data.nan(query_shape, row.kind),
        )
        for _ in context.sets(size)
    ]


def _tensors(sets, *places):
    return [tuple(arrays[place].tensor for place in places) for arrays in sets]


def _compared(row, sets):
    """Queries, keys and values for PyTorch, which knows no pages: they are put in order, each entry's at once."""
    tensors = _tensors(sets, 0, 1, 2)
    return [(query, _in_order(row, key), _in_order(row, value)) for query, key, value in tensors]


def _in_order(row, keys):
    """[batch, heads, keys, width] of what native/problems.h takes with page_steps."""
    page = row.shape.get("page_steps", 0)
    if page == 0:
        return keys
    batch, heads, count, width = keys.shape
    return keys.reshape(count // page, batch, heads, page, width).permute(1, 2, 0, 3, 4).reshape(keys.shape)


def make_forward(row, context):
    sets = _operands(row, context, row.shape["keys"])
    operations = [context.gpu.forward(_attention(row, *arrays, row.shape["keys"])) for arrays in sets]
    contenders = {"heed": _own(operations, [arrays[3] for arrays in sets], sets)}
    if context.peers:
        contenders.update(context.peers.attention(_compared(row, sets), row.shape["causal"]))
    return contenders


def make_decode(row, context):
    sets = _operands(row, context, row.shape["keys"])
    outputs = [arrays[3] for arrays in sets]

    operations = [context.gpu.decode(_attention(row, *arrays, row.shape["keys"])) for arrays in sets]
    contenders = {"heed": _own(operations, outputs, sets)}
    # As much as is read, half of it read and half of it written: what the memory can do.
    half = int(row.bytes // 2)
    source, target = context.data.normal((half // 4,), "float32"), context.data.nan((half // 4,), "float32")
    copy = context.gpu.copy(target.pointer, source.pointer, half)

    def copying(number, keep=(source, target)):
        copy()

    contenders["copy"] = copying
    if context.peers:
        contenders.update(context.peers.attention(_compared(row, sets)))
    return contenders


def make_step(row, context):
    s = row.shape
    length = s["keys"] - 1
    sets = _operands(row, context, s["capacity"])
    new_shape = (s["batch"], s["key_heads"], 1, s["width"])
    news = [(context.data.normal(new_shape, row.kind), context.data.normal(new_shape, row.kind)) for _ in sets]

    def step(arrays, new):
        query, keys, values, output = arrays
        append = context.gpu.append(
            Append(
                key=new[0].pointer,
                value=new[1].pointer,
                cached_key=keys.pointer,
                cached_value=values.pointer,
                batch=s["batch"],
                heads=s["key_heads"],
                capacity=s["capacity"],
                position=length,
                width=s["width"],
                type=TYPES[row.kind],
            )
        )
        attention = context.gpu.decode(_attention(row, query, keys, values, output, length + 1))
        return lambda: (append(), attention())

    operations = [step(arrays, new) for arrays, new in zip(sets, news)]
    contenders = {"heed": _own(operations, [arrays[3] for arrays in sets], (sets, news))}
    if context.peers:
        operands = [
            (query.tensor, key.tensor, value.tensor, keys.tensor, values.tensor)
            for (query, keys, values, _), (key, value) in zip(sets, news)
        ]
        contenders.update(context.peers.step(operands, length))
    return contenders


def _projection(row, given, weight, output, batch, steps, inner, columns, parts=1, heads=0, bias=None):
    return Projection(
        input=given.pointer,
        weight=weight.pointer,
        bias=bias,
        output=output.pointer,
        batch=batch,
        steps=steps,
        inner=inner,
        columns=columns,
        parts=parts,
        heads=heads,
        type=TYPES[row.kind],
    )


def make_projection(row, context):
    rows, inner, columns = (row.shape[name] for name in ("rows", "inner", "columns"))
    sets = [
        (
            context.data.normal((rows, inner), row.kind),
            context.data.normal((columns, inner), row.kind),
            context.data.nan((rows, columns), row.kind),
        )
        for _ in context.sets(BYTES[row.kind] * (rows * inner + columns * inner + rows * columns))
    ]
    operations = [
        context.gpu.projection(_projection(row, *arrays, batch=1, steps=rows, inner=inner, columns=columns))
        for arrays in sets
    ]
    contenders = {"heed": _own(operations, [arrays[2] for arrays in sets], sets)}
    if context.peers:
        contenders.update(context.peers.linear(_tensors(sets, 0, 1)))
    return contenders


def make_layer(row, context):
    s, data, gpu = row.shape, context.data, context.gpu
    batch, steps, embed, heads = s["batch"], s["steps"], s["embed"], s["heads"]
    input_weight, output_weight = data.normal((3 * embed, embed), row.kind), data.normal((embed, embed), row.kind)
    biases = [data.normal((count,), row.kind) for count in (3 * embed, embed)]
    if context.peers:
        # As large as in a layer that was trained: then results are, too.
        for weight in (input_weight, output_weight):
            weight.tensor.mul_(embed**-0.5)
    on_host = [_host_floats(bias) for bias in biases]
    whole = (batch, steps, embed)
    sets = [
        (data.normal(whole, row.kind), data.nan((3, *whole), row.kind), data.nan(whole, row.kind), data.nan(whole, row.kind))
        for _ in context.sets(6 * BYTES[row.kind] * batch * steps * embed)
    ]

    def layer(given, parts, attended, output):
        size = attended.bytes
        attention = Attention(
            query=parts.pointer,
            key=parts.pointer + size,
            value=parts.pointer + 2 * size,
            output=attended.pointer,
            batch=batch,
            query_heads=heads,
            key_heads=heads,
            query_steps=steps,
            key_steps=steps,
            key_capacity=steps,
            width=embed // heads,
            type=TYPES[row.kind],
            steps_before_heads=1,
        )
        shared = {"batch": batch, "steps": steps, "inner": embed}
        stages = [
            gpu.projection(
                _projection(row, given, input_weight, parts, **shared, columns=3 * embed, parts=3, heads=heads, bias=on_host[0])
            ),
            gpu.forward(attention),
            gpu.projection(_projection(row, attended, output_weight, output, **shared, columns=embed, bias=on_host[1])),
        ]
        return lambda: [stage() for stage in stages]

    operations = [layer(*arrays) for arrays in sets]
    contenders = {"heed": _own(operations, [arrays[3] for arrays in sets], (sets, input_weight, output_weight))}
    if context.peers:
        weights = [each.tensor for each in (input_weight, biases[0], output_weight, biases[1])]
        contenders.update(context.peers.layer([arrays[0].tensor for arrays in sets], weights, embed, heads))
    return contenders


def _host_floats(array):
    """Biases are read by the host, while an operation is prepared."""
    count = array.shape[0]
    values = [0.0] * count if array.tensor is None else array.tensor.float().cpu().tolist()
    return ctypes.cast((ctypes.c_float * count)(*values), ctypes.c_void_p)
