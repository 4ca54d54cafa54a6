import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import * as oci from '../src/api/oci.ts';
import * as server from '../src/api/server.ts';
import * as library from '../src/index.ts';
import { exitCodes } from '../src/errors/errors.ts';
import { temporaryFolder } from './support/cli-harness.ts';
import { isLong } from './support/long.ts';
import { describeWith } from './support/programs.ts';

/** The names, the packed files and the documentation of the package. */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

function sources(folder: string): string {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('compiled'))
    .map((name) => read(join(folder, name)))
    .join('\n');
}

describe('the library', () => {
  test.each([
    ['index', library],
    ['oci', oci],
    ['server', server],
  ])('dist/%s.js exports the same names as its source', async (name, source) => {
    const built = (await import(pathToFileURL(join(root, `dist/${name}.js`)).href)) as object;
    expect(Object.keys(built).sort()).toEqual(Object.keys(source).sort());
  });

  test('CommonJS modules can require it', () => {
    const program = "console.log(['mlist', 'mlist/oci', 'mlist/server'].map((name) => typeof require(name)).join())";
    const ran = spawnSync(process.execPath, ['-e', program], { cwd: root, encoding: 'utf8' });
    expect(ran).toMatchObject({ stdout: 'object,object,object\n', stderr: '' });
  });

  test('dist/index.js loads the packages that only some calls need', async () => {
    const challenge = { 'www-authenticate': 'Bearer realm="http://token.example/",service="registry"' };
    const registry = await server.startRegistry({
      intercept: (_request, response) => response.writeHead(401, challenge).end() === response,
    });
    const built = (await import(pathToFileURL(join(root, 'dist/index.js')).href)) as typeof library;
    const credentials = { type: 'basic', username: 'me', password: 'correct-horse' } as const;
    const client = built.createClient({ credentials: () => Promise.resolve(credentials) });
    try {
      // Parses YAML.
      expect(await client.apply('list: 5')).toMatchObject({
        lists: [{ errors: [{ code: 'ERR_MLIST_DOCUMENT_INVALID' }] }],
      });
      // Looks up the registrable domains of the registry and its token service.
      await expect(client.resolve(`${registry.host}/team/app:1.0`)).rejects.toMatchObject({
        code: 'ERR_MLIST_UNAUTHORIZED',
        message: expect.stringContaining('is not trusted to receive the credentials') as unknown,
      });
    } finally {
      await client.close();
      await registry.close();
    }
  });
});

interface TypesTool {
  buildTypes(root: string, folder: string, flags: readonly string[]): Promise<void>;
}

if (isLong) {
  describe('the declarations', () => {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const compile = (...args: readonly string[]) =>
      spawnSync(process.execPath, [compiler, ...args], { encoding: 'utf8' });

    // As in a user's project, only the compiler and Node's types are installed.
    test('are self-contained: the example of the README compiles in a separate project', async () => {
      const project = await temporaryFolder();
      const installed = join(project, 'node_modules', 'mlist');
      const types = join(installed, 'dist', 'types');
      mkdirSync(types, { recursive: true });
      copyFileSync(join(root, 'package.json'), join(installed, 'package.json'));
      const { buildTypes } = (await import(pathToFileURL(join(root, '.tools/types.js')).href)) as TypesTool;
      await buildTypes(root, types, ['--noCheck']);
      mkdirSync(join(project, 'node_modules', '@types'));
      symlinkSync(join(root, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'), 'junction');
      writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
      const [, example = ''] = /```ts\n(.*?)```/s.exec(read('README.md')) ?? [];
      writeFileSync(join(project, 'example.ts'), example);
      const options = {
        strict: true,
        module: 'nodenext',
        target: 'es2022',
        lib: ['es2022'],
        types: ['node'],
        skipLibCheck: false,
      };
      writeFileSync(
        join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions: { ...options, noEmit: true }, files: ['example.ts'] }),
      );
      expect(example).toContain("from 'mlist'");
      expect(compile('-p', project)).toMatchObject({ stdout: '', status: 0 });
    });
  });
}

