/** Tests changes that must not affect a single bit of the result. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { attentionDetailsSync } from '../../lib/attention/attention.js';
import { setThreads } from '../../lib/backends/native/native.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { attend } from '../support/attention.js';
import { eachBackend, eachInstructionSet } from '../support/backends.js';
import { expectSameBits } from '../support/compare.js';
import { Random } from '../support/random.js';
import { keepThreads } from '../support/threads.js';
import { type AttentionCase, attentionCases, draw, possibleOn, runs, runsOn } from './attention-case.js';
import { headAxis, maskOf, offsetOf, stepAxis, withMask } from './case-options.js';
import { otherLayout, range, take, takeOfMask } from './rearrange.js';

/** NaN as an element: 16-bit types are stored as their bits. */
function notANumber({ type }: AttentionCase): number {
  return type === 'float32' ? Number.NaN : 0x7fff;
}

eachBackend('the bits of any result', (backend) => {
  const check = (property: (each: AttentionCase) => void) =>
    fc.assert(
      fc.property(attentionCases, (each) => property(possibleOn(backend, each))),
      runsOn(backend),
    );

  it('do not depend on later keys when attention is causal', () => {
    check((each) => {
      const drawn = draw({ ...each, causal: true, lengths: false });
      const { query, key, value, options } = drawn;
      const random = new Random(`later ${each.seed}`);
      const row = random.integer(0, Math.max(0, each.queries - 1));
      const last = offsetOf(options, 0, each.queries, each.keys) + row;
      const axis = stepAxis(each.layout);
      const change = (tensor: Tensor) => {
        const changed = take(tensor, axis, range(0, each.keys));
        const [heads, steps] = [changed.dims[headAxis(each.layout)], each.keys];
        for (let i = 0; i < changed.size; i++) {
          const unit = Math.floor(i / changed.dims[3]);
          const step = each.layout === 'bhsd' ? unit % steps : Math.floor(unit / heads) % steps;
          if (step > last) changed.data[i] = random.chance(0.5) ? notANumber(each) : 1;
        }
        return changed;
      };
      const rows = range(0, Math.min(row + 1, each.queries));
      const before = attend(backend, { query, key, value }, options);
      const after = attend(backend, { query, key: change(key), value: change(value) }, options);
      expectSameBits(take(after, axis, rows), take(before, axis, rows));
    });
  });

  it('do not depend on what lies beyond the valid keys', () => {
    check((each) => {
      const drawn = draw({ ...each, lengths: true });
      const { query, options } = drawn;
      const axis = stepAxis(each.layout);
      const lengths = Array.from(options.kvLengths ?? []);
      const spoil = (tensor: Tensor) => {
        const spoilt = take(tensor, axis, range(0, each.keys));
        const rowsPerEntry = spoilt.dims[1] * spoilt.dims[2];
        const heads = spoilt.dims[headAxis(each.layout)];
        for (let i = 0; i < spoilt.size; i++) {
          const unit = Math.floor(i / spoilt.dims[3]);
          const step = each.layout === 'bhsd' ? unit % each.keys : Math.floor(unit / heads) % each.keys;
          if (step >= lengths[Math.floor(unit / rowsPerEntry)]) spoilt.data[i] = notANumber(each);
        }
        return spoilt;
      };
      expectSameBits(
        attend(backend, { query, key: spoil(drawn.key), value: spoil(drawn.value) }, options),
        attend(backend, drawn, options),
      );
    });
  });

  it('do not depend on the layout', () => {
    check((each) => {
      const drawn = draw(each);
      const [query, key, value] = [drawn.query, drawn.key, drawn.value].map(otherLayout);
      const layout = each.layout === 'bhsd' ? 'bshd' : 'bhsd';
      const turned = attend(backend, { query, key, value }, { ...drawn.options, layout });
      expectSameBits(otherLayout(turned), attend(backend, drawn, drawn.options));
    });
  });

  it('do not depend on what else is in the batch', () => {
    check((any) => {
      // A draw depends on its batch entry.
      const each = any.select === 'drawn' ? { ...any, select: 'hard' as const } : any;
      const drawn = draw(each);
      const whole = attend(backend, drawn, drawn.options);
      for (const entry of range(0, each.batch)) {
        const [query, key, value] = [drawn.query, drawn.key, drawn.value].map((tensor) =>
          take(tensor, 0, [entry]),
        );
        const { kvLengths, alibiSlopes } = drawn.options;
        const own = {
          ...drawn.options,
          ...withMask(takeOfMask(maskOf(drawn), -4, [entry])),
          ...(kvLengths && { kvLengths: [kvLengths[entry]] }),
          ...(each.ownSlopes && alibiSlopes && { alibiSlopes: [alibiSlopes[entry] as readonly number[]] }),
        };
        expectSameBits(attend(backend, { query, key, value }, own), take(whole, 0, [entry]));
      }
    });
  });
});

eachInstructionSet('the bits of any result', () => {
  keepThreads();

  it('do not depend on the number of threads', () => {
    fc.assert(
      fc.property(attentionCases, fc.integer({ min: 2, max: 9 }), (each, several) => {
        const { query, key, value, options } = draw(each);
        const solve = (count: number) => {
          setThreads(count);
          const include = ['logSumExp', 'weights', 'biasedScores'] as const;
          return attentionDetailsSync(query, key, value, { ...options, include, backend: 'cpu' });
        };
        const [alone, together] = [solve(1), solve(several)];
        for (const name of ['output', 'logSumExp', 'weights', 'biasedScores'] as const) {
          const [a, b] = [alone[name], together[name]];
          assert.ok(a && b);
          expectSameBits(b, a);
        }
      }),
      runs(80),
    );
  });
});
