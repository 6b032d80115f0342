#!/usr/bin/env node
/** The command line: `heed attend`, `heed generate`, `heed quantize`, `heed doctor`, `heed build`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type AttendOptions, attend } from '../demo/attend.js';
import { attendModel } from '../demo/attend-model.js';
import { type GenerateOptions, generate } from '../demo/generate.js';
import { scoreNames, selectionNames, usualKinds } from '../demo/kinds.js';
import { HeedError } from '../errors.js';
import { version } from '../package-root.js';
import { quantisedTypes } from '../problem/quantised-weight.js';
import { type BuildOptions, build } from './build.js';
import { doctor } from './doctor.js';
import { type QuantizeOptions, quantize } from './quantize.js';
import { Stopped } from './supervised/run.js';

function positiveInteger(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a positive integer.');
}

function temperature(text: string): number {
  if (/^\d*\.?\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected a non-negative number.');
}

const program = new Command('heed')
  .description(
    'Fused attention for Node.js: shows attention at work, and builds and checks the native addon.',
  )
  .version(version, '-v, --version', 'print the version of heed')
  .helpOption('-h, --help', 'print this help')
  .helpCommand('help [command]', 'print the help of a command')
  .showHelpAfterError('(heed --help lists the commands)')
  .addHelpText(
    'after',
    `
Examples:
  $ heed attend                                  on the text that comes with heed
  $ heed attend letter.txt --word sincerely      on a file
  $ heed attend "to be or not to be" --causal    on a few words
  $ heed attend --model                          through the heads of a trained language model
  $ heed generate "Once there was a fox"         let that model tell a story
  $ heed attend --score cosine --select hard     with another kind of attention
  $ heed quantize model.safetensors              round a model's weights to int8
  $ heed doctor                                  when something is slow or missing

Environment:
  HEED_BACKEND         auto, cuda, cpu or reference: the backend that computes (default auto)
  HEED_NUM_THREADS     the number of threads of the cpu backend (default one per core)
  HEED_CPU_ISA         baseline, avx2, avxvnni, avx512, avx512vnni or avx512bf16, on arm64
                       baseline or dotprod: the best instruction set to use
  HEED_ADDON           the path of the addon to load (default: where heed builds and installs it)
  HEED_DEBUG           1: print on stderr what heed does
  HEED_REQUIRE_NATIVE  1: a build fails if it produces no native addon
  HEED_CUDA            ON or OFF: build with the cuda backend or without (default AUTO: if nvcc is installed)
  NO_COLOR             1: print without colours`,
  );

program
  .command('attend')
  .summary('show what attention heads look at in a text')
  .description(
    'Runs two layers of multi-head attention, whose heads have known meanings, over a text. Prints which words ' +
      'influence one of them and how fast that was, and writes a page with heat maps and lines.',
  )
  .argument('[text...]', 'the name of a text file, or words (default: a text that comes with heed)')
  .option('-f, --file <file>', 'read the text from this file')
  .option('-w, --word <word>', 'report on this word (default: one that is long and frequent)')
  .option('-c, --causal', 'let no word look at a later one')
  .addOption(
    new Option('-m, --model', 'use the trained heads of the language model that comes with heed').conflicts([
      'score',
      'select',
    ]),
  )
  .addOption(
    new Option('--score <score>', 'the score function, which measures how alike words are')
      .choices(scoreNames)
      .default(usualKinds.score),
  )
  .addOption(
    new Option('--select <selection>', 'how the weights select values; local is 8 words to either side')
      .choices(selectionNames)
      .default(usualKinds.select),
  )
  .option('-o, --out <page>', 'write the page to this file', 'attention.html')
  .action((text: string[], { model, ...options }: AttendOptions & { model?: true }) =>
    model ? attendModel(text, options) : attend(text, options),
  );

program
  .command('generate')
  .summary('let a small language model tell a story')
  .description(
    'Continues a text, token by token, with the language model that comes with heed, and prints the speed. ' +
      'The model has learnt from little stories of one kind, and knows nothing else.',
  )
  .argument('[prompt...]', 'the beginning of the story (default: the model chooses one)')
  .option(
    '-l, --length <tokens>',
    'the largest number of tokens to write (default: until the story ends)',
    positiveInteger,
  )
  .option(
    '-t, --temperature <number>',
    '0 for the likeliest story, more for a more daring one',
    temperature,
    0.8,
  )
  .option('-s, --seed <text>', 'the same text gives the same story (default: another one every time)')
  .addOption(
    new Option('-w, --weights <type>', 'what the weights are rounded to (default: they are float32)').choices(
      quantisedTypes,
    ),
  )
  .action((prompt: string[], options: GenerateOptions) => generate(prompt, options));

program
  .command('quantize')
  .summary('round the weights of a model to int8 or int4')
  .description(
    "Rounds the weights of all linear maps of a safetensors file, an index of several, or a model's directory, and " +
      'writes what MultiHeadAttention.load reads without a floating-point copy. Embeddings, norms, biases, routers of ' +
      'experts and the head that scores tokens stay as they are. Prints how far each weight is off.',
  )
  .argument('<file>', 'the name of a file or a directory')
  .addOption(
    new Option('-t, --type <type>', 'what weights are rounded to').choices(quantisedTypes).default('int8'),
  )
  .option(
    '-o, --out <path>',
    'write to this file, or directory (default: beside it, with the type in its name)',
  )
  .action((path: string, options: QuantizeOptions) => quantize(path, options));

program
  .command('doctor')
  .summary('print what heed found, tried and chose, and how to fix what is missing')
  .description(
    'Prints what this machine has, whether the native addon was loaded, which backend computes, and whether its ' +
      'results are correct; then how to fix what is missing. Exits with 1 if there is anything to fix.',
  )
  .action(async () => {
    process.exitCode = (await doctor()) ? 0 : 1;
  });

program
  .command('build')
  .summary('build the native addon, unless a usable one exists')
  .description(
    'Uses the existing native addon if it loads and computes correct results. Otherwise builds one with cmake-js, or ' +
      'else with node-gyp. If neither works, prints what is missing; heed then runs on its slow reference backend. The ' +
      'command exits with 0 in that case, too, unless HEED_REQUIRE_NATIVE=1, HEED_CUDA=ON or --with is given.',
  )
  .addOption(
    new Option('--with <tool>', 'build with this tool (default: the first that works)').choices([
      'cmake-js',
      'node-gyp',
    ]),
  )
  .option('--force', 'build even if a usable addon exists')
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
