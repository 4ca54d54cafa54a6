import type { ManifestContent, ContentOptions, ReadStore, Store, TagOrDigest } from '../../store/store.ts';
import { minimalDescriptor, uniqueByDigest, type Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ManifestNode } from '../../transfer/graph.ts';
import type { SharedTransfers } from '../../transfer/shared-transfers.ts';
import { hasLostContent } from '../../transfer/unknown-content.ts';
import { planTransfer, type Plan, type RootStep } from '../../transfer/plan.ts';
import { runPlan, type ReplacedTag, type RunOptions } from '../../transfer/run.ts';
import type { TargetLog } from '../../transfer/target-log.ts';
import type { Omission } from '../omissions.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { findAttachments, otherRootsFor, type Attached, type Attachments } from './copy-attachments.ts';
import type { OnEvent } from '../events.ts';
import { existingLargeBlobs } from '../publish/large-blobs.ts';
import { watchConfigs } from '../platform-claims.ts';
import { SentContent } from '../publish/sent-content.ts';
import { ignoreRefusedRead, type TagState } from '../publish/tag-state.ts';

/** The input of a transfer: the content, the names to write, and the known state of the target. */
export interface CopyTransfer {
  readonly source: ReadStore;
  readonly target: Store;
  readonly content: ManifestContent;
  /** The content with everything below it; undefined if only names have to be written. */
  readonly node: ManifestNode | undefined;
  /** The digest at the source. If the list was filtered, `content` has another digest. */
  readonly original: Digest;
  /**
   * The names to write: the tag of the target (the digest if it has no tag), and the additional tags. Without `force`,
   * names that are known to refer to the content already are not included.
   */
  readonly names: readonly TagOrDigest[];
  /** The state that the tags must have when they are moved. Default: any state. */
  readonly ifDigest?: TagState | undefined;
  /**
   * Whether one of the names at the target is known to refer to the content already. The content itself is then not
   * copied. Always false with `force`.
   */
  readonly isPresent: boolean;
  /** Whether none of the names is known to exist at the target. Always true with `force`. */
  readonly isNew: boolean;
  readonly isRegistry: boolean;
  /** The previous content of the tags. No name is moved before this promise resolves. */
  readonly replaced: Promise<ReadonlyMap<string, ReplacedTag>>;
}

export interface TransferOptions extends ContentOptions {
  readonly referrers?: boolean | undefined;
  readonly force?: boolean | undefined;
  /** Shared by all copies and pushes of one command, so that the same content is sent once. Default: not shared. */
  readonly transfers?: SharedTransfers | undefined;
  readonly targets?: TargetLog | undefined;
  readonly onEvent?: OnEvent | undefined;
}

export interface Transferred {
  /** The attachments that were copied; undefined unless `referrers` is set. */
  readonly attached?: readonly Attached[];
  readonly omissions: readonly Omission[];
}

/** Copies content and everything below it to the target, then writes its names. */
export async function transferCopy(transfer: CopyTransfer, options: TransferOptions): Promise<Transferred> {
  const { target, node, names } = transfer;
  if (names.length === 0 && options.referrers !== true) return { omissions: [] };
  // Prevents an unhandled rejection if the promise rejects before a plan awaits it.
  transfer.replaced.catch(() => undefined);
  const running = { ...options, replaced: names.length === 0 ? undefined : transfer.replaced };
  const root = rootOf(transfer);
  if (node === undefined) {
    await runPlan(planTransfer(target, [], root), running);
    return { omissions: [] };
  }
  const { nodes, attachments, otherRoots, omissions } = await partsOf(transfer, node, options);
  const present = await presentOf(nodes, transfer, options);
  await runRepaired({ target, nodes, root, otherRoots, present }, running);
  if (attachments !== undefined) await confirmLists(attachments, otherRoots, transfer, options);
  return {
    ...(attachments === undefined ? {} : { attached: attachments.attached }),
    omissions: [...foreignLayers(nodes), ...omissions, ...(attachments?.omissions ?? [])],
  };
}

/** Plans a copy without writing anything. The plan is undefined if nothing has to be written. */
export async function planCopy(
  transfer: CopyTransfer,
  options: TransferOptions,
): Promise<Transferred & { readonly plan?: Plan }> {
  const { target, node, names, content } = transfer;
  if (names.length === 0 && options.referrers !== true) return { omissions: [] };
  const root = rootOf(transfer);
  if (node === undefined) return { omissions: [], plan: planTransfer(target, [], root) };
  const { nodes, attachments, otherRoots, omissions } = await partsOf(transfer, node, options);
  const existing = await existingContent(target, nodes, content.descriptor.digest, options);
  return {
    ...(attachments === undefined ? {} : { attached: attachments.attached }),
    omissions: [...foreignLayers(nodes), ...omissions, ...(attachments?.omissions ?? [])],
    plan: planTransfer(target, nodes, root, { existing, otherRoots }),
  };
}

