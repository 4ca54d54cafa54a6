import { version } from '../../version.ts';
import type { Endpoint, RequestRecord } from './request-record.ts';

/** Upper bounds of the buckets of the histogram, in seconds. */
const LIMITS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** The histogram of request durations for one endpoint. */
interface Durations {
  /** For each limit, the number of requests that took at most this time. */
  readonly counts: number[];
  sum: number;
  total: number;
}

/** Values that are read when the metrics are requested. */
export interface Gauges {
  readonly uploads: number;
  readonly running: number;
  readonly connections: { readonly open: number; readonly closed: number };
}

/** Counts requests for Prometheus. Labels have only few possible values, and clients cannot add any. */
export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<Endpoint, Durations>();
  #received = 0;
  #sent = 0;

  add({ method, endpoint, status, milliseconds, received, sent }: RequestRecord): void {
    const code = status === 0 ? 'none' : `${Math.floor(status / 100)}xx`;
    const labels = `method="${METHODS.has(method) ? method : 'other'}",route="${endpoint}",code="${code}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
    this.#received += received;
    this.#sent += sent;
    const durations = this.#durations.get(endpoint) ?? { counts: LIMITS.map(() => 0), sum: 0, total: 0 };
    this.#durations.set(endpoint, durations);
    const seconds = milliseconds / 1000;
    for (const [at, limit] of LIMITS.entries())
      if (seconds <= limit) durations.counts[at] = (durations.counts[at] ?? 0) + 1;
    durations.sum += seconds;
    durations.total += 1;
  }

  /** The metrics in the text format of Prometheus, version 0.0.4. */
  text({ uploads, running, connections }: Gauges): string {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const families = [
      family('mlist_http_requests_total', 'counter', 'Requests by method, endpoint and class of the status.', [
        ...[...this.#requests].map(([labels, count]) => [`{${labels}}`, count] as const),
      ]),
      family('mlist_http_request_duration_seconds', 'histogram', 'Time until the end of the response.', [
        ...[...this.#durations].flatMap(([endpoint, durations]) => histogram(endpoint, durations)),
      ]),
      single('mlist_http_requests_running', 'gauge', 'Requests without a complete response.', running),
      single('mlist_http_received_bytes_total', 'counter', 'Bytes of request bodies.', this.#received),
      single('mlist_http_sent_bytes_total', 'counter', 'Bytes of response bodies.', this.#sent),
      single('mlist_connections_open', 'gauge', 'Open connections.', connections.open),
      single(
        'mlist_connections_closed_total',
        'counter',
        'Connections that were closed because of the limit.',
        connections.closed,
      ),
      single('mlist_uploads_open', 'gauge', 'Uploads that are neither completed nor cancelled.', uploads),
      family('mlist_build_info', 'gauge', 'The version of mlist.', [[`{version="${version}"}`, 1]]),
      single('process_resident_memory_bytes', 'gauge', 'Resident memory of the process.', rss),
      single('nodejs_heap_size_used_bytes', 'gauge', 'Memory of JavaScript values.', heapUsed),
      single('process_cpu_seconds_total', 'counter', 'CPU time of the process.', (user + system) / 1e6),
      single('process_start_time_seconds', 'gauge', 'Start of the process.', performance.timeOrigin / 1000),
    ];
    return families.join('');
  }
}

/** One line of a metric: the suffix of its name with the labels, and the value. */
type Sample = readonly [suffix: string, value: number];

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([suffix, value]) => `${name}${suffix} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function single(name: string, type: string, help: string, value: number): string {
  return family(name, type, help, [['', value]]);
}

function histogram(endpoint: Endpoint, { counts, sum, total }: Durations): readonly Sample[] {
  const route = `route="${endpoint}"`;
  return [
    ...LIMITS.map((limit, at): Sample => [`_bucket{${route},le="${limit}"}`, counts[at] ?? 0]),
    [`_bucket{${route},le="+Inf"}`, total],
    [`_sum{${route}}`, sum],
    [`_count{${route}}`, total],
  ];
}
