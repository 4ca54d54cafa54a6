import { expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { describeOnTerminal, runOnTerminal, type Typed } from '../support/terminal.ts';
import { casesOf } from '../support/long.ts';
import { temporaryFolder, CliHarness } from '../support/cli-harness.ts';

/** Prompts on a terminal, and the keys that end a prompt without an answer. */
const [enter, endOfInput, interrupt] = ['\r', '\u0004', '\u0003'];

// No registry listens there, and no request is sent.
const host = '127.0.0.1:9';

const atName = (keys: string): Typed => ({ after: 'Username: ', keys });
const atPassword = (keys: string): Typed => ({ after: 'Password: ', keys });

describeOnTerminal('the prompts of login', () => {
  const cases: readonly (readonly [string, readonly Typed[], number, string])[] = [
    ['Ctrl-C at the user name', [atName(interrupt)], 130, 'interrupted: every file and tag is complete or unchanged'],
    [
      'Ctrl-C in the middle of it',
      [atName(`m${interrupt}`)],
      130,
      'interrupted: every file and tag is complete or unchanged',
    ],
    ['Ctrl-C at the password', [atName(`me${enter}`), atPassword(interrupt)], 130, 'interrupted'],
    ['Ctrl-D at the user name', [atName(endOfInput)], 2, `missing user name for ${host}`],
    ['Ctrl-D at the password', [atName(`me${enter}`), atPassword(endOfInput)], 2, `missing password for ${host}`],
    ['only Enter at the user name', [atName(enter)], 2, `missing user name for ${host}`],
    ['only Enter at the password', [atName(`me${enter}`), atPassword(enter)], 2, `missing password for ${host}`],
  ];
  test.each(casesOf(cases, 4))('%s', async (_name, typed, code, output) => {
    const result = await runOnTerminal(['login', host], typed, await temporaryFolder());
    expect(result).toEqual({ code, shown: expect.stringMatching(new RegExp(`\\n(mlist: )?${output}`)) });
    expect(result.shown).not.toContain('bug');
  });

  test('does not echo a password', async () => {
    const typed = [atName(`me${enter}`), atPassword(`hidden-secret${enter}`)];
    const { code, shown } = await runOnTerminal(['login', host, '--retries', '0'], typed, await temporaryFolder());
    expect(code).toBe(7);
    expect(shown).not.toContain('hidden-secret');
  });
});

describeOnTerminal('the prompt of annotate', () => {
  const cases: readonly (readonly [string, string, number, string | RegExp])[] = [
    ['Ctrl-C', interrupt, 130, 'interrupted: every file and tag is complete or unchanged'],
    ['Ctrl-D', endOfInput, 2, 'mlist annotate '],
    ['only Enter', enter, 2, 'mlist annotate '],
    ['an answer', `2${enter}`, 0, /annotated \S+:v7 /],
  ];
  test.each(casesOf(cases, 4, 3))('%s', async (_name, keys, code, output) => {
    const registry = await startRegistry();
    try {
      const cli = await CliHarness.make();
      const images = ['v6', 'v7'].map((variant) => `${registry.host}/team/app:${variant}`);
      for (const variant of ['v6', 'v7']) {
        const platform = { os: 'linux', architecture: 'arm', variant };
        await pushImage(registry.url, 'team/app', variant, makeImage({ salt: variant, kind: 'oci', platform }));
      }
      await cli.must('create', 'team/app', ...images);
      const args = ['annotate', '--arch', 'arm', '--annotation', 'k=v', '--workspace', cli.workspace];
      const result = await runOnTerminal(args, [{ after: 'Select an entry [1-2]: ', keys }], cli.folder);
      expect(result).toEqual({ code, shown: expect.stringMatching(output) });
      expect(result.shown).not.toContain('bug');
    } finally {
      await registry.close();
    }
  });
});
