import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

/** Checks the structure that docs/architecture.md describes. */
const source = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src');

/** Modules by layer, lowest first. A module imports from lower layers only, apart from the exceptions below. */
const layers: readonly (readonly string[])[] = [
  ['errors', 'oci', 'json', 'fs', 'async', 'text', 'version'],
  ['schema'],
  ['store'],
  ['draft', 'transfer', 'selection', 'host'],
  ['operations'],
  ['html'],
  ['server'],
  ['api'],
  ['index'],
  ['cli'],
];

/** Files directly in store/ and operations/, and these folders, are shared within their layer. The later may import the earlier. */
const sharedOperations = ['operations', 'operations/publish', 'operations/sources', 'operations/spec'];

/** Imports within a layer. Everything may import errors. */
const exceptions: Readonly<Record<string, readonly string[]>> = {
  oci: ['json', 'text'],
  fs: ['async'],
  'store/registry': ['store'],
  'store/layout': ['store'],
  'store/docker-image': ['store'],
  'store/archive': ['store', 'store/layout', 'store/docker-image'],
  'store/engine': ['store', 'store/archive', 'store/docker-image'],
  // Opens every kind of store.
  'store/open.ts': ['store/registry', 'store/docker-image', 'store/engine'],
  'store/open-file-store.ts': ['store/layout', 'store/archive', 'store/docker-image'],
  'operations/edit': ['operations/create', 'operations/push'],
  'operations/apply': ['operations/push', 'operations/copy'],
  'operations/export': ['operations/apply'],
  'operations/overview': ['operations/inspect', 'operations/explain'],
  'operations/join': ['operations/create', 'operations/push', 'operations/tags'],
};

/** The only importers of each package. */
const importers: Readonly<Record<string, (file: string) => boolean>> = {
  got: (file) => file === 'store/registry/http/document-request.ts',
  'yargs-parser': (file) => file === 'cli/args/parse-arguments.ts',
  chalk: (file) => file === 'cli/output/output.ts',
  ajv: (file) => file === 'schema/validator.ts',
  yaml: (file) => file.startsWith('schema/yaml'),
  'smol-toml': (file) => file === 'store/registry/mirrors/toml-file.ts',
  tldts: (file) => file === 'store/registry/auth/realm-trust.ts',
  'jsonc-parser': (file) => file === 'json/edit-document.ts',
  pako: (file) => file === 'store/docker-image/deflate.ts',
  bcryptjs: (file) => file === 'server/auth/bcrypt-worker.ts',
};

/** Modules with folders that only some files of a layer may import: their own folders are modules. */
const split = new Set(['store', 'operations']);

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}

const allFiles = filesIn(source).map((path) => relative(source, path).replaceAll('\\', '/'));
const files = allFiles.filter((file) => !file.includes('/compiled/'));

function moduleOf(file: string): string {
  const [first = '', second] = dirname(file).split('/');
  if (first === '.') return basename(file, '.ts');
  return split.has(first) && second !== undefined ? `${first}/${second}` : first;
}

function layerOf(module: string): number {
  return layers.findIndex((modules) => modules.includes(module.split('/')[0] ?? ''));
}

/** Everything a file imports: types, re-exports and `import()` too. */
function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}

const imports = files.flatMap((file) =>
  importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({
      file,
      target: relative(source, join(source, dirname(file), specifier)).replaceAll('\\', '/'),
    })),
);

function isAllowed(file: string, target: string): boolean {
  const [from, to] = [moduleOf(file), moduleOf(target)];
  if (from === to || to === 'errors') return true;
  if (layerOf(from) !== layerOf(to)) return layerOf(from) > layerOf(to);
  if ([...(exceptions[from] ?? []), ...(exceptions[file] ?? [])].includes(to)) return true;
  const [rank, targetRank] = [sharedOperations.indexOf(from), sharedOperations.indexOf(to)];
  return targetRank >= 0 && (rank === -1 ? from.startsWith('operations/') : targetRank < rank);
}

describe('the structure of src', () => {
  test('every module has a layer', () => {
    expect(files.filter((file) => layerOf(moduleOf(file)) === -1)).toEqual([]);
  });

  test('imports go to lower layers only', () => {
    expect(imports.filter(({ file, target }) => !isAllowed(file, target))).toEqual([]);
  });

  test('every exception is used', () => {
    const unused = Object.entries(exceptions).flatMap(([from, targets]) =>
      targets
        .filter(
          (to) => !imports.some(({ file, target }) => [file, moduleOf(file)].includes(from) && moduleOf(target) === to),
        )
        .map((to) => `${from} -> ${to}`),
    );
    expect(unused).toEqual([]);
  });

  test('there are no import cycles', () => {
    const next = new Map<string, string[]>();
    for (const { file, target } of imports) next.set(file, [...(next.get(file) ?? []), target]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file)) return;
      done.add(file);
      for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    };
    files.forEach((file) => visit(file, []));
    expect(cycles).toEqual([]);
  });

  test('each package has one importer', () => {
    const wrong = allFiles.flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !name.startsWith('ajv/dist/runtime'))
        .filter((name) => !(importers[name.split('/')[0] ?? '']?.(file) ?? false))
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('oci/ and selection/ are pure: no files, no network', () => {
    const allowed = new Set(['node:crypto', 'node:path']);
    const impure = files
      .filter((file) => file.startsWith('oci/') || file.startsWith('selection/'))
      .flatMap((file) => importsOf(file).filter((name) => !name.startsWith('.') && !allowed.has(name)));
    expect(impure).toEqual([]);
  });

  test('file names are unique', () => {
    const names = files
      .map((file) => basename(file))
      .filter((name) => !/^(?:declaration|handler|index)\.ts$/.test(name));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test('no folder has more than 25 files directly in it', () => {
    const folders = files.map((file) => dirname(file));
    const large = new Set(folders.filter((folder) => folders.filter((other) => other === folder).length > 25));
    expect([...large]).toEqual([]);
  });

  test('no file of fewer than 30 lines has a single importer', () => {
    const small = files.filter((file) => {
      if (/\/(?:declaration|handler)\.ts$/.test(file)) return false;
      const lines = readFileSync(join(source, file), 'utf8').trimEnd().split('\n').length;
      const by = new Set(imports.filter(({ target }) => target === file).map((one) => one.file));
      by.delete('index.ts');
      return lines < 30 && by.size === 1;
    });
    expect(small).toEqual([]);
  });
});
