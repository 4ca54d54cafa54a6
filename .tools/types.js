// Generates the declarations of the library.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';

const ENTRY_POINTS = ['index', 'api/oci', 'api/server'];

/**
 * Writes the declarations to a folder: one file for each entry point, and those that they share. Declarations that no entry
 * point refers to are left out, which makes the package 70 KB smaller.
 *
 * @param flags more flags for the compiler
 */
export async function buildTypes(root, folder, flags = []) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const all = mkdtempSync(join(root, 'dist', 'types-'));
  try {
    execFileSync(
      process.execPath,
      [compiler, '-p', join(root, '.tools/tsconfig.types.json'), '--outDir', all, ...flags],
      { stdio: 'inherit' },
    );
    const bundle = await rollup({
      input: Object.fromEntries(ENTRY_POINTS.map((name) => [name, join(all, `${name}.d.ts`)])),
      external: /^node:/,
      plugins: [dts()],
      onLog: (level, { message }) => {
        // The parameters of some functions have types without a name in the API, as in the source.
        if (!message.includes('private shared type exports')) process.stderr.write(`${level}: ${message}\n`);
      },
    });
    await bundle.write({
      dir: folder,
      format: 'es',
      entryFileNames: '[name].d.ts',
      chunkFileNames: ({ name }) => `${name.replace(/\.d$/, '')}-[hash].d.ts`,
    });
  } finally {
    rmSync(all, { recursive: true });
  }
}