function rootOf({ content, names, ifDigest }: CopyTransfer): RootStep {
  if (ifDigest === undefined) return { content, names };
  return { content, names, ifMatch: new Map(names.map((name) => [name, ifDigest])) };
}

/**
 * Returns what a copy transfers: the content (unless the target already has it), its attachments, and the tags that the
 * attachments need.
 */
async function partsOf(transfer: CopyTransfer, node: ManifestNode, options: TransferOptions) {
  const attachments = options.referrers === true ? await attachmentsOf(transfer, node, options) : undefined;
  const nodes = [...(transfer.isPresent ? [] : [node]), ...(attachments?.nodes ?? [])];
  return { nodes, attachments, ...(await otherRootsOf(attachments, transfer, options)) };
}

/**
 * Returns the manifests that the target already has and, of the other manifests, the blobs that it already has. The
 * root manifest is not looked up, because it is always sent.
 */
async function existingContent(
  target: Store,
  nodes: readonly ManifestNode[],
  root: Digest,
  { signal }: ContentOptions,
): Promise<readonly Descriptor[]> {
  const all = nodes.flatMap(nodesIn);
  const manifests = uniqueByDigest(all.map(({ content }) => minimalDescriptor(content.descriptor)));
  const isStored = (looking: Promise<boolean>) => ignoreRefusedRead(looking, { signal });
  const existing = await filterAsync(
    manifests.filter(({ digest }) => digest !== root),
    ({ digest }) => isStored(target.hasManifest(digest, { signal })),
  );
  const has = new Set(existing.map(({ digest }) => digest));
  const lacking = all.filter(({ content }) => !has.has(content.descriptor.digest));
  const blobs = uniqueByDigest(lacking.flatMap((node) => node.blobs));
  return [...existing, ...(await filterAsync(blobs, (blob) => isStored(target.hasBlob(blob, { signal }))))];
}

async function filterAsync<T>(
  items: readonly T[],
  isKept: (item: T) => Promise<boolean | undefined>,
): Promise<readonly T[]> {
  const kept = await Promise.all(items.map(isKept));
  return items.filter((_, at) => kept[at] === true);
}

/**
 * Finds the attachments of the content and of everything below it. If the list was filtered, attachments of the
 * original list are returned as omissions, because they refer to its digest, not to the digest of the new list.
 */
async function attachmentsOf(
  { source, content, original }: CopyTransfer,
  node: ManifestNode,
  { signal }: TransferOptions,
): Promise<Attachments & { readonly omissions: readonly Omission[] }> {
  const digests = nodesIn(node).map(({ content: { descriptor } }) => descriptor.digest);
  const found = await findAttachments(source, new Set(digests), { signal });
  if (original === content.descriptor.digest) return { ...found, omissions: [] };
  const { attached } = await findAttachments(source, [original], { signal });
  const reason = `it refers to the unfiltered list ${original}`;
  return {
    ...found,
    omissions: attached.map(({ descriptor }) => ({ what: 'referrer', digest: descriptor.digest, reason })),
  };
}

/**
 * Returns the additional tags to write. Cosign tags that already refer to their content are skipped, unless `force` is
 * set. Emits a warning for each cosign tag that is replaced.
 */
async function otherRootsOf(
  attachments: Attachments | undefined,
  { target, isRegistry }: CopyTransfer,
  { signal, force = false, onEvent }: TransferOptions,
): Promise<{ readonly otherRoots: readonly RootStep[]; readonly omissions: readonly Omission[] }> {
  if (attachments === undefined) return { otherRoots: [], omissions: [] };
  const { otherRoots, omissions } = await otherRootsFor(attachments, target, { signal, isRegistry });
  const cosigned = new Set(attachments.attached.flatMap(({ tag }) => tag ?? []));
  const mustWrite = async ({ content, names: [name = ''] }: RootStep): Promise<boolean> => {
    if (!cosigned.has(name)) return true;
    const now = await ignoreRefusedRead(ignoreNotFound(target.resolve(name, { signal })), { signal });
    if (now?.digest === content.descriptor.digest) return force;
    const message = `the copy replaces ${target.location}:${name}, which refers to ${now?.digest}`;
    if (now !== undefined) onEvent?.({ type: 'warning', message });
    return true;
  };
  const isWritten = await Promise.all(otherRoots.map(mustWrite));
  return { otherRoots: otherRoots.filter((_, at) => isWritten[at]), omissions };
}

