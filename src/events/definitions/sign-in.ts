import { TokenScope } from '../../generated/prisma/enums.js';
import { change, choice, EXAMPLE_UUID, list, nullable, optional, text, time } from '../fields.js';
import type { EventDefinition } from './definition.js';

const account = { subject: 'ServiceAccount', version: 1 } as const;
const token = { subject: 'PersonalAccessToken', version: 1 } as const;
const member = text('The subject by which it signs in.', 'service-account:commerce/loader');
const role = nullable(text('Its role in the domain; null: none.', 'MEMBER'));
const tokenId = text('Names the secret; it is not the secret.', EXAMPLE_UUID);
const expiresAt = time('When it stops to be good.');
const holder = text('Whose it is.', 'nina.sommer');

/** What happens to the machines of a domain, and to the tokens that people make for programs. */
export const signInEvents = {
  ServiceAccountRegistered: {
    ...account,
    says: 'A machine became a member of a domain.',
    data: {
      ...{ member, role, tokenId: optional(tokenId), expiresAt: optional(expiresAt) },
      issuer: nullable(text('Where it signs in; null: with a secret of Meshgate.', 'https://token.example.com')),
    },
  },
  ServiceAccountRemoved: {
    ...account,
    says: 'A service account was removed.',
    data: { member, ...change({ role }) },
  },
  ServiceAccountSecretCreated: {
    ...account,
    says: 'A service account got a new secret.',
    data: { member, tokenId, expiresAt },
  },
  ServiceAccountSecretRevoked: {
    ...account,
    says: 'A secret of a service account was revoked.',
    data: { member, tokenId },
  },
  TokenCreated: {
    ...token,
    says: 'Somebody made a personal access token.',
    data: {
      holder,
      scopes: list(choice(TokenScope, 'A scope.', 'CATALOGUE_READ'), 'What it is good for.'),
      expiresAt,
    },
  },
  TokenRevoked: { ...token, says: 'A personal access token was revoked.', data: { holder } },
} as const satisfies Record<string, EventDefinition>;
