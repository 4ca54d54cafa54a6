// Bundles src/server/auth/bcrypt-worker.ts into a string. The bundled program and the tests start the worker thread from this
// string, so that the worker needs no file of its own.
import { build } from 'esbuild';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @returns the metafiles of esbuild, which name the packages whose code is in the string */
export async function compileBcryptWorker(root) {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, 'src/server/auth/bcrypt-worker.ts')],
    bundle: true,
    write: false,
    metafile: true,
    absWorkingDir: root,
    legalComments: 'none',
    minify: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
  });
  const out = join(root, 'src/server/compiled');
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, 'bcrypt-worker-code.ts'),
    `export const workerCode: string = ${JSON.stringify(outputFiles[0].text)};\n`,
  );
  return [metafile];
}
