#!/usr/bin/env node
/** The command line: `heed attend`, `heed doctor`, `heed build`. */
import { Command, Option } from 'commander';
import { HeedError } from '../errors.js';
import { type AttendOptions, attend } from './attend.js';
import { type BuildOptions, build } from './build.js';
import { doctor } from './doctor.js';
import { version } from './version.js';

const program = new Command('heed')
  .description('Fused attention for Node.js: see it at work, and see to its native addon.')
  .version(version, '-v, --version', 'print the version of heed')
  .helpOption('-h, --help', 'print this help')
  .helpCommand('help [command]', 'print the help of a command')
  .showHelpAfterError('(heed --help tells what there is)')
  .addHelpText(
    'after',
    `
Examples:
  $ heed attend                                  on the text that heed brings along
  $ heed attend letter.txt --word sincerely      on a file
  $ heed attend "to be or not to be" --causal    on a few words
  $ heed doctor                                  when something is slow or missing

Environment:
  HEED_BACKEND         auto, cpu or reference: what computes (default auto)
  HEED_NUM_THREADS     how many threads the cpu backend uses (default one per core)
  HEED_CPU_ISA         baseline, avx2 or avx512: the best instruction set it may use
  HEED_DEBUG           1: say on stderr what heed does
  HEED_REQUIRE_NATIVE  1: a build without a native addon has failed
  NO_COLOR             1: print without colours`,
  );

program
  .command('attend')
  .summary('show what attention heads see in a text')
  .description(
    'Sends a text through two layers of multi-head attention with heads of known meaning, tells which words ' +
      'influence one of them, and how fast that was, and writes a page with heat maps and lines.',
  )
  .argument('[text...]', 'the name of a text file, or words (default: a text that heed brings along)')
  .option('-f, --file <file>', 'read the text from this file')
  .option('-w, --word <word>', 'tell about this word (default: one that is long and frequent)')
  .option('-c, --causal', 'let no word look at a later one')
  .option('-o, --out <page>', 'write the page here', 'attention.html')
  .action((text: string[], options: AttendOptions) => attend(text, options));

program
  .command('doctor')
  .summary('tell what heed found, tried and chose, and what to do about what is missing')
  .description(
    'Tells what this machine has, what became of loading the native addon, which backend computes, and whether it ' +
      'computes right; then what to do about what is missing. Exits with 1 if there is anything to do.',
  )
  .action(() => {
    process.exitCode = doctor() ? 0 : 1;
  });

program
  .command('build')
  .summary('build the native addon, if it is not there')
  .description(
    'Takes the native addon that is there if it can be used; else builds one with cmake-js, else with node-gyp, else ' +
      'tells what is missing. heed then runs on its slow reference backend, and exits with 0 all the same, unless ' +
      'HEED_REQUIRE_NATIVE=1 or --with says that it must not.',
  )
  .addOption(
    new Option('--with <tool>', 'build with this tool (default: the first that works)').choices([
      'cmake-js',
      'node-gyp',
    ]),
  )
  .option('--force', 'build even where a usable addon is there')
  .action(async (options: BuildOptions) => {
    process.exitCode = await build(options);
  });

program.parseAsync().catch((error: unknown) => {
  if (!(error instanceof HeedError)) throw error;
  console.error(`heed: ${error.message}`);
  process.exitCode = 1;
});
