import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';

const POLL_MS = 300;

/**
 * Detects that docker wants its plugin to end. docker does not forward signals to a plugin. Instead it closes a socket that it
 * has opened for the plugin. If the socket does not exist, nothing is detected.
 * @param address - docker's DOCKER_CLI_PLUGIN_SOCKET (docker CLI 28.2, cli-plugins/socket); an abstract address begins with `@`
 * @param onEnd - called when docker has closed the socket
 */
export function onDockerExit(address: string, onEnd: () => void): void {
  if (address.startsWith('@')) whenUnlisted(address, onEnd);
  else whenClosed(address, onEnd);
}

/** For macOS and Windows, where the socket has a path. */
function whenClosed(path: string, onEnd: () => void): void {
  let isConnected = false;
  const socket = connect(path, () => (isConnected = true));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (isConnected) onEnd();
  });
  // The socket reports its end only while it is read. Its data is ignored.
  socket.resume();
  socket.unref();
}

/** For Linux: Node 20 cannot connect to an abstract address, but the kernel lists the address while docker listens. */
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
