/** What the native addon can be built with. */
import { nativeStatus } from '../../backends/native/native.js';
import { packageRoot } from '../../package-root.js';
import { seekCompiler } from '../build/compiler.js';
import type { Sought } from '../build/programs.js';
import { remediesFor } from '../build/remedies.js';
import { allTools, isReady, survey } from '../build/tools.js';
import type { Finding, Section } from './finding.js';

/** The program that a build would use, after those that it would reject. */
function describe({ name, program, problems }: Sought): Finding[] {
  const passedOver = problems.map((problem) => ({ name, value: problem }));
  if (program !== undefined)
    return [...passedOver, { name, value: `${program.path}: ${program.description}` }];
  return problems.length > 0 ? passedOver : [{ name, value: 'not found' }];
}

/** @param needed whether there is no addon, so that one has to be built */
export function examineBuildTools(needed = !nativeStatus().loaded): Section {
  const compiler = seekCompiler();
  const surveys = allTools.map((tool) => survey(tool, packageRoot, compiler));
  // A tool needs first of all its own package, which was installed with heed.
  const needs = surveys.flatMap((found) => found.needs.slice(found.needs[0].program === undefined ? 0 : 1));
  const distinct = new Map(needs.map((sought) => [sought.name, sought]));
  const findings = [...distinct.values()].flatMap(describe);
  for (const found of surveys) {
    const lacking = found.needs.filter(({ program }) => program === undefined);
    const value = lacking.length === 0 ? 'ready' : `needs ${lacking.map(({ name }) => name).join(', ')}`;
    findings.push({ name: found.tool, value });
  }
  // An existing addon need not be built.
  if (needed && !surveys.some(isReady)) {
    const lacking = [...distinct.values()].filter(({ program }) => program === undefined);
    const last = findings.pop();
    const remedy = `install what building needs: ${remediesFor(lacking, []).join('; ')}`;
    if (last) findings.push({ ...last, remedy });
  }
  return { title: 'Build tools', findings };
}
