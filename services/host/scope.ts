import type { Caller } from './room.ts';

/** Whose rows a caller sees: all of the DISCOM's, an organisation's, or one participant's. */
export type Scope = { readonly discom: string; readonly organisation: string | null; readonly participant: string | null };

export function scopeOf(caller: Caller): Scope {
  const { discom, roles, organisation, participant } = caller;
  if (roles.some((role) => role === 'operator' || role === 'verifier' || role === 'room'))
    return { discom, organisation: null, participant: null };
  if (roles.some((role) => role === 'aggregator' || role === 'cpo')) return { discom, organisation, participant: null };
  return { discom, organisation: null, participant };
}

/** Within which a command id is unique. Consumers have no organisation: their command ids are theirs alone. */
export const commandScope = (caller: Caller): string =>
  scopeOf(caller).participant === null ? caller.organisation : `participant/${caller.participant}`;
