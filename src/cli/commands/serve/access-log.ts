import { errorMessage } from '../../../errors/errors.ts';
import { safeRequestPath } from '../../../errors/redact.ts';
import type { ServedRequest } from '../../../server/start-registry.ts';
import type { ParsedArguments } from '../../args/command-declaration.ts';
import type { Output } from '../../output/output.ts';

/**
 * The maximum length of a path in the log, in characters. It limits what a client can add to the log with one request.
 */
const MAX_PATH = 2000;

/** The log entry for a request. Its JSON form is described in schemas/output/event.schema.json. */
interface AccessRecord {
  readonly type: 'access';
  readonly time: string;
  readonly client: string;
  readonly user: string | undefined;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
  readonly received: number;
  readonly milliseconds: number;
  readonly error: string | undefined;
}

/** Returns a function that logs requests as `--access-log` requires, or undefined if requests are not logged. */
export function accessLog(args: ParsedArguments, output: Output): ((request: ServedRequest) => void) | undefined {
  const format = args.text('access-log') ?? 'auto';
  if (format === 'off' || (format === 'auto' && output.isQuiet)) return undefined;
  const isText = format === 'auto' ? output.hasShortNotes : format === 'text';
  return (request) => {
    const record = recordOf(request);
    output.log(isText ? textOf(record) : record);
  };
}

/**
 * Returns the log entry for a request, without secrets: headers are omitted, and the values of unknown query parameters
 * are replaced with `***`.
 */
function recordOf(request: ServedRequest): AccessRecord {
  const { client, user, method, status, bytes, received, milliseconds, fault } = request;
  const path = safeRequestPath(request.path);
  return {
    type: 'access',
    time: new Date().toISOString(),
    client,
    user,
    method,
    path: path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}...` : path,
    status,
    bytes,
    received,
    milliseconds: Number(milliseconds.toFixed(1)),
    error: fault === undefined ? undefined : errorMessage(fault),
  };
}

function textOf({ time, client, user = '-', method, path, status, bytes, milliseconds }: AccessRecord): string {
  return `${time} ${client} ${user.replaceAll(' ', '_')} ${method} ${path} ${status} ${bytes} ${milliseconds.toFixed(0)} ms`;
}
