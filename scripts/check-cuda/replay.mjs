/**
 * Replays the way of a tile on a scheduler of a multiprocessor: how many cycles a tile takes there. Each warp
 * keeps to the compiler's own notes: the cycles that an instruction stalls it, and the flags that it waits
 * for. Which operations share a unit, for how long they occupy it, and how late their results are, is assumed
 * (models.mjs).
 */

/**
 * @param {import('./instructions.mjs').Instruction[]} way once around
 * @param {number} warps that the scheduler has
 * @param {import('./models.mjs').Machine} machine
 * @returns {number} cycles for a tile of every warp, after the first tiles
 */
export function cyclesOfTile(way, warps, machine) {
  const [warmUp, tiles] = [4, 24];
  const running = Array.from({ length: warps }, (_, i) => ({
    ready: i * machine.apart,
    at: 0,
    flags: Array(6).fill(0),
    copied: 0,
    groups: [],
  }));
  const free = new Map();
  const finished = [];
  // The warp that was issued last goes on as long as it can.
  let last = 0;
  for (let cycle = 0; finished.length < tiles * warps; ) {
    const times = running.map((warp) =>
      Math.max(warp.ready, blockedUntil(warp, way[warp.at], machine, free)),
    );
    const next = Math.min(...times);
    if (next > cycle) {
      cycle = next;
      continue;
    }
    while (times[last] > cycle) last = (last + 1) % warps;
    issue(running[last], way, cycle, machine, free);
    cycle += 1;
    if (running[last].at === 0) finished.push(cycle);
  }
  return (finished.at(-1) - finished[warmUp * warps - 1]) / (tiles - warmUp);
}

function blockedUntil(warp, instruction, machine, free) {
  let until = 0;
  for (let flag = 0; flag < 6; ++flag)
    if ((instruction.waits >> flag) & 1) until = Math.max(until, warp.flags[flag]);
  if (instruction.name === 'DEPBAR') {
    const group = warp.groups.at(-1 - instruction.pending);
    if (group !== undefined) until = Math.max(until, group);
  }
  const { unit } = machine.unitOf(instruction);
  return unit === undefined ? until : Math.max(until, free.get(unit) ?? 0);
}

function issue(warp, way, cycle, machine, free) {
  const instruction = way[warp.at];
  const { unit, cycles } = machine.unitOf(instruction);
  if (unit !== undefined) free.set(unit, cycle + cycles);
  const { name, stall, sets, frees } = instruction;
  if (sets < 6) warp.flags[sets] = Math.max(warp.flags[sets], cycle + machine.latencyOf(instruction));
  if (frees < 6) warp.flags[frees] = Math.max(warp.flags[frees], cycle + machine.readLatency);
  if (name === 'LDGSTS') warp.copied = cycle + machine.memoryLatency;
  if (name === 'LDGDEPBAR') warp.groups = [...warp.groups.slice(-8), warp.copied];
  warp.ready = cycle + Math.max(1, stall, name === 'BAR' ? machine.barrier : 0);
  warp.at = (warp.at + 1) % way.length;
}
