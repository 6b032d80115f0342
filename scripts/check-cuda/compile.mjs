/** Compiles every CUDA source with nvcc. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../cmake.mjs';

export function findCompiler() {
  const candidates = [process.env.CUDACXX, 'nvcc', '/usr/local/cuda/bin/nvcc'];
  return candidates.find((name) => name && spawnSync(name, ['--version']).status === 0);
}

export function versionOf(nvcc) {
  const { stdout } = spawnSync(nvcc, ['--version'], { encoding: 'utf8' });
  return /release ([\d.]+)/.exec(stdout)[1];
}

/**
 * The kernels of all sources; of PTX none, as it is not read.
 *
 * @returns {Promise<{ symbol: string, spilled: number, registers: number, cubin: string }[]>}
 */
export async function compileAll(nvcc, architecture, folder) {
  const sources = JSON.parse(readFileSync(join(root, 'native/sources.json'), 'utf8')).cuda;
  const waiting = sources.filter((name) => name.endsWith('.cu'));
  const kernels = [];
  const work = async () => {
    for (let source = waiting.shift(); source !== undefined; source = waiting.shift())
      kernels.push(...(await compile(nvcc, architecture, source, folder)));
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return kernels;
}

async function compile(nvcc, architecture, source, folder) {
  const ptx = architecture.startsWith('compute_');
  const result = join(folder, `${source.replaceAll('/', '-')}.${ptx ? 'ptx' : 'cubin'}`);
  const args = ['-std=c++20', '-O3', '-I', 'native', ptx ? '-ptx' : '-cubin', `-arch=${architecture}`];
  try {
    const { stderr, stdout } = await promisify(execFile)(
      nvcc,
      [...args, '-Xptxas=-v', '-o', result, source],
      { cwd: root, maxBuffer: 2 ** 26 },
    );
    return ptx ? [] : kernelsOf(stdout + stderr).map((kernel) => ({ ...kernel, cubin: result }));
  } catch (error) {
    throw new Error(
      `nvcc does not compile ${source}:\n${error.stdout ?? ''}${error.stderr ?? error.message}`,
    );
  }
}

/** Parses the kernels of a ptxas report. */
function kernelsOf(report) {
  return report
    .split("Compiling entry function '")
    .slice(1)
    .map((text) => ({
      symbol: text.slice(0, text.indexOf("'")),
      spilled: Number(/(\d+) bytes spill stores/.exec(text)[1]),
      registers: Number(/Used (\d+) registers/.exec(text)[1]),
    }));
}
