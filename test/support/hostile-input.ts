/** Documents of just under 4 MiB that are expensive to parse or validate. */
const OCI = 'application/vnd.oci.image.index.v1+json';
const MOST = 4 * 1024 * 1024;

/** The largest list of copies of this item. */
function listOf(item: string): string {
  const [head, tail] = [`{"schemaVersion":2,"mediaType":"${OCI}","manifests":[`, ']}'];
  const count = Math.floor((MOST - head.length - tail.length + 1) / (item.length + 1));
  return head + Array.from({ length: count }, () => item).join() + tail;
}

function members(text: (at: number) => string): string {
  const parts: string[] = [];
  for (let at = 0, length = 0; length < MOST - 200; at += 1) {
    const part = text(at);
    length += part.length + 1;
    parts.push(part);
  }
  return parts.join();
}

export const hostileDocuments: Readonly<Record<string, () => string>> = {
  'numbers for entries': () => listOf('1'),
  'empty entries': () => listOf('{}'),
  'empty arrays': () => listOf('[]'),
  'entries with every member wrong': () =>
    listOf('{"mediaType":1,"digest":2,"size":"x","urls":{},"platform":3,"annotations":[]}'),
  'entries with names in the wrong case': () => listOf('{"SIZE":1,"Digest":1}'),
  'annotations that are no text': () =>
    `{"schemaVersion":2,"mediaType":"${OCI}","manifests":[],"annotations":{${members((at) => `"${at}":1`)}}}`,
  'one member, again and again': () => `{${members(() => '"a":1')}}`,
  'deep arrays': () => '['.repeat(MOST),
  'deep objects': () => '{"a":'.repeat(Math.floor(MOST / 5)),
  'one long text': () => `"${'a'.repeat(MOST - 2)}"`,
  'one long text of escapes': () => `"${'\\u0041'.repeat(Math.floor((MOST - 2) / 6))}"`,
  'one long number': () => '1'.repeat(MOST),
  'a digest that goes on': () => listOf(`{"mediaType":"a/b","size":1,"digest":"${'a-'.repeat(100_000)}!"}`),
  'base64 that goes on': () =>
    listOf(`{"mediaType":"a/b","size":1,"digest":"sha256:${'0'.repeat(64)}","data":"${'A'.repeat(3_000_001)}"}`),
};
