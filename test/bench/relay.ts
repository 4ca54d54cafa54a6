import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * Forwards TCP connections and delays each direction by half of a round trip, like a network: the delay applies to the TCP
 * handshake too, and does not limit the throughput. It runs in its own process, and prints its port.
 *
 * Arguments: HOST PORT ROUND-TRIP-MILLISECONDS
 */
const [host = '', port = '', roundTrip = '50'] = process.argv.slice(2);
const roundTripMs = Number(roundTrip);

/** @param earliest - when bytes may be sent, in milliseconds of `performance.now()` */
function forward(source: Socket, target: Socket, earliest: number): void {
  const steps: (() => void)[] = [];
  // Timers of different durations may fire in another order, so each takes the step that is next.
  const later = (step: () => void) => {
    steps.push(step);
    const now = performance.now();
    setTimeout(() => steps.shift()?.(), Math.max(earliest, now + roundTripMs / 2) - now);
  };
  source.on('data', (chunk: Buffer) => later(() => target.write(chunk)));
  source.on('end', () => later(() => target.end()));
  source.on('error', () => target.destroy());
  source.on('close', () => later(() => target.destroySoon()));
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const upstream = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  // The client has connected at once. Over a network, its first bytes leave one round trip later.
  forward(client, upstream, performance.now() + roundTripMs * 1.5);
  forward(upstream, client, 0);
});
server.listen(0, host, () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
