// Builds the package: validators from the schemas, the library and the program as bundles, the library's types.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileBcryptWorker } from './bcrypt-worker.js';
import { asCommonJs } from './common-js.js';
import { leanPackages } from './lean-packages.js';
import { aheadFolder, HEADS, programParts } from './program-parts.js';
import { compileValidators } from './validators.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);

// An installed package is built already, and has no sources.
if (!existsSync(at('src'))) process.exit(0);

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  // A package's ES modules before its CommonJS, of whose names a split bundle leaves but one: `default`.
  mainFields: ['module', 'main'],
  legalComments: 'linked',
  logLevel: 'warning',
};

// Some of what is bundled still calls require for Node's own modules.
const banner = {
  js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
};

await compileValidators(root);
await compileBcryptWorker(root);
rmSync(at('dist'), { recursive: true, force: true });
await build({
  ...common,
  entryPoints: [at('src/index.ts')],
  outfile: at('dist/index.js'),
  minifySyntax: true,
  banner,
  plugins: [leanPackages],
});
// The program: docs/decisions/0003-command-line.md.
const parts = await build({
  ...common,
  entryPoints: [at('src/cli/mlist.ts')],
  outdir: at('dist/cli'),
  splitting: true,
  write: false,
  metafile: true,
  // Every byte is parsed at each start.
  minify: true,
  plugins: [programParts(root), leanPackages],
  chunkNames: 'parts/[name]-[hash]',
});
const licences = parts.outputFiles.filter(({ path }) => !path.endsWith('.js'));
const program = await asCommonJs(parts, HEADS);
for (const { path, text } of [...licences, ...program]) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}
const heads = program
  .map(({ path }) => path)
  .filter((path) => HEADS.some((head) => basename(path).startsWith(`${head}-`)));
execFileSync(process.execPath, [at('.tools/compile-ahead.js'), aheadFolder(root), ...heads], {
  stdio: 'inherit',
  // As a user's Node runs, whatever this one was told.
  env: { ...process.env, NODE_OPTIONS: '' },
});
writeFileSync(at('dist/cli/package.json'), '{ "type": "commonjs" }\n');
chmodSync(at('dist/cli/mlist.js'), 0o755);
if (!process.argv.includes('--quick')) {
  execFileSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('.tools/tsconfig.types.json')], {
    stdio: 'inherit',
  });
}
