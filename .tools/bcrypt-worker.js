// Bundles src/serve/bcrypt-worker.ts into a string: the bundled program and the tests, which run the sources, start the
// worker thread from the same code, without a file of its own.
import { build } from 'esbuild';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export async function compileBcryptWorker(root) {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'src/serve/bcrypt-worker.ts')],
    bundle: true,
    write: false,
    minify: true,
    platform: 'node',
    target: 'node20.19',
    format: 'cjs',
  });
  // Every copy must come with the licence. esbuild keeps comments that start with "!".
  const licence = readFileSync(join(root, 'node_modules/bcryptjs/LICENSE'), 'utf8');
  const out = join(root, 'src/serve/compiled');
  mkdirSync(out, { recursive: true });
  writeFileSync(
    join(out, 'bcrypt-worker-code.ts'),
    `/*!\n${licence}*/\nexport const workerCode: string = ${JSON.stringify(outputFiles[0].text)};\n`,
  );
}
