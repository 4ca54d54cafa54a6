import { MlistError } from '../../../errors/errors.ts';
import type { ServerLimits } from '../../../server/limits/server-limits.ts';
import type { ProxyOptions } from '../../../server/proxy/pull-through.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { parseDuration } from '../../args/duration.ts';
import { parseSize } from '../../args/size.ts';
import type { Context } from '../../context.ts';

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

/**
 * The options of `--proxy`; undefined without it. Only a proxy needs the code of the registry client.
 * @throws MlistError `ERR_MLIST_USAGE`
 */
export async function proxyIn(args: ParsedArguments, context: Context): Promise<ProxyOptions | undefined> {
  if (args.has('proxy')) return (await import('./proxy-options.ts')).proxyOptions(args, context);
  const unused = ['proxy-ttl', 'proxy-login'].find((name) => args.has(name));
  if (unused !== undefined) throw new MlistError('ERR_MLIST_USAGE', `--${unused} needs --proxy`);
  return undefined;
}
