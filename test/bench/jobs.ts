import { join } from 'node:path';
import { imagesBeside, imagesElsewhere, longList, sharedList } from '../support/request-count-images.ts';
import {
  buildah,
  buildx,
  crane,
  docker,
  oras,
  regctl,
  skopeo,
  split,
  type Do,
  type Round,
  type Script,
} from './tools.ts';

/** A job, and the commands of each tool for it. */
export interface Job {
  readonly title: string;
  readonly aim: string;
  /** Pushes the sources. @returns `REPOSITORY:TAG` of each */
  readonly seed: (url: string) => Promise<readonly string[]>;
  readonly delayMs?: number;
  /** The registry requires tokens. */
  readonly guarded?: boolean;
  /** The target of each round has its own repository. Default: the repository of the first source. */
  readonly elsewhere?: boolean;
  /** The job is done once before it is measured. */
  readonly again?: boolean;
  readonly tools: Readonly<Record<string, Do>>;
}

export const flags = (name: string, values: readonly string[]) => values.flatMap((value) => [name, value]);

const createTools: Job['tools'] = {
  docker: ({ target, sources }) => ({
    measured: [
      docker('manifest', 'create', '--insecure', target, ...sources),
      docker('manifest', 'push', '--insecure', target),
    ],
  }),
  'docker-buildx': ({ target, sources }) => ({ measured: [buildx('imagetools', 'create', '-t', target, ...sources)] }),
  crane: ({ target, sources }) => ({ measured: [crane('index', 'append', '-t', target, ...flags('-m', sources))] }),
  regctl: (round) => ({
    measured: [regctl(round, 'index', 'create', round.target, ...flags('--ref', round.sources))],
  }),
  buildah: (round) => ({
    measured: [
      buildah(round, 'manifest', 'create', round.name),
      ...round.sources.map((source) =>
        buildah(round, 'manifest', 'add', '--tls-verify=false', round.name, `docker://${source}`),
      ),
      buildah(round, 'manifest', 'push', '--all', '--tls-verify=false', round.name, `docker://${round.target}`),
    ],
  }),
};

export function create(mlist: Script): Do {
  return ({ target, sources }) => ({ measured: [mlist('create', target, ...sources), mlist('push', target)] });
}

/** The same in one command, which creates a draft and pushes it. */
export function createPushing(mlist: Script): Do {
  return ({ target, sources }) => ({ measured: [mlist('create', '--push', target, ...sources)] });
}

/** Only the last step, after the whole job was done once. */
function again(tool: Do, last: (round: Round) => ReturnType<Do>['measured']): Do {
  return (round) => ({ before: tool(round).measured, measured: last(round) });
}

function orasCreate({ target, sources }: Round) {
  return oras('manifest', 'index', 'create', '--plain-http', target, ...sources.map((source) => split(source)[1]));
}

export function copies(mlist: Script): Job['tools'] {
  return {
    mlist: ({ sources: [source = ''], target }) => ({ measured: [mlist('copy', source, target)] }),
    crane: ({ sources: [source = ''], target }) => ({ measured: [crane('copy', source, target)] }),
    regctl: (round) => ({ measured: [regctl(round, 'image', 'copy', round.sources[0] ?? '', round.target)] }),
    oras: ({ sources: [source = ''], target }) => ({
      measured: [oras('copy', '--from-plain-http', '--to-plain-http', source, target)],
    }),
    skopeo: ({ sources: [source = ''], target }) => ({
      measured: [
        skopeo(
          'copy',
          '--all',
          '--src-tls-verify=false',
          '--dest-tls-verify=false',
          `docker://${source}`,
          `docker://${target}`,
        ),
      ],
    }),
  };
}

/** Adds an image to a list of forty. */
async function fortyAndOne(url: string): Promise<readonly string[]> {
  await longList(url, 'long/app', 'v1', 40);
  return ['long/app:v1', 'long/app:next'];
}

async function shared(url: string): Promise<readonly string[]> {
  await sharedList(url, 'shared/app', 'v1');
  return ['shared/app:v1'];
}

