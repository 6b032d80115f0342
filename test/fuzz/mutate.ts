/**
 * Takes a good list of arguments apart and inserts something hostile. All possible readings of the result are
 * known: a call may follow any one reading and nothing else.
 */
import { describe } from '../../lib/checks/values.js';
import { type Draw, hostileNumbers, hostileValue, pick, UserError } from './hostile-values.js';

export interface Mutation {
  readonly description: string;
  readonly args: readonly unknown[];
  /** The lists of arguments that code may see if it reads every property once. */
  readonly readings: readonly (readonly unknown[])[];
}

type Path = readonly PropertyKey[];
type Node = Record<PropertyKey, unknown>;

function isPlain(value: unknown): value is Node {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

/**
 * The paths of everything that can be replaced: arguments, options, dims, elements of lists, parts of
 * tensors.
 */
function paths(value: unknown, here: Path = []): Path[] {
  if (!isPlain(value)) return [here];
  const below = Reflect.ownKeys(value)
    .filter((key) => key !== 'length')
    .flatMap((key) => paths(value[key], [...here, key]));
  return here.length === 0 ? below : [here, ...below];
}

/** Copies the plain objects and arrays on the path and shares everything else. */
function copyOf(value: unknown): unknown {
  if (!isPlain(value)) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copyOf(each)]));
}

function parentOf(root: unknown, path: Path): Node {
  return path.slice(0, -1).reduce((node, key) => (node as Node)[key], root) as Node;
}

function withValue(args: readonly unknown[], path: Path, value: unknown): unknown[] {
  const copy = copyOf(args) as unknown[];
  parentOf(copy, path)[path[path.length - 1]] = value;
  return copy;
}

const said = (path: Path) => path.map(String).join('.');

function replaced(args: readonly unknown[], path: Path, value: unknown, how: string): Mutation {
  const changed = withValue(args, path, value);
  return { description: `${said(path)} ${how}`, args: changed, readings: [changed] };
}

function atPath(args: readonly unknown[], path: Path): unknown {
  return parentOf(args, path)[path[path.length - 1]];
}

/** An almost valid value: a neighbouring number, another type, a slightly wrong array. */
function nearMiss(value: unknown, draw: Draw): unknown {
  if (typeof value === 'number') return value + pick(draw, [-1, 1, 0.5, 2, -2 * value]);
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'string') {
    return pick(draw, [
      'float16',
      'bfloat16',
      'float64',
      'bool',
      'uint8',
      'int64',
      `${value} `,
      value.toUpperCase(),
    ]);
  }
  if (Array.isArray(value)) {
    return pick(draw, [
      value.slice(1),
      [...value, 1],
      [...value].reverse(),
      [1, ...value],
      Int32Array.from(value, Number),
    ]);
  }
  if (value instanceof Float32Array) {
    return pick(draw, [
      value.subarray(1),
      Float64Array.from(value),
      Array.from(value),
      new Float32Array(value.length + 1),
      new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
      Float32Array.from(value, (element, index) => (index % 3 === 0 ? Number.NaN : element)),
      Float32Array.from(value, (element, index) => (index % 3 === 0 ? Infinity : element)),
    ]);
  }
  return hostileValue(draw);
}

const misspelt = [
  'Scale',
  'softCap',
  'casual',
  'mask ',
  'layuot',
  'kvlengths',
  'backends',
  'sclae',
  '__proto__x',
  '',
];

type Mutator = (args: readonly unknown[], path: Path, draw: Draw) => Mutation;

const replace: Mutator = (args, path, draw) => {
  const value = hostileValue(draw);
  return replaced(args, path, value, `= ${describe(value)}`);
};

const miss: Mutator = (args, path, draw) =>
  replaced(args, path, nearMiss(atPath(args, path), draw), 'nearly right');

const hostileNumber: Mutator = (args, path, draw) => {
  const value = pick(draw, hostileNumbers);
  return replaced(args, path, value, `= ${value}`);
};

const remove: Mutator = (args, path) => {
  const copy = copyOf(args) as unknown[];
  delete parentOf(copy, path)[path[path.length - 1]];
  return { description: `no ${said(path)}`, args: copy, readings: [copy] };
};

const misspell: Mutator = (args, path, draw) => {
  const target = atPath(args, path);
  const key = pick(draw, misspelt);
  if (!isPlain(target) || Array.isArray(target)) return replace(args, path, draw);
  return replaced(args, path, { ...target, [key]: 1 }, `with ${JSON.stringify(key)}`);
};

/** A getter that throws: the arguments have no reading. */
const throwing: Mutator = (args, path) => {
  const copy = copyOf(args) as unknown[];
  const get = () => {
    throw new UserError();
  };
  Object.defineProperty(parentOf(copy, path), path[path.length - 1], {
    get,
    enumerable: true,
    configurable: true,
  });
  return { description: `${said(path)} throws`, args: copy, readings: [] };
};

/** A getter that returns another value each time. */
const lying: Mutator = (args, path, draw) => {
  const copy = copyOf(args) as unknown[];
  const truth = atPath(args, path);
  const lie = draw.below(2) === 0 ? hostileValue(draw) : nearMiss(truth, draw);
  const answers = draw.below(2) === 0 ? [truth, lie] : [lie, truth];
  let reads = 0;
  const get = () => answers[reads++ % 2];
  Object.defineProperty(parentOf(copy, path), path[path.length - 1], {
    get,
    enumerable: true,
    configurable: true,
  });
  return {
    description: `${said(path)} lies`,
    args: copy,
    readings: [args, withValue(args, path, lie)],
  };
};

/** The same arguments, one of which has a side effect when it is first read. */
export function meddling(
  args: readonly unknown[],
  draw: Draw,
  meddle: () => void,
): Omit<Mutation, 'readings'> {
  const path = pick(draw, paths(args));
  const copy = copyOf(args) as unknown[];
  const truth = atPath(args, path);
  let done = false;
  const get = () => {
    if (!done) {
      done = true;
      meddle();
    }
    return truth;
  };
  Object.defineProperty(parentOf(copy, path), path[path.length - 1], {
    get,
    enumerable: true,
    configurable: true,
  });
  return { description: `${said(path)} meddles`, args: copy };
}

/** Behind a proxy that only forwards, everything reads the same. */
const proxied: Mutator = (args, path) => {
  const target = atPath(args, path);
  if (typeof target !== 'object' || target === null) return throwing(args, path, { below: () => 0 });
  const changed = withValue(args, path, new Proxy(target, {}));
  return { description: `${said(path)} behind a proxy`, args: changed, readings: [changed] };
};

const truncate: Mutator = (args, _path, draw) => {
  const count = draw.below(args.length + 1);
  return {
    description: `only ${count} arguments`,
    args: args.slice(0, count),
    readings: [args.slice(0, count)],
  };
};

const mutators: readonly Mutator[] = [
  replace,
  replace,
  replace,
  replace,
  miss,
  miss,
  miss,
  hostileNumber,
  hostileNumber,
  remove,
  misspell,
  throwing,
  lying,
  lying,
  proxied,
  truncate,
];

/** Inserts one hostile value into a new copy of good arguments. */
export function mutate(args: readonly unknown[], draw: Draw): Mutation {
  const path = pick(draw, paths(args));
  return pick(draw, mutators)(args, path, draw);
}
