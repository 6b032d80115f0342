/**
 * Budgets: the most that a tile may cost in the main loop of each kernel, in budgets.json.
 *
 * They are counted in the code of one compiler for one architecture. What stays more than a twentieth below
 * its budget is reported, and is no failure: two changes that each make a kernel cheaper would otherwise fail
 * together. `--write` lowers budgets, so that the gain is not lost again, and never raises them: who needs
 * more changes the file, and a review sees it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { decode } from './instructions.mjs';
import { count, mainLoop, unrolled } from './main-loop.mjs';

const path = new URL('budgets.json', import.meta.url);
const slack = 0.05;

/** What is limited, and what the table calls it. */
export const limits = {
  instructions: 'instructions',
  perMatrix: 'per matrix instruction',
  perCopy: 'per copy',
  perExponential: 'per exponential',
  loops: 'loops',
};

/**
 * @typedef {object} Budget
 * @property {number[]} [times] how often each loop runs that a tile passes within the main loop
 * @property {number} [copies] how many copies a thread makes on the way, where the loop has several ways
 * @property {number} [loads] how many loads from global memory
 * @property {Record<keyof typeof limits, number>} limits
 */

/** @returns {{ architecture: string, compiler: string, kernels: Record<string, Budget> }} */
export function readBudgets() {
  return JSON.parse(readFileSync(path, 'utf8'));
}

export function writeBudgets(budgets) {
  const text = JSON.stringify(budgets, undefined, 2);
  const short = text.replace(/\[[\s\d,]+\]/g, (list) => list.replace(/\s+/g, '').replaceAll(',', ', '));
  writeFileSync(path, `${short}\n`);
}

/**
 * What a tile costs in a kernel, or undefined if it has no main loop.
 *
 * @param {Buffer} code
 * @param {number} architecture
 * @param {Pick<Budget, 'times' | 'copies' | 'loads'>} [way]
 */
export function measure(code, architecture, { times = [], copies, loads } = {}) {
  const instructions = decode(code, architecture);
  const found = mainLoop(instructions, { copies, loads });
  if (found === undefined) return undefined;
  const counted = count(unrolled(found, times));
  const { matrix, copies: copied, exponentials } = counted;
  return {
    // Where there are no matrix instructions, nothing says which way has the products.
    ...(matrix > 0 && { instructions: counted.instructions, perMatrix: ratio(counted.instructions, matrix) }),
    ...(copied > 0 && { perCopy: ratio(counted.copying, copied) }),
    ...(matrix > 0 && exponentials > 0 && { perExponential: ratio(counted.softmax, exponentials) }),
    loops: found.loops,
  };
}

/** A tenth more rather than less. */
const ratio = (instructions, per) => Math.ceil((10 * instructions) / per - 1e-9) / 10;

/** How many instructions of a kernel reach for local memory. */
export function localAccesses(code, architecture) {
  return decode(code, architecture).filter(({ name }) => name === 'LDL' || name === 'STL').length;
}

/** The larger number of each measure: kernels that differ in their types alone share a budget. */
export function largest(one, other) {
  const all = { ...one };
  for (const [name, value] of Object.entries(other)) all[name] = Math.max(all[name] ?? value, value);
  return all;
}

/**
 * What is wrong, one sentence each.
 *
 * @param {Record<string, Budget>} budgets
 * @param {Map<string, Record<string, number>>} measured by kernel
 */
export function complaints(budgets, measured) {
  const found = [];
  for (const [kernel, values] of measured) {
    if (budgets[kernel] === undefined)
      found.push(`${kernel} has no budget: it takes ${JSON.stringify(values)}`);
    else found.push(...complaintsAbout(kernel, budgets[kernel].limits, values));
  }
  for (const kernel of Object.keys(budgets))
    if (!measured.has(kernel))
      found.push(`${kernel} has a budget, and there is no such kernel with a main loop`);
  return found;
}

function complaintsAbout(kernel, budget, values) {
  const found = [];
  for (const name of Object.keys(limits)) {
    const [limit, value] = [budget[name], values[name]];
    if (limit === undefined && value === undefined) continue;
    if (limit === undefined || value === undefined || value > limit)
      found.push(`${kernel} takes ${value ?? 'no'} ${limits[name]}, and its budget is ${limit ?? 'none'}`);
  }
  return found;
}

/** The kernels that stay more than a twentieth below a budget, one sentence for each. */
export function gains(budgets, measured) {
  const below = ([kernel, values]) =>
    Object.entries(budgets[kernel]?.limits ?? {})
      .filter(([name, limit]) => values[name] < limit * (1 - slack))
      .map(
        ([name, limit]) => `${kernel} takes ${values[name]} ${limits[name]} of ${limit}: --write lowers it`,
      );
  return [...measured].flatMap(below);
}

/** The budgets, lowered to what is measured. */
export function lowered(budgets, measured) {
  const entries = [...measured].map(([kernel, values]) => {
    const { limits: old = {}, ...way } = budgets[kernel] ?? {};
    const kept = Object.entries(values).map(([name, value]) => [name, Math.min(old[name] ?? value, value)]);
    return [kernel, { ...way, limits: Object.fromEntries(kept) }];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })));
}

/** @param {Record<string, Budget>} budgets */
export function rowsOf(budgets) {
  return [
    ['kernel', ...Object.values(limits)],
    ...Object.entries(budgets).map(([kernel, budget]) => [
      kernel,
      ...Object.keys(limits).map((name) => String(budget.limits[name] ?? '–')),
    ]),
  ];
}
