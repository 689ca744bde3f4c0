import type pg from 'pg';

/** Everybody who asks: each by his relation to logistics, which gives, finance, which reads, and customer, which has no part in it. */
export const ROLES = [
  'admin',
  'producer-owner',
  'producer-steward',
  'producer-member',
  'producer-machine',
  'deputy',
  'narrow-token',
  'requester',
  'consumer-owner',
  'consumer-steward',
  'consumer-member',
  'other-owner',
  'outsider',
] as const;
export type Role = (typeof ROLES)[number];

/** The requester has left finance since he asked; the deputy decides for the owner of logistics, and has no other part in it. */
export const SUBJECTS: Partial<Record<Role, string>> = {
  admin: 'ada.admin',
  'producer-owner': 'lena.fischer',
  'producer-steward': 'tomasz.nowak',
  'producer-member': 'elif.kaya',
  deputy: 'dora.deputy',
  requester: 'gone.asker',
  'consumer-owner': 'sofia.rossi',
  'consumer-steward': 'pierre.laurent',
  'consumer-member': 'oskar.lind',
  'other-owner': 'amina.diallo',
  outsider: 'otto.outsider',
};

export interface Answer {
  status: number;
  data: Record<string, unknown> | null;
  errors: { message: string; path?: (string | number)[]; extensions: { code: string } }[];
}

/** A mesh in which every field that there is has something to tell. */
export interface Scene {
  ask(role: Role, query: string, variables?: object): Promise<Answer>;
  tokenOf(role: Role): string;
  /** Global ids by what they name. */
  ids: Record<string, string>;
  owner: pg.Pool;
}

/** Words that some may read and others not, wherever they turn up. */
export const SECRETS = {
  principal: 'arn:aws:iam::444455556666:role/reader/matrix-principal',
  rowFilter: "carrier_code = 'MATRIX-FILTER'",
  answer: 'matrix-answer',
  comment: 'matrix-comment',
  verdict: 'matrix-verdict',
  reason: 'matrix-reason',
  role: 'role/matrix-crawler',
  token: 'matrix-token',
  machine: 'matrix-machine',
  draft: 'matrix-draft',
  webhook: 'matrix-webhook',
  quarantined: 'matrix-quarantined',
} as const;

/** What a scene is made with. */
export interface Kit {
  ask: Scene['ask'];
  change: (role: Role, name: string, input: object, fields: string) => Promise<Record<string, { id: string }>>;
  ids: Record<string, string>;
  owner: pg.Pool;
}

/** The row that a global id names. */
export const rowId = (id: string | undefined): string =>
  Buffer.from(id ?? '', 'base64url')
    .toString()
    .split(':')[1] ?? '';
