/** Basic blocks of a kernel, and its loops. */

/**
 * @param {import('./instructions.mjs').Instruction[]} instructions
 * @returns {Block[]} in the order of the code
 *
 * @typedef {object} Block
 * @property {import('./instructions.mjs').Instruction[]} instructions
 * @property {number[]} next the blocks that may follow
 */
export function blocksOf(instructions) {
  const ends = ({ name }) => ['BRA', 'CALL', 'EXIT', 'RET'].includes(name);
  const starts = new Set([0]);
  for (const [i, instruction] of instructions.entries()) {
    if (ends(instruction) && i + 1 < instructions.length) starts.add(i + 1);
    if (instruction.target === undefined) continue;
    if (!Number.isInteger(instruction.target) || instructions[instruction.target] === undefined)
      throw new Error(`Instruction ${i} leads to ${instruction.target} of ${instructions.length}`);
    starts.add(instruction.target);
  }
  const sorted = [...starts].sort((a, b) => a - b);
  const blockAt = new Map(sorted.map((start, i) => [start, i]));
  return sorted.map((start, i) => {
    const inside = instructions.slice(start, sorted[i + 1]);
    const last = inside.at(-1);
    const next = last.target === undefined ? [] : [blockAt.get(last.target)];
    // A call comes back to what is behind it.
    const passes = last.name === 'CALL' || !ends(last) || !last.always;
    if (passes && i + 1 < sorted.length) next.push(i + 1);
    return { instructions: inside, next: [...new Set(next)] };
  });
}

/**
 * The loops: each with its first block, through which every way into it leads, and all of its blocks.
 *
 * @param {Block[]} blocks
 * @returns {{ first: number, blocks: Set<number>, last: Set<number> }[]} `last`: the blocks that lead back
 */
export function loopsOf(blocks) {
  const order = orderOf(blocks);
  const before = blocks.map(() => []);
  for (const block of order) for (const next of blocks[block].next) before[next].push(block);
  const dominator = dominatorsOf(order, before);
  const dominates = (first, block) => {
    let at = block;
    while (at !== first && at !== 0) at = dominator[at];
    return at === first;
  };
  const loops = new Map();
  for (const block of order) {
    for (const first of blocks[block].next.filter((next) => dominates(next, block))) {
      const loop = loops.get(first) ?? { first, blocks: new Set([first]), last: new Set() };
      loops.set(first, loop);
      loop.last.add(block);
      const waiting = [block];
      for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
        if (loop.blocks.has(at)) continue;
        loop.blocks.add(at);
        waiting.push(...before[at]);
      }
    }
  }
  return [...loops.values()].sort((a, b) => a.first - b.first);
}

/** Every block that can be reached, before those that follow it, except along ways back. */
export function orderOf(blocks, from = 0, nextOf = (block) => blocks[block].next) {
  const seen = new Set([from]);
  const order = [];
  const path = [{ block: from, next: [...nextOf(from)] }];
  while (path.length > 0) {
    const { block, next } = path.at(-1);
    const into = next.pop();
    if (into === undefined) {
      order.push(block);
      path.pop();
    } else if (!seen.has(into)) {
      seen.add(into);
      path.push({ block: into, next: [...nextOf(into)] });
    }
  }
  return order.reverse();
}

/** For each block the nearest other one through which every way to it leads (Cooper, Harvey, Kennedy 2001). */
function dominatorsOf(order, before) {
  const place = new Map(order.map((block, i) => [block, i]));
  const dominator = [];
  dominator[order[0]] = order[0];
  const common = (one, other) => {
    let [a, b] = [one, other];
    while (a !== b) {
      while (place.get(a) > place.get(b)) a = dominator[a];
      while (place.get(b) > place.get(a)) b = dominator[b];
    }
    return a;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const block of order.slice(1)) {
      const found = before[block].filter((each) => dominator[each] !== undefined).reduce(common);
      if (dominator[block] !== found) {
        dominator[block] = found;
        changed = true;
      }
    }
  }
  return dominator;
}