/** @param steps - `all`, or `read` and `write` in two processes */
export function bareSteps(bare: Script, ...steps: readonly string[]): Do {
  return ({ host, origin = `http://${host}`, target, sources, folder }) => ({
    measured: steps.map((step) =>
      bare(
        origin,
        '32',
        step,
        join(folder, 'read'),
        ...[target, ...sources].map((name) => name.slice(host.length + 1)),
      ),
    ),
  });
}

export function jobsOf(mlist: Script, bare: Script): Readonly<Record<string, Job>> {
  const copy = copies(mlist);
  const twelve = (url: string) => imagesElsewhere(url, 12);
  const withMlist = { mlist: create(mlist), 'mlist --push': createPushing(mlist), ...createTools };
  return {
    create: {
      title: 'create and push, 12 images in other repositories, 50 ms before each answer',
      aim: 'at most 110 requests; at most 1.3 times bare: create --push is one process, create and push are two',
      seed: twelve,
      delayMs: 50,
      elsewhere: true,
      tools: { bare: bareSteps(bare, 'all'), 'bare in two': bareSteps(bare, 'read', 'write'), ...withMlist },
    },
    tokens: {
      title: 'the same, with tokens',
      aim: 'at most 6 token requests',
      seed: twelve,
      delayMs: 50,
      elsewhere: true,
      guarded: true,
      tools: withMlist,
    },
    again: {
      title: 'the unchanged list pushed again',
      aim: '1 request',
      seed: twelve,
      elsewhere: true,
      again: true,
      tools: {
        mlist: again(create(mlist), ({ target }) => [mlist('push', target)]),
        docker: again(createTools['docker']!, ({ target }) => [docker('manifest', 'push', '--insecure', target)]),
        'docker-buildx': againWhole(createTools['docker-buildx']!),
        crane: againWhole(createTools['crane']!),
        regctl: againWhole(createTools['regctl']!),
      },
    },
    beside: {
      title: 'create and push from 4 tags of the same repository',
      aim: 'at most 10 requests',
      seed: (url) => imagesBeside(url, 'beside/app', 4),
      tools: { ...withMlist, oras: (round) => ({ measured: [orasCreate(round)] }) },
    },
    add: {
      title: 'one more entry for a remote list of 40',
      aim: 'at most 5 requests, the tag read again before it moves',
      seed: fortyAndOne,
      tools: addTools(mlist),
    },
    copy: {
      title: 'copy 6 manifests and 11 blobs to another repository',
      aim: 'at most 24 requests',
      seed: shared,
      elsewhere: true,
      tools: copy,
    },
    copied: {
      title: 'the same copy again',
      aim: 'at most 2 requests',
      seed: shared,
      elsewhere: true,
      tools: Object.fromEntries(Object.entries(copy).map(([name, tool]) => [name, againWhole(tool)])),
    },
    retag: {
      title: 'another tag for a list in its repository',
      aim: 'at most 3 requests',
      seed: shared,
      tools: {
        ...copy,
        'crane tag': ({ sources: [source = ''], name }) => ({ measured: [crane('tag', source, name)] }),
        'oras tag': ({ sources: [source = ''], name }) => ({
          measured: [oras('tag', '--plain-http', source, name)],
        }),
      },
    },
  };
}

function againWhole(tool: Do): Do {
  return again(tool, (round) => tool(round).measured);
}

/** In each round the list has its own tag. */
function addTools(mlist: Script): Job['tools'] {
  const first = ({ sources: [list = ''], target }: Round) => [mlist('copy', list, target)];
  const next = ({ sources: [, image = ''] }: Round) => image;
  return {
    mlist: (round) => ({
      before: first(round),
      measured: [
        mlist('create', round.target, `docker://${round.target}`),
        mlist('add', round.target, next(round)),
        mlist('push', round.target),
      ],
    }),
    crane: (round) => ({
      before: first(round),
      measured: [crane('index', 'append', round.target, '-m', next(round), '-t', round.target)],
    }),
    regctl: (round) => ({
      before: first(round),
      measured: [regctl(round, 'index', 'add', round.target, '--ref', next(round))],
    }),
    oras: (round) => ({
      before: first(round),
      measured: [oras('manifest', 'index', 'update', '--plain-http', round.target, '--add', split(next(round))[1])],
    }),
  };
}
