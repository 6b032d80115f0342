/** Values that no caller should pass, but any caller can. */

/** The error of a hostile getter or trap: it is the user's own error and may be passed on unchanged. */
export class UserError extends Error {
  constructor() {
    super('thrown by a getter of the caller');
  }
}

/** A source of random numbers. */
export interface Draw {
  /** An integer from 0 up to, but not including, the bound. */
  below(bound: number): number;
}

export function pick<T>(draw: Draw, values: readonly T[]): T {
  return values[draw.below(values.length)];
}

export const hostileNumbers: readonly number[] = [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  -0,
  -1,
  0,
  1,
  2,
  3,
  7,
  0.5,
  1.5,
  -2.25,
  255,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 32 + 1,
  2 ** 40,
  2 ** 53 - 1,
  2 ** 53,
  -(2 ** 53),
  2 ** 63,
  2 ** 64,
  1e308,
  -1e308,
  5e-324,
  Number.MIN_SAFE_INTEGER,
];

const throws = () => {
  throw new UserError();
};

/** A proxy that throws at every access. */
function throwingProxy(target: object): object {
  return new Proxy(target, {
    get: throws,
    has: throws,
    ownKeys: throws,
    getOwnPropertyDescriptor: throws,
    getPrototypeOf: throws,
  });
}

function revokedProxy(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

function cyclic(): object {
  const value: Record<string, unknown> = {};
  value.self = value;
  value.dims = value;
  value.data = value;
  value.type = value;
  return value;
}

function cyclicArray(): unknown[] {
  const value: unknown[] = [1];
  value.push(value);
  return value;
}

function detachedArray(): Float32Array {
  const array = new Float32Array(8);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** Only the length is large: no allocation may depend on it. */
function sparse(): unknown[] {
  const value: unknown[] = [];
  value.length = 2 ** 32 - 1;
  return value;
}

/** An array with a hole in the middle. */
function holed(): unknown[] {
  const value = [1, 2, 3];
  delete value[1];
  return value;
}

function throwingConversion(): object {
  return { valueOf: throws, toString: throws, [Symbol.toPrimitive]: throws, toJSON: throws };
}

/** Values that are valid nowhere, or only by chance. Each call makes new ones. */
const makers: readonly ((draw: Draw) => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => false,
  () => '',
  () => '3',
  () => 'float32',
  () => 'flaot32',
  () => '\ud800',
  () => 'x'.repeat(100_000),
  () => '__proto__',
  () => 10n,
  () => -(2n ** 70n),
  () => Symbol('hostile'),
  () => Symbol.iterator,
  () => throws,
  () => class Hostile {},
  () => async () => undefined,
  () => ({}),
  () => Object.create(null),
  () => [],
  () => new Array(1),
  () => holed(),
  () => sparse(),
  () => cyclic(),
  () => cyclicArray(),
  () => ({ length: 2 ** 53 }),
  () => ({ length: -1 }),
  () => ({ length: Number.NaN, 0: 1 }),
  () => ({ length: '2', 0: 1, 1: 2 }),
  () => ({ length: 3, 0: 1 }),
  () => ({ type: 'float32', dims: [1], data: [1] }),
  () => ({ type: 'float32', dims: [2], data: new Float32Array(1) }),
  () => ({ type: 'float32', dims: [-1], data: new Float32Array(1) }),
  () => ({ type: 'float32', dims: [2 ** 31, 2 ** 31, 2 ** 31], data: new Float32Array(1) }),
  () => ({ type: 'bool', dims: [2], data: new Uint8Array([7, 255]) }),
  () => ({ type: 'int64', dims: [1], data: new BigInt64Array(1) }),
  () => ({ type: 'string', dims: [1], data: ['x'] }),
  () => ({
    get type() {
      return throws();
    },
  }),
  () => ({
    type: 'float32',
    get dims() {
      return throws();
    },
  }),
  () => ({
    type: 'float32',
    dims: [1],
    get data() {
      return throws();
    },
  }),
  () => throwingProxy({}),
  () => throwingProxy([]),
  () => revokedProxy({}),
  () => revokedProxy([]),
  () => new Proxy(new Float32Array(4), {}),
  () => new Proxy(() => undefined, {}),
  () => throwingConversion(),
  () => new Number(3),
  () => new String('float32'),
  () => new Boolean(true),
  () => new Date(Number.NaN),
  () => /x/,
  () => new Map([['scale', 1]]),
  () => new Set([1]),
  () => new WeakMap(),
  () => Promise.resolve(1),
  () => globalThis,
  () => new Error('an error as a value'),
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new Float32Array(3),
  () => new Float64Array([Number.NaN, 2 ** 53]),
  () => new Int8Array(2),
  () => new Uint8ClampedArray(4),
  () => new BigUint64Array(2),
  () => new BigInt64Array([-1n, 2n ** 62n]),
  () => Buffer.from('hostile'),
  () => detachedArray(),
  () => AbortSignal.abort(),
  () => ({ aborted: true, addEventListener: throws }),
];

/** Either an invalid number or a value that is not a number. */
export function hostileValue(draw: Draw): unknown {
  return draw.below(3) === 0 ? pick(draw, hostileNumbers) : pick(draw, makers)(draw);
}

export const hostileCount = hostileNumbers.length + makers.length;
