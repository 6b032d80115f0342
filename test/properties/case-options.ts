/** Access to parts of a case: its axes, masks and offsets. */
import type { Tensor } from '../../lib/tensor/tensor.js';
import type { OracleOptions } from '../support/oracle.js';
import type { DrawnCase } from './attention-case.js';

export const headAxis = (layout: string) => (layout === 'bhsd' ? 1 : 2);
export const stepAxis = (layout: string) => (layout === 'bhsd' ? 2 : 1);

/** The options except the named ones. */
export function without(options: OracleOptions, ...names: (keyof OracleOptions)[]): OracleOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name as never)));
}

export const maskOf = ({ options }: DrawnCase) => options.mask as Tensor | undefined;
export const withMask = (mask: Tensor | undefined) => (mask ? { mask } : {});

/** The position of query row 0 of an entry. */
export function offsetOf(options: OracleOptions, entry: number, queries: number, keys: number): number {
  if (typeof options.queryOffset === 'number') return options.queryOffset;
  return (options.kvLengths?.[entry] ?? keys) - queries;
}
