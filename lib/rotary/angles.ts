/** Cosines and sines of rotary angles, as tables that projections read. Angles are computed in float64 throughout. */
import { allocate } from '../checks/data.js';
import type { Rotation } from '../problem/problem.js';
import type { Numbers } from '../tensor/types.js';
import type { Rotary } from './options.js';
import type { Scaling } from './scaling.js';

/** The positions of consecutive rows of a product. */
export interface Steps {
  readonly count: number;
  /** One for each row. Without them, the first stands at `first`, and each one after the other. */
  readonly positions: ArrayLike<number> | undefined;
  readonly first: number;
  /** Of the sequence that they belong to; only 'dynamic' and 'longrope' scaling look at it. */
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
    const { theta, inverseFrequencies, interleaved, scaling } = rotary;
    const key = JSON.stringify([theta, inverseFrequencies, interleaved, scaling, width, precision]);
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
      if (!this.#gather(tables, row, part)) this.#fill(tables, row, part);
      row += part.count;
    }
    return tables;
  }

  /** Copies rows that are kept. Returns whether all of them may be. */
  #gather({ cos, sin }: Tables, row: number, { count, positions, first, length }: Steps): boolean {
    if (length > this.#alike) return false;
    let end = positions ? 0 : first + count;
    for (let i = 0; positions && i < count; i++) end = Math.max(end, positions[i] + 1);
    if ((!positions && first < 0) || end > mostKept) return false;
    this.#keep(end);
    const pairs = this.#width / 2;
    const copy = (from: number, rows: number, to: number) => {
      cos.set(this.#kept.cos.subarray(from * pairs, (from + rows) * pairs), to * pairs);
      sin.set(this.#kept.sin.subarray(from * pairs, (from + rows) * pairs), to * pairs);
    };
    if (positions) for (let i = 0; i < count; i++) copy(positions[i], 1, row + i);
    else copy(first, count, row);
    return true;
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
    return frequencies(this.#rotary, this.#width, length);
  }

  #allocate(rows: number): Tables {
    const elements = (rows * this.#width) / 2;
    const table = () => allocate(this.#precision, elements, 'rotary angles') as Numbers;
    return { cos: table(), sin: table() };
  }
}

type Scheme<Type extends Scaling['type']> = Extract<Scaling, { type: Type }>;

/** θ^(−2i / dims) */
function unscaled(theta: number, dims: number): Float64Array {
  return Float64Array.from({ length: dims / 2 }, (_, pair) => theta ** ((-2 * pair) / dims));
}

/** The frequencies of a sequence of this length, which only 'dynamic' and 'longrope' depend on. */
export function frequencies(
  { theta, inverseFrequencies, scaling }: Rotary,
  dims: number,
  length: number,
): Float64Array {
  if (inverseFrequencies) return Float64Array.from(inverseFrequencies);
  switch (scaling?.type) {
    case undefined:
      return unscaled(theta, dims);
    case 'linear':
      return unscaled(theta, dims).map((frequency) => frequency / scaling.factor);
    case 'dynamic':
      return unscaled(dynamicTheta(theta, dims, scaling, length), dims);
    case 'yarn':
      return yarn(theta, dims, scaling);
    case 'llama3':
      return unscaled(theta, dims).map((frequency) => llama3(frequency, scaling));
    case 'longrope': {
      const { shortFactor, longFactor, originalMaxPositionEmbeddings: original } = scaling;
      const factors = length > original ? longFactor : shortFactor;
      return unscaled(theta, dims).map((frequency, pair) => frequency / factors[pair]);
    }
  }
}

function dynamicTheta(theta: number, dims: number, scaling: Scheme<'dynamic'>, length: number): number {
  const { factor, originalMaxPositionEmbeddings: original } = scaling;
  // A single pair has frequency 1 whatever θ is, and no exponent.
  if (length <= original || dims === 2) return theta;
  return theta * ((factor * length) / original - (factor - 1)) ** (dims / (dims - 2));
}

function yarn(theta: number, dims: number, scaling: Scheme<'yarn'>): Float64Array {
  const { factor, originalMaxPositionEmbeddings: original, betaFast, betaSlow, truncate } = scaling;
  const pairOfTurns = (turns: number) =>
    (dims * Math.log(original / (2 * Math.PI * turns))) / (2 * Math.log(theta));
  const first = pairOfTurns(betaFast);
  const last = pairOfTurns(betaSlow);
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dims - 1);
  // As in the authors' code: a ramp of no length would divide by 0.
  const length = low === high ? 0.001 : high - low;
  return unscaled(theta, dims).map((frequency, pair) => {
    const interpolated = Math.min(Math.max((pair - low) / length, 0), 1);
    return frequency * (1 - interpolated) + (frequency / factor) * interpolated;
  });
}

function llama3(frequency: number, scaling: Scheme<'llama3'>): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: original } = scaling;
  const turns = (original * frequency) / (2 * Math.PI);
  const kept = Math.min(Math.max((turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor), 0), 1);
  return ((1 - kept) * frequency) / factor + kept * frequency;
}

/** What cosines and sines are multiplied by. */
function amplitude(scaling: Scaling | undefined): number {
  return scaling?.type === 'yarn' || scaling?.type === 'longrope' ? scaling.attentionFactor : 1;
}

/** Up to this length the frequencies are those of length 0. */
function lengthsAlike(scaling: Scaling | undefined): number {
  return scaling?.type === 'dynamic' || scaling?.type === 'longrope'
    ? scaling.originalMaxPositionEmbeddings
    : Number.POSITIVE_INFINITY;
}
