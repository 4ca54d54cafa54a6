// Everything that must hold of the sources, short of the tests. All of it runs, so that all that is wrong is seen at once.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const node = (...args) => ({ name: args[0].replace(/^.*\//, ''), args: [join(root, args[0]), ...args.slice(1)] });

const steps = [
  node('.tools/build.js'),
  node('node_modules/typescript/bin/tsc', '--noEmit', '-p', root),
  node('node_modules/eslint/bin/eslint.js', '-c', '.tools/eslint.config.js', '--max-warnings', '0', '.'),
  node('node_modules/prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.'),
  node('.tools/docs.js', '--check'),
];

const failed = steps.filter(({ name, args }) => {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name}`);
  return status !== 0;
});
process.exitCode = failed.length === 0 ? 0 : 1;
