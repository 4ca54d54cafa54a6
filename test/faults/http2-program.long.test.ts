import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Authority, type Certificate } from '../support/certificates.ts';
import { cleanup } from '../support/cleanup.ts';
import { FrameServer } from '../support/http2-frames.ts';
import { exitCodes, faults } from '../support/http2-faults.ts';
import { casesOf } from '../support/long.ts';
import { runMlist } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';

/** The built program ends with one error, and without an unhandled one, whatever an HTTP/2 server does wrong. */
describeWith('openssl', 'the program', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mlist-test-'));
  let certificate: Certificate;
  let caFile = '';
  beforeAll(() => {
    const authority = new Authority(folder);
    certificate = authority.sign('server');
    caFile = authority.certificate.certFile;
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const reads = Object.entries(faults).filter(([, { writes = false }]) => !writes);
  test.each(casesOf(reads, 30, 6))('ends if %s', async (_name, { code, message, ...server }) => {
    const { host } = cleanup(await FrameServer.start({ certificate, ...server }));
    const timeout = code === 'TIMEOUT' ? '1s' : '60s';
    const args = ['inspect', '--raw', `${host}/repo:v1`, '--ca-file', caFile, '--retries', '0', '--timeout', timeout];
    const ended = await runMlist(args, { HOME: folder });
    expect(ended).toMatchObject({ code: exitCodes[code], signal: null, stdout: '' });
    expect(ended.stderr).toMatch(/^mlist: (?:cannot read|the response of) [^\n]+\n(?:[^\n]+\n)?$/);
    expect(ended.stderr).toContain(message);
  });
});
