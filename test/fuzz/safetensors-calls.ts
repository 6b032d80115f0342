/** Good calls of heed/safetensors. Paths are relative, so run them in a separate directory. */
import { fileURLToPath } from 'node:url';
import { open, save } from '../../lib/safetensors.js';
import type { Expected } from './attention-model.js';
import { floatTensorOf, loosely } from './good-values.js';
import type { Draw } from './hostile-values.js';
import type { Target } from './outcome.js';
import * as model from './tensor-model.js';
import { expect } from './tensor-model.js';

function expectPath(value: unknown): void {
  if (typeof value === 'string') return;
  expect(value instanceof URL && fileURLToPath(value), 'a path');
}

/** An unpaired surrogate does not survive UTF-8. */
const isWellFormed = (text: string) => Buffer.from(text).toString() === text;

function entries(value: unknown): [string, unknown][] {
  expect(model.isObject(value) && !Array.isArray(value) && !(value instanceof Map), 'an object');
  return Object.keys(value).map((name) => {
    expect(isWellFormed(name), 'a well-formed name');
    return [name, value[name]];
  });
}

/** The contents read back from a file that save(path, tensors, metadata) wrote. */
function saveModel([path, tensors, metadata]: readonly unknown[]): Record<string, Expected> {
  expectPath(path);
  if (metadata !== undefined) {
    for (const [, text] of entries(metadata)) expect(typeof text === 'string' && isWellFormed(text), 'text');
  }
  return Object.fromEntries(
    entries(tensors).map(([name, value]) => {
      expect(name !== '__metadata__', 'the name of a tensor');
      return [name, model.tensor(value)];
    }),
  );
}

async function readAll(path: unknown): Promise<Record<string, unknown>> {
  await using file = await (loosely(open)(path) as ReturnType<typeof open>);
  const tensors: [string, unknown][] = [];
  for (const name of file.tensors.keys()) tensors.push([name, await file.read(name)]);
  return Object.fromEntries(tensors);
}

async function saveAndRead([path, tensors, metadata]: readonly unknown[]): Promise<Record<string, unknown>> {
  await loosely(save)(path, tensors, metadata);
  return await readAll(path);
}

const kept = 'kept.safetensors';

/** Reads from a file that is written first; saves last, because saving writes to any given path. */
export async function safetensorsTargets(draw: Draw): Promise<Target[]> {
  const weight = floatTensorOf(draw, [2, 3]);
  await save(kept, { weight: { ...weight, type: 'float32' } });
  const output = { ...weight, values: weight.data };
  const results = (result: unknown) => result as Record<string, unknown>;
  return [
    {
      name: 'open',
      arguments: () => [kept],
      call: ([path]) => readAll(path),
      model: ([path]) => {
        expect(path === kept, 'a file that is there');
        return { weight: output };
      },
      results,
    },
    {
      name: 'file.read',
      arguments: () => ['weight'],
      call: async ([name]) => {
        await using file = await open(kept);
        return { output: await loosely(file.read.bind(file))(name) };
      },
      model: ([name]) => {
        expect(name === 'weight', 'a tensor that is there');
        return { output };
      },
      results,
    },
    {
      name: 'save',
      arguments: () => [
        'saved.safetensors',
        { a: floatTensorOf(draw, [draw.below(3), 2]), 'b.weight': floatTensorOf(draw, [3]) },
        { format: 'pt', from: 'a test' },
      ],
      call: saveAndRead,
      model: saveModel,
      results,
    },
  ];
}
