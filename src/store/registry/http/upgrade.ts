import type { ClientRequest } from 'node:http';

/**
 * Refuses an answer that goes on in another protocol, which nobody has asked for (RFC 9110 section 15.2.2). Node closes
 * the connection then, and tells neither of an answer nor of an error.
 */
export function refuseUpgrade(call: ClientRequest): void {
  call.once('upgrade', (_answer, socket) => {
    socket.destroy();
    // The request has been parted from the connection: an error of this reaches nobody.
    call.emit('error', Object.assign(new Error('another protocol follows'), { code: 'HTTP_101' }));
  });
}
