import { isObject, type JsonObject, memberOf, objectsOf, textOf } from './json.js';

/**
 * Who owns the contract: the member still there whose role is owner (`Owner`, `Data Owner`, `Data Product Owner`), else the contract's
 * custom property `owner`, else the team's name (v3.1.0), else the first member still there. The standard does not name an owner
 * otherwise. `team` is a list up to v3.0.x.
 */
export function ownerOf(document: unknown): string | undefined {
  const team = memberOf(document, 'team');
  const members = objectsOf(isObject(team) ? team.members : team).filter(
    (member) => textOf(member.dateOut) === undefined,
  );
  const owner = members.find((member) => /\bowner$/i.test(textOf(member.role) ?? ''));
  const stated = objectsOf(memberOf(document, 'customProperties')).find(({ property }) => property === 'owner');
  const named = nameOf(owner) ?? textOf(stated?.value) ?? textOf(memberOf(team, 'name'));
  return named ?? members.map(nameOf).find((name) => name !== undefined);
}

function nameOf(member: JsonObject | undefined): string | undefined {
  return textOf(member?.username) ?? textOf(member?.name);
}
