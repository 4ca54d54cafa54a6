import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from '@jest/globals';
import { answer } from '../support/recording-proxy.ts';
import { getManifest } from '../support/images.ts';
import { from, proxy, registry, repository, serveTarget, tagOf, to, cli } from '../support/relay-fixture.ts';
import { platformsOf } from '../support/request-count-images.ts';

/** A registry that answers 500 to concurrent writes of manifests, as Gitea may. The first write waits for a second one. */
const { list } = serveTarget('overlap', platformsOf(12));

beforeEach(() => {
  const under = new Set<{ overlaps: boolean }>();
  let second: () => void = () => undefined;
  const overlap = new Promise<void>((resolve) => (second = resolve));
  proxy.on(/^PUT .*\/manifests\//, async (exchange) => {
    const write = { overlaps: under.size > 0 };
    for (const other of under) other.overlaps = true;
    under.add(write);
    if (write.overlaps) second();
    await exchange.read();
    await Promise.all([overlap, sleep(20)]);
    await (write.overlaps ? answer(500)(exchange) : exchange.pass());
    under.delete(write);
  });
});

const faults = (): number => proxy.requests.filter(({ status }) => status === 500).length;

test.each([[[]], [['--retries', '0']]])('a list of 12 images is copied (%j)', async (options) => {
  await cli.must('copy', from('1.0'), to('1.0'), ...options);
  expect(await tagOf('1.0')).toBe(list.digest);
  expect(faults()).toBeGreaterThan(0);
});

test('pushes a list to several tags, even if the push depends on the content of one of them', async () => {
  const digest = await cli.must('create', to('1.0'), from('1.0'), '--push', '-t', ':a', '-t', ':b');
  for (const tag of ['1.0', 'a', 'b']) expect(await tagOf(tag)).toBe(digest);
  const annotation = ['--index-annotation', 'changed=yes', '--push'];
  const changed = await cli.must('annotate', `docker://${to('1.0')}`, ...annotation, '-t', ':a', '-t', ':b');
  for (const tag of ['1.0', 'a', 'b']) expect(await tagOf(tag)).toBe(changed);
  const again = ['push', '--force', '--if-digest', changed, '-t', ':a', '-t', ':b', '--format', 'oci'];
  await cli.must('create', '--amend', to('1.0'), to('1.0'));
  await cli.must(...again);
  expect(faults()).toBeGreaterThan(0);
});

test('joins 12 images at once', async () => {
  await cli.must('join', to('1.0'), from('1.0'));
  const { manifests } = JSON.parse((await getManifest(registry.url, repository, '1.0'))!.bytes.toString()) as {
    manifests: object[];
  };
  expect(manifests).toHaveLength(12);
  expect(faults()).toBeGreaterThan(0);
});
