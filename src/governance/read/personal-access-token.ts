import { INTERACTIVE } from '../token-scope.js';
import { plain, raw, type Shape } from './select.js';
import { seesToken } from './visible.js';

export const personalAccessTokenShape: Shape = {
  type: 'PersonalAccessToken',
  from: raw('"PersonalAccessToken"'),
  always: ['id'],
  columns: plain('id', 'subject', 'name', 'scopes', 'createdAt', 'expiresAt', 'lastUsedAt', 'revokedAt', 'revokedBy'),
  relations: {},
  scope: INTERACTIVE,
  visible: seesToken,
};
