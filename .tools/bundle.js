// Bundles the library and the program with esbuild: docs/decisions/0003-command-line.md.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

// Parts of got that mlist never uses: HTTP/2, a response cache, a DNS cache, forms, decompression. Loading them would
// double the start-up time of a command that sends requests.
const UNUSED = ['http2-wrapper', 'cacheable-request', 'cacheable-lookup', 'decompress-response', 'form-data-encoder'];

// Packages that only some commands need. Each becomes a separate file, which Node loads on the first import.
const VENDORED = {
  got: 'default',
  'jsonc-parser': undefined,
  pako: undefined,
  'smol-toml': undefined,
  tldts: undefined,
  yaml: undefined,
};

// Generated modules that only some commands need. They are separate files too, and would be a quarter of the program.
const SEPARATE = /\/compiled\/(?:bcrypt|docker|specs|.*-all).*\.ts$/;

// The commit of the sources, with "-dirty" if they were changed. Undefined outside a git repository.
function commitOf(root) {
  if (!existsSync(join(root, '.git'))) return undefined;
  const args = ['describe', '--always', '--abbrev=40', '--dirty', '--exclude=*'];
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

export async function bundle(root) {
  const at = (...names) => join(root, ...names);
  const common = {
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    legalComments: 'linked',
    logLevel: 'warning',
    alias: {
      ...Object.fromEntries(UNUSED.map((name) => [name, at('.tools/unused-package.js')])),
      // esbuild cannot bundle the calls of require in its main file.
      'jsonc-parser': 'jsonc-parser/lib/esm/main.js',
    },
    // A dependency of got creates two list formatters when it is loaded, which takes as long as the rest of a request.
    define: { 'Intl.ListFormat': 'LazyListFormat', MLIST_COMMIT: JSON.stringify(commitOf(root)) ?? 'undefined' },
    inject: [at('.tools/lazy-list-format.js')],
  };
  const commonJs = {
    ...common,
    format: 'cjs',
    minify: true,
    // Node cannot detect the export names of these CommonJS files, so import() is compiled to require().
    supported: { 'dynamic-import': false },
  };
  // yargs-parser refers to import.meta.url, which CommonJS does not have.
  const commonJsWithUrl = {
    ...commonJs,
    define: { ...common.define, 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl=require('node:url').pathToFileURL(__filename).href;" },
  };
  await Promise.all([
    build({
      ...common,
      entryPoints: { index: at('src/index.ts'), oci: at('src/api/oci.ts'), server: at('src/api/server.ts') },
      outdir: at('dist'),
      format: 'esm',
      // The entry points share the error class.
      splitting: true,
      chunkNames: 'chunks/[name]-[hash]',
      minifySyntax: true,
      plugins: [namedExports(root)],
      // Some dependencies call require for Node's own modules.
      banner: {
        js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
      },
    }),
    // Two files, because Node compiles a file before that file can turn on the compile cache.
    build({
      ...commonJsWithUrl,
      entryPoints: { mlist: at('src/cli/bin.ts'), process: at('src/cli/process.ts') },
      outdir: at('dist/cli'),
      plugins: [separateFiles],
    }),
    build({
      ...commonJs,
      entryPoints: ['src/schema/compiled', 'src/server/compiled']
        .flatMap((folder) => readdirSync(at(folder)).map((name) => `${folder}/${name}`))
        .filter((path) => SEPARATE.test(path))
        .map((path) => at(path)),
      outdir: at('dist/cli'),
      entryNames: '[name]',
    }),
    ...Object.entries(VENDORED).map(([name, exported]) =>
      build({
        ...commonJsWithUrl,
        stdin: {
          contents: `module.exports = require('${name}')${exported === undefined ? '' : `.${exported}`};`,
          resolveDir: root,
        },
        outfile: at('dist/cli', `${name}.js`),
      }),
    ),
  ]);
}

// With splitting, esbuild gives the chunk of a CommonJS package only a default export. This adds the names that Node
// finds in it, so that `import()` returns the same names as in Node.
const namedExports = (resolveDir) => ({
  name: 'named-exports',
  setup({ onLoad, onResolve }) {
    const namespace = 'named-exports';
    const filter = new RegExp(`^(?:${Object.keys(VENDORED).join('|')})$`);
    onResolve({ filter }, ({ path, kind }) => (kind === 'dynamic-import' ? { path, namespace } : undefined));
    onLoad({ filter, namespace }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter((name) => !['default', 'module.exports'].includes(name));
      return { contents: `export { ${names.join(', ')} } from '${path}';`, resolveDir };
    });
  },
});

const separateFiles = {
  name: 'separate-files',
  setup({ onResolve }) {
    const filter = new RegExp(`^(?:${Object.keys(VENDORED).join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path: `./${path}.js`, external: true }));
    for (const local of [/^\.\/process\.ts$/, SEPARATE])
      onResolve({ filter: local }, ({ path }) => ({ path: `./${basename(path, '.ts')}.js`, external: true }));
  },
};
