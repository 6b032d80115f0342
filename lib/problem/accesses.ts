/** What of its callers' memory a problem reads and writes, and how much work it is: for every kind of problem, here alone. */
import type { Elements } from '../memory/device.js';
import type { AttentionProblem, Problem, ProjectionProblem, StoredView } from './problem.js';

/** Memory that is read, by the name that its argument has in messages. */
export interface NamedInput {
  readonly name: string;
  readonly data: Elements;
}

/** Each is computed when it is called: whoever needs one need not pay for the others. */
interface Accesses {
  /** The pages of caches are not among them: nobody but heed can change or detach their memory. */
  reads(): readonly NamedInput[];
  /** Neither are they here: whoever appends writes to them in place, so that nothing has to be copied back. */
  writes(): (Elements | undefined)[];
  /** In multiplications. */
  work(): number;
}

type Weight = ProjectionProblem['weight'];

/** A weight on a device is a handle, too, but its elements are those of a device array. */
export function isPacked(weight: Weight): weight is Exclude<Weight, { readonly data: unknown }> {
  return !('data' in weight);
}

function stored(name: string, { data, pages }: StoredView): NamedInput[] {
  return pages === undefined ? [{ name, data: data as Elements }] : [];
}

/** What attention reads. The arguments are known before there is memory for the result. */
export function attentionReads({
  query,
  key,
  value,
  scoring: { score, mask, select },
}: Pick<AttentionProblem, 'query' | 'key' | 'value' | 'scoring'>): NamedInput[] {
  const reads = [
    { name: 'query', data: query.data },
    ...stored(score.kind === 'location' ? 'options.score.weight' : 'key', key),
    ...stored('value', value),
  ];
  if (mask) reads.push({ name: 'options.mask', data: mask.data });
  if (select.kind === 'local') reads.push({ name: 'options.select.centers', data: select.centers.data });
  if (score.kind === 'general') reads.push({ name: 'options.score.weight', data: score.weight.data });
  if (score.kind === 'additive') {
    for (const part of ['query', 'key', 'vector'] as const)
      reads.push({ name: `options.score.${part}`, data: score[part].data });
  }
  return reads;
}

/** The cost of reading an element from memory, in multiplications. */
const reading = 4;

/** The cost of tanh, in multiplications. */
const tanh = 8;

/** The cost of a logit, in multiplications: of drawing its noise. */
const samplingWork = 32;

function attentionWork(problem: AttentionProblem): number {
  const { sequences, queryHeads, keyHeads, width, valueWidth, scoring } = problem;
  const hidden = scoring.score.kind === 'additive' ? scoring.score.hidden : 0;
  let scores = 0;
  let keys = 0;
  for (const { querySteps, keySteps } of sequences) {
    scores += querySteps * keySteps;
    keys += keySteps;
  }
  const products = (scores * queryHeads + keys * keyHeads * reading) * (width + valueWidth);
  return products + (scores * queryHeads * tanh + keys * keyHeads * width) * hidden;
}

export function accessesOf(problem: Problem): Accesses {
  switch (problem.kind) {
    case 'attention':
      return {
        reads: () => attentionReads(problem),
        writes: () => [problem.output.data, problem.logSumExp?.data, problem.choices?.data],
        work: () => attentionWork(problem),
      };
    case 'rows': {
      const { attention, heads, queries, keys } = problem;
      return {
        reads: () => attentionReads(attention),
        writes: () => [problem.scores, problem.cappedScores, problem.biasedScores, problem.weights],
        work: () => attention.sequences.length * heads.length * queries.length * keys * attention.width,
      };
    }
    case 'projection': {
      const { input, weight, targets, epilogue } = problem;
      return {
        reads: () => [
          { name: 'input', data: input.data },
          ...(epilogue?.residual ? [{ name: 'options.residual', data: epilogue.residual }] : []),
          ...(isPacked(weight) ? [] : [{ name: 'weight', data: weight.data }]),
        ],
        writes: () => targets.map(({ view }) => view.data),
        // A weight that is not packed is read, written to its panels, and read there.
        work: () => problem.columns * problem.inner * (problem.rows + reading * (isPacked(weight) ? 1 : 3)),
      };
    }
    case 'merge':
      return {
        reads: () =>
          problem.parts.flatMap(({ output, logSumExp }, i) => [
            { name: `parts[${i}].output`, data: output },
            { name: `parts[${i}].logSumExp`, data: logSumExp },
          ]),
        writes: () => [problem.output, problem.logSumExp],
        work: () => problem.rows * problem.width * problem.parts.length * reading,
      };
    case 'append':
      return {
        reads: () => [
          { name: 'key', data: problem.key.data },
          { name: 'value', data: problem.value.data },
        ],
        writes: () => [],
        work() {
          const steps = problem.parts.reduce((sum, part) => sum + part.steps, 0);
          return steps * problem.heads * (problem.width + problem.valueWidth) * reading;
        },
      };
    case 'cast':
      return {
        reads: () => [{ name: 'tensor', data: problem.from.data }],
        writes: () => [problem.to.data],
        work: () => problem.count * reading,
      };
    case 'heads': {
      const { from, to, bias, rotation, batch, heads, steps, width } = problem;
      return {
        reads: () => [
          { name: 'heads', data: from.data },
          ...(bias ? [{ name: 'bias', data: bias.data }] : []),
          ...(rotation ? [{ name: 'cos', data: rotation.cos }] : []),
          ...(rotation ? [{ name: 'sin', data: rotation.sin }] : []),
        ],
        writes: () => [to.data],
        work: () => batch * heads * steps * width * reading,
      };
    }
    case 'sample': {
      const { logits, rows, tokens, vocabulary } = problem;
      return {
        reads: () => [{ name: 'logits', data: logits.data }],
        writes: () => [tokens],
        work: () => rows.length * vocabulary * samplingWork,
      };
    }
    case 'embedding': {
      const { tables, output, rows, width } = problem;
      return {
        reads: () => tables,
        writes: () => [output],
        work: () => rows * width * (tables.length + 1) * reading,
      };
    }
    case 'pooling': {
      const { input, output, starts, width } = problem;
      return {
        reads: () => [{ name: 'x', data: input }],
        writes: () => [output],
        work: () => starts[starts.length - 1] * width * reading,
      };
    }
    case 'norm': {
      const { input, residual, sum, addend, output, weight, bias, rows, width } = problem;
      return {
        reads: () => [
          { name: 'x', data: input },
          ...(addend ? [{ name: 'addend', data: addend }] : []),
          ...(residual ? [{ name: 'options.residual', data: residual }] : []),
          { name: 'options.weight', data: weight.data },
          ...(bias ? [{ name: 'options.bias', data: bias.data }] : []),
        ],
        writes: () => [sum, output],
        work: () => 2 * rows * width * reading,
      };
    }
  }
}

/** Each array once. */
export function writtenBy(problems: readonly Problem[]): ReadonlySet<unknown> {
  return new Set(problems.flatMap((problem) => accessesOf(problem).writes()));
}

export function workOf(problems: readonly Problem[]): number {
  let work = 0;
  for (const problem of problems) work += accessesOf(problem).work();
  return work;
}
