import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, posix } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { cleanup } from '../support/cleanup.ts';
import { temporaryFolder } from '../support/cli-harness.ts';
import { checkout } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';

/** What releases are made with, except for the executables and the image, whose tests take long. */
interface Package {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly text: string;
}

interface Component {
  readonly group?: string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly 'bom-ref': string;
}

interface Bill {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

const tool = async <T>(name: string): Promise<T> =>
  (await import(pathToFileURL(join(checkout, '.tools', name)).href)) as T;

const read = (path: string) => readFileSync(join(checkout, path), 'utf8');

describe('the packages that are bundled', () => {
  const bill = JSON.parse(read('dist/sbom.cdx.json')) as Bill;
  const names = bill.components.map(({ group, name }) => (group === undefined ? name : `${group}/${name}`));

  test('are listed with those that other build steps inline', () => {
    // The code of the validators, the worker thread, and a dependency of a dependency.
    expect(names).toEqual(expect.arrayContaining(['ajv', 'bcryptjs', '@sindresorhus/is', 'got', 'tldts', 'yaml']));
    expect(names).not.toContain('esbuild');
    // Their code is replaced: bundle.js.
    expect(names).not.toContain('cacheable-request');
  });

  test('each have a licence text in THIRD-PARTY-LICENSES.txt', () => {
    const sections = read('dist/THIRD-PARTY-LICENSES.txt').split(/^-{80}\n(?=\S.*\n-{80}$)/m);
    const missing = bill.components.filter(({ group, name, version }) => {
      const id = `${group === undefined ? '' : `${group}/`}${name} ${version} (`;
      const section = sections.find((text) => text.startsWith(id)) ?? '';
      return !/permission|redistribut|license/i.test(section.slice(id.length + 80));
    });
    expect(missing).toEqual([]);
  });

  test('are described in CycloneDX 1.6: unique references, which the dependencies name', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6', version: 1 });
    const references = bill.components.map((component) => component['bom-ref']);
    expect(new Set(references).size).toBe(references.length);
    const [main] = bill.dependencies;
    expect(main?.dependsOn).toEqual(references);
    for (const { purl, name, version } of bill.components)
      expect(purl).toMatch(new RegExp(`^pkg:npm/(?:%40[^/]+/)?${name}@${version.replaceAll('.', '\\.')}$`));
  });

  async function withPackage(files: Readonly<Record<string, string>>): Promise<readonly Package[]> {
    const { bundledPackages } = await tool<{
      bundledPackages(root: string, metafiles: readonly object[]): readonly Package[];
    }>('bundled-packages.js');
    const root = await temporaryFolder();
    mkdirSync(join(root, 'node_modules/@a/b'), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, 'node_modules/@a/b', name), text);
    const inputs = {
      'node_modules/@a/b/index.js': { bytesInOutput: 5 },
      // Not in the output.
      'node_modules/c/index.js': { bytesInOutput: 0 },
      'src/d.ts': { bytesInOutput: 5 },
    };
    return bundledPackages(root, [{ outputs: { 'out.js': { inputs } } }]);
  }
  const manifest = JSON.stringify({ name: '@a/b', version: '1.0.0', license: 'MIT' });

  test('are those with code in an output', async () => {
    expect(await withPackage({ 'package.json': manifest, 'LICENCE.md': 'Free\r\nfor all\n' })).toEqual([
      { name: '@a/b', version: '1.0.0', license: 'MIT', text: 'Free\nfor all' },
    ]);
  });

  test('fail the build without a licence', async () => {
    await expect(withPackage({ 'package.json': manifest })).rejects.toThrow('no file with its licence');
    const unnamed = JSON.stringify({ name: '@a/b', version: '1.0.0' });
    await expect(withPackage({ 'package.json': unnamed, LICENSE: 'x' })).rejects.toThrow('has no license');
  });
});

