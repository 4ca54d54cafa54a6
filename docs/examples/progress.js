// Copies a list and prints a line for each manifest, blob and tag: `node progress.js SOURCE TARGET`.
import { argv } from 'node:process';
import { createClient, dockerCredentials } from 'mlist';

let uploaded = 0;

function onEvent(event) {
  if (event.type === 'blob') {
    if (event.how === 'uploaded') uploaded += event.size;
    console.log(`blob     ${event.digest} ${event.how}`);
  } else if (event.type === 'manifest') {
    console.log(`manifest ${event.digest}`);
  } else if (event.type === 'tagged') {
    console.log(`tag      ${event.target}:${event.name}`);
  } else if (event.type === 'warning') {
    console.error(`warning: ${event.message}`);
  }
}

const [, , source, target] = argv;
const mlist = createClient({ credentials: dockerCredentials(), onEvent });
try {
  await mlist.copy(source, target);
  console.log(`${uploaded} bytes uploaded`);
} finally {
  await mlist.close();
}
