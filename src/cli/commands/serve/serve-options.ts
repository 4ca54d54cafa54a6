import { MlistError } from '../../../errors/errors.ts';
import type { ServerLimits } from '../../../server/limits/server-limits.ts';
import type { ProxyOptions } from '../../../server/proxy/pull-through.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { credentialOptions } from '../../args/credential-options.ts';
import { parseDuration } from '../../args/duration.ts';
import { atLeastOne, parseSize } from '../../args/size.ts';
import { byteSize } from '../../../text/quantity.ts';
import type { Context } from '../../context.ts';

/** The minimum of `--memory`, in bytes. A smaller value is probably a number without its unit. */
const MIN_MEMORY = 1024 * 1024;

/**
 * Reads the limits of the registry.
 * @throws MlistError `ERR_MLIST_USAGE` if a value is invalid
 */
export function limitsIn(args: ParsedArguments): ServerLimits {
  const idle = args.text('upload-idle');
  return {
    memoryBytes: memoryIn(args),
    uploadBytes: sizeIn(args, 'max-upload'),
    maxConnections: atLeastOne(args.number('max-connections'), '--max-connections'),
    openUploads: atLeastOne(args.number('max-open-uploads'), '--max-open-uploads'),
    uploadIdleMs: idle === undefined ? undefined : parseDuration(idle, '--upload-idle'),
  };
}

function memoryIn(args: ParsedArguments): number | undefined {
  const size = sizeIn(args, 'memory');
  if (size === undefined || size >= MIN_MEMORY) return size;
  throw new MlistError('ERR_MLIST_USAGE', `--memory must be at least 1MiB, not ${byteSize(size)}`, {
    hint: 'A number without a unit is in bytes. Use a size such as 500MB or 10GiB.',
  });
}

function sizeIn(args: ParsedArguments, name: string): number | undefined {
  const text = args.text(name);
  return text === undefined ? undefined : atLeastOne(parseSize(text, `--${name}`), `--${name}`);
}

/**
 * Returns the options of the proxy and its connections, or undefined without `--proxy`. Configured mirrors are not
 * used, because the mirror in the configuration of docker is often this registry itself.
 * @throws MlistError `ERR_MLIST_USAGE` if an option is invalid, or if `--proxy` is missing although an option needs it
 */
export async function proxyIn(args: ParsedArguments, context: Context): Promise<ProxyOptions | undefined> {
  const ttl = args.text('proxy-ttl');
  if (!args.has('proxy')) {
    const unused = ['proxy-ttl', 'proxy-login'].find((name) => args.has(name));
    if (unused !== undefined) throw new MlistError('ERR_MLIST_USAGE', `--${unused} needs --proxy`);
    return undefined;
  }
  // Imported dynamically, because a registry without a proxy does not need the registry client.
  const { connectionOptions } = await import('../../args/open-stores.ts');
  const { storedCredentials } = await import('../../../store/registry/credentials/stored-credentials.ts');
  return {
    upstreams: args.texts('proxy'),
    ttlMs: ttl === undefined ? undefined : parseDuration(ttl, '--proxy-ttl', 0),
    onWarning: (message) => context.onEvent({ type: 'warning', message }),
    client: {
      ...connectionOptions(args, context),
      credentials: args.flag('proxy-login') ? storedCredentials(credentialOptions(args, context)) : undefined,
      onRequest: context.output.request,
    },
  };
}
