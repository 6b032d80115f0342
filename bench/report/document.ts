/** Writes the generated part of docs/performance.md from a JSON file. */
import type { OpponentResult, Results, RowResult } from '../results.js';
import { barsOf, scalingOf } from './bars.js';
import { formatPercent, formatRatio, formatTime } from './format.js';
import { provenance } from './machine.js';
import { missedRatios } from './out-of-reach.js';
import { distributionTable, gridTable, growthTable, type Table } from './table.js';

/** The markers around that part; the first names the file in bench/results, without its extension. */
const markers = /(<!-- results of )([\w-]+)( -->\n)[\s\S]*?(<!-- end of results -->)/;

/** The name of the results that a document shows. */
export function shownResults(document: string): string {
  const found = markers.exec(document)?.[2];
  if (found === undefined) throw new Error('Expected the document to have the markers around its results');
  return found;
}

export function withResults(document: string, name: string, results: Results): string {
  return document.replace(
    markers,
    (_, begin: string, __, close: string, end: string) =>
      `${begin}${name}${close}\n${written(name, results)}\n${end}`,
  );
}

function markdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(table[0]), line(table[0].map(() => '---')), ...table.slice(1).map(line)].join('\n');
}

function mark(met: boolean): string {
  return met ? '✓' : '✗';
}

function ratioCell(opponent: OpponentResult | undefined): string {
  if (opponent?.duel === undefined) return '';
  const { duel, bar } = opponent;
  return `${formatRatio(duel.ratio)}${bar === undefined ? '' : ` ${mark(duel.ratio >= bar)}`}`;
}

function limitCell(row: RowResult | undefined): string {
  if (row?.limit === undefined) return '';
  const { share, bar } = row.limit;
  return `${formatPercent(share)}${bar === undefined ? '' : ` ${mark(share >= bar)} ${100 * bar}`}`;
}

function scalingCell(row: RowResult | undefined, results: Results): string {
  const scaling = row && scalingOf(row, results);
  if (scaling === undefined) return '';
  const { ratio, bar } = scaling;
  return `${formatRatio(ratio)}${bar === undefined ? '' : ` ${mark(ratio >= bar)}`}`;
}

/** One line per opponent, with one thread and two threads side by side. */
function sectionTable(section: string, results: Results): Table {
  const rows = results.rows.filter((row) => row.section === section);
  const find = (name: string, threads: number) =>
    rows.find((row) => row.name === name && row.threads === threads);
  const lines = [...new Set(rows.map(({ name }) => name))].flatMap((name) => {
    const [one, two] = [find(name, 1), find(name, 2)];
    return (
      (one ?? two)?.opponents.map(({ peer, bar }, i) => {
        const against = (row: RowResult | undefined) => row?.opponents.find((other) => other.peer === peer);
        const first = (cell: string) => (i === 0 ? cell : '');
        return [
          first(name),
          first(one ? formatTime(one.times.median) : ''),
          first(limitCell(one)),
          first(limitCell(two)),
          first(scalingCell(two, results)),
          peer,
          ratioCell(against(one)),
          ratioCell(against(two)),
          bar === undefined ? '' : `${bar}×`,
        ];
      }) ?? []
    );
  });
  return [
    ['work', 'time', 'of limit', 'of limit on 2', '2 over 1', 'against', 'ratio', 'ratio on 2', 'bar'],
    ...lines,
  ];
}

/** Ratios that missed their bar; those beyond the limit of this machine come first. */
function missedTable(results: Results): Table {
  const missed = missedRatios(results).map((each) => ({ ...each, possible: each.atLimit >= each.bar }));
  return [
    ['work', 'threads', 'against', 'ratio', 'at 100 % of the limit', 'bar', 'can be reached'],
    ...missed
      .sort((a, b) => Number(a.possible) - Number(b.possible))
      .map(({ row, against, ratio, atLimit, bar, possible }) => [
        row.name,
        String(row.threads),
        against,
        formatRatio(ratio),
        formatRatio(atLimit),
        `${bar}×`,
        possible ? 'yes' : 'no',
      ]),
  ];
}

function written(name: string, results: Results): string {
  const { rows, absent = [], growth, grid } = results;
  const bars = barsOf(results);
  const chart = (kind: string, alternative: string) =>
    `![${alternative}](../bench/results/${name}-${kind}.svg)\n`;
  const sections = [...new Set(rows.map(({ section }) => section))];
  return [
    `${provenance(results).join('.\n')}.\n`,
    `${bars.filter(({ met }) => met).length} of ${bars.length} bars are met.\n` +
      `Everything is in [${name}.json](../bench/results/${name}.json).\n`,
    chart('ratios', 'How much faster heed is than its peers'),
    chart('limits', 'How much of the machine heed uses'),
    ...sections.map((section) => `### ${section}\n\n${markdown(sectionTable(section, results))}\n`),
    ...(absent.length > 0
      ? [`Not on this machine:\n\n${absent.map((name) => `- ${name}`).join('\n')}\n`]
      : []),
    '### Ratios that were not reached\n\n' +
      'The ratios at the limit of the machine, if the time of the other contender stayed the same:\n\n' +
      `${markdown(missedTable(results))}\n`,
    `The distribution of the times of small calls:\n\n${markdown(distributionTable(results))}\n`,
    ...(growth.length > 0
      ? [
          `### Growth\n\nDense attention, H12 D64: time grows as steps to the power of ${growth[0].slope.toFixed(3)}.\n\n${markdown(growthTable(results))}\n`,
        ]
      : []),
    ...(grid.length > 0 ? [`### Where fusing gains least\n\n${markdown(gridTable(results, 4))}\n`] : []),
  ].join('\n');
}
