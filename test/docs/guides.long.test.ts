import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { CliHarness, temporaryFolder } from '../support/cli-harness.ts';
import { writeExampleImages } from '../support/example-images.ts';
import { blocksOf, decisionFor, runPage, withOutput, type Addresses, type RunBlock } from '../support/guide-blocks.ts';
import { isLong } from '../support/long.ts';
import { checkout } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';

/**
 * Runs the commands of the guides and of the README against the embedded registry, and compares their output with the pages.
 * The short version runs the README. MLIST_UPDATE_GOLDEN=1 runs all, and writes the output to the pages
 * first.
 */
const isUpdate = process.env['MLIST_UPDATE_GOLDEN'] === '1';
const read = (path: string) => readFileSync(join(checkout, path), 'utf8');
const pagesIn = (folder: string) =>
  readdirSync(join(checkout, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name}`);

const pages = ['README.md', ...pagesIn('docs/guides')];

/** Pages in Chinese, each with the page in English whose commands it has. */
const translations: readonly (readonly [string, string])[] = [
  ['docs/README.zh-CN.md', 'README.md'],
  ...pagesIn('docs/guides/zh-CN').map((page) => [page, page.replace('zh-CN/', '')] as const),
];

/** The registry of the guides, and a second one. */
const hosts = ['localhost:5000', 'localhost:5443'];

let nextPort = 5001 + ((process.pid * 7) % 4000);

/** A free address. Its port has four digits, so that columns have the same width as in the pages. */
async function freeHost(): Promise<string> {
  for (;;) {
    const port = (nextPort += 1);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, 'localhost', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return `localhost:${port}`;
  }
}

async function freeAddresses(): Promise<Addresses> {
  const pairs: [string, string][] = [];
  for (const host of hosts) pairs.push([host, await freeHost()]);
  return new Map(pairs);
}

let images: string;
beforeAll(async () => {
  images = join(await temporaryFolder(), 'images.tar');
  await writeExampleImages(images);
});

test('docs/examples/images.tar has the images of test/support/example-images.ts', () => {
  const committed = join(checkout, 'docs/examples/images.tar');
  if (isUpdate) writeFileSync(committed, readFileSync(images));
  expect(readFileSync(committed).equals(readFileSync(images))).toBe(true);
});

/** Starts a registry with the example images. */
async function startWithImages(address: string): Promise<RunningRegistry> {
  const registry = await startRegistry({ address });
  const harness = await CliHarness.make({ cwd: checkout, env: { MLIST_NO_MIRRORS: '1' } });
  const lists = read('docs/examples/images.yaml').replaceAll('localhost:5000', address);
  const { code, stderr } = await harness.run(['apply', '-f', '-'], { stdin: lists });
  if (code !== 0) throw new Error(stderr);
  return registry;
}

/** Runs a page. If the page does not start the registry itself, there is one with the example images. */
async function run(text: string): Promise<readonly RunBlock[]> {
  const addresses = await freeAddresses();
  const isStarted = /^```sh background\nmlist serve --addr localhost:5000$/m.test(text);
  const registry = isStarted ? undefined : await startWithImages(addresses.get('localhost:5000') ?? '');
  try {
    return await runPage(text, addresses);
  } finally {
    await registry?.close();
  }
}

/** Manifests and tags are sent concurrently, so the order of their lines is not fixed. */
function ordered(output: string): string {
  return output.replaceAll(/^(?:(?:manifest|pushed) .*\n)+/gm, (lines) => {
    return lines.trimEnd().split('\n').sort().join('\n').concat('\n');
  });
}

function titleOf(page: string): string {
  const decisions = blocksOf(read(page)).flatMap((block) => (block.language === 'sh' ? [decisionFor(block)] : []));
  const counts = [...new Set(decisions)].map(
    (decision) => `${decisions.filter((one) => one === decision).length} ${decision}`,
  );
  return `${page}: ${counts.join(', ')}`;
}

if (process.platform === 'win32') describe.skip('the commands of the guides', guideCommands);
else describeWith('bash', 'the commands of the guides', guideCommands);

function guideCommands(): void {
  const chosen = isLong || isUpdate ? pages : ['README.md'];
  test.each(chosen.map((page) => [titleOf(page), page]))('%s', async (_title, page) => {
    const text = read(page);
    const ran = await run(text);
    const failed = ran.find(({ code, expectedCode }) => code !== expectedCode);
    if (failed !== undefined) throw new Error(`exit code ${failed.code} of\n${failed.block.content}\n${failed.output}`);
    const runnable = blocksOf(text).filter((block) => block.language === 'sh' && decisionFor(block) === 'run');
    expect(ran.length).toBe(runnable.length);
    if (isUpdate) writeFileSync(join(checkout, page), withOutput(text, ran));
    for (const { block, output, shown } of isUpdate ? [] : ran) {
      if (shown !== undefined)
        expect({ block, output: ordered(output) }).toEqual({ block, output: ordered(shown.content) });
    }
  });
}

test('most blocks with commands of mlist run', () => {
  const blocks = pages.flatMap((page) => blocksOf(read(page)).filter(({ language }) => language === 'sh'));
  const own = blocks.filter(({ content }) => /^mlist /m.test(content));
  const run = own.filter(({ marks }) => !marks.includes('no-run'));
  expect(run.length).toBeGreaterThan(own.length / 2);
});

const comment = /(^|\s+)# .*$/gm;
const comparable = (page: string) =>
  blocksOf(page)
    .filter(({ language }) => language !== 'text')
    .map(({ language, marks, content }) => ({ language, marks, commands: content.replaceAll(comment, '') }));
const outputs = (page: string) =>
  blocksOf(page)
    .filter(({ language }) => language === 'text')
    .map(({ content }) => content);

describe('the pages in Chinese', () => {
  test.each(translations)('%s has the commands of %s', (translated, original) => {
    expect(existsSync(join(checkout, original))).toBe(true);
    expect(comparable(read(translated))).toEqual(comparable(read(original)));
    if (isUpdate) writeFileSync(join(checkout, translated), withOutputsOf(read(translated), read(original)));
    expect(outputs(read(translated))).toEqual(outputs(read(original)));
  });

  test('this check detects another command, and ignores comments', () => {
    const page = (block: string) => `\`\`\`sh\n${block}\n\`\`\`\n`;
    expect(comparable(page('mlist ls   # list'))).toEqual(comparable(page('mlist ls   # 列出')));
    expect(comparable(page('mlist ls'))).not.toEqual(comparable(page('mlist show')));
  });
});

function withOutputsOf(page: string, original: string): string {
  const texts = outputs(original);
  return blocksOf(page)
    .filter(({ language }) => language === 'text')
    .reduceRight((text, { at, content }, index) => {
      return text.slice(0, at) + (texts[index] ?? content) + text.slice(at + content.length);
    }, page);
}
