// Bundles src/server/bcrypt-worker.ts into a string. The bundled program and the tests start the worker thread from this
// string, so that the worker needs no file of its own.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export async function compileBcryptWorker(root) {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'src/server/bcrypt-worker.ts')],
    bundle: true,
    write: false,
    minify: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
  });
  // Every copy must include the licence. esbuild keeps comments that start with "!".
  const licence = readFileSync(join(root, 'node_modules/bcryptjs/LICENSE'), 'utf8');
  const out = join(root, 'src/server/compiled');
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, 'bcrypt-worker-code.ts'),
    `/*!\n${licence}*/\nexport const workerCode: string = ${JSON.stringify(outputFiles[0].text)};\n`,
  );
}
