/** Next.js applications: the default build, and the standalone output copied elsewhere. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { run } from '../package/run.mjs';
import { guideFile } from './guide.mjs';
import { installHeed } from './project.mjs';

const packages = ['next@16.4.6', 'react@19.2.0', 'react-dom@19.2.0'];

const page = `
import { attention, devices, Tensor } from 'heed';
export const dynamic = 'force-dynamic';
export default async function Page() {
  const x = new Tensor(new Float32Array(16).fill(1), [1, 1, 2, 8]);
  const { data } = await attention(x, x, x);
  return <p>{\`computed \${data[0].toFixed(3)} on \${devices().find((device) => device.preferred).backend}\`}</p>;
}
`;

const layout = `
export default function Layout({ children }) {
  return <html lang="en"><body>{children}</body></html>;
}
`;

export async function checkNext(work) {
  process.env.NEXT_TELEMETRY_DISABLED = '1';
  const project = join(work, 'application');
  mkdirSync(join(project, 'app'), { recursive: true });
  writeFileSync(join(project, 'package.json'), '{ "private": true }\n');
  writeFileSync(join(project, 'app', 'page.jsx'), page);
  writeFileSync(join(project, 'app', 'layout.jsx'), layout);
  run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { cwd: project });
  installHeed(project, work);
  for (const bundler of ['--turbopack', '--webpack']) {
    build(project, bundler, 'export default {};\n');
    await expectPage(`as it comes, ${bundler}`, project, ['node_modules/next/dist/bin/next', 'start']);
    build(project, bundler, guideFile('next.config.mjs'));
    const standalone = join(work, 'standalone');
    cpSync(join(project, '.next', 'standalone'), standalone, { recursive: true });
    await expectPage(`standalone, ${bundler}`, standalone, ['server.js']);
    rmSync(standalone, { recursive: true });
  }
}

function build(project, bundler, config) {
  rmSync(join(project, '.next'), { recursive: true, force: true });
  writeFileSync(join(project, 'next.config.mjs'), config);
  run('npx', ['next', 'build', bundler], { cwd: project });
}

/** A free port. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

async function expectPage(what, cwd, args) {
  const port = await freePort();
  const env = { ...process.env, PORT: String(port), HOSTNAME: '127.0.0.1' };
  const server = spawn(process.execPath, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (text) => (said += text));
  const ended = once(server, 'exit');
  try {
    let text;
    while (text === undefined && server.exitCode === null) {
      await setTimeout(100);
      text = await fetch(`http://127.0.0.1:${port}/`).then(
        (answer) => answer.text(),
        () => undefined,
      );
    }
    assert.match(
      String(text),
      /computed 1\.000 on cpu/,
      `Next.js ${what}: the page was to be computed natively\n${said}`,
    );
    assert.doesNotMatch(said, /HEED|heed/, `Next.js ${what}: heed was to be silent\n${said}`);
  } finally {
    server.kill();
    await ended;
  }
  console.log(`Next.js ${what}: cpu`);
}
