import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';

const POLL_MS = 300;

/**
 * Calls `onEnd` when docker wants its plugin to end. docker does not forward signals to a plugin: it closes a socket
 * that it has opened for the plugin. If the socket does not exist, `onEnd` is never called.
 * @param address - docker's DOCKER_CLI_PLUGIN_SOCKET (docker CLI 28.2, cli-plugins/socket); an abstract address begins
 *   with `@`
 */
export function onDockerExit(address: string, onEnd: () => void): void {
  if (address.startsWith('@')) whenUnlisted(address, onEnd);
  else whenClosed(address, onEnd);
}

/** Waits for the end of a connection. For macOS and Windows, where the socket has a path. */
function whenClosed(path: string, onEnd: () => void): void {
  let isConnected = false;
  const socket = connect(path, () => (isConnected = true));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (isConnected) onEnd();
  });
  // Node reports the end of a socket only while the socket is read. The data is ignored.
  socket.resume();
  socket.unref();
}

/**
 * Waits until the kernel no longer lists the address, which it does while docker listens. For Linux, where the address
 * is abstract: Node 20 cannot connect to it.
 */
function whenUnlisted(address: string, onEnd: () => void): void {
  let wasListed = false;
  const poll = async (): Promise<void> => {
    const listed = await readFile('/proc/net/unix', 'utf8').then(
      (text) => text.includes(` ${address}\n`),
      () => undefined,
    );
    if (listed === undefined || (!listed && !wasListed)) return;
    if (!listed) return onEnd();
    wasListed = true;
    setTimeout(() => void poll(), POLL_MS).unref();
  };
  void poll();
}
