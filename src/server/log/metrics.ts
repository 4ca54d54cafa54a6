import { version } from '../../version.ts';
import type { Endpoint, RequestRecord } from './request-record.ts';

/** The upper bounds of the histogram buckets, in seconds. */
const LIMITS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60];

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** The histogram of request durations for one endpoint. */
interface Durations {
  /** For each element of `LIMITS`, the number of requests that took at most this time. */
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

/** Counts requests for Prometheus. Labels have a fixed set of values, so that clients cannot create new time series. */
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

  /** Returns the metrics in the text format of Prometheus, version 0.0.4. */
  text({ uploads, running, connections }: Gauges): string {
    const { rss, heapUsed } = process.memoryUsage();
    const { user, system } = process.cpuUsage();
    const families = [
      family('mlist_http_requests_total', 'counter', 'Requests by method, endpoint and status class.', [
        ...[...this.#requests].map(([labels, count]) => [`{${labels}}`, count] as const),
      ]),
      family(
        'mlist_http_request_duration_seconds',
        'histogram',
        'Time from the start of a request to the end of its response.',
        [...[...this.#durations].flatMap(([endpoint, durations]) => histogram(endpoint, durations))],
      ),
      single('mlist_http_requests_running', 'gauge', 'Requests in progress.', running),
      single('mlist_http_received_bytes_total', 'counter', 'Bytes received in request bodies.', this.#received),
      single('mlist_http_sent_bytes_total', 'counter', 'Bytes sent in response bodies.', this.#sent),
      single('mlist_connections_open', 'gauge', 'Open connections.', connections.open),
      single(
        'mlist_connections_closed_total',
        'counter',
        'Connections that were closed because too many were open.',
        connections.closed,
      ),
      single('mlist_uploads_open', 'gauge', 'Uploads that are neither completed nor cancelled.', uploads),
      family('mlist_build_info', 'gauge', 'The version of mlist.', [[`{version="${version}"}`, 1]]),
      single('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.', rss),
      single('nodejs_heap_size_used_bytes', 'gauge', 'Used size of the JavaScript heap in bytes.', heapUsed),
      single('process_cpu_seconds_total', 'counter', 'User and system CPU time in seconds.', (user + system) / 1e6),
      single(
        'process_start_time_seconds',
        'gauge',
        'Start time of the process, in seconds since the Unix epoch.',
        performance.timeOrigin / 1000,
      ),
    ];
    return families.join('');
  }
}

/** A sample of a metric. `suffix` is the text between the metric name and the value, such as `_count{route="blob"}`. */
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
