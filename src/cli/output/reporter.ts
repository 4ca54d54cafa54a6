import { describeEntry } from '../../draft/entry-selection.ts';
import { shortDigest } from '../../oci/digest.ts';
import type { OnEvent, OperationEvent } from '../../operations/events.ts';
import { formatPlatforms } from '../../oci/platform/platform.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import { eventDocument } from './event-document.ts';
import type { Output } from './output.ts';
import { LiveProgress } from './progress.ts';
import type { TransferTotals } from './transfer-totals.ts';

/**
 * Returns a function that prints the events of operations, as JSON lines or as text.
 * @param dryRun - whether the events report changes that are only planned
 * @param totals - counts the transferred blobs
 */
export function eventReporter(
  output: Output,
  { dryRun, totals }: { readonly dryRun: boolean; readonly totals: TransferTotals },
): (event: OperationEvent) => void {
  const live = output.isLive ? new LiveProgress(output) : undefined;
  return (event) => {
    if (event.type !== 'progress') output.event(eventDocument(event));
    live?.update(event);
    totals.update(event);
    switch (event.type) {
      case 'warning':
        output.warn(
          event.rule === undefined
            ? event.message
            : `${event.message} (${event.rule}${event.pointer ? ` at ${event.pointer}` : ''})`,
        );
        break;
      case 'entry':
        reportEntry(output, event.change, dryRun);
        break;
      case 'from':
        output.note(['from ', 'dim'], `${event.from} ${event.reference}`);
        break;
      case 'mirror':
        output.note(['from mirror ', 'dim'], `${event.mirror}: ${event.reference}`);
        break;
      case 'left':
        output.note(['skipped ', 'yellow'], skippedText(event));
        break;
      case 'origin':
        output.note(['searching ', 'dim'], `${event.reference} for content that ${event.source} does not have`);
        break;
      case 'filled':
        output.note(['filled ', 'green'], filledText(event));
        break;
      case 'note':
        output.note(event.message);
        break;
      case 'unchanged':
        reportUnchanged(output, event.reference, event.digest);
        break;
      case 'tagged':
        reportTagged(output, event);
        break;
      case 'manifest':
        output.note(['manifest ', 'dim'], `${event.target}@${notedDigest(output, event.digest)}`);
        break;
      case 'started':
      case 'progress':
      case 'blob':
        break;
      default:
        event satisfies never;
    }
  };
}

/**
 * Wraps `onEvent` for commands whose result already shows the location that was read: `from` events are dropped if
 * both the result and the events are printed as text on a terminal.
 */
export function withoutFromEvents(onEvent: OnEvent, output: Output): OnEvent {
  const isRepeated = output.terminalWidth !== undefined && output.hasShortNotes && !output.json;
  return isRepeated ? (event) => (event.type === 'from' ? undefined : onEvent(event)) : onEvent;
}

function reportTagged(output: Output, event: Extract<OperationEvent, { type: 'tagged' }>): void {
  const name = `${event.target}:${event.name}`;
  output.note(['pushed ', 'green'], `${name} ${notedDigest(output, event.digest)}${replacedText(event)}`);
  reportLost(output, name, event);
}

/**
 * Returns a digest for a note about stored content. On a terminal it is shortened, because the result contains the
 * complete digest.
 */
export function notedDigest(output: Output, digest: string): string {
  return output.hasShortNotes ? shortDigest(digest) : digest;
}

/**
 * Returns text with the previous digest of a moved tag, which the user needs to restore the tag. Empty if the tag is
 * new or has not changed, or if its previous digest is not known.
 */
export function replacedText({ before, digest }: ReplacedTag & { readonly digest?: string | undefined }): string {
  return before === undefined || before === 'absent' || before === digest ? '' : ` (was ${before})`;
}

/** Warns about platforms that a tag no longer has. */
export function reportLost(output: Output, name: string, { before, lost = [] }: ReplacedTag): void {
  if (lost.length > 0) output.warn(`${name} loses platforms that ${before} has: ${formatPlatforms(lost)}`);
}

/** Reports a tag that already referred to the digest. */
export function reportUnchanged(output: Output, name: string, digest: string): void {
  output.note(['unchanged ', 'dim'], `${name} already refers to ${notedDigest(output, digest)}`);
}

function skippedText({ what, digest, platform, reason }: Extract<OperationEvent, { type: 'left' }>): string {
  return `${what}${platform === undefined ? '' : ` ${platform}`} ${shortDigest(digest)}: ${reason}`;
}

function filledText({ what, digest, platform, source }: Extract<OperationEvent, { type: 'filled' }>): string {
  return `${what}${platform === undefined ? '' : ` ${platform}`} ${shortDigest(digest)} from ${source}`;
}

function reportEntry(
  output: Output,
  change: Extract<OperationEvent, { type: 'entry' }>['change'],
  dryRun: boolean,
): void {
  const { entry } = change;
  switch (change.type) {
    case 'added':
      return output.note([dryRun ? 'would add ' : 'added ', 'green'], describeEntry(entry));
    case 'replaced':
      return output.note(
        [dryRun ? 'would replace ' : 'replaced ', 'yellow'],
        `${describeEntry(entry)}: ${shortDigest(change.old)} -> ${shortDigest(entry.digest)}`,
      );
    case 'removed':
      return output.note([dryRun ? 'would remove ' : 'removed ', 'red'], describeEntry(entry));
    case 'folded':
      return output.note(`duplicate entry: ${describeEntry(entry)} is already in the list`);
    case 'changed':
      return output.note([dryRun ? 'would change ' : 'changed ', 'yellow'], describeEntry(entry));
    case 'unchanged':
      return output.note(['unchanged ', 'dim'], describeEntry(entry));
  }
}
