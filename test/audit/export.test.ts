import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { exportLog } from '../../src/events/export.js';
import { EVENT_TYPES, type EventType, SYSTEM_ACTOR } from '../../src/events/types.js';
import { exportAuditTrail } from '../../src/server/audit-commands.js';
import { headReaches, openTestLog, someEvent, someEvents, type TestLog, write } from '../events/log.js';

/**
 * What OCSF 1.3.0 demands of class 6003 and of the objects in it (schema.ocsf.io/1.3.0/classes/api_activity: attributes that are
 * required, "at least one" constraints, and the enumerations of the ids).
 */
const API_ACTIVITY = {
  type: 'object',
  required: [
    'activity_id',
    'actor',
    'api',
    'category_uid',
    'class_uid',
    'cloud',
    'metadata',
    'severity_id',
    'src_endpoint',
    'time',
    'type_uid',
  ],
  properties: {
    activity_id: { enum: [0, 1, 2, 3, 4, 99] },
    category_uid: { const: 6 },
    class_uid: { const: 6003 },
    type_uid: { enum: [600300, 600301, 600302, 600303, 600304, 600399] },
    severity_id: { enum: [0, 1, 2, 3, 4, 5, 6, 99] },
    status_id: { enum: [0, 1, 2, 99] },
    time: { type: 'integer' },
    message: { type: 'string' },
    metadata: {
      type: 'object',
      required: ['product', 'version'],
      properties: {
        version: { type: 'string', pattern: '^1\\.\\d+\\.\\d+$' },
        product: { type: 'object', required: ['vendor_name'], anyOf: [{ required: ['name'] }, { required: ['uid'] }] },
        uid: { type: 'string' },
        sequence: { type: 'integer' },
        correlation_uid: { type: 'string' },
        profiles: { type: 'array', items: { type: 'string' } },
      },
    },
    actor: {
      type: 'object',
      anyOf: ['process', 'user', 'invoked_by', 'session', 'app_name', 'app_uid'].map((name) => ({ required: [name] })),
      properties: {
        user: {
          type: 'object',
          anyOf: ['account', 'name', 'uid'].map((name) => ({ required: [name] })),
          properties: { type_id: { enum: [0, 1, 2, 3, 99] }, uid: { type: 'string' }, name: { type: 'string' } },
        },
        session: { type: 'object', properties: { uid: { type: 'string' } } },
      },
    },
    api: {
      type: 'object',
      required: ['operation'],
      properties: { operation: { type: 'string' }, request: { type: 'object', required: ['uid'] } },
    },
    src_endpoint: {
      type: 'object',
      anyOf: ['ip', 'uid', 'name', 'hostname', 'svc_name', 'instance_uid', 'interface_uid', 'interface_name'].map(
        (name) => ({ required: [name] }),
      ),
      properties: { ip: { type: 'string', pattern: '^[0-9a-fA-F.:]+$' }, name: { type: 'string' } },
    },
    cloud: { type: 'object', required: ['provider'] },
    resources: {
      type: 'array',
      items: { type: 'object', anyOf: [{ required: ['name'] }, { required: ['uid'] }] },
    },
    unmapped: { type: 'object' },
  },
  additionalProperties: false,
} as { required: string[]; properties: Record<string, unknown> };
for (const name of ['activity_name', 'category_name', 'class_name', 'type_name', 'severity', 'status'])
  API_ACTIVITY.properties[name] = { type: 'string' };
const validate = new Ajv({ strict: false, allErrors: true }).compile(API_ACTIVITY);

let log: TestLog;
const folder = mkdtempSync(join(tmpdir(), 'meshgate-export-'));
beforeAll(async () => {
  log = await openTestLog();
});
afterAll(() => log.close());

type Line = Record<string, unknown> & { metadata: { sequence: number; event_code: string } };

async function exported(name: string, range: { from?: bigint; to?: bigint } = {}): Promise<Line[]> {
  const output = join(folder, name);
  const count = await exportLog(log.pool, { ...range, output, version: '0.1.0' });
  const lines = readFileSync(output, 'utf8').split('\n').slice(0, -1);
  expect(lines).toHaveLength(count);
  return lines.map((line) => JSON.parse(line) as Line);
}

test('every type of event is exported as an OCSF API Activity', async () => {
  const types = Object.keys(EVENT_TYPES) as EventType[];
  const person = { kind: 'USER' as const, subject: 'ada', name: 'Ada', tokenId: 'jti-1', address: '198.51.100.7' };
  await write(
    log,
    types.flatMap((type) => [someEvent({ type, actor: person }), someEvent({ type, actor: SYSTEM_ACTOR })]),
  );
  await headReaches(log, types.length * 2);
  const lines = await exported('all.jsonl');
  expect(lines.map(({ metadata }) => metadata.sequence)).toEqual(
    Array.from({ length: types.length * 2 }, (_, n) => n + 1),
  );
  expect(new Set(lines.map(({ metadata }) => metadata.event_code))).toEqual(new Set(types));
  for (const line of lines)
    expect(validate(line), `${JSON.stringify(line)} ${JSON.stringify(validate.errors)}`).toBe(true);
  const { rows } = await log.pool.query<{ hash: string }>(
    `SELECT encode("hash", 'hex') AS "hash" FROM "Event" WHERE "seq" = 1`,
  );
  expect(lines[0]).toMatchObject({
    actor: { user: { uid: 'ada', name: 'Ada', type_id: 1 }, session: { uid: 'jti-1' } },
    src_endpoint: { ip: '198.51.100.7' },
    unmapped: { hash: rows[0]?.hash },
  });
  expect(lines[1]).toMatchObject({
    actor: { user: { uid: 'meshgate', type_id: 3 } },
    src_endpoint: { name: 'system' },
  });
});

