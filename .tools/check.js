// Runs all checks of the sources except the tests. A failed check does not stop the others.
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = (...args) => ({ name: args[0].replace(/^.*\//, ''), args: [join(root, args[0]), ...args.slice(1)] });

const run = ({ name, args }) =>
  new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, maxBuffer: Infinity }, (error, stdout, stderr) => {
      process.stdout.write(stdout);
      process.stderr.write(stderr);
      console.log(`${error === null ? 'ok    ' : 'FAILED'} ${name}`);
      resolve(error === null);
    });
  });

// The other checks read the output of the build.
const isBuilt = await run(node('.tools/build.js'));
const steps = [
  node('node_modules/eslint/bin/eslint.js', '-c', '.tools/eslint.config.js', '--max-warnings', '0', '.'),
  node('node_modules/typescript/bin/tsc', '--noEmit', '-p', root),
  node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  node('.tools/docs.js', '--check'),
  node('.tools/api-docs.js', '--check'),
  node('.tools/pictures.js', '--check'),
  node('.tools/release/pack.js'),
];
const results = await Promise.all(steps.map(run));
process.exitCode = isBuilt && results.every(Boolean) ? 0 : 1;
