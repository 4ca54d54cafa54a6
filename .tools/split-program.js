// Bundles the program into four files, so that a command does not compile what it does not need: docs/decisions/0003-command-line.md.
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';

/**
 * The files of the program in the order in which they are loaded, and their modules. A file also has all modules that these
 * import statically, unless an earlier file has them. It is loaded by the first import() of one of its modules.
 */
const FILES = new Map([
  // What every command imports, and the commands that need no registry.
  ['process.js', /^src\/cli\/(?:process|commands\/(?:annotate|ls|use)\/handler)\.ts$/],
  // The registry client, and the commands that read or delete single tags.
  ['registry.js', /^src\/cli\/(?:args\/open-stores|commands\/(?:delete|digest|exists|tags)\/handler)\.ts$/],
  // The commands that are used most.
  ['images.js', /^src\/cli\/commands\/(?:add|copy|create|inspect|push|remove|resolve|rm|show)\/handler\.ts$/],
  ['commands.js', /^src\//],
]);

const START = 'src/cli/process.ts';

/**
 * Writes the files to dist/cli. A module that is imported from another file is replaced with a small one that passes on its
 * exports, so each module exists once.
 *
 * @param root folder of the sources
 * @param options of esbuild for all files
 * @returns the metafiles of esbuild
 */
export async function bundleProgram(root, { plugins, ...options }) {
  const { metafile } = await build({ ...options, plugins, entryPoints: [START], outfile: 'unused.js', write: false });
  const fileOf = assignFiles(metafile.inputs);
  const shared = sharedModules(root, metafile.inputs, fileOf);

  const replacementOf = (id, file) => {
    const at = shared.findIndex((module) => module.id === id);
    if (at < 0 || fileOf.get(id) === file) return undefined;
    const source = `require('./${fileOf.get(id)}').modules[${at}]`;
    const { names, isLazy } = shared[at];
    return isLazy ? `module.exports = ${source}();` : `const { ${names} } = ${source}; export { ${names} };`;
  };
  const bundle = (file) =>
    build({
      ...options,
      stdin: { contents: entryOf(file, fileOf, shared), resolveDir: root },
      outfile: join(root, 'dist/cli', file),
      plugins: [...plugins, replaceImports(root, (id) => replacementOf(id, file))],
    });
  const results = await Promise.all([...FILES.keys()].map(bundle));
  return results.map((result) => result.metafile);
}

/** The file of each module. */
function assignFiles(modules) {
  const fileOf = new Map();
  const assign = (id, file) => {
    if (fileOf.has(id) || !id.startsWith('src/')) return;
    fileOf.set(id, file);
    for (const { path, kind } of modules[id].imports) if (kind !== 'dynamic-import') assign(path, file);
  };
  for (const [file, pattern] of FILES) {
    for (const id of Object.keys(modules).filter((id) => pattern.test(id))) assign(id, file);
  }
  return fileOf;
}

/** The modules that are imported from another file. `names`: the names in import statements. `isLazy`: only by import(). */
function sharedModules(root, modules, fileOf) {
  const shared = new Map();
  for (const [importer, { imports }] of Object.entries(modules)) {
    const isShared = ({ path }) => fileOf.has(path) && fileOf.get(path) !== fileOf.get(importer);
    for (const { path, kind, original } of imports.filter(isShared)) {
      const { names = new Set(), isLazy = true } = shared.get(path) ?? {};
      const isStatement = kind !== 'dynamic-import';
      if (isStatement) for (const name of importedNames(join(root, importer), original)) names.add(name);
      shared.set(path, { names, isLazy: isLazy && !isStatement });
    }
  }
  // Sorted, because esbuild reads modules in any order, and the output must not depend on it.
  return [...shared]
    .map(([id, { names, isLazy }]) => ({ id, names: [...names].sort(), isLazy }))
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** The names that a module imports from another one. A name that is overlooked makes the build fail. */
function importedNames(file, specifier) {
  const statements = readFileSync(file, 'utf8').matchAll(/^(?:import|export) \{([^}]*)\} from '([^']+)';/gm);
  return [...statements]
    .filter(([, , from]) => from === specifier)
    .flatMap(([, names]) => names.split(',').map((name) => name.trim()))
    .filter((name) => name !== '' && !name.startsWith('type '))
    .map((name) => name.split(' as ')[0]);
}

/** The source of a file: it exports its shared modules, and functions that load the lazy ones, by their indexes. */
function entryOf(file, fileOf, shared) {
  const imports = [];
  const members = [];
  for (const [at, { id, names, isLazy }] of shared.entries()) {
    if (fileOf.get(id) !== file) continue;
    if (isLazy) {
      members.push(`${at}: () => require('./${id}')`);
      continue;
    }
    // Modules may export the same names.
    const own = (separator) => names.map((name) => `${name}${separator}${name}_${at}`).join();
    imports.push(`import { ${own(' as ')} } from './${id}';`);
    members.push(`${at}: { ${own(': ')} }`);
  }
  const start = fileOf.get(START) === file ? `import './${START}';` : '';
  return `${start}${imports.join('')}export const modules = { ${members.join()} };`;
}

/** A plugin that replaces modules of other files. `replace` returns the new source, or undefined to keep the module. */
function replaceImports(root, replace) {
  return {
    name: 'replace-imports',
    setup({ onResolve, onLoad }) {
      const files = new RegExp(`^\\./(?:${[...FILES.keys()].join('|').replaceAll('.', '\\.')})$`);
      onResolve({ filter: files }, ({ path }) => ({ path, external: true }));
      // package.json says that no module has side effects, but this one runs the program.
      onResolve({ filter: /^\.\/src\/cli\/process\.ts$/ }, ({ path }) => ({
        path: join(root, path),
        sideEffects: true,
      }));
      onResolve({ filter: /^\.\.?\/.*\.ts$/ }, ({ path, resolveDir }) => {
        const id = relative(root, join(resolveDir, path)).replaceAll(sep, '/');
        return replace(id) === undefined ? undefined : { path: id, namespace: 'replaced' };
      });
      onLoad({ filter: /.*/, namespace: 'replaced' }, ({ path }) => ({ contents: replace(path), resolveDir: root }));
    },
  };
}
