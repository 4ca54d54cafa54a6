import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

/** The house of docs/architecture.md: imports go down only, and each outside package has one importer. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, 'src');

/** Rooms by path, from the ground up; a room of a floor does not import another of the same floor, unless it is named. */
const rooms: readonly { readonly path: string; readonly floor: number; readonly beside?: readonly string[] }[] = [
  { path: 'errors.ts', floor: 0, beside: ['errors/', 'foreign-error.ts'] },
  { path: 'errors/', floor: 0 },
  { path: 'foreign-error.ts', floor: 0 },
  { path: 'version.ts', floor: 0 },
  { path: 'json/', floor: 0 },
  { path: 'oci/', floor: 1 },
  { path: 'async/', floor: 1 },
  { path: 'files/', floor: 1, beside: ['async/'] },
  { path: 'schema/', floor: 2 },
  { path: 'content/verify.ts', floor: 3 },
  { path: 'content/registry/', floor: 3, beside: ['content/verify.ts'] },
  { path: 'content/layout/', floor: 3, beside: ['content/verify.ts'] },
  { path: 'content/archive/', floor: 3, beside: ['content/layout/', 'content/verify.ts'] },
  { path: 'content/memory.ts', floor: 3 },
  { path: 'content/cache.ts', floor: 3 },
  { path: 'draft/', floor: 3 },
  { path: 'host/', floor: 3 },
  { path: 'transfer/', floor: 4 },
  { path: 'serve/', floor: 4 },
  { path: 'ops/', floor: 5 },
  { path: 'index.ts', floor: 6 },
  { path: 'cli/', floor: 7 },
];

/** Who may import a package; any other importer is a fault. */
const importers: Readonly<Record<string, (file: string) => boolean>> = {
  got: (file) => file === 'content/registry/transport.ts',
  yargs: (file) => file === 'cli/help.ts',
  'yargs-parser': (file) => file === 'cli/parse.ts',
  bcryptjs: (file) => file === 'serve/bcrypt-worker.ts',
  chalk: (file) => file === 'cli/output.ts',
  'jsonc-parser': (file) => file === 'json/edit-document.ts',
  ajv: (file) => file === 'schema/check.ts',
  yaml: (file) => file.startsWith('schema/yaml'),
  tldts: (file) => file === 'content/registry/trust.ts',
};

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}

const files = filesIn(source).map((path) => relative(source, path).replaceAll('\\', '/'));

function roomOf(file: string) {
  return rooms.find(({ path }) => file === path || (path.endsWith('/') && file.startsWith(path)));
}

/** Everything a file imports: types, re-exports and `import()` too. */
function importsOf(file: string): readonly string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}

function targetOf(file: string, specifier: string): string {
  return relative(source, join(source, dirname(file), specifier)).replaceAll('\\', '/');
}

const inside = files.flatMap((file) =>
  importsOf(file)
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({ file, target: targetOf(file, specifier) })),
);

describe('the floors', () => {
  test('every file is in a named room', () => {
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([]);
  });

  test('every named room has files', () => {
    const empty = rooms.filter(({ path }) => !files.some((file) => roomOf(file)?.path === path));
    expect(empty).toEqual([]);
  });

  test('imports go down only, and never across a floor', () => {
    const wrong = inside.filter(({ file, target }) => {
      const [from, to] = [roomOf(file), roomOf(target)];
      if (from === undefined || to === undefined) return true;
      const isBeside = from.beside?.includes(to.path) ?? false;
      return from.path !== to.path && to.floor >= from.floor && !isBeside;
    });
    expect(wrong).toEqual([]);
  });

  test('no file imports itself by a circle', () => {
    const next = new Map<string, string[]>();
    for (const { file, target } of inside) next.set(file, [...(next.get(file) ?? []), target]);
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (file: string, above: readonly string[]): void => {
      if (above.includes(file)) circles.push([...above.slice(above.indexOf(file)), file].join(' -> '));
      if (done.has(file)) return;
      done.add(file);
      for (const target of next.get(file) ?? []) visit(target, [...above, file]);
    };
    files.forEach((file) => visit(file, []));
    expect(circles).toEqual([]);
  });

  test('each outside package has the importer that it is for', () => {
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !name.startsWith('ajv/dist/runtime'))
        .filter((name) => !(importers[name.split('/')[0] ?? '']?.(file) ?? false))
        .map((name) => `${file} imports ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('the command line knows the library by its door only', () => {
    const outside = inside.filter(({ file, target }) => file.startsWith('cli/') && !target.startsWith('cli/'));
    expect(outside.filter(({ target }) => target !== 'index.ts')).toEqual([]);
  });

  test('the ground is pure: the specs touch no file and no network', () => {
    const allowed = new Set(['node:crypto', 'node:path']);
    const impure = files
      .filter((file) => file.startsWith('oci/'))
      .flatMap((file) => importsOf(file).filter((name) => !name.startsWith('.') && !allowed.has(name)));
    expect(impure).toEqual([]);
  });

  test('no file passes 300 lines', () => {
    const long = files.filter(
      (file) => !file.includes('compiled/') && readFileSync(join(source, file), 'utf8').split('\n').length > 301,
    );
    expect(long).toEqual([]);
  });
});
