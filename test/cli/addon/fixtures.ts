/** Addons with various faults, compiled from a few lines. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nativeStatus } from '../../../lib/backends/native/native.js';

const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');

/** The addon that the tests run with. */
export const realAddon = String(nativeStatus().path);

/** The real addon, after this code has changed its exports. */
export function meddling(code: string): string {
  return `
    #include <dlfcn.h>
    #include <math.h>
    #include <node_api.h>
    #include <unistd.h>
    static napi_value nothing(napi_env env, napi_callback_info info) { return nullptr; }
    NAPI_MODULE_INIT() {
      void* real = dlopen(${JSON.stringify(realAddon)}, RTLD_NOW);
      auto init = reinterpret_cast<napi_value (*)(napi_env, napi_value)>(dlsym(real, "napi_register_module_v1"));
      napi_value result = init(env, exports);
      napi_value nothing_at_all;
      napi_create_function(env, "nothing", NAPI_AUTO_LENGTH, nothing, nullptr, &nothing_at_all);
      ${code}
      return result;
    }`;
}

/** Compiles an addon; `flags` go to the linker as well. */
export function compile(path: string, code: string, flags: readonly string[] = []): string {
  const source = `${path}.cc`;
  writeFileSync(source, code);
  const args = ['-shared', '-fPIC', '-DNAPI_VERSION=9', `-I${headers}`, '-o', path, source, ...flags];
  const undefinedLater = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const { status, stderr } = spawnSync('c++', [...args, ...undefinedLater], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return path;
}