describe('the package', () => {
  const shell = process.platform === 'win32';
  const packed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      shell,
    }),
  ) as unknown;
  const [{ files }] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as [
    { files: { path: string }[] },
  ];
  const paths = files.map(({ path }) => path);

  test('contains the program, the library, its schemas and its documentation', () => {
    expect(paths).toEqual(
      expect.arrayContaining([
        'dist/cli/mlist.js',
        'dist/index.js',
        'schemas/draft.schema.json',
        'docs/cli.md',
        'README.md',
        'LICENSE',
        'package.json',
      ]),
    );
  });

  test('contains nothing else', () => {
    const allowed = /^(?:dist\/|schemas\/|docs\/|README\.md$|LICENSE$|package\.json$)/;
    expect(paths.filter((path) => !allowed.test(path))).toEqual([]);
  });

  test('has no runtime dependencies', () => {
    expect(JSON.parse(read('package.json'))).not.toHaveProperty('dependencies');
  });

  test('every development dependency has a documented reason', () => {
    const { devDependencies } = JSON.parse(read('package.json')) as { devDependencies: Record<string, string> };
    const reasons = pagesIn('docs/decisions');
    const unexplained = Object.keys(devDependencies).filter(
      (name) => !name.startsWith('@types/') && !reasons.includes(name),
    );
    expect(unexplained).toEqual([]);
  });
});

function pagesIn(folder: string): string {
  return readdirSync(join(root, folder))
    .map((name) => read(join(folder, name)))
    .join('\n');
}

describe('the man pages', () => {
  const folder = join(root, 'docs/man');
  const pages = readdirSync(folder).map((name) => join(folder, name));
  const lint = (program: string, ...options: readonly string[]) =>
    spawnSync(program, [...options, ...pages], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });

  test('are installed with the package', () => {
    const { man } = JSON.parse(read('package.json')) as { man: readonly string[] };
    expect([...man].sort()).toEqual(pages.map((path) => `.${path.slice(root.length)}`.replaceAll('\\', '/')).sort());
  });

  describeWith('groff', 'in groff', () => {
    test('have no warnings', () => {
      expect(lint('groff', '-man', '-ww', '-z', '-Tascii')).toMatchObject({ stdout: '', stderr: '', status: 0 });
    });
  });

  describeWith('mandoc', 'in mandoc', () => {
    test('have no errors and warnings', () => {
      // The date is omitted, so that the pages depend only on the declarations.
      const { stdout, stderr } = lint('mandoc', '-T', 'lint', '-W', 'warning');
      const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !line.includes('missing date'));
      expect(lines).toEqual([]);
    });
  });
});

describe('the lockfile', () => {
  interface Locked {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
    readonly resolved?: string;
  }
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, Locked>> };

  test('contains the packages of every system, so that npm ci works on each', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
      ),
    );
    expect(missing).toEqual([]);
  });

  test('contains no host names', () => {
    expect(Object.values(packages).filter(({ resolved }) => resolved !== undefined)).toEqual([]);
  });
});

describe('the documentation', () => {
  test('docs/errors.md has a line for each error code with its exit code, and no other', () => {
    const lines = [...read('docs/errors.md').matchAll(/^\| `(ERR_MLIST_\w+)` +\| +(\d+) +\|/gm)].map(
      ([, code, exit]) => [code, Number(exit)],
    );
    expect(Object.fromEntries(lines)).toEqual(exitCodes);
  });

  test('docs/rules.md has a line for each rule, and no other', () => {
    const rules = [...read('docs/rules.md').matchAll(/^\| `([EW]-[A-Z0-9-]+)` +\|/gm)].map(([, rule]) => rule);
    const used = [...sources('src').matchAll(/'([EW]-[A-Z][A-Z0-9-]+)'/g)].map(([, rule]) => rule);
    expect(rules.sort()).toEqual([...new Set(used)].sort());
  });

  test('has no broken links', () => {
    const folders = ['docs', 'docs/guides', 'docs/guides/zh-CN'];
    const pages = ['README.md', 'CONTRIBUTING.md', ...folders.flatMap(pagePaths)];
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)]
        .map(([, path = '', anchor]) => ({ target: path === '' ? page : join(dirname(page), path), anchor }))
        .filter(({ target, anchor }) => !isTarget(target, anchor))
        .map(({ target, anchor }) => `${page}: ${target}${anchor === undefined ? '' : `#${anchor}`}`),
    );
    expect(broken).toEqual([]);
  });
});

function pagePaths(folder: string): readonly string[] {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);
}

/** Whether the file or folder exists, and has the heading. */
function isTarget(path: string, anchor: string | undefined): boolean {
  if (!existsSync(join(root, path))) return false;
  return anchor === undefined || headings(read(path)).includes(anchor);
}

/** The anchors of the headings, as on GitHub. */
function headings(page: string): readonly string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}