/**
 * Returns the digests of the manifests that the target already has and, of the other manifests, the digests of the
 * large blobs that it already has. A target that has a manifest is assumed to have everything below it. With `force`,
 * nothing is looked up. If the blobs can be mounted and the names are new, nothing is looked up either, because the
 * requests would cost more than they save. Only registries are queried: layouts and archives look up each blob when it
 * is written.
 */
async function presentOf(
  nodes: readonly ManifestNode[],
  { source, target, isNew, isRegistry, content }: CopyTransfer,
  { signal, force = false }: TransferOptions,
): Promise<ReadonlySet<Digest>> {
  const canMount = target.canMountFrom?.(source) ?? false;
  if (force || !isRegistry || (canMount && isNew)) return new Set();
  const digests = new Set(nodes.flatMap(nodesIn).map((node) => node.content.descriptor.digest));
  digests.delete(content.descriptor.digest);
  const all = [...digests];
  const exists = await Promise.all(
    all.map((digest) => ignoreRefusedRead(target.hasManifest(digest, { signal }), { signal })),
  );
  const present = new Set(all.filter((_, at) => exists[at]));
  const lacking = nodes.flatMap(nodesIn).filter((node) => !present.has(node.content.descriptor.digest));
  const large = await existingLargeBlobs(
    target,
    lacking.map((node) => ({ ...node, children: [] })),
    { signal },
  );
  return new Set([...present, ...large.map(({ digest }) => digest)]);
}

interface Planned {
  readonly target: Store;
  readonly nodes: readonly ManifestNode[];
  readonly root: RootStep;
  readonly otherRoots: readonly RootStep[];
  /** The content that the target was found to have. */
  readonly present: ReadonlySet<Digest>;
}

/**
 * Runs the plan. If the registry has lost content that it had when the copy was planned, sends all content that has not
 * been sent yet.
 */
async function runRepaired(
  { target, nodes, root, otherRoots, present }: Planned,
  { transfers, replaced, targets, signal, onEvent }: TransferOptions & Pick<RunOptions, 'replaced'>,
): Promise<void> {
  const options = { transfers, replaced, targets, signal };
  const sent = new SentContent(onEvent);
  const plan = planTransfer(target, nodes, root, { present, otherRoots });
  try {
    await runPlan(plan, { ...options, onEvent: sent.onEvent, onConfig: watchConfigs(plan, { onEvent }) });
  } catch (thrown) {
    signal?.throwIfAborted();
    if (present.size === 0 || !hasLostContent(thrown, plan)) throw thrown;
    const message = `${target.location} has lost content that the copy relied on: sending it again`;
    onEvent?.({ type: 'note', message });
    const remaining = otherRoots.filter(({ names }) => !names.every((name) => sent.names.has(name)));
    await runPlan(planTransfer(target, nodes, root, { present: sent.digests, otherRoots: remaining }), {
      ...options,
      onEvent,
    });
  }
}

/**
 * Checks that the indexes under referrers tags have the copied referrers, and adds missing ones again. Another client
 * may have overwritten an index, because these tags are updated without a lock.
 */
async function confirmLists(
  attachments: Attachments,
  otherRoots: readonly RootStep[],
  { target, isRegistry, content }: CopyTransfer,
  { targets, signal, onEvent }: TransferOptions,
): Promise<void> {
  const tags = new Set(attachments.attached.flatMap(({ tag }) => tag ?? []));
  const isFallback = ({ names }: RootStep) => names.some((name) => !tags.has(name));
  if (!otherRoots.some(isFallback)) return;
  const { otherRoots: again } = await otherRootsFor(attachments, target, { signal, isRegistry });
  const lost = again.filter(isFallback);
  if (lost.length > 0)
    await runPlan(planTransfer(target, [], { content, names: [] }, { otherRoots: lost }), { targets, signal, onEvent });
}

function foreignLayers(nodes: readonly ManifestNode[]): readonly Omission[] {
  const layers = new Map(
    nodes.flatMap(nodesIn).flatMap(({ foreign }) => foreign.map((layer) => [layer.digest, layer] as const)),
  );
  return [...layers.values()].map(({ digest, urls = [] }) => ({
    what: 'layer',
    digest,
    reason: `it is stored at ${urls.join(', ')}`,
  }));
}

function nodesIn(node: ManifestNode): readonly ManifestNode[] {
  return [node, ...node.children.flatMap(nodesIn)];
}
