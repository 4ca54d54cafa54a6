// Makes the pictures in docs/pictures. With --check it only reports whether they are up to date.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

if (process.platform === 'win32' || spawnSync('python3', ['-c', 'import pty']).status !== 0) {
  console.log('skipped: the pictures need a pseudo-terminal, which python3 creates');
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'mlist-pictures-'));
try {
  await build({
    entryPoints: ['pictures', 'program'].map((name) => join(root, `test/pictures/${name}.ts`)),
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    banner: {
      js: "import { createRequire as bannerRequire } from 'node:module'; const require = bannerRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  const { status } = spawnSync(
    process.execPath,
    [join(folder, 'pictures.mjs'), join(folder, 'program.mjs'), join(root, 'docs/pictures'), ...process.argv.slice(2)],
    { stdio: 'inherit' },
  );
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
