import { formatPlatform } from '../../oci/platform/platform.ts';
import type { OperationEvent } from '../../operations/events.ts';
import type { ReplacedTag } from '../../transfer/run.ts';
import { changeDocument } from './entry-document.ts';
import { withPlatformForms } from './platform-forms.ts';

/** Converts the previous digest of a tag, and the platforms that the tag no longer has, for the `--json` output. */
export function replacedDocument({ before, lost }: ReplacedTag): object {
  return { before, lost: lost?.map((platform) => formatPlatform(platform, { all: true })) };
}

/**
 * Converts an event to a JSON line: schemas/output/event.schema.json. `ref` is the list, tag or content that the event
 * concerns.
 */
export function eventDocument(event: OperationEvent): object {
  switch (event.type) {
    case 'from':
      return { type: event.type, from: event.from, ref: event.reference };
    case 'mirror':
      return { type: event.type, ref: event.reference, mirror: event.mirror };
    case 'origin':
      return { type: event.type, ref: event.reference, source: event.source };
    case 'entry':
      return { type: event.type, ref: event.list, change: changeDocument(event.change) };
    case 'manifest':
      return { type: event.type, ref: `${event.target}@${event.digest}`, digest: event.digest };
    case 'tagged':
      return {
        type: event.type,
        ref: `${event.target}:${event.name}`,
        digest: event.digest,
        ...replacedDocument(event),
      };
    case 'unchanged':
      return { type: event.type, ref: event.reference, digest: event.digest };
    case 'left':
    case 'filled':
      return withPlatformForms(event);
    default:
      return event;
  }
}
