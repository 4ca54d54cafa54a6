// Generates the declarations of the library.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ENTRY_POINTS = ['index.d.ts', 'api/oci.d.ts', 'api/server.d.ts'];

/**
 * Writes the declarations to a folder. Those that no entry point refers to, which are most of them, are removed.
 *
 * @param flags more flags for the compiler
 */
export function buildTypes(root, folder, flags = []) {
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(
    process.execPath,
    [compiler, '-p', join(root, '.tools/tsconfig.types.json'), '--outDir', folder, ...flags],
    {
      stdio: 'inherit',
    },
  );
  const used = new Set(ENTRY_POINTS.map((path) => join(folder, path)));
  for (const path of used)
    for (const [, reference] of readFileSync(path, 'utf8').matchAll(/\b(?:from|import\()\s*['"](\.[^'"]+)\.[jt]s['"]/g))
      used.add(join(dirname(path), `${reference}.d.ts`));
  for (const name of readdirSync(folder, { recursive: true }).filter((one) => one.endsWith('.d.ts')))
    if (!used.has(join(folder, name))) rmSync(join(folder, name));
}
