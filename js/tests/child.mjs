// Another process, for what can happen only once in each.

import { spawn } from 'node:child_process';

// Runs the text of a module in this folder. It has `world` and `assert`, and `report(value)`,
// whose values it returns. It must end by itself.
export async function child(text) {
  const lines = [
    `import assert from 'node:assert/strict';`,
    `const report = (value) => console.log('\\u0001' + JSON.stringify(value));`,
    text,
    `report('the end');`,
  ];
  const node = spawn(process.execPath, ['--input-type=module'], {
    cwd: new URL('.', import.meta.url),
    timeout: 20_000,
    stdio: 'pipe',
    // The test runner's own reporting is not for it.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_OPTIONS: undefined },
  });
  let out = '';
  let err = '';
  node.stdout.on('data', (chunk) => (out += chunk));
  node.stderr.on('data', (chunk) => (err += chunk));
  node.stdin.end(lines.join('\n'));
  const code = await new Promise((resolve) => node.on('close', (code, signal) => resolve(signal ?? code)));
  const reports = out
    .split('\n')
    .filter((line) => line.startsWith('\u0001'))
    .map((line) => JSON.parse(line.slice(1)));
  // A module that stops half way is no error to Node if somebody has caught its exceptions.
  const ended = reports.some((value) => value === 'the end');
  if (code !== 0 || !ended) throw new Error(`the process ended with ${code}:\n${err}${out}`);
  return reports.filter((value) => value !== 'the end');
}
