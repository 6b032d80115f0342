/** What documents call a kernel: its name, its sizes, and the elements that it computes with. */

/**
 * @param {string} name of an instantiation, as c++filt prints it
 * @returns {{ label: string, type: string }} the same for those that differ only in which type of 16 bits
 */
export function describe(name) {
  const [, base, templateArguments] = /heed::cuda::(\w+)_kernel(?:<(.*)>)?\(/.exec(name);
  const list = templateArguments ?? '';
  const types = new Set(list.match(/BFloat16|Float16|float/g) ?? ['–']);
  const [number] = list.replace(/B?Float16|Float8/g, '').match(/\d+/) ?? [];
  const variants = [...list.matchAll(/(\w+)(?:Scores|Rows)/g)].map(([, name]) => name.toLowerCase());
  const what =
    number === undefined ? '' : base.startsWith('attention') ? `width ${number}` : `${number} at once`;
  const pair = /append|cast/.test(base);
  return {
    label: [base, what, ...variants].filter(Boolean).join(', '),
    type: pair ? 'any' : types.has('float') ? 'float32' : types.has('–') ? '–' : '16 bits',
  };
}
