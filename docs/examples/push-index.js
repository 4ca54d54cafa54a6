// Creates an image index from images in one registry and pushes it: `node push-index.js TARGET SOURCE...`.
import { argv } from 'node:process';
import { createClient, dockerCredentials } from 'mlist';

const [, , target, ...sources] = argv;
const mlist = createClient({ credentials: dockerCredentials() });
try {
  const index = await mlist.createIndex(sources);
  const { descriptor } = await mlist.pushIndex(index, target, { tags: ['latest'] });
  console.log(descriptor.digest);
} finally {
  await mlist.close();
}
