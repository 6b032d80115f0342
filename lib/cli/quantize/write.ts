/** Writes a checkpoint with quantised weights, a tensor at a time: no more than one is in memory. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { HeedError } from '../../errors.js';
import { bytesOf } from '../../memory/arrays.js';
import type { QuantisedType } from '../../problem/quantised-weight.js';
import { errorOf, quantiseWeight, usualGroupSize } from '../../projection/quantise-weight.js';
import { metadataOf, type StoredForm, scaleName, tensorsOf } from '../../projection/weight-file.js';
import type { SafetensorsFile } from '../../safetensors/file.js';
import { type ItemInfo, layOut } from '../../safetensors/save.js';
import { transpose } from '../../tensor/transpose.js';
import type { LinearWeight } from './choose.js';

/** What became of a weight. */
export interface Outcome extends LinearWeight {
  /** Squares of the errors of its elements, and of the elements, summed. */
  readonly errors: number;
  readonly squares: number;
}

export interface Written {
  readonly outcomes: readonly Outcome[];
  /** Of the file. */
  readonly byteLength: number;
}

/** How many bytes of a tensor that is kept are copied at once. */
const chunkLength = 2 ** 24;

/**
 * @param target replaced once all of it is there
 * @param begin called before each tensor, with its name
 */
export async function writeQuantised(
  file: SafetensorsFile,
  weights: readonly LinearWeight[],
  type: QuantisedType,
  target: string,
  begin: (name: string) => void,
): Promise<Written> {
  const forms = new Map(weights.map((weight) => [weight.name, formFor(weight, type)]));
  const kept = [...file.tensors.values()].filter(({ name }) => !forms.has(name));
  const taken = kept.find(({ name }) => [...forms.keys()].some((weight) => scaleName(weight) === name));
  if (taken !== undefined) {
    throw new HeedError(
      'HEED_INVALID_ARGUMENT',
      `Expected ${file.path} to have no tensor ${JSON.stringify(taken.name)}, the name of what a quantised weight needs beside it`,
    );
  }
  const infos: ItemInfo[] = [...kept, ...[...forms].flatMap(([name, form]) => itemsOf(name, form))];
  const { header, starts } = layOut(infos, [...Object.entries(file.metadata), metadataOf(forms)]);
  const partial = `${target}.partial`;
  const handle = await guarded(partial, () => open(partial, 'w'));
  const outcomes: Outcome[] = [];
  try {
    const put = (name: string, from: number, bytes: Uint8Array) =>
      guarded(partial, () => writeAll(handle, bytes, (starts.get(name) ?? 0) + from));
    await guarded(partial, () => writeAll(handle, header, 0));
    for (const { name, byteLength } of kept) {
      begin(name);
      for (let from = 0; from < byteLength; from += chunkLength) {
        const bytes = new Uint8Array(Math.min(chunkLength, byteLength - from));
        await file.readBytes(name, from, bytes);
        await put(name, from, bytes);
      }
    }
    for (const weight of weights) {
      const { name, columns, inner, transposed } = weight;
      begin(name);
      const read = await file.read(name);
      const { data } = transposed ? transpose(read, name) : read;
      const given = { name: `tensor ${JSON.stringify(name)}`, type: weight.type, data, columns, inner };
      const quantised = quantiseWeight(given, type);
      await put(name, 0, bytesOf(quantised.values));
      await put(scaleName(name), 0, bytesOf(quantised.scales));
      outcomes.push({ ...weight, ...errorOf(given, quantised) });
    }
    await handle.close();
    await guarded(target, () => rename(partial, target));
  } catch (error) {
    await handle.close().catch(() => undefined);
    await rm(partial, { force: true });
    throw error;
  }
  const byteLength = infos.reduce((sum, info) => sum + info.byteLength, header.length);
  return { outcomes, byteLength };
}

function formFor({ columns, inner, type: was }: LinearWeight, type: QuantisedType): StoredForm {
  return { type, columns, inner, groupSize: type === 'int8' ? inner : usualGroupSize, was };
}

function itemsOf(name: string, form: StoredForm): ItemInfo[] {
  const { values, scales } = tensorsOf(form);
  return [
    { name, ...values, byteLength: values.dims[0] * values.dims[1] },
    { name: scaleName(name), ...scales, byteLength: 4 * scales.dims[0] * scales.dims[1] },
  ];
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const length = Math.min(chunkLength, bytes.length - written);
    written += (await handle.write(bytes, written, length, position + written)).bytesWritten;
  }
}

async function guarded<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const problem = `Could not write ${path}: ${(error as Error).message}`;
    throw new HeedError('HEED_FILE_ERROR', problem, { cause: error });
  }
}
