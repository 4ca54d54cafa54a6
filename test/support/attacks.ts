import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AttackHarness, image, list } from './hostile-registry.ts';
import { answer, type Rule } from './recording-proxy.ts';
import { sha256 } from './images.ts';

/**
 * Attacks against the command line, on real sockets and files. Each must end in a specific error before the deadline, must
 * not send the login to another server, must not write outside the target, and must not tag incomplete content. Single
 * modules are tested in test/store/registry/trust.long.test.ts, test/store/archive/tar-file.long.test.ts and test/store/layout.test.ts.
 */
export let attacked: AttackHarness;

/** Starts an AttackHarness for each test of the file. */
export function startAttacked(): void {
  beforeEach(async () => {
    attacked = await AttackHarness.start();
  });
  afterEach(() => attacked.close());
}

/** The commands under attack, by the requests that they send. */
export const commands = {
  'read a manifest by tag': (host: string) => ['inspect', '--raw', `${host}/team/app:v1`],
  'read a manifest by digest': (host: string) => ['inspect', '--raw', `${host}/team/app@${list.digest}`],
  'look at a tag': (host: string) => ['resolve', `${host}/team/app:v1`],
  'read a config': (host: string) => ['create', 'x.io/a:b', `${host}/team/app@${image.digest}`],
  'read layers': (host: string) => ['copy', `${host}/team/app:v1`, 'oci:there:v1'],
  'read referrers': (host: string) => ['copy', `${host}/team/app:v1`, 'oci:there:v1', '--referrers'],
  'list tags': (host: string) => ['tags', `${host}/team/app`],
  write: (host: string) => ['copy', `${attacked.honest.host}/team/app:v1`, `${host}/team/new:v1`],
  mount: (host: string) => ['copy', `${host}/team/app:v1`, `${host}/team/new:v1`],
  delete: (host: string) => ['delete', `${host}/team/app:v1`],
} as const;

export type Command = keyof typeof commands;

export const layer = image.blobs[1]!;
export const layerPath = new RegExp(`^GET .*blobs/${sha256(layer)}`);
export const configPath = new RegExp(`^GET .*blobs/${sha256(image.blobs[0]!)}`);
export const type = { 'content-type': list.mediaType };

export const longHeader = { 'x-long': 'x'.repeat(2 ** 20) };
/** 256 MiB of zeros, in 256 KiB. It takes a second to compress, and not every suite needs it. */
let bomb: Buffer | undefined;
export const bombed: Rule = (exchange) => {
  bomb ??= gzipSync(Buffer.alloc(2 ** 26));
  return answer(200, { ...type, 'content-encoding': 'gzip' }, bomb)(exchange);
};

/** Sends a response body that never ends. */
export const endless: Rule = ({ response, request }) => {
  request.resume();
  response.writeHead(200, type);
  const write = () => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
    if (!response.destroyed) response.once('drain', write);
  };
  write();
};

export interface Attack {
  readonly pattern: RegExp;
  readonly rule: Rule;
  /** Expected error code, without `ERR_MLIST_`. */
  readonly ends: string;
  /** Expected number of requests to the other server. Default: not checked. */
  readonly meets?: number;
  readonly retries?: number;
  /** Additional rules. */
  readonly also?: readonly (readonly [RegExp, Rule])[];
}

/** An attack with its name and the command under attack. */
export type Named = readonly [name: string, command: Command, attack: Attack];

/**
 * Defines a test for each attack.
 * @param everybody - the rules also apply to requests without the login
 */
export function withstands(
  tables: readonly (readonly [what: string, attacks: readonly Named[]])[],
  { everybody = false }: { readonly everybody?: boolean } = {},
): void {
  describe.each(tables)('%s', (_, attacks) => {
    test.each(attacks)(
      '%s, when commands %s',
      async (_name, command, { pattern, rule, ends, meets, retries = 0, also = [] }) => {
        attacked.arm(pattern, rule, everybody);
        for (const [more, does] of also) attacked.arm(more, does, everybody);
        const before = await attacked.surroundings();
        const run = (...more: readonly string[]) =>
          attacked.run([...commands[command](attacked.proxy.host), '--retries', String(retries), ...more]);
        const patterns = [pattern, ...also.map(([more]) => more)];
        const result =
          ends === 'TIMEOUT'
            ? await attacked.untilRequested(patterns, (limit) => run('--timeout', limit))
            : await run();
        expect(attacked.proxy.requestsMatching(pattern).length).toBeGreaterThan(0);
        expect(result.errors).toContain(ends);
        if (meets !== undefined) expect(attacked.otherServer.requests).toHaveLength(meets);
        attacked.expectNoLeak(result);
        await attacked.expectNothingNamed();
        expect(await attacked.surroundings()).toEqual(before);
      },
    );
  });
}
