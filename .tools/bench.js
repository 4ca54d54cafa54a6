// Builds the package if necessary, then runs test/bench/main.ts: `npm run bench`, or `npm run bench -- startup` for one part.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
execFileSync(process.execPath, [join(root, '.tools/ready.js')], { stdio: 'inherit' });

const { build } = await import(pathToFileURL(join(root, 'node_modules/esbuild/lib/main.js')).href);
const folder = mkdtempSync(join(tmpdir(), 'mlist-bench-'));
try {
  const banner = {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  };
  await build({
    entryPoints: Object.fromEntries(
      ['main', 'bare', 'relay'].map((name) => [name, join(root, `test/bench/${name}.ts`)]),
    ),
    bundle: true,
    platform: 'node',
    format: 'esm',
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    banner,
    logLevel: 'warning',
  });
  // Extra CA certificates slow down the start of Node, up to a factor of two, which would distort the results.
  const env = { ...process.env };
  for (const name of ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_OPTIONS']) delete env[name];
  const { status } = spawnSync(process.execPath, [join(folder, 'main.mjs'), root, folder, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env,
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
