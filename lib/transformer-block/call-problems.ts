/** The problems of one call of a block, for each form. The backend gets them as a single operation. */
import type { OutArgument } from '../checks/out.js';
import { outTensor } from '../checks/out.js';
import { dataOf } from '../checks/tensor.js';
import type { FeedForwardPart } from '../feed-forward/feed-forward.js';
import type { Allocations } from '../memory/allocations.js';
import type { Elements } from '../memory/device.js';
import type { CallArguments } from '../multi-head-attention/call-parts.js';
import type { LayerPart } from '../multi-head-attention/multi-head-attention.js';
import type { NamedInput } from '../problem/accesses.js';
import type { Problem } from '../problem/problem.js';
import type { Tensor } from '../tensor/tensor.js';
import type { BlockForm, BlockNorms } from './forms.js';
import { normProblem, type RowNorm } from './norms.js';

export interface BlockParts {
  readonly form: BlockForm;
  readonly norms: BlockNorms;
  readonly attention: LayerPart;
  readonly feedForward: FeedForwardPart;
}

/** The problems of a call, and their result. */
export interface BuiltBlock {
  readonly problems: Problem[];
  readonly result: Tensor;
  /** Called once the problems are solved, or will not be. */
  readonly finish?: (solved: boolean) => void;
}

/** Collects the problems of a call, in their order. Rows are all as wide as the block. */
class Steps {
  readonly problems: Problem[] = [];
  readonly reads: NamedInput[] = [];
  finish: ((solved: boolean) => void) | undefined;
  readonly #parts: BlockParts;
  readonly #call: CallArguments;
  readonly #allocations: Allocations;

  constructor(parts: BlockParts, call: CallArguments, allocations: Allocations) {
    this.#parts = parts;
    this.#call = call;
    this.#allocations = allocations;
  }

  /** Of the whole input; none where rows are of nothing, which may be beyond counting. */
  get #rows(): number {
    const { rows, input } = this.#call;
    return input.size === 0 ? 0 : rows.batch * rows.steps;
  }

  /** Rows for this call only. */
  make(name: string): Elements {
    const { backend, type } = this.#parts.attention.layer;
    return this.#allocations.scratch(backend, type, this.#call.input.size, `the block's ${name}`);
  }

  /** The normalised rows, to which others may be added; the rows themselves where there is no norm. */
  norm(norm: RowNorm | undefined, input: Elements, addend?: Elements, output?: Elements): Elements {
    if (norm === undefined) return input;
    const { type, shape } = this.#parts.attention.layer;
    const to = output ?? this.make('normalised rows');
    const rows = { rows: this.#rows, width: shape.embed, type };
    this.problems.push(normProblem(norm, rows, input, to, addend));
    return to;
  }

  /** What attention gives, to which rows may be added. */
  attend(input: Elements, residual?: Elements): Elements {
    const { layer, build } = this.#parts.attention;
    const { location } = layer.backend;
    const { dims, type } = this.#call.out;
    const out: OutArgument = { type, dims, location, given: undefined, temporary: true };
    const argument = { ...this.#call.input, data: input, location };
    const built = build({ ...this.#call, input: argument, out }, this.#allocations, residual);
    this.finish = built.end;
    this.reads.push(...built.reads);
    this.problems.push(...built.problems);
    return built.result.output.elements;
  }

  /** What the network gives, to which rows may be added. */
  feed(input: Elements, residual: Elements | undefined, output = this.make('output')): Elements {
    const call = { rows: this.#rows, input, residual, output };
    this.problems.push(...this.#parts.feedForward.build(call, this.#allocations));
    return output;
  }
}

type Build = (steps: Steps, norms: BlockNorms, x: Elements, out: () => Elements) => void;

/** Each asks for the memory of its result last, once all that is read is known. */
const forms: Readonly<Record<BlockForm, Build>> = {
  'pre-norm': (steps, norms, x, out) => {
    const sum = steps.attend(steps.norm(norms.attentionNorm, x), x);
    steps.feed(steps.norm(norms.feedForwardNorm, sum), sum, out());
  },
  'post-norm': (steps, norms, x, out) => {
    const attended = steps.norm(norms.attentionNorm, steps.attend(x, x));
    if (norms.feedForwardNorm === undefined) {
      steps.feed(attended, attended, out());
    } else {
      steps.norm(norms.feedForwardNorm, steps.feed(attended, attended), undefined, out());
    }
  },
  sandwich: (steps, norms, x, out) => {
    const read = steps.norm(norms.attentionNorm, x);
    const sum =
      norms.attentionOutputNorm === undefined
        ? steps.attend(read, x)
        : steps.norm(norms.attentionOutputNorm, steps.attend(read), x);
    const fed = steps.norm(norms.feedForwardNorm, sum);
    if (norms.feedForwardOutputNorm === undefined) {
      steps.feed(fed, sum, out());
    } else {
      steps.norm(norms.feedForwardOutputNorm, steps.feed(fed, undefined), sum, out());
    }
  },
  parallel: (steps, norms, x, out) => {
    const read = steps.norm(norms.attentionNorm, x);
    const fed = norms.feedForwardNorm === undefined ? read : steps.norm(norms.feedForwardNorm, x);
    steps.feed(fed, steps.attend(read, x), out());
  },
};

/**
 * Accesses the memory of all arguments for the first time. From here to the backend, none of the caller's
 * code runs.
 */
export function buildBlock(parts: BlockParts, call: CallArguments, allocations: Allocations): BuiltBlock {
  const steps = new Steps(parts, call, allocations);
  const input = dataOf(call.input);
  let result: Tensor | undefined;
  try {
    forms[parts.form](steps, parts.norms, input, () => {
      const output = outTensor(call.out, [{ name: 'input', data: input }, ...steps.reads], allocations);
      result = output.tensor;
      return output.data;
    });
  } catch (error) {
    steps.finish?.(false);
    throw error;
  }
  if (result === undefined) throw new TypeError('Every form asks for the memory of its result');
  return { problems: steps.problems, result, ...(steps.finish && { finish: steps.finish }) };
}
