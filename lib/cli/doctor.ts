/** `heed doctor`: what was found, tried and chosen, and how to fix what is missing. */

import { packageRoot, version } from '../package-root.js';
import { examineBuildTools } from './doctor/build-tools.js';
import type { Section } from './doctor/finding.js';
import { examineBackend, examineCuda, examineMachine } from './doctor/machine.js';
import { examineNative } from './doctor/native.js';
import { environmentComplaint, examineVariables } from './doctor/variables.js';
import { Painter, pad } from './terminal.js';

/** With an invalid variable heed does not load anything. */
async function examineRest(): Promise<Section[]> {
  if (environmentComplaint()) return [];
  const { section, harmless } = await examineNative();
  if (!harmless) return [section, examineBuildTools(true)];
  return [section, examineCuda(), examineBuildTools(), examineBackend()];
}

/** Prints the findings; returns whether all is well. */
export async function doctor(): Promise<boolean> {
  const painter = Painter.for(process.stdout);
  const sections = [examineMachine(), examineVariables(), ...(await examineRest())];
  console.log(`\n${painter.paint('bold', `heed ${version}`)} in ${packageRoot}`);
  for (const section of sections) print(section, painter);
  const remedies = sections.flatMap(({ findings }) => findings).flatMap(({ remedy }) => remedy ?? []);
  if (remedies.length === 0) console.log(`\n${painter.paint('green', 'All is well.')}\n`);
  else {
    console.log(`\n${painter.paint('bold', 'What to do')}`);
    for (const remedy of remedies) console.log(`  ${painter.paint('yellow', '→')} ${remedy}`);
    console.log();
  }
  return remedies.length === 0;
}

function print({ title, findings }: Section, painter: Painter): void {
  console.log(`\n${painter.paint('bold', title)}`);
  for (const { name, value, remedy } of findings) {
    const label = painter.paint('dim', pad(name, 30));
    console.log(`  ${label}${remedy ? painter.paint('yellow', value) : value}`);
  }
}
