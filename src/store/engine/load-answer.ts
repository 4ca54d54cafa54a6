import { isJsonObject, type Json } from '../../json/json.ts';
import { readJson } from '../../json/parse.ts';
import { MlistError } from '../../errors/errors.ts';
import { limitedTo } from '../verify.ts';
import { quotedMessage } from './engine-error.ts';
import { textIn } from './engine-image.ts';

/** The result of a load request, as the engine reports it. */
export interface LoadAnswer {
  /** The engine's error if it could not load the archive, or cannot use the loaded image. Absent after a success. */
  readonly failure?: string;
  /**
   * Whether the engine has stored and tagged the image. If `failure` is also set, the engine cannot run this image.
   */
  readonly isStored: boolean;
}

/** Size limit for a response, which may contain many progress messages. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Reads the response to a load request: a stream of JSON values, one per line (moby, pkg/jsonmessage). Docker also
 * reports errors in this stream, with status 200. If the containerd store cannot unpack the image, it reports this only
 * in a progress message after "Loaded image".
 * @throws MlistError `ERR_MLIST_REGISTRY` if the response is invalid or too long
 */
export async function readLoadAnswer(chunks: AsyncIterable<Uint8Array>, reference: string): Promise<LoadAnswer> {
  const exceeded = () => invalid(reference, `it is larger than ${MAX_ANSWER_BYTES} bytes`);
  let failure: string | undefined;
  let isStored = false;
  try {
    for await (const line of linesOf(limitedTo(MAX_ANSWER_BYTES, chunks, exceeded), reference)) {
      const { value } = readJson(line, { maxBytes: MAX_LINE_BYTES });
      if (!isJsonObject(value)) throw invalid(reference, 'a line is not a JSON object');
      failure ??= failureIn(value);
      isStored ||= textIn(value['stream'])?.startsWith('Loaded image') === true;
    }
  } catch (thrown) {
    // After it has reported an error, an engine may close the connection. The reported error is then the cause.
    if (failure === undefined) throw thrown;
  }
  return { isStored, ...(failure === undefined ? {} : { failure: quotedMessage(failure) }) };
}

function failureIn({ error, errorDetail, stream }: Readonly<Record<string, Json | undefined>>): string | undefined {
  const detail = isJsonObject(errorDetail) ? textIn(errorDetail['message']) : undefined;
  if (error !== undefined || errorDetail !== undefined) return detail ?? textIn(error) ?? 'no reason was given';
  const message = textIn(stream);
  return message?.startsWith('Error unpacking image') === true ? message : undefined;
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>, reference: string): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of chunks) {
    let bytes = Buffer.concat([rest, chunk]);
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a)) {
      if (!isBlank(bytes.subarray(0, end))) yield bytes.subarray(0, end);
      bytes = bytes.subarray(end + 1);
    }
    if (bytes.length > MAX_LINE_BYTES) throw invalid(reference, `a line is longer than ${MAX_LINE_BYTES} bytes`);
    rest = bytes;
  }
  if (!isBlank(rest)) yield rest;
}

function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x0d || byte === 0x09);
}

function invalid(reference: string, reason: string): MlistError {
  const message = `cannot load ${reference}: the engine sent an invalid response: ${reason}`;
  return new MlistError('ERR_MLIST_REGISTRY', message, { reference });
}
