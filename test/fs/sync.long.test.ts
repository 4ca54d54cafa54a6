import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRegistry, type RunningRegistry } from '../../src/server/start-registry.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { casesOf } from '../support/long.ts';
import { runMlist, runMlistBy, type Ended } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { temporaryFolder } from '../support/cli-harness.ts';

let registry: RunningRegistry;
beforeAll(async () => {
  registry = await startRegistry();
  await pushImage(registry.url, 'team/app', 'v1', makeImage({ layers: 2 }));
});
afterAll(() => registry.close());

/** Runs the built program on a system where each fsync fails with this error. */
function runWithoutSync(error: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  const inject = `inject=fsync:error=${error}`;
  return runMlistBy(['strace', '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', '-e', inject], args, env);
}

describeWith('strace', 'a file system', () => {
  test.each(casesOf(['EINVAL', 'EOPNOTSUPP', 'EPERM'], 3))(
    'that refuses fsync with %s is written to',
    async (error) => {
      const folder = await temporaryFolder();
      const env = { MLIST_WORKSPACE: join(folder, 'ws') };
      const [image, list] = [`${registry.host}/team/app:v1`, `${registry.host}/team/app:list`];
      expect(await runWithoutSync(error, ['create', list, image], env)).toMatchObject({ code: 0 });
      expect(await runWithoutSync(error, ['annotate', '--annotation', 'k=1'], env)).toMatchObject({ code: 0 });
      for (const target of [`oci:${join(folder, 'layout')}:v1`, `oci-archive:${join(folder, 'a.tar')}:v1`]) {
        expect(await runWithoutSync(error, ['copy', image, target], env)).toMatchObject({ code: 0 });
        expect(await runMlist(['validate', '--deep', target], env)).toMatchObject({ code: 0 });
      }
    },
  );

  test('that fails in fsync is reported, and the old draft is kept', async () => {
    const folder = join(await temporaryFolder(), 'ws');
    const ended = await runWithoutSync('EIO', ['create', `${registry.host}/team/app:list`], {
      MLIST_WORKSPACE: folder,
    });
    expect(ended).toMatchObject({ code: 1, stdout: '' });
    expect(ended.stderr).toMatch(/^mlist: cannot write .*team%2Fapp%3Alist\.json: .*EIO/);
    expect(await readdir(join(folder, 'drafts'))).toEqual([]);
  });
});
