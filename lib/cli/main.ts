#!/usr/bin/env node
/** The command line: `heed attend`, `heed generate`, `heed doctor`, `heed build`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type AttendOptions, attend } from '../demo/attend.js';
import { attendModel } from '../demo/attend-model.js';
import { type GenerateOptions, generate } from '../demo/generate.js';
import { scoreNames, selectionNames, usualKinds } from '../demo/kinds.js';
import { HeedError } from '../errors.js';
import { version } from '../package-root.js';
import { type BuildOptions, build } from './build.js';
import { doctor } from './doctor.js';
import { Stopped } from './supervised/run.js';

function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a positive integer.');
}

function temperature(text: string): number {
  if (/^\d*\.?\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a number that is not negative.');
}

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
  $ heed attend --model                          through the heads of a trained language model
  $ heed generate "Once there was a fox"         lets that model tell a story
  $ heed attend --score cosine --select hard     with another kind of attention
  $ heed doctor                                  when something is slow or missing

Environment:
  HEED_BACKEND         auto, cuda, cpu or reference: what computes (default auto)
  HEED_NUM_THREADS     how many threads the cpu backend uses (default one per core)
  HEED_CPU_ISA         baseline, avx2 or avx512: the best instruction set it may use
  HEED_ADDON           the path of the addon to load (default: where heed builds and installs it)
  HEED_DEBUG           1: say on stderr what heed does
  HEED_REQUIRE_NATIVE  1: a build without a native addon has failed
  HEED_CUDA            ON or OFF: whether a build has the cuda backend (default AUTO: where nvcc is)
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
  .addOption(
    new Option(
      '-m, --model',
      'through the heads of the language model that heed brings along, which no one made by hand',
    ).conflicts(['score', 'select']),
  )
  .addOption(
    new Option('--score <score>', 'how alike words are: the score function')
      .choices(scoreNames)
      .default(usualKinds.score),
  )
  .addOption(
    new Option('--select <selection>', 'what is done with the weights; local is 8 words to either side')
      .choices(selectionNames)
      .default(usualKinds.select),
  )
  .option('-o, --out <page>', 'write the page here', 'attention.html')
  .action((text: string[], { model, ...options }: AttendOptions & { model?: true }) =>
    model ? attendModel(text, options) : attend(text, options),
  );

program
  .command('generate')
  .summary('let a small language model tell a story')
  .description(
    'Lets the language model that heed brings along write on, token by token, and tells how ' +
      'fast. It has learnt from little stories of one kind, and knows nothing else.',
  )
  .argument('[prompt...]', 'how the story begins (default: as the model likes)')
  .option(
    '-l, --length <tokens>',
    'the most tokens to write (default: until the story ends)',
    positiveInteger,
  )
  .option(
    '-t, --temperature <number>',
    '0 for the likeliest story, more for a more daring one',
    temperature,
    0.8,
  )
  .option('-s, --seed <text>', 'the same story for the same text (default: another every time)')
  .action((prompt: string[], options: GenerateOptions) => generate(prompt, options));

program
  .command('doctor')
  .summary('tell what heed found, tried and chose, and what to do about what is missing')
  .description(
    'Tells what this machine has, what became of loading the native addon, which backend computes, and whether it ' +
      'computes right; then what to do about what is missing. Exits with 1 if there is anything to do.',
  )
  .action(async () => {
    process.exitCode = (await doctor()) ? 0 : 1;
  });

program
  .command('build')
  .summary('build the native addon, if it is not there')
  .description(
    'Takes the native addon that is there if it loads and computes right; else builds one with cmake-js, else with ' +
      'node-gyp, else tells what is missing. heed then runs on its slow reference backend, and the command exits with 0 ' +
      'all the same, unless HEED_REQUIRE_NATIVE=1, HEED_CUDA=ON or --with says that it must not.',
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
  if (error instanceof Stopped) {
    process.exitCode = error.exitCode;
    return;
  }
  if (!(error instanceof HeedError)) throw error;
  console.error(`heed: ${error.message}`);
  process.exitCode = 1;
});
