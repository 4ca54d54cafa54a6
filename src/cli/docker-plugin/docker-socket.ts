import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';

const POLL_MS = 300;

/**
 * Calls `onEnd` when docker requests that its plugin ends. docker does not forward signals to a plugin. Instead, it
 * closes a socket that it has opened for the plugin. If the socket does not exist, `onEnd` is never called.
 * @param address - docker's DOCKER_CLI_PLUGIN_SOCKET (docker CLI 28.2, cli-plugins/socket); an abstract address begins
 *   with `@`
 */
export function onDockerExit(address: string, onEnd: () => void): void {
  if (address.startsWith('@')) whenUnlisted(address, onEnd);
  else whenClosed(address, onEnd);
}

/** Calls `onEnd` when docker closes the connection. Used on macOS and Windows, where the socket has a path. */
function whenClosed(path: string, onEnd: () => void): void {
  let isConnected = false;
  const socket = connect(path, () => (isConnected = true));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (isConnected) onEnd();
  });
  // Node reports the end of the connection only if the socket is read, so its data is read and ignored.
  socket.resume();
  socket.unref();
}

/**
 * Calls `onEnd` when /proc/net/unix no longer lists the address, because docker has stopped listening. Used on Linux,
 * where the address is abstract and Node 20 cannot connect to it.
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
