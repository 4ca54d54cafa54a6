import { MlistError } from '../../errors/errors.ts';
import type { ContentOptions, ReadStore } from '../../store/store.ts';
import type { Digest } from '../../oci/digest.ts';
import { cosignTags } from '../../oci/referrers-tag.ts';
import type { OnEvent } from '../events.ts';
import { ignoreNotFound } from '../../errors/not-found.ts';
import { listReferrers } from '../list-referrers.ts';
import type { MovingTag } from '../publish/tag-moves.ts';

/** Matches the artifact types of signatures that are stored as referrers: two used by cosign, one by notation. */
const SIGNATURE_TYPE =
  /^application\/vnd\.(?:dev\.cosign\.artifact\.sig\.|dev\.sigstore\.bundle|cncf\.notary\.signature)/;

/**
 * Warns if a tag is about to move away from a signed list, because the signature does not cover the new list. Failed
 * reads are ignored.
 */
export async function warnAboutSignatures(
  store: ReadStore,
  tags: readonly MovingTag[],
  { signal, onEvent }: ContentOptions & { readonly onEvent?: OnEvent | undefined },
): Promise<void> {
  const moving = tags.flatMap(({ reference, before }) =>
    before === undefined || before === 'absent' ? [] : [{ reference, before }],
  );
  const digests = [...new Set(moving.map(({ before }) => before))];
  const signed = new Map(
    await Promise.all(digests.map(async (digest) => [digest, await signaturesOf(store, digest, { signal })] as const)),
  );
  for (const { reference, before } of moving) {
    const found = signed.get(before);
    if (found === undefined || found.length === 0) continue;
    const message =
      `${reference} is moved from ${before}, which is signed (${found.join(', ')}); ` +
      'the signature does not cover the new list, so sign the new list';
    onEvent?.({ type: 'warning', message });
  }
}

async function signaturesOf(store: ReadStore, digest: Digest, options: ContentOptions): Promise<readonly string[]> {
  const [tag = ''] = cosignTags(digest);
  try {
    const [tagged, referring] = await Promise.all([
      ignoreNotFound(store.resolve(tag, options)),
      listReferrers(store, digest, options),
    ]);
    const types = referring.flatMap(({ artifactType = '' }) =>
      SIGNATURE_TYPE.test(artifactType) ? [artifactType] : [],
    );
    return [...(tagged === undefined ? [] : [`the tag ${tag}`]), ...new Set(types)];
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof MlistError) return [];
    throw error;
  }
}
