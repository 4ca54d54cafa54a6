import type { EntryEvent } from '../draft/merge.ts';
import type { Digest } from '../oci/digest.ts';
import type { Location } from '../oci/location.ts';
import type { Omission } from './omissions.ts';
import type { TransferEvent } from '../transfer/run.ts';

/** Progress events of operations. They contain data only: the caller formats them. */
export type OperationEvent =
  | TransferEvent
  | { readonly type: 'entry'; readonly list: string; readonly change: EntryEvent }
  /** A problem that does not stop the operation. */
  | { readonly type: 'warning'; readonly rule?: string; readonly pointer?: string; readonly message: string }
  /** The kind of the content that was read: a draft, or the kind of its location. */
  | { readonly type: 'from'; readonly from: 'draft' | Location['kind']; readonly reference: string }
  /**
   * Content that a mirror has resolved, and that the registry has not confirmed: a tag, or a list of tags or referrers.
   */
  | { readonly type: 'mirror'; readonly reference: string; readonly mirror: string }
  /** A part that is left out. */
  | ({ readonly type: 'left' } & Omission)
  /** Emitted before the first request to a repository or location for content that the source lacks. */
  | { readonly type: 'origin'; readonly reference: string; readonly source: string }
  /** Content that the source lacks, and that is read from elsewhere. */
  | ({ readonly type: 'filled' } & Filled)
  /** A name that had the list already; emitted only if another name failed. */
  | { readonly type: 'unchanged'; readonly reference: string; readonly digest: Digest }
  | { readonly type: 'note'; readonly message: string };

export interface Filled {
  readonly what: 'image' | 'attestation' | 'index' | 'config' | 'layer';
  readonly digest: Digest;
  /** The platform of an image, if its list states one. */
  readonly platform?: string;
  /** The repository or location from which the content is read. */
  readonly source: string;
}

export type OnEvent = (event: OperationEvent) => void;

/** One event for each part that is left out. */
export function omissionEvents(omissions: readonly Omission[]): readonly OperationEvent[] {
  return omissions.map((omission) => ({ type: 'left', ...omission }));
}

/** Passes all events on; equal events of these types only once. */
export function deduplicateEvents(onEvent: OnEvent | undefined, types: readonly OperationEvent['type'][]): OnEvent {
  const reported = new Set<string>();
  return (event) => {
    if (types.includes(event.type)) {
      const text = JSON.stringify(event);
      if (reported.has(text)) return;
      reported.add(text);
    }
    onEvent?.(event);
  };
}
