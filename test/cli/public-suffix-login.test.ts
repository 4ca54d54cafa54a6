import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { RecordingProxy } from '../support/recording-proxy.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { runMlist } from '../support/mlist.ts';
import { guard, TokenService } from '../support/token-service.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

/** The built program loads the public suffix list when a login is first sent to a token service. */
describe('the built program sends credentials', () => {
  let registry: RunningRegistry;
  let proxy: RecordingProxy;
  let tokens: TokenService;
  let realm: string;
  const image = makeImage({ salt: 'guarded', kind: 'oci' });

  beforeAll(async () => {
    registry = await startRegistry();
    await pushImage(registry.url, 'team/app', 'v1', image);
    proxy = await RecordingProxy.start({ upstream: registry.url });
    tokens = await TokenService.start({ users: { me: 'right-password' } });
    guard(proxy, tokens, { realm: () => realm });
  });
  afterAll(async () => {
    await Promise.all([registry, proxy, tokens.proxy].map((one) => one.close()));
  });

  async function digestWith(service: string): Promise<Awaited<ReturnType<typeof runMlist>>> {
    const host = `registry.team.localhost:${new URL(proxy.url).port}`;
    realm = `http://${service}:${new URL(tokens.realm).port}/token`;
    const folder = await temporaryFolder();
    const file = join(folder, 'auth.json');
    const auth = Buffer.from('me:right-password').toString('base64');
    await writeFile(file, JSON.stringify({ auths: { [host]: { auth } } }));
    tokens.requests.length = 0;
    return runMlist(['digest', `${host}/team/app:v1`, '--authfile', file], { HOME: folder });
  }

  test('to the token service of the same owner', async () => {
    expect(await digestWith('auth.team.localhost')).toMatchObject({ code: 0, stdout: `${image.digest}\n` });
    expect(tokens.requests.map(({ account }) => account)).toEqual(['me']);
  });

  test('not to the token service of another owner', async () => {
    const { code, stderr } = await digestWith('auth.other.localhost');
    expect([code, stderr]).toEqual([6, expect.stringMatching(/not trusted to receive the credentials[^]*--auth-host/)]);
    expect(tokens.requests).toEqual([]);
  });
});
