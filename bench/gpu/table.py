"""The short table at the end of a run."""

from ceilings import share

NONE = "–"


def time_of(seconds):
    if seconds >= 1e-3:
        return f"{1e3 * seconds:.3g} ms"
    return f"{1e6 * seconds:.3g} µs"


def rate(row, seconds):
    if row["operations"]:
        return f"{row['operations'] / seconds / 1e12:.0f} TFLOP/s"
    return f"{row['bytes'] / seconds / 1e9:.0f} GB/s"


def ceiling(measured):
    """A line for each of ceilings.py."""
    return f"{measured['name']}: {rate(measured, measured['times']['median'])}"


def _cells(row, ceilings):
    own = row["times"].get("heed")
    peers = {name: each["median"] for name, each in row["times"].items() if name.startswith("torch")}
    fastest = min(peers, key=peers.get, default=None)
    cells = [row["name"]]
    if own is None:
        cells += [NONE, NONE, NONE]
    else:
        reached = share(row, own["median"], ceilings)
        cells += [time_of(own["median"]), rate(row, own["median"])]
        cells.append(NONE if reached is None else f"{100 * reached:.0f} %")
    cells += [NONE, NONE] if fastest is None else [fastest, time_of(peers[fastest])]
    said = [_bar(bar) for bar in row["bars"]]
    if any(not each["agrees"] for each in row["differences"].values()):
        said.append("WRONG")
    return [*cells, ", ".join(said) or NONE]


def _bar(bar):
    if "ratio" not in bar:
        return f"{bar['against']}: not there"
    # Rounded down: what was not reached shall not look as if it had been.
    ratio = int(100 * bar["ratio"]) / 100
    return f"{ratio:.2f}× {bar['against']} {'✓' if bar['met'] else '✗'} {bar['bar']:.2f}"


def table(rows, ceilings=()):
    heads = ["work", "heed", "rate", "of the ceiling", "fastest of others", "takes", "bars"]
    lines = [heads, *(_cells(row, ceilings) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([*map(ceiling, ceilings), *shown])


def called(call):
    """A line for calls from JavaScript."""
    said = f"from JavaScript, {call['name']}: {time_of(call['perCall'])} a call"
    if "over" not in call:
        return said
    return f"{said}, {1e6 * call['over']:.1f} µs over the kernel {'✓' if call['met'] else '✗'} {1e6 * call['bar']:.0f} µs"
