import type { Location } from '../../oci/location.ts';
import type { TargetLog } from '../../transfer/target-log.ts';
import type { OnEvent, OperationEvent } from '../events.ts';
import type { Stores, TargetOptions } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';

export interface PublishOptions {
  readonly stores: Stores;
  /** What becomes of the targets; written to as it happens. */
  readonly targets?: TargetLog | undefined;
  readonly onEvent?: OnEvent | undefined;
}

/** Runs work that writes to a location. The names in an archive are reported once the archive is in its place, not before. */
export async function publish<T, O extends PublishOptions>(
  location: Location,
  options: O,
  writing: TargetOptions,
  work: (store: Store, options: O) => Promise<T>,
): Promise<T> {
  const { stores } = options;
  if (location.kind !== 'oci-archive') return stores.withTarget(location, (store) => work(store, options), writing);
  const targets: TargetLog = new Map();
  const tagged: OperationEvent[] = [];
  const onEvent: OnEvent = (event) => {
    if (event.type === 'tagged') tagged.push(event);
    else options.onEvent?.(event);
  };
  const result = await stores.withTarget(location, (store) => work(store, { ...options, targets, onEvent }), writing);
  for (const [reference, target] of targets) options.targets?.set(reference, target);
  for (const event of tagged) options.onEvent?.(event);
  return result;
}
