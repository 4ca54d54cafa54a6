import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { pushContent } from '../pictures/content.ts';
import { imageOf, indexOf, withFolder } from '../store/samples.ts';
import { Browser, browserProgram, type Tab } from '../support/browser.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { entryOf, makeImage, makeIndex, pushImage, putManifest } from '../support/images.ts';
import { pairsOf } from '../support/long.ts';

/** The pages in headless Chromium. Skipped if it is not installed; `.ci/run` installs it with CI_BROWSER=1. */

let registry: RunningRegistry;
let browser: Browser;

const tab = (options: Partial<Parameters<Browser['open']>[0]> = {}) => browser.open({ width: 1280, ...options });

async function visit(path: string, options?: Parameters<typeof tab>[0]): Promise<Tab> {
  const page = await tab(options);
  await page.goto(`${registry.url}${path}`);
  return page;
}

const list = '/-/repo/team/app:1.0';
const paths = ['/', '/-/repo/team/app', list, '/-/repo/team/app:amd64', '/-/repo/none', '/-/repo/long:1.0'];
const views = [
  [360, 'dark'],
  [1600, 'light'],
  [1600, 'dark'],
  [360, 'light'],
] as const;

/** A list whose names and values are too long for any screen. */
async function pushLong(url: string): Promise<void> {
  const image = makeImage({ salt: 'long', kind: 'oci' });
  await pushImage(url, 'long', undefined, image);
  const word = 'w'.repeat(300);
  const platform = { os: 'linux', architecture: word, variant: word };
  const index = makeIndex([entryOf(image, platform, { annotations: { [word]: word } })], {
    annotations: { [word]: word },
  });
  await putManifest(url, 'long', '1.0', index.mediaType, index.bytes);
  await putManifest(url, 'long', word.slice(0, 128), index.mediaType, index.bytes);
}

