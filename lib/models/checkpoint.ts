/** The tensors of a model: found by the names of its family, and all of them accounted for. */
import { describeDims } from '../checks/values.js';
import { HeedError } from '../errors.js';
import { listNames } from '../safetensors/paths.js';
import type { SafetensorsFile } from '../safetensors.js';
import type { Tensor } from '../tensor/tensor.js';
import { transpose } from '../tensor/transpose.js';
import { type FloatType, isFloatType } from '../tensor/types.js';
import type { ModelFamily } from './families.js';

/** A linear map or a norm. */
export interface Weights {
  readonly weight: Tensor;
  readonly bias?: Tensor;
}

/** What early checkpoints call weights and biases of norms. */
const formerly = { weight: 'gamma', bias: 'beta' } as const;

export class ModelCheckpoint {
  /** What the names begin with. */
  readonly root: string;
  readonly #family: ModelFamily;
  readonly #file: SafetensorsFile;
  /** What tensors are cast to; undefined for the type that they are stored in. */
  readonly #type: FloatType | undefined;
  /** All of them, with those that an index names and no file has: reading one says why. */
  readonly #names: ReadonlySet<string>;
  /** The names that were read, or that someone else reads. */
  readonly #known = new Set<string>();

  constructor(file: SafetensorsFile, family: ModelFamily, type: FloatType | undefined) {
    const { tokens } = family.embeddings;
    this.#names = new Set(file.names);
    const root = family.roots.find((prefix) => this.#names.has(prefix + tokens));
    if (root === undefined) {
      const wanted = family.roots.map((prefix) => JSON.stringify(prefix + tokens)).join(' or ');
      throw unknownTensor(file, `${wanted}, the tokens of a model of the family ${family.name}`);
    }
    this.root = root;
    this.#file = file;
    this.#family = family;
    this.#type = type;
  }

  /** @param name relative to the root */
  async read(name: string, dims?: readonly (number | undefined)[]): Promise<Tensor> {
    return await this.readWhole(this.root + name, dims);
  }

  /**
   * @param name with its root
   * @param dims as they have to be; undefined for any length
   */
  async readWhole(name: string, dims?: readonly (number | undefined)[]): Promise<Tensor> {
    if (!this.#names.has(name)) {
      throw unknownTensor(
        this.#file,
        `${JSON.stringify(name)} for a model of the family ${this.#family.name}`,
      );
    }
    this.#known.add(name);
    const tensor = await this.#file.read(name);
    if (!isFloatType(tensor.type)) {
      throw new HeedError(
        'HEED_UNSUPPORTED_TYPE',
        `Expected ${name} in ${this.#file.path} to be of a floating-point type, received '${tensor.type}'`,
      );
    }
    if (dims !== undefined) this.#expectDims(name, tensor.dims, dims);
    return this.#type === undefined ? tensor : tensor.cast(this.#type);
  }

  /** A map [out, in], and its bias where there is one. */
  async map(name: string, dims: readonly [number | undefined, number], transposed = false): Promise<Weights> {
    const stored = await this.read(`${name}.weight`, transposed ? [dims[1], dims[0]] : dims);
    const weight = transposed ? transpose(stored, name) : stored;
    return { weight, ...(await this.#bias(`${name}.bias`, weight.dims[0])) };
  }

  async norm(name: string, width: number): Promise<Weights> {
    const isOld = this.#names.has(`${this.root}${name}.${formerly.weight}`);
    const weight = isOld ? formerly.weight : 'weight';
    const bias = isOld ? formerly.bias : 'bias';
    return {
      weight: await this.read(`${name}.${weight}`, [width]),
      ...(await this.#bias(`${name}.${bias}`, width)),
    };
  }

  /** Takes all tensors with such names as known: who reads them looks at their names, too. */
  leave(prefix: string): void {
    for (const name of this.#names) if (name.startsWith(this.root + prefix)) this.#known.add(name);
  }

  /** Takes a tensor as known that need not be read. */
  leaveWhole(name: string): void {
    this.#known.add(name);
  }

  /** A tensor that is not read might have changed the results. What stands on an encoder does not. */
  expectAllKnown(): void {
    const { kind, name: family, unread } = this.#family;
    const unknown = [...this.#names].filter((name) => {
      if (this.#known.has(name)) return false;
      if (!name.startsWith(this.root)) return kind === 'decoder';
      return !unread?.test(name.slice(this.root.length));
    });
    if (unknown.length === 0) return;
    throw new HeedError(
      'HEED_UNKNOWN_TENSOR',
      `Expected ${this.#file.path} to hold nothing but the tensors of a model of the family ${family}, found also ${listNames(unknown)}`,
    );
  }

  async #bias(name: string, length: number): Promise<{ bias?: Tensor }> {
    if (!this.#names.has(this.root + name)) return {};
    return { bias: await this.read(name, [length]) };
  }

  #expectDims(name: string, received: readonly number[], dims: readonly (number | undefined)[]): void {
    const fits =
      received.length === dims.length &&
      dims.every((length, i) => length === undefined || length === received[i]);
    if (fits) return;
    const expected = `[${dims.map((length) => length ?? 'any').join(', ')}]`;
    throw new HeedError(
      'HEED_SHAPE_MISMATCH',
      `Expected ${name} in ${this.#file.path} to have dims ${expected}, received ${describeDims(received)}`,
    );
  }
}

function unknownTensor(file: SafetensorsFile, problem: string): HeedError {
  return new HeedError(
    'HEED_UNKNOWN_TENSOR',
    `Expected ${file.path} to hold ${problem}, found ${listNames(file.names)}`,
  );
}
