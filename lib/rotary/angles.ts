/** Cosines and sines of rotary angles, as tables that projections read. Angles are computed in float64 throughout. */

import { allocate } from '../checks/data.js';
import type { Rotation } from '../problem/problem.js';
import type { Numbers } from '../tensor/types.js';
import { amplitude, frequencies, lengthsAlike } from './frequencies.js';
import type { Rotary } from './options.js';

/** The positions of consecutive rows of a product. */
export interface Steps {
  readonly count: number;
  /** One for each row. Without them, the first stands at `first`, and each one after the other. */
  readonly positions: ArrayLike<number> | undefined;
  readonly first: number;
  /** Of the sequence that they belong to; only dynamic scaling looks at it. */
  readonly length: number;
}

/** Positions up to here are computed once and kept: 16 MB at width 128. */
const mostKept = 2 ** 15;

interface Tables {
  readonly cos: Numbers;
  readonly sin: Numbers;
}

/** One kind of rotation at all positions. Layers with the same rotation share it. */
export class Angles {
  readonly #rotary: Rotary;
  readonly #width: number;
  readonly #precision: 'float32' | 'float64';
  readonly #amplitude: number;
  readonly #alike: number;
  readonly #frequencies: Float64Array;
  /** Rows 0, 1, 2, … A longer table replaces a shorter one, which its users may continue to read. */
  #kept: Tables & { readonly rows: number };

  private constructor(rotary: Rotary, width: number, precision: 'float32' | 'float64') {
    this.#rotary = rotary;
    this.#width = width;
    this.#precision = precision;
    this.#amplitude = amplitude(rotary.scaling);
    this.#alike = lengthsAlike(rotary.scaling);
    this.#frequencies = this.#frequenciesFor(0);
    this.#kept = { ...this.#allocate(0), rows: 0 };
  }

  static readonly #shared = new Map<string, WeakRef<Angles>>();
  static readonly #registry = new FinalizationRegistry((key: string) => {
    if (Angles.#shared.get(key)?.deref() === undefined) Angles.#shared.delete(key);
  });

  /** @param width how many elements of a head turn */
  static of(rotary: Rotary, width: number, precision: 'float32' | 'float64'): Angles {
    const { theta, interleaved, scaling } = rotary;
    const key = JSON.stringify([theta, interleaved, scaling, width, precision]);
    const known = Angles.#shared.get(key)?.deref();
    if (known) return known;
    const made = new Angles(rotary, width, precision);
    Angles.#shared.set(key, new WeakRef(made));
    Angles.#registry.register(made, key);
    return made;
  }

  /** Whether {@link Steps.length} matters. */
  get dependsOnLength(): boolean {
    return this.#alike < Number.POSITIVE_INFINITY;
  }

  /** The rotation of a product's rows: one part that holds for all batch entries, or one for each of them. */
  rotation(parts: readonly Steps[]): Rotation {
    const rows = parts.reduce((sum, { count }) => sum + count, 0);
    return {
      width: this.#width,
      interleaved: this.#rotary.interleaved,
      // An empty product has no rows, but there is no remainder of a division by 0.
      rows: Math.max(rows, 1),
      ...(this.#fromKept(parts) ?? this.#compute(parts, Math.max(rows, 1))),
    };
  }

  #fromKept(parts: readonly Steps[]): Tables | undefined {
    const { count, positions, first, length } = parts[0];
    if (parts.length > 1 || length > this.#alike) return undefined;
    if (positions !== undefined && count !== 1) return undefined;
    const from = positions?.[0] ?? first;
    const end = from + Math.max(count, 1);
    if (from < 0 || end > mostKept) return undefined;
    this.#keep(end);
    const pairs = this.#width / 2;
    const part = (table: Numbers) => table.subarray(from * pairs, end * pairs);
    return { cos: part(this.#kept.cos), sin: part(this.#kept.sin) };
  }

  #keep(rows: number): void {
    if (rows <= this.#kept.rows) return;
    const longer = Math.min(Math.max(rows, 2 * this.#kept.rows, 64), mostKept);
    const tables = this.#allocate(longer);
    tables.cos.set(this.#kept.cos);
    tables.sin.set(this.#kept.sin);
    const first = this.#kept.rows;
    this.#fill(tables, first, { count: longer - first, first, positions: undefined, length: 0 });
    this.#kept = { ...tables, rows: longer };
  }

  #compute(parts: readonly Steps[], rows: number): Tables {
    const tables = this.#allocate(rows);
    let row = 0;
    for (const part of parts) {
      this.#fill(tables, row, part);
      row += part.count;
    }
    return tables;
  }

  #fill({ cos, sin }: Tables, row: number, { count, positions, first, length }: Steps): void {
    const turns = length > this.#alike ? this.#frequenciesFor(length) : this.#frequencies;
    let at = row * turns.length;
    for (let i = 0; i < count; i++) {
      const position = positions ? positions[i] : first + i;
      for (let pair = 0; pair < turns.length; pair++, at++) {
        const angle = position * turns[pair];
        cos[at] = this.#amplitude * Math.cos(angle);
        sin[at] = this.#amplitude * Math.sin(angle);
      }
    }
  }

  #frequenciesFor(length: number): Float64Array {
    return frequencies(this.#rotary.theta, this.#width, this.#rotary.scaling, length);
  }

  #allocate(rows: number): Tables {
    const elements = (rows * this.#width) / 2;
    const table = () => allocate(this.#precision, elements, 'rotary angles') as Numbers;
    return { cos: table(), sin: table() };
  }
}
