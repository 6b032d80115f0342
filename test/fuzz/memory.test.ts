/**
 * Tests memory that is removed, shrinks or grows during an operation: the outcome must be a HeedError, the
 * caller's own abort, or the right answer.
 */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { backendsAtHand } from '../support/backends.js';
import { resizableBuffer } from '../support/resizable.js';
import { temporaryDirectory } from '../support/temporary-directory.js';
import { attentionTargets } from './attention-calls.js';
import { blockTargets } from './block-calls.js';
import { cachedAttentionTargets, severalCachesTargets } from './cache-calls.js';
import { drawFrom } from './draw.js';
import { type Draw, pick } from './hostile-values.js';
import { layerTargets } from './layer-calls.js';
import { microsoftTargets } from './microsoft-calls.js';
import { onnxTargets } from './onnx-calls.js';
import { operatorTargets } from './operator-calls.js';
import { judge, type Target } from './outcome.js';
import { safetensorsTargets } from './safetensors-calls.js';

const rounds = 150;

type View = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => Float32Array;

/** Buffers of variable length, which the types of ES2023 do not include. */
interface Changeable {
  readonly resizable?: boolean;
  readonly growable?: boolean;
  readonly maxByteLength: number;
  resize(byteLength: number): void;
  grow(byteLength: number): void;
}

/** Every kind of memory that JavaScript has; tensors begin at an offset into it. */
const kinds: readonly ((bytes: number) => ArrayBufferLike)[] = [
  (bytes) => new ArrayBuffer(bytes),
  (bytes) => resizableBuffer(bytes, 2 * bytes),
  (bytes) => new SharedArrayBuffer(bytes),
  (bytes) => Reflect.construct(SharedArrayBuffer, [bytes, { maxByteLength: 2 * bytes }]),
];

const offset = 24;

/** The same arguments, with all elements in such memory. */
function place(value: unknown, draw: Draw, buffers: ArrayBufferLike[]): unknown {
  if (ArrayBuffer.isView(value)) {
    const array = value as Float32Array;
    const buffer = pick(draw, kinds)(offset + array.byteLength + offset);
    const copy = new (array.constructor as View)(buffer, offset, array.length);
    copy.set(array);
    buffers.push(buffer);
    return copy;
  }
  if (Array.isArray(value)) return value.map((each) => place(each, draw, buffers));
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, place(each, draw, buffers)]));
}

function disturb(buffer: ArrayBufferLike, draw: Draw): void {
  const changeable = buffer as unknown as Changeable;
  if (changeable.growable) changeable.grow(changeable.maxByteLength);
  else if (changeable.resizable) changeable.resize(pick(draw, [0, 1, offset + 1, changeable.maxByteLength]));
  else if (buffer instanceof ArrayBuffer) structuredClone(buffer, { transfer: [buffer] });
}

async function attack(target: Target, draw: Draw): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const original = target.arguments();
    const buffers: ArrayBufferLike[] = [];
    const args = place(original, draw, buffers) as unknown[];
    const when = draw.below(3);
    const call = async () => {
      const running = target.call(args) as Promise<unknown>;
      // The outcome is checked below.
      running.catch(() => undefined);
      for (let turn = 0; turn < when; turn++) await nextTurn();
      for (const buffer of buffers) if (draw.below(2) === 0) disturb(buffer, draw);
      return running;
    };
    await judge(
      { ...target, call },
      { description: `memory that changes after ${when} turns`, args, readings: [original] },
    );
  }
}

const backends = backendsAtHand();

describe('memory that changes while it is used', () => {
  for (const backend of backends) {
    const promised = (draw: Draw) =>
      [
        ...attentionTargets(draw, backend),
        ...cachedAttentionTargets(draw, backend),
        ...severalCachesTargets(draw, backend),
        ...layerTargets(draw, backend),
        ...onnxTargets(draw, backend),
        ...microsoftTargets(draw, backend),
        ...operatorTargets(draw, backend),
        ...blockTargets(draw, backend),
      ].filter(({ name }) => !name.endsWith('Sync'));
    for (const { name } of promised(drawFrom('names'))) {
      it(`does no harm to ${name} on ${backend}`, async () => {
        const draw = drawFrom(`memory ${name} ${backend}`);
        const target = promised(draw).find((each) => each.name === name);
        assert.ok(target);
        await attack(target, draw);
      });
    }
  }

  describe('in files', () => {
    const at = temporaryDirectory();
    const home = process.cwd();
    before(() => process.chdir(at('.')));
    after(() => process.chdir(home));

    it('does no harm to save', async () => {
      const draw = drawFrom('memory save');
      const target = (await safetensorsTargets(draw)).find(({ name }) => name === 'save');
      assert.ok(target);
      await attack(target, draw);
    });
  });
});
