import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** Headless Chromium, controlled over pipes with the DevTools protocol (`--remote-debugging-pipe`). */

const programs = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The installed browser; undefined if none is installed. */
export const browserProgram = programs.find((name) => spawnSync(name, ['--version'], { timeout: 60_000 }).status === 0);

type Message = Readonly<Record<string, unknown>>;

interface Reply {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Message;
  readonly result?: Message;
  readonly error?: { readonly message: string };
}

type Listener = (method: string, params: Message) => void;

/** A running browser. */
export class Browser {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #pending = new Map<number, { resolve: (result: Message) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Map<string, Listener>();
  #lastId = 0;
  #received = Buffer.alloc(0);

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    (child.stdio[4] as Readable).on('data', (chunk: Buffer) => this.#receive(chunk));
    child.once('exit', () => {
      for (const { reject } of this.#pending.values()) reject(new Error('the browser has ended'));
    });
  }

  static async start(): Promise<Browser> {
    const folder = await mkdtemp(join(tmpdir(), 'mlist-browser-'));
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      '--hide-scrollbars',
      '--force-color-profile=srgb',
      '--font-render-hinting=none',
      `--user-data-dir=${folder}`,
      '--remote-debugging-pipe',
    ];
    const child = spawn(browserProgram ?? '', flags, {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: folder, LANG: 'C.UTF-8' },
    });
    return new Browser(child, folder);
  }

  /** Opens a tab in a new profile. */
  async open(options: TabOptions): Promise<Tab> {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank', browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    return Tab.in(this, String(sessionId), options);
  }

  listen(sessionId: string, listener: Listener): void {
    this.#listeners.set(sessionId, listener);
  }

  send(method: string, params: Message = {}, sessionId?: string): Promise<Message> {
    const id = (this.#lastId += 1);
    const text = JSON.stringify({ id, method, params, sessionId });
    (this.#child.stdio[3] as Writable).write(`${text}\0`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL');
      await ended;
    }
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (let end = this.#received.indexOf(0); end >= 0; end = this.#received.indexOf(0)) {
      const reply = JSON.parse(this.#received.subarray(0, end).toString()) as Reply;
      this.#received = this.#received.subarray(end + 1);
      this.#handle(reply);
    }
  }

  #handle({ id, sessionId = '', method, params = {}, result = {}, error }: Reply): void {
    if (method !== undefined) this.#listeners.get(sessionId)?.(method, params);
    if (id === undefined) return;
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) pending?.resolve(result);
    else pending?.reject(new Error(error.message));
  }
}

export interface TabOptions {
  readonly width: number;
  readonly height?: number;
  readonly theme?: 'dark' | 'light';
  /** Default true. */
  readonly javaScript?: boolean;
  readonly login?: { readonly user: string; readonly password: string };
}

/** A tab, which records what appears on its console and which requests it sends. */
export class Tab {
  /** Console messages, errors, and violations of the content security policy. */
  readonly messages: string[] = [];
  readonly requests: string[] = [];
  readonly #browser: Browser;
  readonly #session: string;
  #loaded: (() => void) | undefined;

  private constructor(browser: Browser, session: string) {
    this.#browser = browser;
    this.#session = session;
    browser.listen(session, (method, params) => this.#event(method, params));
  }

  static async in(browser: Browser, session: string, options: TabOptions): Promise<Tab> {
    const { width, height = 900, theme = 'light', javaScript = true, login } = options;
    const tab = new Tab(browser, session);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Audits']) await tab.send(`${domain}.enable`);
    await tab.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    const features = [
      { name: 'prefers-color-scheme', value: theme },
      { name: 'prefers-reduced-motion', value: 'reduce' },
    ];
    await tab.send('Emulation.setEmulatedMedia', { features });
    if (!javaScript) await tab.send('Emulation.setScriptExecutionDisabled', { value: true });
    if (login !== undefined) {
      const token = Buffer.from(`${login.user}:${login.password}`).toString('base64');
      await tab.send('Network.setExtraHTTPHeaders', { headers: { authorization: `Basic ${token}` } });
    }
    return tab;
  }

  send(method: string, params: Message = {}): Promise<Message> {
    return this.#browser.send(method, params, this.#session);
  }

  async goto(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => (this.#loaded = resolve));
    await this.send('Page.navigate', { url });
    await loaded;
  }

  /** The value of an expression in the page, also where its own scripts are disabled. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value: T }).value;
  }

  /** Presses a key, such as `Tab` or `Enter`. */
  async press(key: string): Promise<void> {
    const code = { Tab: 9, Enter: 13 }[key] ?? 0;
    const text = key === 'Enter' ? { text: '\r' } : {};
    await this.send('Input.dispatchKeyEvent', {
      type: 'keyDown',
      key,
      code: key,
      windowsVirtualKeyCode: code,
      ...text,
    });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key, code: key, windowsVirtualKeyCode: code });
  }

  async type(text: string): Promise<void> {
    await this.send('Input.insertText', { text });
  }

  /** A picture of the page from its top, as PNG. */
  async picture(height?: number): Promise<Buffer> {
    const width = await this.evaluate<number>('innerWidth');
    const all = await this.evaluate<number>('Math.ceil(document.documentElement.getBoundingClientRect().height)');
    const clip = { x: 0, y: 0, width, height: Math.min(height ?? all, all), scale: 1 };
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip });
    return Buffer.from(String(data), 'base64');
  }

  #event(method: string, params: Message): void {
    if (method === 'Page.loadEventFired') this.#loaded?.();
    if (method === 'Network.requestWillBeSent') this.requests.push((params['request'] as { url: string }).url);
    const isMessage = ['Runtime.consoleAPICalled', 'Runtime.exceptionThrown', 'Log.entryAdded', 'Audits.issueAdded'];
    if (isMessage.includes(method)) this.messages.push(`${method} ${JSON.stringify(params)}`);
  }
}
