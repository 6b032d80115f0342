/** `heed quantize`: rounds the weights of a checkpoint to int8 or int4, and writes it anew. */
import { copyFile, mkdir, readdir, realpath } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve } from 'node:path';
import { HeedError } from '../errors.js';
import type { QuantisedType } from '../problem/quantised-weight.js';
import { storedForms } from '../projection/weight-file.js';
import { SafetensorsFile } from '../safetensors/file.js';
import { isDirectory, listNames } from '../safetensors/paths.js';
import { Progress } from './progress.js';
import { linearWeights } from './quantize/choose.js';
import { type Outcome, type Written, writeQuantised } from './quantize/write.js';
import { Painter, pad } from './terminal.js';

export interface QuantizeOptions {
  readonly type: QuantisedType;
  /** The file to write, or for a directory the directory. Default: beside the original, with the type in its name. */
  readonly out?: string;
}

/** @param path a safetensors file, an index of several, or a model's directory */
export async function quantize(path: string, { type, out }: QuantizeOptions): Promise<void> {
  const file = await SafetensorsFile.open(path);
  try {
    const forms = [...storedForms(file).keys()];
    if (forms.length > 0) {
      throw new HeedError(
        'HEED_INVALID_ARGUMENT',
        `Expected ${file.path} to have floating-point weights, found ${listNames(forms)} quantised already`,
      );
    }
    const weights = linearWeights(file);
    if (weights.length === 0) {
      throw new HeedError(
        'HEED_UNKNOWN_TENSOR',
        `Expected ${file.path} to hold weights of linear maps, floating-point matrices whose names end in "weight", found ${listNames([...file.tensors.keys()])}`,
      );
    }
    expectComplete(file);
    const place = await placeFor(path, file.path, type, out);
    const before = [...file.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const written = await withProgress(file.tensors.size, (begin) =>
      writeQuantised(file, weights, type, place.file, begin),
    );
    if (place.directory !== undefined) await copyRest(path, place.directory);
    const kept = file.tensors.size - weights.length;
    console.log(report(written, type, kept, before, relative(process.cwd(), place.directory ?? place.file)));
  } finally {
    await file.close();
  }
}

/** Of several files, all have to be there. */
function expectComplete({ names, tensors, path }: SafetensorsFile): void {
  const missing = names.filter((name) => !tensors.has(name));
  if (missing.length === 0) return;
  throw new HeedError(
    'HEED_FILE_ERROR',
    `Expected all files of ${path} to be there and well-formed, found none with ${listNames(missing)}`,
  );
}

interface Target {
  readonly file: string;
  /** Where everything else of a model goes that is a directory. */
  readonly directory?: string;
}

async function placeFor(path: string, source: string, type: QuantisedType, out?: string): Promise<Target> {
  if (await isDirectory(path)) {
    const directory = resolve(out ?? `${resolve(path)}-${type}`);
    await mkdir(directory, { recursive: true });
    const file = join(directory, 'model.safetensors');
    await expectAnother(source, file);
    return { file, directory };
  }
  const name = basename(source).replace(/(\.safetensors)?(\.index\.json)?$/, '');
  const file = resolve(out ?? join(dirname(source), `${name}-${type}.safetensors`));
  await expectAnother(source, file);
  return { file };
}

async function expectAnother(source: string, target: string): Promise<void> {
  const real = await realpath(target).catch(() => resolve(target));
  if (real !== (await realpath(source))) return;
  throw new HeedError('HEED_INVALID_ARGUMENT', `Expected --out to be another file than ${source}`);
}

/** What the files of a model are besides weights: its configuration, its tokenizer. */
const rest = ['.json', '.jinja', '.model', '.txt'];

async function copyRest(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const { name } = entry;
    if (!rest.includes(extname(name)) || name.endsWith('.index.json') || entry.isDirectory()) continue;
    await copyFile(join(from, name), join(to, name));
  }
}

async function withProgress(
  steps: number,
  work: (begin: (name: string) => void) => Promise<Written>,
): Promise<Written> {
  using progress = new Progress(steps);
  // Rounding a weight takes a while, in which nothing is drawn.
  return await work((name) => progress.begin(name));
}

function percent(parts: readonly Pick<Outcome, 'errors' | 'squares'>[]): string {
  const [errors, squares] = parts.reduce(
    (sum, part) => [sum[0] + part.errors, sum[1] + part.squares],
    [0, 0],
  );
  return `${(100 * Math.sqrt(squares === 0 ? 0 : errors / squares)).toFixed(2)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
}

/** A line for each weight with its relative error, ‖rounded − weight‖ / ‖weight‖, and one for all. */
function report(
  { outcomes, byteLength }: Written,
  type: QuantisedType,
  kept: number,
  before: number,
  path: string,
): string {
  const width = Math.max(...outcomes.map(({ name }) => name.length));
  const lines = outcomes.map((outcome) => {
    const shape = `${outcome.columns} × ${outcome.inner}`;
    return `  ${pad(outcome.name, width)}  ${shape.padStart(15)}  ${percent([outcome]).padStart(8)}`;
  });
  const elements = outcomes.reduce((sum, { columns, inner }) => sum + columns * inner, 0);
  const total =
    `${outcomes.length} weights with ${elements} elements in ${type}, off by ${percent(outcomes)}; ` +
    `${kept} other tensors as they were; ${megabytes(before)} → ${megabytes(byteLength)}: ${path}`;
  return [...lines, Painter.for(process.stdout).paint('bold', total)].join('\n');
}
