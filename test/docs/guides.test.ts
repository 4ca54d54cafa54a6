import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { CliHarness, temporaryFolder } from '../support/cli-harness.ts';
import { writeExampleImages } from '../support/example-images.ts';
import { blocksOf, decisionFor, PAGE_HOST, runPage, withOutput } from '../support/guide-blocks.ts';
import { checkout } from '../support/mlist.ts';

/**
 * Runs the commands of the guides and of the README against the embedded registry, and compares their output with the pages.
 * MLIST_UPDATE_GOLDEN=1 writes the output to the pages first.
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

/** A free port with four digits, so that columns have the same width as in the pages. */
async function freePort(): Promise<number> {
  for (let port = 5001 + (process.pid % 4000); ; port += 1) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, 'localhost', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
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

/** The guides say that these images are in the registry. */
async function startWithImages(): Promise<RunningRegistry> {
  const registry = await startRegistry({ address: `localhost:${await freePort()}` });
  const harness = await CliHarness.make({ cwd: checkout, env: { MLIST_NO_MIRRORS: '1' } });
  const lists = read('docs/examples/images.yaml').replaceAll(PAGE_HOST, registry.host);
  const { code, stderr } = await harness.run(['apply', '-f', '-'], { stdin: lists });
  if (code !== 0) throw new Error(stderr);
  return registry;
}

function titleOf(page: string): string {
  const decisions = blocksOf(read(page)).flatMap((block) => (block.language === 'sh' ? [decisionFor(block)] : []));
  const counts = [...new Set(decisions)].map(
    (decision) => `${decisions.filter((one) => one === decision).length} ${decision}`,
  );
  return `${page}: ${counts.join(', ')}`;
}

const isPosix = process.platform !== 'win32';
(isPosix ? describe : describe.skip)('the commands of the guides', () => {
  let registry: RunningRegistry | undefined;
  afterAll(() => registry?.close());

  test.each(pages.map((page) => [titleOf(page), page]))('%s', async (_title, page) => {
    registry = await startWithImages();
    try {
      const text = read(page);
      const ran = await runPage(text, registry.host);
      const failed = ran.find(({ code, expectedCode }) => code !== expectedCode);
      if (failed !== undefined)
        throw new Error(`exit code ${failed.code} of\n${failed.block.content}\n${failed.output}`);
      const run = blocksOf(text).filter((block) => block.language === 'sh' && decisionFor(block) === 'run');
      expect(ran.length).toBe(run.length);
      if (isUpdate) writeFileSync(join(checkout, page), withOutput(text, ran));
      const shown = ran.filter((one) => one.shown !== undefined);
      const expected = isUpdate ? shown.map(({ output }) => output) : shown.map((one) => one.shown?.content);
      expect(shown.map(({ output }) => output)).toEqual(expected);
    } finally {
      await registry.close();
    }
  });
});

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