test('the schema refuses an entry that lacks what OCSF demands', async () => {
  const [line] = await exported('first.jsonl', { to: 1n });
  for (const name of API_ACTIVITY.required) {
    const { [name]: _left, ...rest } = line as Line;
    expect(validate(rest), name).toBe(false);
  }
});

test('a part is exported by its numbers, over several pages', async () => {
  const head = Object.keys(EVENT_TYPES).length * 2;
  await write(log, someEvents(1_200));
  await headReaches(log, head + 1_200);
  const lines = await exported('part.jsonl', { from: BigInt(head + 1), to: BigInt(head + 1_100) });
  expect(lines.map(({ metadata }) => metadata.sequence)).toEqual(Array.from({ length: 1_100 }, (_, n) => head + n + 1));
  expect(await exported('none.jsonl', { from: 100_000n })).toEqual([]);
}, 30_000);

test('a part that ends before it begins is refused, and no file is made of it', async () => {
  await expect(exported('turned.jsonl', { from: 20n, to: 1n })).rejects.toThrow('Nothing lies from 20 to 1');
  expect(existsSync(join(folder, 'turned.jsonl'))).toBe(false);
});

test('a file that is there is not written over', async () => {
  await expect(exported('all.jsonl')).rejects.toThrow('EEXIST');
  vi.stubEnv('DATABASE_URL', log.urls.serverUrl);
  try {
    const output = join(folder, 'all.jsonl');
    await expect(exportAuditTrail({ output }, '0.1.0')).rejects.toThrow('is not written over: name another file');
  } finally {
    vi.unstubAllEnvs();
  }
});

/** Runs the command line as a process of its own. */
function run(line: string, variables: Record<string, string> = {}) {
  const env = { ...process.env, DATABASE_URL: log.urls.serverUrl, DATABASE_OWNER_URL: log.urls.ownerUrl, ...variables };
  return new Promise<{ code: unknown; stderr: string; stdout: string }>((resolve) =>
    execFile(process.execPath, ['dist/main.js', ...line.split(' ')], { env }, (error, stdout, stderr) =>
      resolve({ code: error?.code, stderr, stdout }),
    ),
  );
}

test.concurrent.each([
  ['verify --from 50 --to 10', 'Nothing lies from 50 to 10'],
  ['verify --from 999999', 'nothing is there from 999999 on'],
  ['verify --from x', 'A number of the audit trail is expected'],
  ['verify --archive /nowhere', '"/nowhere" is no folder of archives'],
  ['audit export --from 20 --to 1', 'Nothing lies from 20 to 1'],
  ['audit export --output package.json', 'is not written over'],
  ['audit export --output /nowhere/trail.jsonl', '/nowhere/trail.jsonl cannot be written'],
  ['archive --to /nowhere', 'Say what is old enough'],
  ['archive --before 2026-02-31 --to /nowhere', 'A number of days is expected'],
  ['archive --before 1 --to /proc/nowhere', 'No archive can be written to the folder "/proc/nowhere"'],
  ['bogus --help', "unknown command 'bogus'"],
  ['audit bogus --help', "unknown command 'bogus'"],
])(
  'the command `%s` says what is wrong and ends with 2',
  async (line, message) => {
    const { code, stdout, stderr } = await run(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  },
  30_000,
);

test('a trail that cannot be verified is not said to be changed: the command ends with 2', async () => {
  const admin = new URL(log.urls.serverUrl);
  admin.pathname = '/postgres';
  const [none, other, unnamed] = await Promise.all([
    run('verify', { DATABASE_URL: 'postgres://127.0.0.1:1/meshgate' }),
    run('verify', { DATABASE_URL: admin.href }),
    run('verify', { DATABASE_URL: '' }),
  ]);
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be reached') });
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('no database of Meshgate') });
  expect(unnamed).toMatchObject({ code: 2, stderr: expect.stringContaining('DATABASE_URL: is missing') });
}, 30_000);

test("nothing is archived, or told to be in order, with the server's login", async () => {
  const to = join(folder, 'archive');
  const { code, stdout, stderr } = await run(`archive --before 1 --to ${to}`, {
    DATABASE_OWNER_URL: log.urls.serverUrl,
  });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr.trim()).toMatch(/^The login \S+ does not own the database: name its owner's in DATABASE_OWNER_URL\.$/);
  expect(existsSync(to)).toBe(false);
}, 30_000);
