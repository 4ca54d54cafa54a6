import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';

const LOOK_MS = 300;

/**
 * docker does not pass a signal on to its plugin: it closes the socket that it has opened for it. A docker without such a
 * socket, or one that is gone, says nothing.
 * @param address - docker's DOCKER_CLI_PLUGIN_SOCKET (docker CLI 28.2, cli-plugins/socket); `@` begins an abstract one
 * @param onEnd - docker wants the plugin to end
 */
export function onDockerExit(address: string, onEnd: () => void): void {
  if (address.startsWith('@')) whenUnlisted(address, onEnd);
  else whenClosed(address, onEnd);
}

/** On macOS and Windows, where the socket has a path. */
function whenClosed(path: string, onEnd: () => void): void {
  let isConnected = false;
  const socket = connect(path, () => (isConnected = true));
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (isConnected) onEnd();
  });
  // It is read, so that its end is seen; what it says means nothing.
  socket.resume();
  socket.unref();
}

/** On Linux: Node 20 cannot connect to an abstract address, but the kernel lists it as long as docker listens. */
function whenUnlisted(address: string, onEnd: () => void): void {
  let wasListed = false;
  const look = async (): Promise<void> => {
    const listed = await readFile('/proc/net/unix', 'utf8').then(
      (text) => text.includes(` ${address}\n`),
      () => undefined,
    );
    if (listed === undefined || (!listed && !wasListed)) return;
    if (!listed) return onEnd();
    wasListed = true;
    setTimeout(() => void look(), LOOK_MS).unref();
  };
  void look();
}