(browserProgram === undefined ? describe.skip : describe)('in a browser', () => {
  beforeAll(async () => {
    registry = await startRegistry();
    await pushContent(registry.url, registry.url);
    await pushLong(registry.url);
    browser = await Browser.start();
  });
  afterAll(async () => {
    await browser.close();
    await registry.close();
  });

  test.each(pairsOf(paths, views).map(([path, [width, theme]]) => [path, width, theme] as const))(
    '%s at %d pixels, %s: no horizontal scroll bar, message or request, and a contrast of at least 4.5',
    async (path, width, theme) => {
      const page = await visit(path, { width, theme });
      await page.evaluate('for (const each of document.querySelectorAll("details")) each.open = true');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
      // An answer with an error status is a message of the browser itself.
      const messages = page.messages.filter((text) => path !== '/-/repo/none' || !text.includes('404'));
      expect(messages).toEqual([]);
      expect(page.requests.filter((url) => !url.startsWith('data:'))).toEqual([`${registry.url}${path}`]);
      expect(await page.evaluate<object[]>(lowContrast)).toEqual([]);
    },
  );

  test('the themes differ', async () => {
    const colours = await Promise.all(
      (['dark', 'light'] as const).map(async (theme) =>
        (await visit('/', { theme })).evaluate('getComputedStyle(document.body).backgroundColor'),
      ),
    );
    expect(new Set(colours).size).toBe(2);
  });

  test('the filter hides the rows that do not match, while the user types', async () => {
    const page = await visit('/-/repo/team/app');
    const shown =
      '[...document.querySelectorAll("#tags > tr")].filter((row) => !row.hidden).map((row) => row.cells[0].innerText)';
    const all = await page.evaluate<string[]>(shown);
    expect(all).toEqual(['1.0', 'amd64', 'arm64', 'armv7']);
    await page.evaluate('document.querySelector("#tags-filter").focus()');
    await page.type('ARM64');
    expect(await page.evaluate(shown)).toEqual(['1.0', 'arm64']);
    expect(await page.evaluate('document.querySelector("output").value')).toBe('2 of 4');
    await page.type(' v7');
    expect(await page.evaluate(shown)).toEqual(['1.0']);
    await page.type('x');
    expect(await page.evaluate(shown)).toEqual([]);
    expect(page.messages).toEqual([]);
  });

  test('a button copies its text', async () => {
    const page = await visit(list);
    await page.evaluate(`
      globalThis.copied = [];
      Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { copied.push(text); } } });
      document.querySelector('.command button').focus()`);
    await page.press('Enter');
    expect(await page.evaluate('copied')).toEqual([`docker pull ${registry.host}/team/app:1.0`]);
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Copied');
    expect(await page.evaluate('document.querySelector("#status").textContent')).toBe('Copied');
  });

  test('without JavaScript, the links lead to all pages, and what needs it is hidden', async () => {
    const page = await visit('/', { javaScript: false });
    for (const selector of ['a[href="/-/repo/team/app"]', 'a[href="/-/repo/team/app:1.0"]', '#entries a']) {
      await page.goto(await page.evaluate(`document.querySelector('main ${selector}').href`));
      expect(
        await page.evaluate('[...document.querySelectorAll("button, .filter")].filter((each) => each.offsetParent)'),
      ).toEqual([]);
    }
    expect(await page.evaluate('document.querySelector("h1").innerText')).toMatch(/^team\/app@sha256:/);
    expect(await page.evaluate('document.querySelector("details").open')).toBe(false);
    await page.evaluate('document.querySelector("summary").click()');
    expect(await page.evaluate('document.querySelector("pre").innerText')).toContain('"schemaVersion": 2');
  });

  test('the keyboard reaches everything in the order of the page, and the focus is visible', async () => {
    const page = await visit(list);
    const seen: string[] = [];
    const focused = `(() => { const { activeElement: each } = document; return each === document.body ? '' : [each.localName, each.getAttribute('href') ?? each.dataset.copy ?? each.innerText.slice(0, 20)].join(' ') })()`;
    for (let at = 0; at < 100; at += 1) {
      await page.press('Tab');
      const name = await page.evaluate<string>(focused);
      if (name === '') break;
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).not.toBe('none');
      seen.push(name);
    }
    const expected = `[...document.querySelectorAll('a[href], button, summary, input, pre')].filter((each) => each.checkVisibility()).map((each) => { return [each.localName, each.getAttribute('href') ?? each.dataset.copy ?? each.innerText.slice(0, 20)].join(' ') })`;
    expect(seen).toEqual(await page.evaluate(expected));
    expect(seen[0]).toBe('a #main');
  });

  test('a page of another site cannot display a page in a frame', async () => {
    const foreign = createServer((_, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(`<iframe src="${registry.url}/"></iframe>`);
    });
    foreign.listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    try {
      const page = await tab();
      await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
      expect(page.messages.join()).toContain('frame-ancestors');
    } finally {
      foreign.closeAllConnections();
      foreign.close();
    }
  });

  test('hostile annotations do nothing', async () => {
    const payload = `"><img src=x onerror="document.title='attacked'"><script>document.title='attacked'</script>`;
    const image = imageOf('hostile', { annotations: { [payload]: payload } });
    const index = indexOf([{ ...image.manifest.descriptor, annotations: { [payload]: payload } }], {
      annotations: { [payload]: payload, url: "javascript:document.title='attacked'" },
    });
    const blobs = [image.config, ...image.layers].map(({ bytes }) => Buffer.from(bytes));
    const { digest, mediaType } = image.manifest.descriptor;
    await pushImage(registry.url, 'hostile', 'image', {
      digest,
      mediaType,
      bytes: Buffer.from(image.manifest.bytes),
      blobs,
    });
    await putManifest(registry.url, 'hostile', 'list', index.descriptor.mediaType, Buffer.from(index.bytes));
    for (const tag of ['image', 'list']) {
      const page = await visit(`/-/repo/hostile:${tag}`);
      expect([await page.evaluate('document.title'), page.messages]).toEqual([`hostile:${tag} · mlist`, []]);
    }
  });

  test('show --html writes a page that needs no server', () =>
    withFolder(async (folder) => {
      const cli = await CliHarness.make();
      const file = join(folder, 'list.html');
      await cli.must('show', `${registry.host}/team/app:1.0`, '--html', file);
      const page = await tab({ width: 360 });
      await page.goto(`file://${file}`);
      expect([page.messages, page.requests.filter((url) => !/^(?:file|data):/.test(url))]).toEqual([[], []]);
      expect(await page.evaluate('document.querySelectorAll("#entries > tr").length')).toBe(3);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
      await page.evaluate('document.querySelector(".command button").click()');
      // A changed style is refused, since the policy names its hash.
      const changed = join(folder, 'changed.html');
      const text = await page.evaluate<string>('document.documentElement.outerHTML');
      await writeFile(changed, text.replace('<script>', '<script>document.title = "changed";'));
      const other = await tab();
      await other.goto(`file://${changed}`);
      expect(await other.evaluate('document.title')).not.toBe('changed');
      expect(other.messages.join()).toContain('Content Security Policy');
    }));
});

/** The texts whose contrast with their background is below 4.5 (WCAG 2.2, 1.4.3). */
const lowContrast = `(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
      if (a > 0) return [r, g, b];
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((each) => each.checkVisibility() && [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ''))
    .map((each) => {
      const [one, two] = [light(parse(getComputedStyle(each).color)), light(background(each))].sort((a, b) => b - a);
      return { text: each.textContent.slice(0, 30), contrast: (one + 0.05) / (two + 0.05) };
    })
    .filter(({ contrast }) => contrast < 4.5);
})()`;
