// Installs and builds the package if necessary, then runs the demo in test/demo.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
for (const script of ['.tools/ready.js', 'test/demo/demo.js']) {
  const { status } = spawnSync(process.execPath, [join(root, script)], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
  if (status !== 0) break;
}
