import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { commands } from '../src/main.js';
import { readConfig, readMigrateConfig } from '../src/server/config.js';
import { describeVariables } from '../src/server/config-variables.js';

const complete = {
  DATABASE_URL: 'postgres://meshgate:secret@db:5432/meshgate',
  MESHGATE_ISSUERS: '[{"issuer":"https://id.example","jwksUri":"https://id.example/jwks","audience":"meshgate"}]',
  MESHGATE_GOVERNANCE_ACCOUNT: '111122223333',
  MESHGATE_REGION: 'eu-central-1',
  MESHGATE_GOVERNANCE_ROLE_ARN: 'arn:aws:iam::111122223333:role/meshgate',
  MESHGATE_DATA_ACCESS_ROLE_ARN: 'arn:aws:iam::111122223333:role/lake-access',
  MESHGATE_EVENT_TARGET_ROLE_ARN: 'arn:aws:iam::111122223333:role/events',
};

const API = { serve: true, work: false };
const WORKER = { serve: false, work: true };

function mistakes(environment: Record<string, string>, parts = { serve: true, work: true }): string {
  try {
    readConfig(environment, parts);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

describe('configuration', () => {
  it('is complete with what it requires, and careful by default', () => {
    const config = readConfig(complete);
    expect(config).toMatchObject({ port: 4000, host: '127.0.0.1', driftPeriodSeconds: 900, aws: { endpoint: null } });
    expect(config).toMatchObject({ introspection: false, graphiql: false });
    expect(config.issuers[0]).toMatchObject({ audience: ['meshgate'], typ: null, maxTokenAgeSeconds: 86_400 });
  });

  it('gives a worker enough connections beside those that it keeps for itself', () => {
    const few = { ...complete, DATABASE_POOL_SIZE: '4' };
    expect(readConfig(few, API).poolSize).toBe(4);
    expect(() => readConfig(few, WORKER)).toThrow('DATABASE_POOL_SIZE: must be 5 at least where `work` runs');
    expect(readConfig({ ...complete, DATABASE_POOL_SIZE: '5' }, WORKER).poolSize).toBe(5);
  });

  it('lists every mistake together', () => {
    const message = mistakes({
      ...complete,
      DATABASE_URL: 'mysql://db',
      PORT: '70000',
      MESHGATE_REGION: '',
      MESHGATE_DRIFT_PERIOD: '15 minutes',
      MESHGATE_REGON: 'eu-central-1',
      MESHGATE_ISSUERS: '[{"issuer":"a","jwksUri":"http://id.example/jwks"}]',
    });
    expect(
      message
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(':')[0])
        .sort(),
    ).toEqual([
      'DATABASE_URL',
      'MESHGATE_DRIFT_PERIOD',
      'MESHGATE_ISSUERS.0.audience',
      'MESHGATE_ISSUERS.0.jwksUri',
      'MESHGATE_REGION',
      'MESHGATE_REGON',
      'PORT',
    ]);
    expect(message).toContain('MESHGATE_REGION: is missing');
  });

  it("never trusts the sandbox's issuer on a network address", () => {
    const issuers = '[{"issuer":"urn:meshgate:sandbox","jwksUri":"http://127.0.0.1:4010/jwks","audience":"meshgate"}]';
    expect(mistakes({ ...complete, MESHGATE_ISSUERS: issuers, HOST: '0.0.0.0' })).toContain(
      'HOST: must be on loopback',
    );
    expect(mistakes({ ...complete, MESHGATE_ISSUERS: issuers, HOST: '127.0.0.1' })).toBe('');
  });

  it('keeps subjects of issuers apart from one another and from its own', () => {
    const issuer = (name: string, more: object) => ({
      issuer: name,
      jwksUri: 'https://id.example/jwks',
      audience: 'meshgate',
      ...more,
    });
    const problem = (...list: object[]) => mistakes({ ...complete, MESHGATE_ISSUERS: JSON.stringify(list) });
    expect(problem(issuer('a', { subjectPrefix: 'a:' }), issuer('b', { subjectPrefix: 'b:', kind: 'MACHINE' }))).toBe(
      '',
    );
    expect(problem(issuer('a', {}), issuer('b', { subjectPrefix: 'b:' }))).toContain('a subjectPrefix each');
    expect(problem(issuer('a', { subjectPrefix: 'a' }), issuer('b', { subjectPrefix: 'ab' }))).toContain(
      'begins another',
    );
    expect(problem(issuer('a', { subjectPrefix: 'a:' }), issuer('a', { subjectPrefix: 'b:' }))).toContain('twice');
    expect(problem(issuer('a', { subjectPrefix: 'service-account:x' }))).toContain('reserved');
    expect(problem(issuer('a', { kind: 'ROBOT' }))).toContain('must be PERSON or MACHINE');
  });

  it('never prints a secret, however wrong it is or wherever it was put', () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgate-config-'));
    const file = join(folder, 'url');
    writeFileSync(file, 'postgers://meshgate:hunter2@db/meshgate');
    const { DATABASE_URL: _, ...rest } = complete;
    const told = [
      mistakes({ ...rest, DATABASE_URL: 'postgers://meshgate:hunter2@db/meshgate' }),
      mistakes({ ...rest, DATABASE_URL_FILE: file }),
      mistakes({ ...complete, MESHGATE_ISSUERS: 'postgres://meshgate:hunter2@db/meshgate' }),
      mistakes({ ...complete, MESHGATE_ISSUERS: '[{"issuer":"hunter2","jwksUri":"hunter2"}]' }),
      mistakes({ ...complete, MESHGATE_LOG_LEVEL: 'hunter2', MESHGATE_AWS_ENDPOINT: 'https://a:hunter2@evil.test' }),
    ];
    for (const message of told) {
      expect(message).toContain('mistake(s)');
      expect(message).not.toContain('hunter2');
    }
    rmSync(folder, { recursive: true });
  });

  it('takes every variable from a file, for migrate too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgate-config-'));
    const files = Object.entries(complete).map(([name, value]) => {
      writeFileSync(join(folder, name), `${value}\n`);
      return [`${name}_FILE`, join(folder, name)];
    });
    expect(readConfig(Object.fromEntries(files))).toEqual(readConfig(complete));
    writeFileSync(join(folder, 'owner'), 'postgres://owner:secret@db/meshgate');
    const { ownerUrl } = readMigrateConfig({ DATABASE_OWNER_URL_FILE: join(folder, 'owner') });
    expect(ownerUrl).toBe('postgres://owner:secret@db/meshgate');
    rmSync(folder, { recursive: true });
  });

  it('takes origins by their full names alone, and a public URL', () => {
    const { allowedOrigins, publicUrl } = readConfig({
      ...complete,
      MESHGATE_ALLOWED_ORIGINS: 'https://portal.example, http://localhost:3000',
      MESHGATE_PUBLIC_URL: 'https://mesh.example/graphql',
    });
    expect(allowedOrigins).toEqual(['https://portal.example', 'http://localhost:3000']);
    expect(publicUrl).toBe('https://mesh.example/graphql');
    for (const origin of ['*', 'https://*.example', 'portal.example', 'https://portal.example/', 'null']) {
      expect(mistakes({ ...complete, MESHGATE_ALLOWED_ORIGINS: origin }), origin).toContain('MESHGATE_ALLOWED_ORIGINS');
    }
    expect(mistakes({ ...complete, MESHGATE_PUBLIC_URL: 'mesh.example' })).toContain('MESHGATE_PUBLIC_URL');
  });

  it('runs trusted documents alone only where there are some', () => {
    const only = { ...complete, MESHGATE_TRUSTED_DOCUMENTS_ONLY: 'true' };
    expect(mistakes(only)).toContain('MESHGATE_TRUSTED_DOCUMENTS_ONLY: needs MESHGATE_TRUSTED_DOCUMENTS');
    const { trustedDocuments } = readConfig({ ...only, MESHGATE_TRUSTED_DOCUMENTS: '/etc/meshgate/documents.json' });
    expect(trustedDocuments).toEqual({ path: '/etc/meshgate/documents.json', only: true });
  });

  it('wants its roles in the governance account', () => {
    const arn = 'arn:aws:iam::999999999999:role/lake-access';
    expect(mistakes({ ...complete, MESHGATE_DATA_ACCESS_ROLE_ARN: arn })).toContain(
      'must be in the governance account',
    );
  });

  it('takes a secret from a file, and says when it is given twice or cannot be read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'meshgate-config-'));
    const file = join(folder, 'url');
    writeFileSync(file, 'postgres://from:file@db/meshgate\n');
    const { DATABASE_URL, ...rest } = complete;
    expect(readConfig({ ...rest, DATABASE_URL_FILE: file }).databaseUrl).toBe('postgres://from:file@db/meshgate');
    expect(mistakes({ ...rest, DATABASE_URL, DATABASE_URL_FILE: file })).toContain('given twice');
    expect(mistakes({ ...rest, DATABASE_URL_FILE: join(folder, 'none') })).toContain(
      'DATABASE_URL_FILE: cannot be read',
    );
    rmSync(folder, { recursive: true });
  });

  it('asks migrate for the owner alone', () => {
    expect(readMigrateConfig({ DATABASE_OWNER_URL: 'postgres://owner@db/meshgate' }).logLevel).toBe('info');
    expect(() => readMigrateConfig({})).toThrow('DATABASE_OWNER_URL: is missing');
  });

  it('explains every variable', () => {
    const help = describeVariables('serve');
    for (const name of Object.keys(complete)) expect(help).toContain(`${name} (required)`);
    expect(help).toContain('PORT (default 4000)');
    expect(help).not.toContain('undefined');
    expect(help).not.toContain('DATABASE_OWNER_URL');
    expect(listed('migrate')).toEqual(['DATABASE_OWNER_URL', 'MESHGATE_LOG_LEVEL']);
  });

  it.each([
    ['serve', API],
    ['work', WORKER],
  ] as const)('lists to %s what it reads, and no more', (command, parts) => {
    const unreadable = [...listed('serve'), ...listed('work')].map((name) => [`${name}_FILE`, '/nowhere']);
    const read = mistakes(Object.fromEntries(unreadable), parts).match(/\w+(?=_FILE: cannot be read)/g);
    expect(read?.sort()).toEqual(listed(command).sort());
  });

  it('lets neither the API nor a worker stumble over what the other one alone reads', () => {
    expect(listed('work')).not.toContain('MESHGATE_ISSUERS');
    const { MESHGATE_ISSUERS: _, ...worker } = complete;
    expect(mistakes({ ...worker, MESHGATE_ADDRESS_RATE: 'x', MESHGATE_GRAPHIQL: 'x' }, WORKER)).toBe('');
    expect(mistakes({ ...complete, MESHGATE_DRIFT_PERIOD: 'x' }, API)).toBe('');
  });

  it('names defaults as they would be given', () => {
    const shown = [
      ...`${describeVariables('serve')}${describeVariables('work')}`.matchAll(/(\w+) \(default (.*)\)$/gm),
    ];
    expect(shown.length).toBeGreaterThan(10);
    for (const [, name = '', value = ''] of shown)
      expect(readConfig({ ...complete, [name]: value }), name).toEqual(readConfig(complete));
  });

  it('wants a drift period that passes', () => {
    expect(readConfig({ ...complete, MESHGATE_DRIFT_PERIOD: 'PT1H30S' }).driftPeriodSeconds).toBe(3_630);
    for (const period of ['PT0S', '900', 'PT'])
      expect(mistakes({ ...complete, MESHGATE_DRIFT_PERIOD: period })).toContain('such as PT15M');
  });
});

const listed = (command: Parameters<typeof describeVariables>[0]): string[] =>
  [...describeVariables(command).matchAll(/^ {2}(\w+)/gm)].flatMap(([, name]) => name ?? []);

describe('the help of a command', () => {
  const helpOf = (line: string): string => {
    let text = '';
    const command = line
      .split(' ')
      .reduce<Command>((above, name) => above.commands.find((one) => one.name() === name) ?? above, commands());
    command.configureOutput({ writeOut: (more) => (text += more) }).outputHelp();
    return text;
  };

  it.each([
    ['start', 'start'],
    ['serve', 'serve'],
    ['work', 'work'],
    ['migrate', 'migrate'],
    ['archive', 'archive'],
    ['verify', 'audit'],
    ['audit export', 'audit'],
  ] as const)('of %s names the variables that it reads', (command, variables) => {
    expect(helpOf(command)).toContain(`Usage: meshgate ${command}`);
    expect(helpOf(command)).toContain(describeVariables(variables));
  });
});
