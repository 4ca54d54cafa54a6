import type { ProxyOptions } from '../../../server/proxy/pull-through.ts';
import { storedCredentials } from '../../../store/registry/credentials/stored-credentials.ts';
import { certificateFolders } from '../../../store/registry/http/certificates.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import { credentialOptions, pathOption } from '../../args/credential-options.ts';
import { parseDuration } from '../../args/duration.ts';
import { parseAuthHost } from '../../args/open-stores.ts';
import type { Context } from '../../context.ts';

/**
 * The upstreams of `--proxy`, with the connection options of all commands. Mirrors are not used, since
 * docker's are often this registry.
 * @throws MlistError `ERR_MLIST_USAGE`
 */
export function proxyOptions(args: ParsedArguments, context: Context): ProxyOptions {
  const upstreams = args.texts('proxy');
  const ttl = args.text('proxy-ttl');
  const timeout = args.text('timeout');
  const { env, home, platform, cwd, output, onEvent } = context;
  return {
    upstreams,
    ttlMs: ttl === undefined ? undefined : parseDuration(ttl, '--proxy-ttl', 0),
    onWarning: (message) => onEvent({ type: 'warning', message }),
    client: {
      env,
      credentials: args.flag('proxy-login') ? storedCredentials(credentialOptions(args, context)) : undefined,
      concurrency: args.number('concurrency'),
      retries: args.number('retries'),
      timeoutMs: timeout === undefined ? undefined : parseDuration(timeout, '--timeout'),
      insecure: args.flag('insecure'),
      plainHttp: args.texts('plain-http'),
      caFile: pathOption(args, 'ca-file', cwd),
      certificateFolders: certificateFolders({ env, home, platform }),
      authHosts: args.texts('auth-host').map(parseAuthHost),
      onRequest: output.request,
    },
  };
}
