/** Formats the report that is printed at the end. */
import type { Results } from '../results.js';
import { barsOf } from './bars.js';
import { provenance } from './machine.js';
import { distributionTable, gridTable, growthTable, rowTable, type Table } from './table.js';

function layOut(table: Table): string {
  const widths = table[0].map((_, column) => Math.max(...table.map((cells) => cells[column].length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd();
  return table.map(line).join('\n');
}

function summary(results: Results): string {
  const bars = barsOf(results);
  const missed = bars.filter(({ met }) => !met);
  return [
    `${bars.length - missed.length} of ${bars.length} bars are met.`,
    ...(missed.length > 0 ? ['Not met:', ...missed.map(({ what }) => `  ${what}`)] : []),
  ].join('\n');
}

export function report(results: Results, older?: Results): string {
  const { growth } = results;
  const parts: [string, Table][] = [
    ['Times are medians; a ratio is the time of the other over that of heed.', rowTable(results, older)],
    ['Distributions of small calls', distributionTable(results)],
    [`Growth: steps to the power of ${growth[0]?.slope.toFixed(3)}`, growthTable(results)],
    ['Where fused attention gains least over unfused', gridTable(results, 8)],
  ];
  return [
    ...provenance(results),
    ...parts
      .filter(([, table]) => table.length > 1)
      .map(([title, table]) => `\n${title}\n\n${layOut(table)}`),
    '',
    summary(results),
  ].join('\n');
}
