// Preloaded into the built program (`node --import`): kills the process at a given step, and prints the number of steps
// where it was not killed. A step is a change of a file that is about to happen, a request that has been sent, or an
// answer whose headers have arrived, so that a sweep over all steps is the same on every machine.
import { subscribe } from 'node:diagnostics_channel';
import fs, { writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';

const killAt = Number(process.env.MLIST_TEST_KILL_AT);
let steps = 0;

function step() {
  steps += 1;
  if (steps === killAt) process.kill(process.pid, 'SIGKILL');
}

/** Counts each call of these methods that satisfies the condition. */
function countCalls(object, names, isStep = () => true) {
  for (const name of names) {
    const original = object[name];
    object[name] = function (...args) {
      if (isStep(...args)) step();
      return original.apply(this, args);
    };
  }
}

const handle = await fs.promises.open(fileURLToPath(import.meta.url));
const FileHandle = Object.getPrototypeOf(handle);
await handle.close();
countCalls(FileHandle, ['write', 'writeFile', 'sync', 'truncate']);
countCalls(fs.promises, ['link', 'mkdir', 'rename', 'rm', 'unlink', 'utimes', 'writeFile']);
countCalls(fs.promises, ['open'], (_path, flags) => /[wax+]/.test(String(flags)));
syncBuiltinESMExports();
subscribe('http.client.request.start', step);
subscribe('http.client.response.finish', step);
process.on('exit', () => writeSync(2, `steps: ${steps}\n`));
