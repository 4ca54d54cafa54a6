import { MlistError } from '../errors.ts';
import type { PutOptions } from './content.ts';

/** A name that is not what a put was to replace: `ERR_MLIST_CONFLICT`. */
export function movedName(reference: string, expected: NonNullable<PutOptions['ifMatch']>): MlistError {
  const now = expected === 'absent' ? 'is there already' : `is no longer ${expected}`;
  return new MlistError('ERR_MLIST_CONFLICT', `${reference} ${now}`, { reference });
}
