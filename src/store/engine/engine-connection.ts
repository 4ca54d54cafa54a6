import { spawn } from 'node:child_process';
import { connect as connectSocket, isIP } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { foreignMessage } from '../../errors/foreign-error.ts';
import { startableProgram } from '../program-path.ts';
import type { EngineHost } from './engine-address.ts';

export interface EngineConnection {
  /** The byte stream to and from the engine. It emits errors as `error` events. */
  readonly socket: Duplex;
  /**
   * Only for ssh connections. Waits until ssh has ended, and returns its error, or undefined if it did not fail. The
   * socket often reports only that the connection was closed.
   */
  readonly reason?: () => Promise<Error | undefined>;
}

/**
 * Opens one connection to an engine.
 * @param env - the environment of the ssh process
 */
export function connectTo(host: EngineHost, env: NodeJS.ProcessEnv): EngineConnection {
  switch (host.type) {
    case 'socket':
      return { socket: connectSocket({ path: host.path }) };
    case 'tcp':
      return {
        socket: host.tls === undefined ? connectSocket({ host: host.host, port: host.port }) : connectWithTls(host),
      };
    case 'ssh':
      return connectThroughSsh(host.arguments, env);
  }
}

function connectWithTls({ host, port, tls }: Extract<EngineHost, { type: 'tcp' }>): Duplex {
  return connectTls({
    host,
    port,
    ca: tls?.ca,
    cert: tls?.cert,
    key: tls?.key,
    rejectUnauthorized: tls?.isVerified ?? true,
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
}

/** Maximum length, in characters, of ssh's output in an error message. */
const MAX_MESSAGE = 2000;

/**
 * Reports that ssh could not be started or has failed. The message is what ssh printed to stderr, or a reason such as
 * `exit code 1` if it printed nothing.
 */
export class SshError extends Error {
  override readonly name = 'SshError';
}

/**
 * Starts ssh, which runs `docker system dial-stdio` or `podman system dial-stdio` on the host. Closing the connection
 * stops the ssh process.
 */
function connectThroughSsh(sshArguments: readonly string[], env: NodeJS.ProcessEnv): EngineConnection {
  const program = startableProgram('ssh', env);
  if (program === undefined) return failedConnection(new SshError('executable file not found in PATH'));
  const child = spawn(program, sshArguments, { env, stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  let printed = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    printed = (printed + text).slice(0, MAX_MESSAGE);
  });
  const ended = new Promise<Error | undefined>((resolve) => {
    child.on('error', (error) => resolve(new SshError(`the program cannot be started: ${foreignMessage(error)}`)));
    child.on('close', (code) => {
      resolve(code === 0 || code === null ? undefined : new SshError(printed.trim() || `exit code ${code}`));
    });
  });
  const socket = Duplex.from({ readable: child.stdout, writable: child.stdin });
  void ended.then((error) => error && socket.destroy(error));
  socket.on('close', () => child.kill());
  return { socket, reason: () => ended };
}

function failedConnection(error: Error): EngineConnection {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done(error) });
  setImmediate(() => socket.destroy(error));
  return { socket, reason: () => Promise.resolve(error) };
}