describe('the audit of bundled packages', () => {
  /** A registry that knows an advisory for one package. */
  async function auditWith(vulnerable: string | undefined) {
    let asked: Record<string, string[]> = {};
    const server = createServer((request, response) => {
      // npm also asks for the versions of a package with an advisory.
      if (request.method === 'GET') return response.writeHead(404).end();
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      return request.on('end', () => {
        const body = Buffer.concat(chunks);
        asked = JSON.parse((body[0] === 0x1f ? gunzipSync(body) : body).toString()) as typeof asked;
        const advisory = {
          id: 1,
          url: 'https://a.example',
          title: 'Bad',
          severity: 'high',
          vulnerable_versions: '*',
          cwe: [],
          cvss: { score: 8 },
        };
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(vulnerable === undefined ? {} : { [vulnerable]: [advisory] }));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanup({
      close: () => {
        server.closeAllConnections();
        server.close();
      },
    });
    const registry = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const status = await new Promise<unknown>((resolve) =>
      execFile(
        process.execPath,
        [join(checkout, '.tools/release/audit.js')],
        { env: { ...process.env, npm_config_registry: registry } },
        (error) => resolve(error === null ? 0 : error.code),
      ),
    );
    return { status, asked };
  }

  test('asks for all of them, and fails if one is vulnerable', async () => {
    const { status, asked } = await auditWith(undefined);
    expect(status).toBe(0);
    const { components } = JSON.parse(read('dist/sbom.cdx.json')) as Bill;
    const pairs = components.map(
      ({ group, name, version }) => `${group === undefined ? '' : `${group}/`}${name}@${version}`,
    );
    expect(
      Object.entries(asked)
        .flatMap(([name, versions]) => versions.map((version) => `${name}@${version}`))
        .sort(),
    ).toEqual(pairs.sort());
    expect((await auditWith('got')).status).toBe(1);
  });
});

describe('the staged package', () => {
  async function stage(repository?: string) {
    const { stagePackage } = await tool<{
      stagePackage(root: string, folder: string, repository?: string): Record<string, unknown>;
    }>('release/package-files.js');
    const folder = join(await temporaryFolder(), 'package');
    return { folder, manifest: stagePackage(checkout, folder, repository) };
  }

  test.each([['https://github.com/team/mlist'], [undefined]])(
    'has links that work (repository: %s)',
    async (repository) => {
      const { folder } = await stage(repository);
      const names = new Set(
        readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/')),
      );
      const links = [...names]
        .filter((name) => name.endsWith('.md'))
        .flatMap((page) =>
          [...readFileSync(join(folder, page), 'utf8').matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(
            ([, target = '']) => ({
              page,
              path: posix.join(posix.dirname(page), target).replace(/\/$/, ''),
            }),
          ),
        );
      expect(links.length).toBeGreaterThan(20);
      expect(links.filter(({ path }) => !names.has(path))).toEqual([]);
      const readme = readFileSync(join(folder, 'README.md'), 'utf8');
      expect(readme.includes(`${repository ?? 'http'}/blob/v`)).toBe(repository !== undefined);
    },
  );

  test('has no scripts and no development dependencies, and names the repository', async () => {
    const { manifest } = await stage('https://github.com/team/mlist');
    expect(manifest).not.toHaveProperty('scripts');
    expect(manifest).not.toHaveProperty('devDependencies');
    expect(manifest).toMatchObject({ repository: { type: 'git', url: 'git+https://github.com/team/mlist.git' } });
    expect((await stage()).manifest).not.toHaveProperty('repository');
  });

  test('contains the licences', async () => {
    const { folder, manifest } = await stage();
    expect(manifest['files']).toContain('THIRD-PARTY-LICENSES.txt');
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['LICENSE', 'THIRD-PARTY-LICENSES.txt']));
  });
});

describe('archives of executables', () => {
  const files = [
    { name: 'mlist', content: Buffer.from('program'.repeat(1000)), executable: true },
    { name: 'LICENSE', content: Buffer.from('text\n') },
  ];
  interface Archives {
    tarGz(files: readonly object[]): Buffer;
    zip(files: readonly object[]): Buffer;
  }

  // The tar of Windows prints other modes.
  (process.platform === 'win32' ? test.skip : test)('tar unpacks them with their modes', async () => {
    const { tarGz } = await tool<Archives>('release/archive.js');
    const folder = await temporaryFolder();
    writeFileSync(join(folder, 'a.tar.gz'), tarGz(files));
    const listed = execFileSync('tar', ['-tvzf', 'a.tar.gz'], { cwd: folder, encoding: 'utf8' });
    expect(listed).toMatch(/^-rwxr-xr-x .* 7000 .* mlist\n-rw-r--r-- .* 5 .* LICENSE\n$/);
    execFileSync('tar', ['-xzf', 'a.tar.gz'], { cwd: folder });
    expect(readFileSync(join(folder, 'mlist'))).toEqual(files[0]?.content);
  });

  const python = process.platform === 'win32' ? 'python' : 'python3';
  describeWith(python, 'a zip', () => {
    test('is valid', async () => {
      const { zip } = await tool<Archives>('release/archive.js');
      const folder = await temporaryFolder();
      writeFileSync(join(folder, 'a.zip'), zip(files));
      const program =
        "import sys, zipfile; z = zipfile.ZipFile('a.zip'); print(z.testzip(), [(i.filename, i.file_size) for i in z.infolist()])";
      expect(execFileSync(python, ['-c', program], { cwd: folder, encoding: 'utf8' }).trim()).toBe(
        "None [('mlist', 7000), ('LICENSE', 5)]",
      );
    });
  });
});

test('the workflow builds with the Node version that the executables are pinned to', async () => {
  const { NODE_VERSION } = await tool<{ NODE_VERSION: string }>('release/node-binary.js');
  expect(read('.github/workflows/release.yml')).toContain(`NODE_VERSION: ${NODE_VERSION}\n`);
});
