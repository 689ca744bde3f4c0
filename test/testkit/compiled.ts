import { flushCompileCache } from 'node:module';
import { afterAll } from 'vitest';

// The processes of a run are ended before they would write what they compiled for the next one.
afterAll(() => flushCompileCache());
