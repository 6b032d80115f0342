/** Measures the tasks named in its arguments, one after the other, and reports to its parent. */
import { nativeStatus } from '../lib/backends/native/native.js';
import { measureRow } from './measure-row.js';
import type { Message } from './results.js';
import { measureGrid } from './studies/grid.js';
import { measureGrowth } from './studies/growth.js';
import { allTasks, gridName, isRow } from './tasks.js';
import { threads } from './threads.js';

function tell(message: Message): void {
  process.send?.(message);
}

function begin(label: string): void {
  tell({ kind: 'begin', label });
}

async function main(names: readonly string[], seed: string): Promise<void> {
  for (const task of allTasks.filter(({ name }) => names.includes(name))) {
    if (isRow(task) && task.needs !== undefined && task.needs !== nativeStatus().instructionSet) {
      tell({ kind: 'absent', name: task.name });
    } else if (isRow(task)) {
      tell({ kind: 'row', result: await measureRow(task, seed, begin) });
    } else if (task.name === gridName) {
      tell({ kind: 'grid', result: await measureGrid(seed, threads, begin) });
    } else {
      begin(task.name);
      tell({ kind: 'growth', result: await measureGrowth(seed, threads) });
    }
  }
  process.disconnect();
}

// Also exits if the parent dies.
process.once('disconnect', () => process.exit());
void main(JSON.parse(process.argv[2]) as string[], process.argv[3]);
