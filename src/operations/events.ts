import type { EntryEvent } from '../draft/merge.ts';
import type { Digest } from '../oci/digest.ts';
import type { Location } from '../oci/location.ts';
import type { Omission } from './omissions.ts';
import type { TransferEvent } from '../transfer/run.ts';

/** What operations report while they work. Data only: the words and colours are up to the caller. */
export type OperationEvent =
  | TransferEvent
  | { readonly type: 'entry'; readonly list: string; readonly change: EntryEvent }
  /** Something that the author should know and that stops nothing. */
  | { readonly type: 'warning'; readonly rule?: string; readonly pointer?: string; readonly message: string }
  /** Where what was read came from. */
  | { readonly type: 'from'; readonly from: 'draft' | Location['kind']; readonly reference: string }
  /** A part that does not come along. */
  | ({ readonly type: 'left' } & Omission)
  /** A name that had the list already, told where another one has failed. */
  | { readonly type: 'unchanged'; readonly reference: string; readonly digest: Digest }
  | { readonly type: 'note'; readonly message: string };

export type OnEvent = (event: OperationEvent) => void;

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
