// Builds the package: validators from the schemas, the library and the program as bundles, the library's types.
import { build, transform } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { programParts } from './program-parts.js';
import { compileValidators } from './validators.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...names) => join(root, ...names);

// An installed package is built already, and has no sources.
if (!existsSync(at('src'))) process.exit(0);

// What got could do and is never asked for here, with the packages and modules of Node's that it would load for it at
// each start: HTTP/2, a cache of answers, a cache of names. Who asks for it all the same gets an error.
const unused = {
  'http2-wrapper': 'export default {};',
  'cacheable-request': 'export class CacheError extends Error {} export default class {}',
  'cacheable-lookup': 'export default class {}',
};
const withoutUnused = {
  name: 'without-unused',
  setup(builder) {
    const filter = new RegExp(`^(?:${Object.keys(unused).join('|')})$`);
    builder.onResolve({ filter }, ({ path }) => ({ path, namespace: 'unused' }));
    builder.onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({ contents: unused[path] }));
  },
};

const common = {
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  legalComments: 'linked',
  logLevel: 'warning',
  // Some of what is bundled still calls require for Node's own modules.
  banner: {
    js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
  },
};

// Some of what is bundled still calls require for Node's own modules.
const banner = {
  js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
};

async function toCommonJs(text) {
  const needsUrl = text.includes('import.meta.url');
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    minify: true,
    supported: { 'dynamic-import': false },
    define: needsUrl ? { 'import.meta.url': '__url' } : {},
    banner: needsUrl ? "const __url=require('node:url').pathToFileURL(__filename).href;" : '',
  });
  return code;
}

await compileValidators(root);
rmSync(at('dist'), { recursive: true, force: true });
await build({
  ...common,
  entryPoints: [at('src/index.ts')],
  outfile: at('dist/index.js'),
  minifySyntax: true,
  banner,
  plugins: [withoutUnused],
});
// The program is cut into parts as ES modules, since only these can be cut, and then turned into CommonJS, which Node
// starts quicker: docs/decisions/0003-command-line.md.
const parts = await build({
  ...common,
  entryPoints: [at('src/cli/mlist.ts')],
  outdir: at('dist/cli'),
  splitting: true,
  write: false,
  // Every byte is parsed at each start.
  minify: true,
  plugins: [programParts(root), withoutUnused],
  chunkNames: 'parts/[name]-[hash]',
});
for (const { path, text } of parts.outputFiles) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, path.endsWith('.js') ? await toCommonJs(text) : text);
}
writeFileSync(at('dist/cli/package.json'), '{ "type": "commonjs" }\n');
chmodSync(at('dist/cli/mlist.js'), 0o755);
if (!process.argv.includes('--quick')) {
  execFileSync(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', at('.tools/tsconfig.types.json')], {
    stdio: 'inherit',
  });
}
