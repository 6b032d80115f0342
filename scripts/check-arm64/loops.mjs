/** The innermost loops of machine code for arm64, as objdump prints it. */
import { spawnSync } from 'node:child_process';

/**
 * @typedef {{ address: number, name: string, operands: string, target: number | undefined }} Instruction
 * @typedef {{ of: string, instructions: Instruction[] }} Loop `of`: the function, demangled
 */

/**
 * @param {string} object
 * @returns {Loop[]}
 */
export function innermostLoops(object) {
  const { status, stdout, error } = spawnSync(
    'aarch64-linux-gnu-objdump',
    ['--disassemble', '--demangle', '--no-show-raw-insn', object],
    { encoding: 'utf8', maxBuffer: 2 ** 30 },
  );
  if (status !== 0) throw new Error(`objdump has failed: ${error?.message ?? status}`);
  return functionsOf(stdout).flatMap(({ name, instructions }) =>
    loopsOf(instructions).map((loop) => ({ of: name, instructions: loop })),
  );
}

function functionsOf(listing) {
  const functions = [];
  for (const line of listing.split('\n')) {
    const head = /^[0-9a-f]+ <(.*)>:$/.exec(line);
    if (head !== null) functions.push({ name: head[1], instructions: [] });
    const [, address, name, operands] = /^ +([0-9a-f]+):\t(\S+)\s*(.*)$/.exec(line) ?? [];
    if (address === undefined) continue;
    const target = /^(?:b|b\..*|cbn?z|tbn?z)$/.test(name) ? /\b([0-9a-f]+) </.exec(operands)?.[1] : undefined;
    functions.at(-1).instructions.push({
      address: Number.parseInt(address, 16),
      name,
      operands,
      target: target === undefined ? undefined : Number.parseInt(target, 16),
    });
  }
  return functions;
}

/** From where a branch leads back to, to the branch; without another loop between the two. */
function loopsOf(instructions) {
  const places = new Map(instructions.map(({ address }, place) => [address, place]));
  const all = instructions.flatMap(({ target }, last) => {
    const first = places.get(target);
    return first === undefined || first > last ? [] : [{ first, last }];
  });
  return all
    .filter(
      (loop) => !all.some((other) => other !== loop && other.first >= loop.first && other.last <= loop.last),
    )
    .map(({ first, last }) => instructions.slice(first, last + 1));
}

/** Whether it moves a vector register to the stack or from there. */
export function isSpill({ operands }) {
  return /^[qdsv]\d/.test(operands) && operands.includes('[sp');
}
