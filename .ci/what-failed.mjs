// Says in few lines what failed in a step of .ci/run: its first failed tests, or the last that it said.
// `node .ci/what-failed.mjs STEP REPORT LOG`; REPORT is what test/reporter.ts wrote.
import { readFileSync } from 'node:fs';

const mostTests = 3;
const linesOfAnError = 9;
const linesOfALog = 25;

const [step, report, log] = process.argv.slice(2);
const linesOf = (file) => readFileSync(file, 'utf8').trimEnd().split('\n');
const indented = (text, most) =>
  text
    .split('\n')
    .slice(0, most)
    .map((line) => `    ${line}`);

const failed = linesOf(report)
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line))
  .flatMap((run) => run.failed.map((test) => ({ ...test, seed: run.seed })));

console.log(`\n━━ what failed in ${step} ━━`);
for (const { title, error, seed } of failed.slice(0, mostTests)) {
  console.log(`\n  ${title} (HEED_TEST_SEED=${seed})`);
  for (const each of error.split('\n\ncaused by: ')) console.log(indented(each, linesOfAnError).join('\n'));
}
if (failed.length > mostTests) console.log(`\n  and ${failed.length - mostTests} more tests`);
if (failed.length === 0) console.log(linesOf(log).slice(-linesOfALog).join('\n'));
