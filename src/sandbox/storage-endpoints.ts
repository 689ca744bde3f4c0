/** The control endpoints of what stands for S3: `/s3/<bucket>/<key>`. */
import { BadRequest, type ControlRequest, type Endpoint, ok } from './control-endpoints.js';
import { type Storage, StorageError } from './storage.js';

type StorageEndpoint = Endpoint<{ storage: Storage }>;

/** `PUT` stores the body, `DELETE` takes it away, `GET` lists the objects whose keys begin with the rest of the path. */
export const STORAGE_ENDPOINTS: Record<string, StorageEndpoint> = {
  'PUT /s3/*': ({ storage }, request) => {
    const { bucket, key } = placeOf(request);
    told(() => storage.put(bucket, key, request.body));
    return ok({ bucket, key, size: request.body.length });
  },
  'DELETE /s3/*': ({ storage }, request) => {
    const { bucket, key } = placeOf(request);
    told(() => storage.delete(bucket, key));
    return ok({ bucket, key });
  },
  'GET /s3/*': ({ storage }, request) => {
    const { bucket, key } = placeOf(request);
    return ok(told(() => storage.list(bucket, key)));
  },
};

function placeOf({ path }: ControlRequest): { bucket: string; key: string } {
  const [, , bucket = '', ...rest] = path.split('/').map(decoded);
  return { bucket, key: rest.join('/') };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new BadRequest(`${part} is not encoded as a URL is`);
  }
}

function told<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof StorageError) throw new BadRequest(error.message);
    throw error;
  }
}
