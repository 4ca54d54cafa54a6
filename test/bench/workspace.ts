import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileNameOf } from '../../src/draft/workspace/workspace.ts';
import { parseReference } from '../../src/oci/reference.ts';
import { makeImage, sha256 } from '../support/images.ts';
import { runAll } from './command.ts';
import { compare, cpu, peak, printTable, wall } from './compare.ts';
import type { BenchContext } from './main.ts';
import { print } from './measure.ts';
import { environmentIn, mlistOf } from './tools.ts';

const ROUNDS = 3;
const DRAFTS = 10_000;
const IMAGES_PER_DRAFT = 6;
/** Drafts with the same images. */
const SHARED_BY = 5;

/** Time and memory of local commands in a workspace with many drafts. */
export async function benchWorkspace(context: BenchContext): Promise<void> {
  const { folder, rounds = ROUNDS } = context;
  const workspace = join(folder, 'many-drafts');
  const blobs = writeWorkspace(workspace);
  print(
    `\n## ${DRAFTS} drafts of ${IMAGES_PER_DRAFT} images each, with ${blobs} manifests and configs in the cache; rounds: ${rounds}\n`,
  );
  const mlist = mlistOf(context);
  const env = { ...environmentIn(join(folder, 'homes', 'workspace')), MLIST_WORKSPACE: workspace };
  const commands: Readonly<Record<string, readonly string[]>> = {
    ls: ['ls'],
    'ls --json': ['ls', '--json'],
    prune: ['prune'],
    'completion, all drafts': ['--complete', 'push', ''],
    'completion, 11 drafts': ['--complete', 'push', `team/app-${DRAFTS / 10}`],
    version: ['version'],
  };
  const result = await compare(Object.keys(commands), rounds, (name) => runAll([mlist(...commands[name]!)], env));
  printTable('command', result, [wall, cpu, peak]);
}

/** @returns the number of cached documents */
function writeWorkspace(folder: string): number {
  const [drafts, blobs] = [join(folder, 'drafts'), join(folder, 'blobs', 'sha256')];
  for (const one of [drafts, blobs]) mkdirSync(one, { recursive: true });
  let count = 0;
  let entries: readonly object[] = [];
  for (let at = 0; at < DRAFTS; at += 1) {
    if (at % SHARED_BY === 0) {
      const images = Array.from({ length: IMAGES_PER_DRAFT }, (_, image) => imageOf(at, image));
      const documents = images.flatMap(({ documents: own }) => own);
      for (const { digest, bytes } of documents) writeFileSync(join(blobs, digest.slice('sha256:'.length)), bytes);
      count += documents.length;
      entries = images.map(({ entry }) => entry);
    }
    const name = `docker.io/team/app-${at}:v1`;
    const text = JSON.stringify({ version: 1, list: name, format: 'auto', entries }, undefined, 2);
    writeFileSync(join(drafts, `${fileNameOf(parseReference(name))}.json`), `${text}\n`);
  }
  return count;
}

const architectures = ['amd64', 'arm64', 's390x', 'riscv64', 'ppc64le', '386'];

function imageOf(draft: number, at: number) {
  const platform = { architecture: architectures[at] ?? '', os: 'linux' };
  const { mediaType, digest, bytes, blobs } = makeImage({ kind: 'oci', salt: `${draft} ${at}`, platform });
  const config = blobs[0] ?? Buffer.alloc(0);
  const source = `docker.io/team/app-${draft}:v1-${platform.architecture}`;
  const entry = { source, mediaType, digest, size: bytes.length, detected: platform };
  return {
    entry,
    documents: [
      { digest, bytes },
      { digest: sha256(config), bytes: config },
    ],
  };
}
