import { isInEngine, type Location } from '../../oci/location.ts';
import type { SharedTransfers } from '../../transfer/shared-transfers.ts';
import type { TargetLog } from '../../transfer/target-log.ts';
import type { OnEvent, OperationEvent } from '../events.ts';
import type { Stores, TargetOptions } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';

/** The context of operations that write to a target. */
export interface PublishContext {
  readonly stores: Stores;
  /** Shared by the copies and pushes of one command, so that the same content is sent to a target only once. */
  readonly transfers?: SharedTransfers | undefined;
  /** The outcome of each target. Updated while the operation runs. */
  readonly targets?: TargetLog | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/**
 * Runs `work`, which writes to a location. For archives and engines, its `tagged` events are held back until the
 * archive has been written or loaded.
 */
export async function publish<T, O extends PublishContext>(
  location: Location,
  options: O,
  writing: TargetOptions,
  work: (store: Store, options: O) => Promise<T>,
): Promise<T> {
  const { stores } = options;
  const isWrittenAtEnd = location.kind === 'oci-archive' || isInEngine(location);
  if (!isWrittenAtEnd) return stores.withTarget(location, (store) => work(store, options), writing);
  const targets: TargetLog = new Map();
  const tagged: OperationEvent[] = [];
  const onEvent: OnEvent = (event) => {
    if (event.type === 'tagged') tagged.push(event);
    else options.onEvent?.(event);
  };
  // If the operation is interrupted after the archive was sent, the engine may already have tagged the image.
  const onSend = (): void => {
    for (const [reference, target] of targets) options.targets?.set(reference, { ...target, status: 'unknown' });
  };
  const { load } = writing;
  const target = load === undefined ? writing : { ...writing, load: { ...load, onSend } };
  const result = await stores.withTarget(location, (store) => work(store, { ...options, targets, onEvent }), target);
  for (const [reference, target] of targets) options.targets?.set(reference, target);
  for (const event of tagged) options.onEvent?.(event);
  return result;
}
