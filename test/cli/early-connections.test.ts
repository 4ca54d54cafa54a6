import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startRegistry } from '../../src/server/start-registry.ts';
import { cleanup } from '../support/cleanup.ts';
import { CliHarness } from '../support/cli-harness.ts';
import { makeImage, pushImage } from '../support/images.ts';
import { listenUntilEnd } from '../support/listen.ts';
import { runMlist } from '../support/mlist.ts';
import { describeWith } from '../support/programs.ts';
import { serverInUse, trustInUse, useHttp2 } from '../support/protocols.ts';
import { RecordingProxy, type Rule } from '../support/recording-proxy.ts';

/** Connections that are opened before they are needed, or that are no longer needed. */
describeWith('openssl', 'over TLS', () => {
  let removeCertificates: () => void;
  beforeAll(() => void (removeCertificates = useHttp2()));
  afterAll(() => removeCertificates());

  const image = makeImage();

  async function registry(): Promise<RecordingProxy> {
    const { url } = cleanup(await startRegistry());
    await pushImage(url, 'app', 'v1', image);
    return cleanup(await RecordingProxy.start({ upstream: url, ...serverInUse() }));
  }

  const trust = () => ['--ca-file', trustInUse().caFile ?? ''];

  test('a copy connects to its source while it asks the target', async () => {
    const [source, target] = [await registry(), await registry()];
    let isConnected = false;
    const isReady = () => (isConnected = source.connections > 0);
    target.on(/manifests/, forwardWhen(isReady), 1);
    const cli = await CliHarness.make();
    await cli.must('copy', `${source.host}/app:v1`, `${target.host}/copied:v1`, ...trust());
    expect(isConnected).toBe(true);
  });

  test('a deadline ends a command although a connection is still being opened', async () => {
    const silent = await silentServer();
    const args = ['digest', `${silent.host}/app:v1`, '--deadline', '1s', '--timeout', '10m', ...trust()];
    const { code, stderr } = await runMlist(args);
    expect([code, stderr]).toEqual([7, expect.stringContaining('did not finish within 1s')]);
    expect(silent.connections()).toBe(1);
  });

  test.each([
    ['with 408', 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n'],
    ['without a message', ''],
  ])('a copy uses another connection if its source closes an idle one %s', async (_name, message) => {
    const target = await registry();
    const source = await http1Server({ onFirst: (socket) => socket.end(message) });
    target.on(/manifests/, forwardWhen(source.isFirstOver), 1);
    const cli = await CliHarness.make();
    const args = [`${source.host}/app:v1`, `${target.host}/copied:v1`, '--retries', '0', ...trust()];
    expect(await cli.run(['copy', ...args])).toMatchObject({ code: 0 });
    expect(source.connections()).toBeGreaterThan(1);
  });

  test('a copy reports that its source requires a client certificate', async () => {
    const target = await registry();
    const source = await http1Server({ requestCert: true, rejectUnauthorized: true });
    target.on(/manifests/, forwardWhen(source.isFirstOver), 1);
    const args = [`${source.host}/app:v1`, `${target.host}/copied:v1`, '--retries', '0', ...trust()];
    const { code, stderr } = await runMlist(['copy', ...args]);
    expect([code, stderr]).toEqual([7, expect.stringContaining('CERTIFICATE_REQUIRED')]);
  });

  interface Http1Options extends TlsOptions {
    /** Called for the first connection, instead of forwarding it. */
    readonly onFirst?: (socket: TLSSocket) => void;
  }

  /** A registry with HTTP/1.1 over TLS. `isFirstOver`: whether the server has ended or refused its first connection. */
  async function http1Server({ onFirst, ...options }: Http1Options) {
    const { url } = cleanup(await startRegistry());
    await pushImage(url, 'app', 'v1', image);
    let [count, isOver] = [0, false];
    const forward = (socket: TLSSocket) => {
      const upstream = connect(Number(new URL(url).port), '127.0.0.1');
      upstream.on('error', () => socket.destroy());
      socket
        .on('close', () => upstream.destroy())
        .pipe(upstream)
        .pipe(socket);
    };
    const server = createTlsServer({ ...serverInUse().tls, ALPNProtocols: ['http/1.1'], ...options }, (socket) => {
      socket.on('error', () => undefined);
      count += 1;
      if (count > 1 || onFirst === undefined) return forward(socket);
      onFirst(socket);
      return void socket.once('finish', () => (isOver = true));
    });
    server.on('tlsClientError', () => (isOver = true));
    return { host: await listenUntilEnd(server), connections: () => count, isFirstOver: () => isOver };
  }
});

/** Forwards a request once the condition holds, after a pause in which the client receives what was sent before. */
function forwardWhen(holds: () => boolean): Rule {
  return async ({ pass }) => {
    for (let tries = 0; tries < 500 && !holds(); tries += 1) await sleep(10);
    await sleep(50);
    await pass();
  };
}

/** A server that accepts connections and sends nothing. */
async function silentServer() {
  let count = 0;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    count += 1;
  });
  return { host: await listenUntilEnd(server), connections: () => count };
}
