/** The tasks, by name, and the process that measures each. */
import { opponentsOn, type Row } from './row.js';
import { allRows } from './rows/all.js';
import { cellCount } from './studies/grid.js';

/** A row, or one of two studies that do not compare rows. */
export type Task = Row | { readonly name: typeof growthName | typeof gridName };

export const growthName = 'growth of time and memory';
export const gridName = 'grid, fused against unfused';

export const allTasks: readonly Task[] = [...allRows, { name: growthName }, { name: gridName }];

/** The tasks of one process, which is started with its number of threads and instruction set. */
export interface Batch {
  readonly threads: number;
  readonly instructionSet?: 'avx2';
  readonly tasks: readonly Task[];
}

export function isRow(task: Task): task is Row {
  return 'opponents' in task;
}

export function batches(tasks: readonly Task[], threadCounts: readonly number[]): Batch[] {
  const avx2 = tasks.filter((task) => isRow(task) && task.instructionSet === 'avx2');
  const rows = tasks.filter((task) => isRow(task) && !avx2.includes(task));
  // Memory that other tasks have used would hide the memory that this one takes.
  const growth = tasks.filter(({ name }) => name === growthName);
  const grid = tasks.filter(({ name }) => name === gridName);
  const single = threadCounts.includes(1);
  return [
    ...threadCounts.map((threads) => ({ threads, tasks: rows })),
    ...(single ? [{ threads: 1, instructionSet: 'avx2' as const, tasks: avx2 }] : []),
    ...(single ? [{ threads: 1, tasks: growth }] : []),
    ...threadCounts.map((threads) => ({ threads, tasks: grid })),
  ].filter((batch) => batch.tasks.length > 0);
}

/** The number of steps that a batch reports. */
export function stepsOf({ threads, tasks }: Batch): number {
  return tasks
    .map((task) => {
      if (isRow(task)) return opponentsOn(threads, task).length;
      return task.name === gridName ? cellCount : 1;
    })
    .reduce((sum, steps) => sum + steps, 0);
}
