import { errorCode } from '../errors/errors.ts';

/** Describes a fault of content, with which a client fails too; undefined if the read failed for another reason. */
export function contentFault(error: unknown): string | undefined {
  switch (errorCode(error)) {
    case 'ERR_MLIST_NOT_FOUND':
      return 'the content is missing';
    case 'ERR_MLIST_DOCUMENT_INVALID':
      return 'the document is invalid';
    case 'ERR_MLIST_CONTENT_MISMATCH':
      return 'the content does not match its entry';
    default:
      return undefined;
  }
}
