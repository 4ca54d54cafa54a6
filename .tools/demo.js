// Installs and builds the package if necessary, then runs test/demo/demo.ts.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
execFileSync(process.execPath, [join(root, '.tools/ready.js')], { stdio: 'inherit' });

const { build } = await import(pathToFileURL(join(root, 'node_modules/esbuild/lib/main.js')).href);
const folder = mkdtempSync(join(tmpdir(), 'mlist-demo-'));
try {
  const outfile = join(folder, 'demo.mjs');
  await build({
    entryPoints: [join(root, 'test/demo/demo.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'warning',
  });
  const { status } = spawnSync(process.execPath, [outfile, join(root, 'dist/cli/mlist.js'), folder], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
