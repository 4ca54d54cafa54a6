// Bundles the program into two files, so that a command on drafts does not compile the rest: docs/decisions/0003-command-line.md.
import { build } from 'esbuild';
import { join, relative, sep } from 'node:path';

/** The handlers in process.js. They need no registry. */
const LOCAL_HANDLER = /^src\/cli\/commands\/(?:annotate|ls|use)\/handler\.ts$/;

/**
 * Writes process.js, with the modules that every command and the local handlers import, and commands.js, with all others,
 * which is loaded by the first import() of one of them. A module that one file needs from the other is replaced with a small
 * one that passes on its exports, so each module exists once.
 *
 * @param root folder of the sources
 * @param options of esbuild for both files
 * @returns the metafiles of esbuild
 */
export async function bundleProgram(root, { plugins, ...options }) {
  const bundle = (name, contents, plugin) =>
    build({
      ...options,
      stdin: { contents, resolveDir: root },
      outfile: join(root, 'dist/cli', name),
      plugins: [...plugins, plugin],
    });
  const start = "import './src/cli/process.ts';";

  const others = new Set();
  const { metafile: startMetafile } = await bundle(
    'process.js',
    start,
    replaceImports(root, (id, kind) => {
      if (kind !== 'dynamic-import' || LOCAL_HANDLER.test(id)) return undefined;
      others.add(id);
      return '';
    }),
  );
  // Sorted, because esbuild calls the plugins in any order, and the output must not depend on it.
  const local = Object.keys(startMetafile.inputs)
    .filter((id) => id.startsWith('src/'))
    .sort();

  const exportsOf = await readExports(root, local);
  const shared = new Set();
  const loaders = [...others]
    .filter((id) => !local.includes(id))
    .sort()
    .map((id) => `'${id}': () => require('./${id}')`);
  const commands = await bundle(
    'commands.js',
    `export const load = { ${loaders.join()} };`,
    replaceImports(root, (id) => {
      const at = local.indexOf(id);
      if (at < 0) return undefined;
      shared.add(at);
      const names = exportsOf.get(id).join();
      return `const { ${names} } = require('./process.js').shared[${at}]; export { ${names} };`;
    }),
  );

  const used = [...shared].sort((left, right) => left - right);
  const namespaces = used.map((at) => `import * as shared${at} from './${local[at]}';`);
  const program = await bundle(
    'process.js',
    `${start}${namespaces.join('')} export const shared = { ${used.map((at) => `${at}: shared${at}`).join()} };`,
    replaceImports(root, (id, kind) =>
      kind === 'dynamic-import' && !local.includes(id)
        ? `module.exports = require('./commands.js').load['${id}']();`
        : undefined,
    ),
  );
  return [commands.metafile, program.metafile];
}

/** A plugin that replaces modules of the program. `replace` returns the new source, or undefined to keep the module. */
function replaceImports(root, replace) {
  const sources = new Map();
  return {
    name: 'replace-imports',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^\.\/(?:process|commands)\.js$/ }, ({ path }) => ({ path, external: true }));
      // package.json says that no module has side effects, but this one runs the program.
      onResolve({ filter: /^\.\/src\/cli\/process\.ts$/ }, ({ path }) => ({
        path: join(root, path),
        sideEffects: true,
      }));
      onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, resolveDir, kind }) => {
        const id = relative(root, join(resolveDir, path)).replaceAll(sep, '/');
        const source = replace(id, kind);
        if (source === undefined) return undefined;
        sources.set(id, source);
        return { path: id, namespace: 'replaced' };
      });
      onLoad({ filter: /.*/, namespace: 'replaced' }, ({ path }) => ({
        contents: sources.get(path),
        resolveDir: root,
      }));
    },
  };
}

/** The names that each module exports, by module. */
async function readExports(root, modules) {
  const options = { bundle: false, write: false, metafile: true, format: 'esm', outdir: 'unused' };
  const { metafile } = await build({ ...options, entryPoints: modules, absWorkingDir: root });
  return new Map(Object.values(metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]));
}
