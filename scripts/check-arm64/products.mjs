/** What a step of the products may cost on arm64: instructions counted in the machine code, where no such machine is. */
import { join } from 'node:path';
import { innermostLoops, isSpill } from './loops.mjs';

const panel = (type) => `multiply_panels<heed::cpu::baseline::Panel<heed::cpu::baseline::${type}>`;

/**
 * Loops in functions whose names contain `of`, with so many products, have at most so many instructions, and move no
 * vector to or from the stack. Those of weights request what they read next, and widen what is not float32.
 */
const budgets = [
  { unit: 'baseline', what: 'scores of keys', of: 'multiply_keys<', product: 'fmla', products: 24, most: 36 },
  { unit: 'baseline', what: 'values', of: 'accumulate_values<', product: 'fmla', products: 24, most: 36 },
  {
    unit: 'baseline',
    what: 'float32 weights',
    of: panel('Float32'),
    product: 'fmla',
    products: 24,
    most: 38,
  },
  {
    unit: 'baseline',
    what: 'bfloat16 weights',
    of: panel('BFloat16'),
    product: 'fmla',
    products: 24,
    most: 42,
  },
  {
    unit: 'baseline',
    what: 'float16 weights',
    of: panel('Float16'),
    product: 'fmla',
    products: 24,
    most: 42,
  },
  { unit: 'dotprod', what: 'int8 weights', of: 'Bytes', product: 'sdot', products: 16, most: 30 },
];

/**
 * Prints a line for each budget.
 *
 * @param {string} folder of the build
 * @returns {string[]} what is wrong
 */
export function checkProducts(folder) {
  const loops = new Map();
  const loopsOf = (unit) => {
    const source = unit === 'baseline' ? 'every_kernel' : 'integer_projection';
    const object = join(
      folder,
      'CMakeFiles',
      `heed_kernels_${unit}.dir`,
      `native/cpu/kernels/${source}.cc.o`,
    );
    if (!loops.has(unit)) loops.set(unit, innermostLoops(object));
    return loops.get(unit);
  };
  return budgets.flatMap(({ unit, what, of, product, products, most }) => {
    const found = loopsOf(unit)
      .filter((loop) => loop.of.includes(of))
      .map(({ instructions }) => ({
        count: instructions.length,
        products: instructions.filter(({ name }) => name === product).length,
        spills: instructions.filter(isSpill).length,
      }))
      .filter((loop) => loop.products === products);
    if (found.length === 0) return [`there is no loop of ${products} ${product} for ${what}`];
    const longest = Math.max(...found.map(({ count }) => count));
    const spills = Math.max(...found.map((loop) => loop.spills));
    console.log(
      `${what}: ${products} ${product} of ${longest} instructions (at most ${most}), ${spills} spills; ` +
        `${found.length} such loops`,
    );
    return [
      ...(longest > most ? [`a step for ${what} takes ${longest} instructions, more than ${most}`] : []),
      ...(spills > 0 ? [`a step for ${what} spills ${spills} vectors`] : []),
    ];
  });
}
