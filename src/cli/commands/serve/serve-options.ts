import { MlistError } from '../../../errors/errors.ts';
import type { ServerLimits } from '../../../server/limits/server-limits.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { parseDuration } from '../../args/duration.ts';
import { parseSize } from '../../args/size.ts';

/** @throws MlistError `ERR_MLIST_USAGE` */
export function limitsIn(args: ParsedArguments): ServerLimits {
  const idle = args.text('upload-idle');
  return {
    memoryBytes: sizeIn(args, 'memory'),
    uploadBytes: sizeIn(args, 'max-upload'),
    openUploads: atLeastOne(args.number('max-open-uploads'), '--max-open-uploads'),
    uploadIdleMs: idle === undefined ? undefined : parseDuration(idle, '--upload-idle'),
  };
}

function sizeIn(args: ParsedArguments, name: string): number | undefined {
  const text = args.text(name);
  return text === undefined ? undefined : atLeastOne(parseSize(text, `--${name}`), `--${name}`);
}

function atLeastOne(value: number | undefined, option: string): number | undefined {
  if (value !== 0) return value;
  throw new MlistError('ERR_MLIST_USAGE', `${option} must be at least 1`);
}
