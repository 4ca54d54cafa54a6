// Bundles the library and the program with esbuild: docs/decisions/0003-command-line.md.
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { bundleProgram } from './split-program.js';

// Parts of got that mlist never uses: HTTP/2, a response cache, a DNS cache, forms, decompression. Loading them would
// double the start-up time of a command that sends requests.
const UNUSED = ['http2-wrapper', 'cacheable-request', 'cacheable-lookup', 'decompress-response', 'form-data-encoder'];

// Packages that only some commands need. Each becomes a separate file in dist/cli, which Node loads on the first import. The
// library uses the same files.
const VENDORED = {
  got: 'default',
  'jsonc-parser': undefined,
  pako: undefined,
  'smol-toml': undefined,
  tldts: undefined,
  yaml: undefined,
};

// Generated modules that only some commands need. They are separate files, too.
const SEPARATE = /\/compiled\/(?:bcrypt-worker-code|draft-all|specs-(?:all|first)|state-all)\.ts$/;

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

/**
 * Bundles the package into dist/.
 *
 * @returns the metafiles of esbuild, which name the packages whose code is in the output
 */
export async function bundle(root) {
  const at = (...names) => join(root, ...names);
  const common = commonOptions(root);
  const commonJs = { ...common, ...COMMON_JS };
  const commonJsWithUrl = { ...common, ...commonJsWithUrlOptions(common) };
  const results = await Promise.all([
    build({
      ...common,
      entryPoints: { index: at('src/index.ts'), oci: at('src/api/oci.ts'), server: at('src/api/server.ts') },
      outdir: at('dist'),
      format: 'esm',
      // The entry points share the error class.
      splitting: true,
      // Next to the entry points, so that all of them find the packages in ./cli.
      chunkNames: '[name]-[hash]',
      minifySyntax: true,
      minifyWhitespace: true,
      plugins: [separatePackages('./cli')],
      // Some dependencies call require for Node's own modules.
      banner: {
        js: "import{createRequire as __createRequire}from'node:module';const require=__createRequire(import.meta.url);",
      },
    }),
    build({
      ...commonJs,
      define: { ...common.define, 'import.meta.dirname': '__dirname' },
      entryPoints: { mlist: at('src/cli/bin.ts') },
      outdir: at('dist/cli'),
    }),
    bundleProgram(root, { ...commonJsWithUrl, plugins: [separatePackages('.'), separateModules] }),
    build({
      ...commonJs,
      entryPoints: ['src/schema/compiled', 'src/server/compiled']
        .flatMap((folder) => readdirSync(at(folder)).map((name) => `${folder}/${name}`))
        .filter((path) => SEPARATE.test(path))
        .map((path) => at(path)),
      outdir: at('dist/cli'),
      entryNames: '[name]',
    }),
    ...Object.entries(VENDORED).map(async ([name, exported]) =>
      build({
        ...commonJsWithUrl,
        stdin: {
          contents: `module.exports = require('${name}')${exported === undefined ? '' : `.${exported}`};`,
          resolveDir: root,
        },
        footer: { js: exported === undefined ? await exportNames(name) : '' },
        outfile: at('dist/cli', `${name}.js`),
      }),
    ),
  ]);
  return results.flatMap((result) => (Array.isArray(result) ? result : [result.metafile]));
}

/**
 * Bundles the program into one CommonJS file, for the single executable: there, `require` finds only Node's own modules.
 *
 * @returns the metafiles of esbuild
 */
export async function bundleSingleFile(root, outfile) {
  const common = commonOptions(root);
  const entryPoints = [join(root, 'src/cli/process.ts')];
  const { metafile } = await build({ ...common, ...commonJsWithUrlOptions(common), entryPoints, outfile });
  return [metafile];
}

function commonOptions(root) {
  const at = (...names) => join(root, ...names);
  return {
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    // dist/THIRD-PARTY-LICENSES.txt has the licences of all packages.
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    // The output contains paths relative to this folder, and must not depend on where the build is started.
    absWorkingDir: root,
    alias: {
      ...Object.fromEntries(UNUSED.map((name) => [name, at('.tools/unused-package.js')])),
      // esbuild cannot bundle the calls of require in its main file.
      'jsonc-parser': 'jsonc-parser/lib/esm/main.js',
    },
    // A dependency of got creates two list formatters when it is loaded, which takes as long as the rest of a request.
    define: { 'Intl.ListFormat': 'LazyListFormat', MLIST_COMMIT: JSON.stringify(commitOf(root)) ?? 'undefined' },
    inject: [at('.tools/lazy-list-format.js')],
  };
}

const COMMON_JS = {
  format: 'cjs',
  minify: true,
  // Node cannot detect the export names of these CommonJS files, so import() is compiled to require().
  supported: { 'dynamic-import': false },
};

/** yargs-parser refers to import.meta.url, which CommonJS does not have. */
function commonJsWithUrlOptions({ define }) {
  return {
    ...COMMON_JS,
    define: { ...define, 'import.meta.url': 'moduleUrl' },
    banner: { js: "const moduleUrl=require('node:url').pathToFileURL(__filename).href;" },
  };
}

/** A statement that is never executed. Node finds the names in it that ES modules can import from a CommonJS file. */
async function exportNames(name) {
  const names = Object.keys(await import(name)).filter((one) => !['default', 'module.exports'].includes(one));
  return `0&&(module.exports={${names.join()}});`;
}

/** Replaces the separate packages with their files in dist/cli. */
const separatePackages = (folder) => ({
  name: 'separate-packages',
  setup({ onResolve }) {
    const filter = new RegExp(`^(?:${Object.keys(VENDORED).join('|')})$`);
    onResolve({ filter }, ({ path }) => ({ path: `${folder}/${path}.js`, external: true }));
  },
});

const separateModules = {
  name: 'separate-modules',
  setup({ onResolve }) {
    onResolve({ filter: SEPARATE }, ({ path }) => ({ path: `./${basename(path, '.ts')}.js`, external: true }));
  },
};
