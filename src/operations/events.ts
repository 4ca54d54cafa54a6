import type { EntryEvent } from '../draft/merge.ts';
import type { Digest } from '../oci/digest.ts';
import type { Location } from '../oci/location.ts';
import type { Omission } from './omissions.ts';
import type { TransferEvent } from '../transfer/run.ts';

/** An event that an operation emits while it runs. Events contain only data, which the caller formats. */
export type OperationEvent =
  | TransferEvent
  | { readonly type: 'entry'; readonly list: string; readonly change: EntryEvent }
  /** A problem that does not stop the operation. */
  | { readonly type: 'warning'; readonly rule?: string; readonly pointer?: string; readonly message: string }
  /** Where content is read from: a draft, or a location of the kind `from`. */
  | { readonly type: 'from'; readonly from: 'draft' | Location['kind']; readonly reference: string }
  /** A tag, or a list of tags or referrers, that was read from a mirror and has not been confirmed by the registry. */
  | { readonly type: 'mirror'; readonly reference: string; readonly mirror: string }
  /** Content that is left out, and the reason. */
  | ({ readonly type: 'left' } & Omission)
  /** Emitted before the first request to another location for content that `source` lacks. */
  | { readonly type: 'origin'; readonly reference: string; readonly source: string }
  /** Content that the source lacks and that is read from another location. */
  | ({ readonly type: 'filled' } & Filled)
  /** A tag that already referred to the list. Emitted only if the push to another tag has failed. */
  | { readonly type: 'unchanged'; readonly reference: string; readonly digest: Digest }
  | { readonly type: 'note'; readonly message: string };

export interface Filled {
  readonly what: 'image' | 'attestation' | 'index' | 'config' | 'layer';
  readonly digest: Digest;
  /** The platform of an image, if its list states one. */
  readonly platform?: string;
  /** The location from which the content is read. */
  readonly source: string;
}

export type OnEvent = (event: OperationEvent) => void;

/** Returns a `left` event for each omission. */
export function omissionEvents(omissions: readonly Omission[]): readonly OperationEvent[] {
  return omissions.map((omission) => ({ type: 'left', ...omission }));
}

/**
 * Returns a function that forwards events to `onEvent`. If several events of a type in `types` are equal, it forwards
 * only the first.
 */
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
