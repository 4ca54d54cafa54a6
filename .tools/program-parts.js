import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

// How the program is cut into files, for a quick start. Two things that the sources leave to the build:
// - The command line imports only the library's door, src/index.ts. A bundler that splits gives everything behind a door
//   to everyone who uses it, so each name is imported from the module where it is at home instead.
// - The sources load each command when it is called. Files cost time too, and so does every function that is not called:
//   the local commands come with the program, and of those that talk to registries the ones that are small beside what
//   they share come together. The others, each with much of its own, are parts of their own.
const WITH_PROGRAM = ['annotate', 'init', 'ls', 'prune', 'remove', 'rm', 'use'];
const TOGETHER = {
  'commands-with-registries': [
    'add',
    'copy',
    'create',
    'delete',
    'diff',
    'digest',
    'exists',
    'inspect',
    'push',
    'resolve',
    'show',
    'tags',
  ],
  'commands-with-specs': ['apply', 'export'],
};

/** What is loaded first, next, and with the first request. */
export const HEADS = ['program', 'commands-with-registries', 'open-homes'];

/** Where the heads lie as this Node has compiled them: src/cli/mlist.ts looks there. */
export function aheadFolder(root) {
  return join(root, 'dist', 'cli', 'ahead', `${process.version}-${process.platform}-${process.arch}`);
}

export function programParts(root) {
  const door = join(root, 'src', 'index.ts');
  const homes = readHomes(door);
  const commandFolder = join(root, 'src', 'cli', 'commands');
  return {
    name: 'program-parts',
    setup(build) {
      const filter = new RegExp(`^(?:${Object.keys(TOGETHER).join('|')})$`);
      build.onResolve({ filter }, ({ path }) => ({ path, namespace: 'together' }));
      build.onLoad({ filter, namespace: 'together' }, ({ path }) => ({
        contents: TOGETHER[path].map((name) => `export * as ${name} from './${name}.ts';`).join('\n'),
        resolveDir: commandFolder,
      }));
      build.onLoad({ filter: /[\\/]src[\\/]cli[\\/].*\.ts$/ }, ({ path }) => ({
        loader: 'ts',
        contents: grouped(direct(readFileSync(path, 'utf8'), homes, dirname(path))),
      }));
    },
  };
}

function direct(source, homes, folder) {
  return source.replace(/import \{([^}]*)\} from '((?:\.\.\/)+)index\.ts';/g, (_, names) =>
    split(names)
      .filter((name) => !name.startsWith('type '))
      .map((name) => importOf(name, homes, folder))
      .join('\n'),
  );
}

function grouped(source) {
  const statics = [];
  const lazy = source.replace(/import\('\.\/commands\/([a-z-]+)\.ts'\)/g, (whole, name) => {
    const group = Object.keys(TOGETHER).find((one) => TOGETHER[one].includes(name));
    if (group !== undefined) return `import('${group}').then((all) => all.${name})`;
    if (!WITH_PROGRAM.includes(name)) return whole;
    statics.push(name);
    return `Promise.resolve(${name}Command)`;
  });
  return statics.map((name) => `import * as ${name}Command from './commands/${name}.ts';\n`).join('') + lazy;
}

// By exported name: its name at home, and the file.
function readHomes(door) {
  const homes = new Map();
  for (const [, names, file] of readFileSync(door, 'utf8').matchAll(/export (?:type )?\{([^}]*)\} from '([^']*)';/g)) {
    for (const name of split(names)) {
      const [own, exported = own] = name.split(' as ');
      homes.set(exported, { own, file: join(dirname(door), file) });
    }
  }
  return homes;
}

function importOf(name, homes, folder) {
  const home = homes.get(name);
  if (home === undefined) throw new Error(`src/index.ts does not export ${name}`);
  const path = relative(folder, home.file).replaceAll('\\', '/');
  return `import { ${home.own} as ${name} } from '${path}';`;
}

function split(names) {
  return names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
