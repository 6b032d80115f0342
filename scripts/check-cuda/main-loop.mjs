/**
 * What a tile costs a warp: the instructions on the way once around the main loop of a kernel that a tile
 * takes that lies inside all ranges, with aligned rows. A loop has ways for other tiles, too, which take more
 * instructions for the same copies: of the ways with the most matrix instructions and copies, this is the
 * shortest.
 */
import { blocksOf, loopsOf, orderOf } from './control-flow.mjs';

/** What finding an address does not take: between copies, these belong to the products. */
const products = new Set(
  'HMMA LDSM STS SHFL EX2 MUFU FMUL FADD FFMA FMNMX FSEL FSETP F2FP BAR DEPBAR'.split(' '),
);
const softmax = new Set('SHFL EX2 MUFU FMUL FADD FFMA FMNMX FSEL FSETP F2FP'.split(' '));

/**
 * The shortest way around the loop that does most of the work, or undefined where no loop copies or
 * multiplies.
 *
 * @param {import('./instructions.mjs').Instruction[]} instructions
 * @param {{ copies?: number, loads?: number }} [wanted] how many copies and loads from global memory the way
 *   has: a kernel that reads pages has ways for other keys in the same loop
 * @returns {{ stretches: Stretch[], passed: number, loops: number } | undefined} `passed`: how many loops
 *   within the main loop are on the way; `loops`: how many there are
 *
 * @typedef {{ loop: number, instructions: import('./instructions.mjs').Instruction[] }} Stretch of the way,
 *   in the main loop itself (0), or in the n-th loop of those within it that the way passes
 */
export function mainLoop(instructions, wanted = {}) {
  const blocks = blocksOf(instructions);
  const loops = loopsOf(blocks);
  const outermost = loops.filter(
    (loop) => !loops.some((other) => other !== loop && other.blocks.has(loop.first)),
  );
  let best;
  for (const loop of outermost) {
    const way = shortestWay(blocks, loops, loop, wanted);
    if (way !== undefined && way.work > 0 && (best === undefined || isBetter(way, best)))
      best = { ...way, loop };
  }
  if (best === undefined) return undefined;
  const inner = loops.filter((loop) => loop !== best.loop && best.loop.blocks.has(loop.first));
  const passed = inner.filter(
    (loop) => best.blocks.includes(loop.first) && best.blocks.some((b) => loop.last.has(b)),
  );
  const stretches = [];
  for (const block of best.blocks) {
    const loop = passed.findLastIndex((each) => each.blocks.has(block)) + 1;
    if (stretches.at(-1)?.loop !== loop) stretches.push({ loop, instructions: [] });
    stretches.at(-1).instructions.push(...blocks[block].instructions);
  }
  return { stretches, passed: passed.length, loops: inner.length };
}

/**
 * The instructions in the order in which a warp executes them for a tile.
 *
 * @param {{ stretches: Stretch[], passed: number }} way
 * @param {number[]} times how often each loop within the main loop runs for a tile, in the order of the code
 */
export function unrolled({ stretches, passed }, times = []) {
  if (passed !== times.length)
    throw new Error(`Expected ${times.length} loops within the main loop, found ${passed}`);
  return stretches.flatMap(({ loop, instructions }) =>
    Array(loop === 0 ? 1 : times[loop - 1])
      .fill(instructions)
      .flat(),
  );
}

const isBetter = (one, other) =>
  one.work > other.work || (one.work === other.work && one.length < other.length);

function shortestWay(blocks, loops, loop, { copies, loads }) {
  const nextOf = forwards(blocks, loops, loop);
  const costs = new Map([...loop.blocks].map((block) => [block, costOf(blocks[block])]));
  // For each block and each number of copies and loads up to there, the best way so far.
  const ways = new Map([...loop.blocks].map((block) => [block, new Map()]));
  const arrive = (block, from) => {
    const cost = costs.get(block);
    const way = {
      copies: (from?.copies ?? 0) + cost.copies,
      loads: (from?.loads ?? 0) + cost.loads,
      matrix: (from?.matrix ?? 0) + cost.matrix,
      length: (from?.length ?? 0) + cost.length,
      block,
      from,
    };
    if (way.copies > (copies ?? Infinity) || way.loads > (loads ?? Infinity)) return;
    // Matrix instructions outweigh copies, of which no loop has a thousand.
    way.work = way.matrix * 1000 + way.copies;
    const key = `${copies === undefined ? '' : way.copies} ${loads === undefined ? '' : way.loads}`;
    const other = ways.get(block).get(key);
    if (other === undefined || isBetter(way, other)) ways.get(block).set(key, way);
  };
  arrive(loop.first);
  for (const block of orderOf(blocks, loop.first, nextOf))
    for (const way of ways.get(block).values()) for (const next of nextOf(block)) arrive(next, way);
  const whole = [...loop.last]
    .flatMap((block) => [...ways.get(block).values()])
    .filter((way) => way.copies === (copies ?? way.copies) && way.loads === (loads ?? way.loads))
    .reduce((best, way) => (best === undefined || isBetter(way, best) ? way : best), undefined);
  if (whole === undefined) return undefined;
  const path = [];
  for (let at = whole; at !== undefined; at = at.from) path.unshift(at.block);
  return { work: whole.work, length: whole.length, blocks: path };
}

/** The blocks behind a block, without ways back: the end of a loop within `loop` leads to what is behind it. */
function forwards(blocks, loops, loop) {
  const back = new Map();
  for (const inner of loops.filter((each) => each !== loop && loop.blocks.has(each.first))) {
    const exits = [...inner.blocks]
      .flatMap((block) => blocks[block].next)
      .filter((next) => !inner.blocks.has(next));
    for (const last of inner.last) back.set(last, [...(back.get(last) ?? []), { first: inner.first, exits }]);
  }
  return (block) => {
    const ways = back.get(block) ?? [];
    const next = blocks[block].next.filter((each) => !ways.some(({ first }) => first === each));
    return [...new Set([...next, ...ways.flatMap(({ exits }) => exits)])].filter(
      (each) => loop.blocks.has(each) && each !== loop.first,
    );
  };
}

function costOf({ instructions }) {
  const count = (...names) => instructions.filter(({ name }) => names.includes(name)).length;
  return {
    copies: count('LDGSTS'),
    loads: count('LDG', 'LD'),
    matrix: count('HMMA'),
    length: instructions.length,
  };
}

/** @param {import('./instructions.mjs').Instruction[]} way of a warp for a tile */
export function count(way) {
  const named = (...names) => way.filter(({ name }) => names.includes(name)).length;
  return {
    instructions: way.length,
    copies: named('LDGSTS'),
    matrix: named('HMMA'),
    exponentials: named('EX2'),
    copying: copying(way),
    softmax: named(...softmax),
  };
}

/**
 * The instructions of copies: a group of copies begins behind a barrier or the group before it, and ends with
 * the instruction that makes it a group.
 */
function copying(instructions) {
  let total = 0;
  let group = [];
  const finish = () => {
    if (group.some(({ name }) => name === 'LDGSTS'))
      total += group.filter(({ name, never }) => never || !(products.has(name) || name === 'LDS')).length;
    group = [];
  };
  for (const instruction of instructions) {
    const copied = group.some(({ name }) => name === 'LDGSTS');
    if (instruction.name === 'BAR' && !copied) group = [];
    group.push(instruction);
    if (instruction.name === 'LDGDEPBAR') finish();
  }
  // A loop that copies, and whose group ends elsewhere.
  finish();
  return total;
}
