import { describe, expect, test } from '@jest/globals';
import { MemoryStore } from '../../src/store/memory.ts';
import type { ManifestContent, TagOrDigest } from '../../src/store/store.ts';
import { digestOf, type Digest } from '../../src/oci/digest.ts';
import { MediaType } from '../../src/oci/media-type.ts';
import type { ManifestNode } from '../../src/transfer/graph.ts';
import { planTransfer, type Plan } from '../../src/transfer/plan.ts';
import { runPlan } from '../../src/transfer/run.ts';
import { seeded } from '../support/flaky-proxy.ts';
import { roundsOf } from '../support/long.ts';

const GRAPHS = roundsOf(100, 300);
/** Longer than a recursion could be. */
const CHAIN = roundsOf(20_000, 50_000);

const source = new MemoryStore('source');
const root = contentOf('root');

function contentOf(name: string): ManifestContent {
  const bytes = Buffer.from(name);
  return { descriptor: { mediaType: MediaType.ociManifest, digest: digestOf(bytes), size: bytes.length }, bytes };
}

function nodeOf(name: string, children: readonly ManifestNode[] = [], subject?: Digest): ManifestNode {
  return { content: contentOf(name), source, blobs: [], foreign: [], children, subject };
}

const digest = (name: string): Digest => contentOf(name).descriptor.digest;
const order = ({ manifests }: Plan): readonly Digest[] => manifests.map(({ content }) => content.descriptor.digest);
const planOf = (nodes: readonly ManifestNode[], more?: Parameters<typeof planTransfer>[3]): Plan =>
  planTransfer(new MemoryStore('target'), nodes, { content: root, names: ['tag'] }, more);

/** A target with random delays, which refuses a manifest before its children and its subject. */
class StrictTarget extends MemoryStore {
  readonly #nodes: ReadonlyMap<Digest, ManifestNode>;
  readonly #random: () => number;

  constructor(nodes: readonly ManifestNode[], random: () => number) {
    super('strict');
    this.#nodes = new Map(nodes.map((node) => [node.content.descriptor.digest, node]));
    this.#random = random;
  }

  override async putManifest(content: ManifestContent, name: TagOrDigest): Promise<void> {
    const node = this.#nodes.get(content.descriptor.digest);
    const needed = [...(node?.children ?? []).map((child) => child.content.descriptor.digest), node?.subject];
    for (const digest of needed) {
      if (digest === undefined || !this.#nodes.has(digest) || (await this.hasManifest(digest))) continue;
      throw new Error(`${content.bytes.toString()} came before ${this.#nodes.get(digest)?.content.bytes.toString()}`);
    }
    for (let turns = this.#random() * 5; turns > 0; turns -= 1) await new Promise(setImmediate);
    await super.putManifest(content, name);
  }
}

describe('a plan', () => {
  test(`for ${GRAPHS} random graphs puts each manifest after its children and its subject`, async () => {
    const random = seeded(12);
    for (let round = 0; round < GRAPHS; round += 1) {
      const nodes: ManifestNode[] = [];
      for (let at = 0; at < 2 + random() * 12; at += 1) {
        const earlier = () => nodes[Math.floor(random() * nodes.length)];
        const children = [earlier(), earlier()].filter((child) => child !== undefined && random() < 0.3);
        const subject = random() < 0.5 ? earlier()?.content.descriptor.digest : undefined;
        nodes.push(nodeOf(`${round} ${at}`, children as ManifestNode[], subject));
      }
      const shuffled = nodes.map((node) => ({ node, key: random() })).sort((left, right) => left.key - right.key);
      const plan = planOf(shuffled.map(({ node }) => node));
      expect([...order(plan)].sort()).toEqual(nodes.map(({ content }) => content.descriptor.digest).sort());
      await runPlan({ ...plan, target: new StrictTarget(nodes, random) });
    }
  });

  test('ignores a subject that exists already, or is not part of the plan', () => {
    const nodes = [nodeOf('a', [], digest('b')), nodeOf('b'), nodeOf('c', [], digest('nowhere'))];
    expect(planOf(nodes).manifests.find(({ content }) => content.bytes.toString() === 'a')?.needs).toEqual([
      digest('b'),
    ]);
    const { manifests } = planOf(nodes, { present: new Set([digest('b')]) });
    expect(manifests.map(({ needs }) => needs)).toEqual([[], []]);
  });

  test('puts a root and a label by digest only if something refers to them', () => {
    const rootNode: ManifestNode = { ...nodeOf('root', [nodeOf('child')]), content: root };
    const label = { content: contentOf('label'), names: ['label'] };
    expect(order(planOf([rootNode, nodeOf('label')], { otherRoots: [label] }))).toEqual([digest('child')]);
    const [ofRoot, ofLabel] = [nodeOf('of root', [], digest('root')), nodeOf('of label', [], digest('label'))];
    const plan = planOf([ofRoot, ofLabel, rootNode, nodeOf('label')], { otherRoots: [label] });
    expect(order(plan)).toEqual(['child', 'root', 'of root', 'label', 'of label'].map(digest));
    expect(plan.root.names).toEqual(['tag']);
    const index = { content: contentOf(`a label that lists ${digest('label')}`), names: ['index'] };
    expect(order(planOf([nodeOf('label')], { otherRoots: [label, index] }))).toEqual([digest('label')]);
  });

  test(`supports a chain of ${CHAIN} subjects, also through nested lists`, async () => {
    const chain = Array.from({ length: CHAIN }, (_, at) => nodeOf(`link ${at}`, [], digest(`link ${at + 1}`)));
    expect(order(planOf(chain)).slice(0, 2)).toEqual([digest(`link ${CHAIN - 1}`), digest(`link ${CHAIN - 2}`)]);
    const nested = Array.from({ length: CHAIN / 2 }, (_, at) =>
      nodeOf(`list ${at}`, [nodeOf(`image ${at}`, [], digest(`list ${at + 1}`))]),
    );
    expect(order(planOf(nested)).slice(0, 2)).toEqual([
      digest(`image ${CHAIN / 2 - 1}`),
      digest(`list ${CHAIN / 2 - 1}`),
    ]);
    await runPlan(planOf(chain.slice(0, CHAIN / 10)));
  });

  test('supports a cycle of subjects, which is possible only with unverifiable digests', async () => {
    const circle = [nodeOf('a', [], digest('b')), nodeOf('b', [], digest('c')), nodeOf('c', [], digest('a'))];
    const own = nodeOf('own', [], digest('own'));
    const plan = planOf([...circle, own, nodeOf('list', [nodeOf('image', [], digest('list'))])]);
    expect(order(plan)).toEqual(['c', 'b', 'a', 'own', 'image', 'list'].map(digest));
    await runPlan(plan);
    for (const each of order(plan)) expect(await plan.target.hasManifest(each)).toBe(true);
  });
});
