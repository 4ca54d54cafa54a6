import { getOrCreate } from '../../async/single-flight.ts';
import { formatEngineLocation, type EngineLocation } from '../../oci/engine-location.ts';
import { storeName } from '../../oci/location.ts';
import { EngineClient, type EngineClientOptions } from './engine-client.ts';
import { EngineStore } from './engine-store.ts';
import type { EngineTarget } from './engine-target.ts';
import { Engine } from './engine.ts';
import type { ExportsOptions } from './image-exports.ts';
import { findEngine, type EngineEnvironment } from './find-engine.ts';
import { loadImage, type LoadOptions } from './load-image.ts';

export interface EngineStoresOptions extends EngineClientOptions, ExportsOptions {
  readonly environment: EngineEnvironment;
}

/** Opens the engines and images that a command uses. Each engine is looked up once, and each image has one store. */
export class EngineStores {
  readonly #options: EngineStoresOptions;
  readonly #engines = new Map<string, Promise<Engine>>();
  readonly #stores = new Map<string, EngineStore>();

  constructor(options: EngineStoresOptions) {
    this.#options = options;
  }

  /** Returns the store of an engine image. The engine is not contacted before the store is used. */
  store({ kind, context, image: named }: EngineLocation): EngineStore {
    const image = { kind, image: named, ...(context === undefined ? {} : { context }) };
    const create = () => new EngineStore(image, () => this.engine(image), this.#options);
    return getOrCreate(this.#stores, formatEngineLocation(image), create);
  }

  /**
   * Returns the engine of a location.
   * @throws the errors of `findEngine`, for example if no engine is found
   */
  engine(location: EngineLocation): Promise<Engine> {
    return getOrCreate(this.#engines, storeName(location), async () => {
      const address = await findEngine(location.kind, location.context, this.#options.environment);
      return new Engine(new EngineClient(address, this.#options));
    });
  }

  /** Runs `work` with a target, and then loads the written content into the engine (see `loadImage`). */
  async load<T>(
    location: EngineLocation,
    options: LoadOptions,
    work: (target: EngineTarget) => Promise<T>,
  ): Promise<T> {
    return loadImage(await this.engine(location), location, options, work);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#stores.values()].map((store) => store.close()));
  }
}
