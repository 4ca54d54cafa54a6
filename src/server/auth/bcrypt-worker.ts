import { parentPort } from 'node:worker_threads';
import { compareSync, hashSync } from 'bcryptjs';
import type { BcryptReply, BcryptRequest } from './bcrypt.ts';

/** The code of the worker thread. The build bundles it into `compiled/bcrypt-worker-code.ts`. */
parentPort?.on('message', ({ id, password, hash, cost }: BcryptRequest) => {
  const result = hash === undefined ? hashSync(password, cost) : compareSync(password, hash);
  const reply: BcryptReply = { id, result };
  parentPort?.postMessage(reply);
});
